"""What an agent notes about a phone, refuses to measure on, and switches: real texts behind scripts."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farm_agent import android, identity, observe_battery, pins, pins_knobs, restore
from farm_agent.messages.gate import GatePlan, PinPlan
from farm_agent.preflight_checks import battery
from farm_agent.preflight_look import Look
from farm_agent.sensors import thermalservice

TEXTS = Path(__file__).parents[1] / "zoo" / "android" / "texts"
POWER = """\
POWER MANAGER (dumpsys power)

Power Manager State:
  mDirty=0x0
  mWakefulness=Asleep
  mWakefulnessChanging=false
  mIsPowered=true
"""


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    """A root whose commands of Android print what ``state`` holds."""
    folder = tmp_path / "system" / "bin"
    folder.mkdir(parents=True)
    state = tmp_path / "state"
    state.mkdir()
    for name, script in {
        "getprop": f"cat {state}/getprop.txt",
        "dumpsys": f"cat {state}/dumpsys_$1.txt",
        "cmd": f'[ "$1" = settings ] && cat {state}/setting_$4 && exit; echo "$*" >>{state}/cmd.log; '
        f"[ ! -e {state}/refuse ] || {{ echo Failed to set FIXED_PERFORMANCE mode >&2; exit 255; }}",
    }.items():
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)
    for text in TEXTS.iterdir():
        (state / text.name).write_text(text.read_text())
    (state / "dumpsys_power.txt").write_text(POWER)
    (state / "setting_low_power").write_text("0\n")
    android.forget()
    yield tmp_path
    android.forget()


def _say(root: Path, *, level: int = 100, status: int = 5, usb: str = "true", saver: str = "0") -> None:
    text = (TEXTS / "dumpsys_battery.txt").read_text()
    text = text.replace("level: 100", f"level: {level}").replace("status: 5", f"status: {status}")
    (root / "state/dumpsys_battery.txt").write_text(text.replace("USB powered: true", f"USB powered: {usb}"))
    (root / "state/setting_low_power").write_text(saver + "\n")
    android.forget()


def test_a_phone_is_noted_with_screen_battery_and_thermal_status(root: Path) -> None:
    assert android.state(root) == {
        "screen": "off",
        "battery": {"level_pct": 100, "status": "full", "plugged": True, "saving": False},
        "thermal_status": 0,
    }
    found = android.properties(root)
    assert android.names(found) == ("Xiaomi M2101K9C", "Android 13")
    assert (android.details(found) or {})["soc"] == "MT6893"


def test_elsewhere_nothing_is_noted_and_nothing_is_started(tmp_path: Path) -> None:
    assert android.state(tmp_path) is None
    assert android.charge(tmp_path) is None
    assert android.properties(tmp_path) == {}
    assert observe_battery.battery(tmp_path) is None


@pytest.mark.parametrize(
    ("said", "passed", "text"),
    [
        ({"level": 90, "status": 3, "usb": "false"}, True, "90 %, discharging"),
        ({"level": 15, "status": 3, "usb": "false"}, False, "15 %, discharging"),
        ({"level": 15, "status": 2}, True, "15 %, charging"),
        ({"level": 90, "status": 3, "saver": "1"}, False, "the battery saver is on"),
        ({"level": 90, "status": 9}, True, "90 %, state not known"),
        ({"level": 900, "status": 2}, True, "level not known, charging"),
    ],
)
def test_the_gate_looks_at_a_phones_battery(
    root: Path, said: dict[str, object], passed: bool, text: str
) -> None:
    _say(root, **said)  # type: ignore[arg-type] # a table
    look = Look(0.0, 8, battery=observe_battery.battery(root), plugged=observe_battery.plugged(root))
    check = battery(GatePlan(), look)
    assert (check.passed, check.text) == (passed, text)
    assert bool(check.fix) is not passed


def test_a_charger_that_is_pulled_out_is_seen(root: Path) -> None:
    before = observe_battery.charger(root)
    _say(root, level=99, status=3, usb="false")
    assert (before, observe_battery.charger(root)) == ("full", "discharging")


def test_sysfs_counts_more_but_the_battery_saver_is_androids(root: Path) -> None:
    supply = root / "sys/class/power_supply/battery"
    supply.mkdir(parents=True)
    for name, value in {"type": "Battery", "status": "Discharging", "capacity": "77"}.items():
        (supply / name).write_text(value + "\n")
    _say(root, level=3, status=3, saver="1")
    found = observe_battery.battery(root)
    assert found == observe_battery.Battery(77, "discharging", saving=True)


@pytest.mark.parametrize("status", ["2", "3", "6"])
def test_any_thermal_status_shuts_the_gate(status: str) -> None:
    text = (
        (TEXTS / "dumpsys_thermalservice.txt")
        .read_text()
        .replace("Thermal Status: 0", f"Thermal Status: {status}")
    )
    sensor = thermalservice.open(lambda: text)
    from farm_agent.observe_traces import flags_now

    values = dict(zip(sensor.channels, (sensor.read()[each.name] for each in sensor.channels), strict=True))
    assert flags_now(values) == ["status"]
    assert android.thermal_status(text) == int(status)


def test_fixed_performance_is_switched_on_and_off_again(root: Path) -> None:
    device = pins_knobs.Device(root / "farm", root, search=f"{root}/system/bin:/bin")
    device.folder.mkdir()
    wanted = pins.knobs(PinPlan(fixed_performance="on"), device)
    (pin,) = pins.apply(wanted, device.folder, device)
    journal = restore.read(device.folder)
    assert journal is not None
    (back,) = restore.set_back(device.folder, journal, device)
    said = (root / "state/cmd.log").read_text().splitlines()
    assert (pin.old, pin.new, pin.problem, back.restored) == ("off", "on", "", True)
    assert [line.rpartition(" ")[2] for line in said] == ["true", "false"]
    assert pins_knobs.knob(device, "fixed-performance").read() == "off"


def test_a_phone_without_the_mode_says_so_and_nothing_is_left(root: Path) -> None:
    (root / "state/refuse").touch()
    device = pins_knobs.Device(root / "farm", root, search=f"{root}/system/bin:/bin")
    device.folder.mkdir()
    (pin,) = pins.apply(pins.knobs(PinPlan(fixed_performance="on"), device), device.folder, device)
    journal = restore.read(device.folder)
    assert "Failed to set FIXED_PERFORMANCE mode" in pin.problem
    assert journal is not None
    assert [each.restored for each in restore.set_back(device.folder, journal, device)] == [True]
    assert not restore.pending(device.folder)


def test_the_mode_of_another_boot_is_over(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    device = pins_knobs.Device(root / "farm", root, search=f"{root}/system/bin:/bin")
    device.folder.mkdir()
    knob = pins_knobs.knob(device, "fixed-performance")
    knob.write("on")
    seen = knob.read()
    monkeypatch.setattr(identity, "boot_id", lambda: "another")
    assert (seen, knob.read()) == ("on", "off")


@given(st.text(max_size=300), st.text(max_size=10))
def test_nonsense_tells_nothing_false(text: str, saver: str) -> None:
    with contextlib.suppress(ValueError):
        found = android.parse_charge(text, saver)
        assert found is None or found.level_pct is None or 0 <= found.level_pct <= 100
    assert android.parse_screen(text) in ("", "on", "off", "dozing", "screen saver")
    assert android.thermal_status(text) in (None, *range(7))
