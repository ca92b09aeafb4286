"""NVIDIA GPUs through a small library that is compiled here and answers as nvml.h says."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from farm_agent.sensors import SensorError, nvml, nvml_throttle
from tests.support import need

# Two GPUs: handle 1 has everything, handle 2 no energy counter (as before Volta). LOST makes calls fail.
SOURCE = r"""
#include <stdlib.h>
typedef unsigned long long wide;
static int started = 0;
int nvmlInit_v2(void) { if (getenv("FAKE_NO_DRIVER")) return 9; started++; return 0; }
int nvmlShutdown(void) { started--; return 0; }
const char *nvmlErrorString(int status) {
  return status == 9 ? "Driver Not Loaded" : status == 15 ? "GPU is lost" : "Some Error"; }
int nvmlDeviceGetCount_v2(unsigned *count) { *count = 2; return 0; }
int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **gpu) { *gpu = (void *)(wide)(index + 1); return 0; }
static int state(void) { return getenv("FAKE_LOST") ? 15 : getenv("FAKE_TEGRA") ? 3 : 0; }
int nvmlDeviceGetTotalEnergyConsumption(void *gpu, wide *mj) {
  if (state()) return state();
  if (gpu == (void *)2) return 3;
  *mj = 5000000123456ULL; return 0; }
int nvmlDeviceGetPowerUsage(void *gpu, unsigned *mw) { *mw = 71234; return state(); }
int nvmlDeviceGetTemperature(void *gpu, int kind, unsigned *c) { *c = kind == 0 ? 61 : 0; return state(); }
int nvmlDeviceGetClockInfo(void *gpu, int kind, unsigned *mhz) {
  *mhz = kind == 2 ? 9501 : 1980; return state(); }
int nvmlDeviceGetCurrentClocksThrottleReasons(void *gpu, wide *bits) { *bits = 0x25; return state(); }
"""


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Compiled once."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    need(compiler, "no C compiler")
    folder = tmp_path_factory.mktemp("nvml")
    (folder / "fake.c").write_text(SOURCE)
    built = folder / "libfake-nvml.so"
    subprocess.run(
        [str(compiler), "-shared", "-fPIC", "-o", str(built), str(folder / "fake.c")], check=True, timeout=60
    )
    return str(built)


def test_the_counter_is_preferred_and_power_fills_in(library: str) -> None:
    """Millijoules beyond 32 bits; the GPU without a counter tells its power."""
    sensor = nvml.open(library)
    values = sensor.read()
    sensor.close()

    assert values == pytest.approx({"gpu0/energy": 5000000123.456, "gpu1/power": 71.234})
    assert [(channel.kind, channel.scope) for channel in sensor.channels] == [
        ("energy_j", "gpu"),
        ("power_w", "gpu"),
    ]


def test_reasons_of_throttling_have_names(library: str) -> None:
    """0x25: idle, power cap, software thermal; idle is no throttling. The old name of the call will do."""
    sensor = nvml_throttle.open(library)
    values = sensor.read()
    sensor.close()

    assert {name for name, value in values.items() if value == 1.0} == {
        f"gpu{index}/{reason}" for index in (0, 1) for reason in ("power-cap", "software-thermal")
    }
    assert values["gpu0/temperature"] == 61.0
    assert values["gpu0/graphics"] == 1_980_000.0
    assert values["gpu1/memory"] == 9_501_000.0


def test_a_jetson_answers_not_supported_and_is_sent_to_its_own_sensor(
    library: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """NVML initialises there, counts one GPU, and knows nothing of it."""
    monkeypatch.setenv("FAKE_TEGRA", "1")

    for module in (nvml, nvml_throttle):
        found = module.probe(library)
        assert "NOT_SUPPORTED" in found.unavailable
        assert "ina3221" in found.fix


def test_a_lost_gpu_is_an_error_not_a_zero(library: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the middle of a run, in NVML's own words."""
    sensor = nvml.open(library)
    monkeypatch.setenv("FAKE_LOST", "1")

    with pytest.raises(SensorError, match="GPU is lost") as caught:
        sensor.read()
    assert caught.value.code == "sensor.silent"
    sensor.close()


def test_a_driver_that_is_not_loaded_is_told(library: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The library is there, the driver is not."""
    monkeypatch.setenv("FAKE_NO_DRIVER", "1")

    assert "Driver Not Loaded" in nvml.probe(library).unavailable


def test_a_machine_without_the_library_says_so() -> None:
    """As here."""
    found = nvml.probe("/nonexistent/libnvidia-ml.so.1")

    assert "cannot load" in found.unavailable
    assert "driver" in found.fix
