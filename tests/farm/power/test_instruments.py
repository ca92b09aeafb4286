"""Meters that are instruments of this machine: an INA, a Joulescope."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from farm import power
from farm.power import MeterError, MeterSettings, joulescope


def ina_folder(root: Path, *chips: str) -> Path:
    """What the kernel's driver for the INA226 shows, with a shunt of 10 milliohm."""
    for index, chip in enumerate(chips):
        folder = root / f"sys/class/hwmon/hwmon{index}"
        folder.mkdir(parents=True)
        files = {"name": chip, "power1_input": "2350000", "in1_input": "5000", "curr1_input": "470"}
        for name, text in {**files, "shunt_resistor": "10000", "update_interval": "36"}.items():
            (folder / name).write_text(text + "\n")
    return root


def test_an_ina_on_this_machine_is_a_meter(tmp_path: Path) -> None:
    """Watts, input scope, the chip's own step."""
    root = ina_folder(tmp_path, "ina226")
    meter = power.open_meter(MeterSettings("wire", "ina2xx", "", {"root": str(root)}))

    ((_, watts),) = meter.read()

    assert watts == pytest.approx(2.35)
    assert meter.channel.scope == "input"
    assert meter.channel.quantum == pytest.approx(2.5e-6 / 0.01 * 25)


def test_of_two_chips_none_is_guessed(tmp_path: Path) -> None:
    """Their names are told."""
    root = ina_folder(tmp_path, "ina226", "ina219")
    with pytest.raises(MeterError, match="hwmon0:ina226, hwmon1:ina219") as caught:
        power.open_meter(MeterSettings("wire", "ina2xx", "", {"root": str(root)}))
    assert caught.value.code == "meter.missing"
    chosen = {"root": str(root), "chip": "hwmon1:ina219"}
    assert len(power.open_meter(MeterSettings("wire", "ina2xx", "", chosen)).read()) == 1


def test_no_chip_is_told(tmp_path: Path) -> None:
    """With what to do."""
    with pytest.raises(MeterError) as caught:
        power.open_meter(MeterSettings("wire", "ina2xx", "", {"root": str(tmp_path)}))
    assert caught.value.code == "meter.missing"
    assert caught.value.fix


def test_joulescope_without_its_package_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """An extra that nobody needs who has no instrument."""
    monkeypatch.setitem(sys.modules, "pyjoulescope_driver", None)

    with pytest.raises(MeterError) as caught:
        power.open_meter(MeterSettings("js", "joulescope"))
    assert caught.value.code == "meter.missing"
    assert "edgefarm[joulescope]" in caught.value.fix


class FakeDriver:
    """The calls of pyjoulescope_driver that its own statistics command makes, without an instrument."""

    def __init__(self) -> None:
        self.topics: dict[str, Any] = {}
        self.callback: Callable[[str, Any], None] | None = None

    def device_paths(self) -> list[str]:
        return ["u/js220/000415"]

    def open(self, path: str) -> None:
        self.topics[path] = "open"

    def publish(self, topic: str, value: object) -> None:
        self.topics[topic] = value

    def subscribe(self, topic: str, flags: str, callback: Callable[[str, Any], None]) -> None:
        self.topics[topic] = flags
        self.callback = callback

    def close(self, path: str) -> None:
        self.topics[path] = "closed"

    def finalize(self) -> None:
        raise OSError("unplugged")


def test_joulescope_statistics_are_a_counter_of_energy() -> None:
    """What its accumulator says; statistics without energy are an error, not a value."""
    driver = FakeDriver()
    meter = joulescope.Joulescope(
        driver, "u/js220/000415", MeterSettings("js", "joulescope").channel("input")
    )
    meter.begin()
    assert driver.topics["u/js220/000415/s/stats/ctrl"] == 1
    assert driver.callback is not None
    for joules in (1.0, 1.5):
        driver.callback("t", {"accumulators": {"energy": {"value": joules, "units": "J"}}})
    assert [value for _, value in meter.read()] == [1.0, 1.5]
    driver.callback("t", {"accumulators": {}})
    with pytest.raises(MeterError) as caught:
        meter.read()
    assert caught.value.code == "meter.garbled"
    meter.close()
