"""Sensors that are files of the kernel: temperatures, clocks, cooling devices, x86's throttle counters."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farm_agent import observe_traces
from farm_agent.messages.observed import Observed
from farm_agent.messages.traces import Channel, Trace
from farm_agent.record import NO_VALUE
from farm_agent.sensors import SensorError, cooling, cpufreq, thermal, x86_throttle
from farm_agent.sensors.common import sysfiles
from tests.agents.sensors.parts import tree

ZONE = "sys/class/thermal/thermal_zone"
COOLING = "sys/class/thermal/cooling_device"
POLICY = "sys/devices/system/cpu/cpufreq/policy"
# Types and states of an Orin Nano on JetPack 6; cv0-thermal is gated while nothing runs there.
ORIN = {
    f"{ZONE}0/type": "cpu-thermal",
    f"{ZONE}0/temp": "53968",
    f"{ZONE}1/type": "gpu-thermal",
    f"{ZONE}1/temp": "53343",
    f"{ZONE}2/type": "cv0-thermal",
    f"{ZONE}2/temp": "-256000",
    f"{ZONE}10/type": "tj-thermal",
    f"{ZONE}10/temp": "53968",
    f"{COOLING}0/type": "cpufreq-cpu0",
    f"{COOLING}0/cur_state": "0",
    f"{COOLING}1/type": "pwm-fan",
    f"{COOLING}1/cur_state": "3",
    f"{COOLING}2/type": "gpu-throttle-alert",
    f"{COOLING}2/cur_state": "1",
}


def test_zones_are_read_in_degrees_and_a_gated_one_is_missing(tmp_path: Path) -> None:
    """-256 degrees is a switched-off unit: the channel is there, its value is not."""
    sensor = thermal.open(tree(tmp_path, ORIN))

    assert [channel.name for channel in sensor.channels] == [
        "thermal_zone0:cpu-thermal",
        "thermal_zone1:gpu-thermal",
        "thermal_zone2:cv0-thermal",
        "thermal_zone10:tj-thermal",
    ]
    assert sensor.read() == pytest.approx(
        {
            "thermal_zone0:cpu-thermal": 53.968,
            "thermal_zone1:gpu-thermal": 53.343,
            "thermal_zone10:tj-thermal": 53.968,
        }
    )


def test_the_pmic_zone_of_a_jetson_nano_is_no_temperature(tmp_path: Path) -> None:
    """It reads 100 degrees on a cool board, which would look like heat."""
    files = {f"{ZONE}0/type": "CPU-therm", f"{ZONE}0/temp": "36500"}
    files.update({f"{ZONE}1/type": "PMIC-Die", f"{ZONE}1/temp": "100000"})

    assert thermal.open(tree(tmp_path, files)).read() == {"thermal_zone0:CPU-therm": 36.5}


def test_a_sensor_that_vanishes_is_an_error_with_its_reason(tmp_path: Path) -> None:
    """The zone's folder goes away between two reads."""
    sensor = thermal.open(tree(tmp_path, {f"{ZONE}0/type": "x86_pkg_temp", f"{ZONE}0/temp": "41000"}))
    assert sensor.read() == {"thermal_zone0:x86_pkg_temp": 41.0}
    (tmp_path / f"{ZONE}0/temp").unlink()

    with pytest.raises(SensorError) as caught:
        sensor.read()
    assert caught.value.code == "sensor.silent"
    assert "No such file" in caught.value.message


def test_a_unit_that_is_off_is_no_problem_and_one_that_goes_away_is() -> None:
    """On every Jetson some zone is gated; a zone that had values and lost them is worth a note."""
    channels = [Channel(name, "temperature_c") for name in ("cpu", "gated", "lost")]
    cpu = Trace("thermal", channels[0], (1, 2), (50.0, 51.0))
    gated = Trace("thermal", channels[1], missed=2, problem=NO_VALUE)
    lost = Trace("thermal", channels[2], (1,), (50.0,), missed=1, problem=NO_VALUE)
    dead = Trace("pmic", channels[1], missed=2, problem=NO_VALUE)

    told, _ = observe_traces.summarise(Observed(), [cpu, gated, lost, dead], observe_traces.Clocks())

    assert [problem.partition(":")[0] for problem in told.problems] == ["thermal lost", "pmic gated"]


@pytest.mark.parametrize("module", [thermal, cpufreq, cooling, x86_throttle])
def test_a_machine_without_the_files_says_so(tmp_path: Path, module: object) -> None:
    """An empty /sys: probe tells, open raises, both with something to do."""
    probe = module.probe(tmp_path)  # type: ignore[attr-defined]
    assert "no " in probe.unavailable
    assert probe.fix
    with pytest.raises(SensorError) as caught:
        module.open(tmp_path)  # type: ignore[attr-defined]
    assert caught.value.code == "sensor.unavailable"


def test_clocks_and_governors_of_two_clusters(tmp_path: Path) -> None:
    """A little and a big cluster, as on an RK3588 or a phone."""
    root = tree(
        tmp_path,
        {
            f"{POLICY}0/scaling_cur_freq": "1800000",
            f"{POLICY}0/scaling_governor": "schedutil",
            f"{POLICY}4/scaling_cur_freq": "2256000",
            f"{POLICY}4/scaling_governor": "performance",
        },
    )

    assert cpufreq.open(root).read() == {"policy0": 1_800_000, "policy4": 2_256_000}
    assert cpufreq.governors(root) == {"policy0": "schedutil", "policy4": "performance"}
    assert not cpufreq.probe(root).unavailable


@pytest.mark.parametrize(
    ("device_type", "slows"),
    [
        ("Processor", True),
        ("cpufreq-cpu0", True),
        ("thermal-cpufreq-0", True),
        ("thermal-devfreq-0", True),
        ("gpu-throttle-alert", True),
        ("cpu-balanced", True),
        ("something new", True),
        ("pwm-fan", False),
        ("Fan", False),
        ("LCD", False),
        ("iwlwifi_1", False),
        ("TCC Offset", False),
    ],
)
def test_which_cooling_devices_slow_computing_down(device_type: str, slows: bool) -> None:
    """A fan that turns is no throttling; a device that nobody knows counts as one that slows."""
    assert cooling.slows(device_type) is slows


def test_a_fans_state_is_of_another_kind_than_throttling(tmp_path: Path) -> None:
    """Whoever looks for throttling looks at the kind throttle_state alone."""
    sensor = cooling.open(tree(tmp_path, ORIN))

    kinds = {channel.name: channel.kind for channel in sensor.channels}
    assert kinds["cooling_device1:pwm-fan"] == "count"
    assert kinds["cooling_device2:gpu-throttle-alert"] == "throttle_state"
    assert sensor.read()["cooling_device2:gpu-throttle-alert"] == 1


def test_a_power_clamp_that_is_off_is_left_out(tmp_path: Path) -> None:
    """intel_powerclamp reads -1 while it is not in use."""
    files = {f"{COOLING}0/type": "intel_powerclamp", f"{COOLING}0/cur_state": "-1"}
    files.update({f"{COOLING}1/type": "Processor", f"{COOLING}1/cur_state": "0"})

    assert cooling.open(tree(tmp_path, files)).read() == {"cooling_device1:Processor": 0}


def test_x86_counters_of_cores_and_packages(tmp_path: Path) -> None:
    """Those that a processor lacks are no channels."""
    cpu = "sys/devices/system/cpu/cpu"
    root = tree(
        tmp_path,
        {
            f"{cpu}0/thermal_throttle/core_throttle_count": "12",
            f"{cpu}0/thermal_throttle/core_throttle_total_time_ms": "340",
            f"{cpu}0/thermal_throttle/package_throttle_count": "15",
            f"{cpu}1/thermal_throttle/core_throttle_count": "0",
            "sys/devices/system/cpu/cpufreq/policy0/scaling_cur_freq": "1",
        },
    )
    sensor = x86_throttle.open(root)

    assert sensor.read() == {
        "cpu0/core_throttle_count": 12,
        "cpu0/core_throttle_total_time_ms": 340,
        "cpu0/package_throttle_count": 15,
        "cpu1/core_throttle_count": 0,
    }
    assert {channel.kind for channel in sensor.channels} == {"throttle_count", "throttle_time_ms"}


@given(st.text(max_size=40))
def test_any_text_is_a_temperature_or_none(text: str) -> None:
    """Also digits of other scripts, signs, blanks and overflow."""
    value = thermal.parse_millidegrees(text)

    assert value is None or -60 <= value <= 200
    assert sysfiles.parse_integer(text) is None or abs(sysfiles.parse_integer(text) or 0) < 10**19


@pytest.mark.parametrize(
    ("text", "celsius"), [("53968", 53.968), ("-256000", None), ("", None), ("4.2", None)]
)
def test_millidegrees(text: str, celsius: float | None) -> None:
    """The file's own form alone."""
    assert thermal.parse_millidegrees(text) == celsius
