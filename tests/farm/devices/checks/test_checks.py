"""What a look at a device means: every finding that warns says what to do about it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from farm.devices.checks import clocks, load, memory, phone, power, runtimes, sensing
from farm.devices.finding import FAIL, OK, WARN, Finding
from farm_agent.messages.checkup import Neighbour, PowerSupply, SensorReading, Surroundings, Trial
from farm_agent.messages.traces import Channel
from farm_agent.wire import Facts, RuntimeFact
from farm_profiles.load import load_profile

DOCS = Path(__file__).parents[4] / "docs" / "doctor.md"
QUIET = Surroundings(
    governors={"policy0": "performance"},
    turbo=False,
    cpu_pressure_pct=0.3,
    memory_pressure_pct=0.0,
    io_pressure_pct=0.0,
    load_1m=0.1,
    cores=4,
    steal_pct=0.0,
    memory_bytes=4_000_000_000,
    available_bytes=3_000_000_000,
    swap_bytes=100_000_000,
    swap_free_bytes=100_000_000,
    clock_synchronised=True,
    clocksource="arch_sys_counter",
    scheduler="other",
    rt_runtime_us=950_000,
    rt_period_us=1_000_000,
    passive_c=80.0,
)


def findings(seen: Surroundings) -> dict[str, Finding]:
    found: list[Finding] = []
    for part in (load, memory, clocks, power):
        found += part.check("board", seen)
    return {each.check: each for each in found}


def sensed(*readings: SensorReading, seen: Surroundings = QUIET, profile: str = "rpi5") -> dict[str, Finding]:
    return {each.check: each for each in sensing.check("board", readings, seen, load_profile(profile))}


def reading(sensor: str, kind: str, value: float, purpose: str = "telemetry") -> SensorReading:
    return SensorReading(sensor, purpose, (Channel("it", kind),), {"it": value})


def test_a_quiet_device_has_nothing_to_warn_of() -> None:
    assert {each.state for each in findings(QUIET).values()} == {OK}


@pytest.mark.parametrize(
    ("check", "change"),
    [
        ("load", {"cpu_pressure_pct": 6.0}),
        ("load", {"cpu_pressure_pct": None}),
        ("load", {"neighbours": (Neighbour("make", 812, "ada", 97.0),)}),
        ("other jobs", {"package_jobs": ("apt-get (812)",)}),
        ("package timers", {"package_timers": ("apt-daily.timer",)}),
        ("virtual machine", {"virtual_machine": "QEMU"}),
        ("memory", {"available_bytes": 200_000_000}),
        ("memory", {"memory_pressure_pct": 2.0}),
        ("swap", {"swap_free_bytes": 40_000_000}),
        ("governor", {"governors": {"policy0": "performance", "policy4": "schedutil"}}),
        ("governor", {"governors": {}}),
        ("turbo", {"turbo": True}),
        ("clock source", {"clocksource": "hpet", "clocksources": ("tsc", "hpet")}),
        ("clock source", {"clocksource": ""}),
        ("time service", {"clock_synchronised": False}),
        ("real-time limit", {"scheduler": "fifo"}),
        ("battery", {"supplies": (PowerSupply("BAT0", "Battery", "Discharging", 80),)}),
        ("battery", {"supplies": (PowerSupply("BAT0", "Battery", "Charging", 80),)}),
        ("battery", {"supplies": (PowerSupply("BAT0", "Battery", "Not charging", 9),)}),
    ],
)
def test_what_disturbs_is_a_warning_with_a_fix_and_a_section(check: str, change: dict[str, object]) -> None:
    found = findings(replace(QUIET, **change))  # type: ignore[arg-type]

    assert found[check].state == WARN
    assert found[check].fix
    assert [each.check for each in found.values() if each.state != OK] == [check]
    assert f"\n## {check}\n" in DOCS.read_text()


def test_a_phone_is_told_what_helps_on_a_phone() -> None:
    """What Android never shows is no warning; nothing asks for root or another kernel."""
    hidden = replace(QUIET, cpu_pressure_pct=None, governors={}, clocksource="")
    told = {check: phone.worded(each, hidden) for check, each in findings(hidden).items()}
    assert {each.state for each in told.values()} == {OK}
    assert "Android shows no pressure" in told["load"].text

    busy = replace(
        hidden, neighbours=(Neighbour("camera", 812, "u0_a1", 97.0),), clock_synchronised=False,
        swap_free_bytes=40_000_000, available_bytes=200_000_000, governors={"policy0": "schedutil"},
    )  # fmt: skip
    told = {check: phone.worded(each, busy) for check, each in findings(busy).items()}
    assert {check for check, each in told.items() if each.state == WARN} == {
        "load", "time service", "swap", "memory", "governor",
    }  # fmt: skip
    for each in told.values():
        assert not any(word in each.fix for word in ("sudo", "psi=1", "timedatectl", "lsmod")), each


def test_too_little_memory_for_any_runtime_is_a_failure() -> None:
    assert findings(replace(QUIET, available_bytes=10_000_000))["memory"].state == FAIL


def test_a_better_clock_source_is_named_where_there_is_one() -> None:
    seen = replace(QUIET, clocksource="hpet", clocksources=("hpet", "acpi_pm", "tsc"))

    assert findings(seen)["clock source"].fix.startswith("echo tsc |")


def test_a_charged_laptop_on_its_charger_is_fine() -> None:
    supplies = (PowerSupply("AC", "Mains", online=True), PowerSupply("BAT0", "Battery", "Full", 100))

    assert findings(replace(QUIET, supplies=supplies))["battery"].state == OK


def test_stolen_time_is_told_where_there_is_some() -> None:
    seen = replace(QUIET, virtual_machine="QEMU", steal_pct=12.0)

    assert "12 % of a CPU" in findings(seen)["virtual machine"].text


def test_sensors_of_the_profile_that_cannot_be_read_are_warned_of_and_others_only_named() -> None:
    found = sensed(
        SensorReading(
            "pmic", "power", code="sensor.unavailable", problem="cannot run vcgencmd", fix="install it"
        ),
        SensorReading("rapl", "power", code="sensor.unavailable", problem="no counter", fix="modprobe it"),
        reading("thermal", "temperature_c", 41.0),
    )

    assert (found["sensor pmic"].state, found["sensor pmic"].fix) == (WARN, "install it")
    assert "sensor rapl" not in found
    assert "rapl" in found["other sensors"].text
    assert "41 °C" in found["sensor thermal"].text
    assert found["energy"].state == OK


def test_a_sensor_that_may_not_be_read_is_warned_of_even_where_no_profile_wants_it() -> None:
    found = sensed(
        SensorReading("rapl", "power", code="sensor.permission", problem="denied", fix="a udev rule")
    )

    assert (found["sensor rapl"].state, found["sensor rapl"].code) == (WARN, "sensor.permission")


def test_a_virtual_machine_is_not_asked_for_the_sensors_of_hardware() -> None:
    absent = SensorReading("thermal", "telemetry", code="sensor.unavailable", problem="no zone", fix="none")
    found = sensed(absent, seen=replace(QUIET, virtual_machine="QEMU"))

    assert "sensor thermal" not in found


@pytest.mark.parametrize(("celsius", "state"), [(54.0, OK), (56.0, WARN)])
def test_heat_above_where_a_measurement_begins_is_a_warning(celsius: float, state: str) -> None:
    """The profile of the Raspberry Pi 5 says 55 degrees."""
    assert sensed(reading("thermal", "temperature_c", celsius))["temperature"].state == state


def test_heat_close_to_the_kernels_own_limit_is_a_warning_where_no_profile_has_one() -> None:
    found = sensed(reading("thermal", "temperature_c", 76.0), profile="x86-cpu")

    assert found["temperature"].state == WARN


@pytest.mark.parametrize(
    ("kind", "value", "state", "words"),
    [
        ("throttle_state", 0.0, OK, "none"),
        ("throttle_state", 3.0, WARN, "slowed down now"),
        ("flags", 0.0, OK, "none"),
        ("flags", float(0x50005), WARN, "now: under-voltage, throttled"),
        ("flags", float(0x20000), WARN, "since boot: clock capped"),
        ("throttle_count", 12.0, OK, "12 events since boot"),
    ],
)
def test_throttling_now_or_since_boot_is_told(kind: str, value: float, state: str, words: str) -> None:
    found = sensed(reading("any", kind, value))["throttling"]

    assert found.state == state
    assert words in found.text
    assert bool(found.fix) == (state == WARN)


def test_flags_are_shown_as_the_boards_own_tool_shows_them() -> None:
    assert sensed(reading("vcgencmd_throttled", "flags", float(0x50005)))[
        "sensor vcgencmd_throttled"
    ].text == ("it 0x50005")


def test_under_voltage_is_mended_by_another_supply() -> None:
    assert "power supply" in sensed(reading("any", "flags", float(0x10000)))["throttling"].fix


def facts(*found: RuntimeFact) -> Facts:
    return Facts("aarch64", "", "", 4, None, "", "", "", "3.11", found)


def test_a_runtime_that_computes_wrongly_fails_the_examination() -> None:
    there = facts(
        RuntimeFact("onnxruntime", "1.20"), RuntimeFact("litert", "2.1"), RuntimeFact("tensorrt", "10")
    )
    trials = [
        Trial("onnxruntime", "1.20", harness="native", infer_ns=4000),
        Trial("litert", code="runtime.crashed", problem="it was killed by SIGILL", fix="install another"),
        Trial("tensorrt", code="runtime.untried", problem="it builds its models itself"),
    ]
    found = {each.check: each for each in runtimes.check("board", there, None, trials)}

    assert found["runtime onnxruntime"].state == OK
    assert "native loop" in found["runtime onnxruntime"].text
    litert = found["runtime litert"]
    assert (litert.state, litert.code, litert.fix) == (FAIL, "runtime.crashed", "install another")
    assert (found["runtime tensorrt"].state, "not tried" in found["runtime tensorrt"].text) == (OK, True)


def test_the_fallback_of_the_timed_loop_is_told() -> None:
    trial = Trial("onnxruntime", "1.20", harness="python", fallback="no library for riscv64")
    (found,) = runtimes.check("board", facts(RuntimeFact("onnxruntime", "1.20")), None, [trial])

    assert found.state == WARN
    assert "no library for riscv64" in found.text


def test_a_runtime_that_is_not_wanted_need_not_be_there() -> None:
    absent: Iterable[Finding] = runtimes.check(
        "board",
        facts(RuntimeFact("openvino", "", "not there", "pip"), RuntimeFact("litert", "2")),
        {"litert"},
    )

    assert {each.state for each in absent} == {OK}
