"""A battery: what it tells, and its calibration from readings in three states."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farm_agent.checkup import sensing
from farm_agent.energy_sampler import open_sources
from farm_agent.sensors import SensorError, battery
from farm_agent.sensors.common import battery_text, calibration
from farm_agent.sensors.common.calibration import BatteryCalibration, calibrate
from tests.agents.sensors.parts import tree

# Real texts: dumpsys battery of a Moto and of a Samsung, the uevent of a Mi 6.
USB = """\
Current Battery Service state:
  AC powered: false
  USB powered: true
  Wireless powered: false
  Max charging current: 500000
  Charge counter: 3270000
  status: 5
  present: true
  level: 100
  scale: 100
  voltage: 4352
  temperature: 274
  technology: Li-ion
"""
SAMSUNG = """\
  AC powered: false
  USB powered: false
  level: 73
  temperature: 357
  Capacity level: -1
08-17 10:51:16.996  Sending ACTION_BATTERY_CHANGED: level:79, status:3, temperature:111, online:1
08-17 11:17:01.092  Sending ACTION_BATTERY_CHANGED: level:73, temperature:403, online:1
"""
MI6 = """\
POWER_SUPPLY_NAME=bms
POWER_SUPPLY_STATUS=Discharging
POWER_SUPPLY_CAPACITY=81
POWER_SUPPLY_VOLTAGE_NOW=4137440
POWER_SUPPLY_CURRENT_NOW=-1202147
POWER_SUPPLY_TEMP=311
"""
SPEC = BatteryCalibration("uA", -1)


def test_dumpsys_battery_of_a_full_phone_on_usb() -> None:
    """Android's own units; no current is told."""
    told = battery_text.parse_dumpsys(USB)

    assert told == battery_text.BatteryText(100.0, 5, True, 4352 * 1e-3, 27.4, None)


def test_an_event_log_below_counts_for_nothing() -> None:
    """Samsung's lines of older levels."""
    told = battery_text.parse_dumpsys(SAMSUNG)

    assert (told.level_pct, told.temperature_c, told.state, told.plugged) == (73.0, 35.7, None, False)


def test_a_uevent_has_a_current_of_unknown_unit() -> None:
    """The voltage is in uV; the current stays raw."""
    told = battery_text.parse_uevent(MI6)

    assert told.voltage_v == pytest.approx(4.13744)
    assert (told.raw_current, told.state, told.temperature_c) == (-1202147, 3, 31.1)


@pytest.mark.parametrize(("value", "volts"), [(4137440, 4.13744), (4352, 4.352), (4, None), (100_000, None)])
def test_a_voltage_can_only_be_of_one_unit(value: int, volts: float | None) -> None:
    """What fits neither is missing."""
    assert battery_text.volts(value) == (None if volts is None else pytest.approx(volts))


@pytest.mark.parametrize(
    ("idle", "busy", "charging", "found"),
    [
        ([-210000, -190000, -230000], [-1202147, -1100000, -1300000], [1500000, 1400000, 1450000], SPEC),
        ([180, 200, 190], [900, 950, 870], [-1500, -1400, -1450], BatteryCalibration("mA", 1)),
        ([-180, -200, -190], [-900, -950, -870], [1500, 1400, 1450], BatteryCalibration("mA", -1)),
        ([2e5, 2.1e5, 1.9e5], [9e5, 8e5, 9.5e5], [-1.5e6, -1.4e6, -1.3e6], BatteryCalibration("uA", 1)),
    ],
)
def test_unit_and_sign_follow_from_three_states(
    idle: list[float], busy: list[float], charging: list[float], found: BatteryCalibration
) -> None:
    """By the standard, Samsung's mA, both signs."""
    readings = [[int(value) for value in values] for values in (idle, busy, charging)]

    assert calibrate(*readings) == found


@pytest.mark.parametrize(
    ("idle", "busy", "charging", "why"),
    [
        ([-7011] * 3, [-12000] * 3, [20000] * 3, "neither uA nor mA"),
        ([-200] * 3, [-210] * 3, [900] * 3, "not clearly above"),
        ([-200] * 3, [-900] * 3, [-900] * 3, "same sign while charging"),
        ([200] * 3, [-900] * 3, [900] * 3, "changes its sign"),
        ([-200, 200, -200], [-900] * 3, [900] * 3, "no single sign"),
        ([-200, -200, 0], [-900] * 3, [900] * 3, "no single sign"),
        ([-200] * 2, [-900] * 3, [900] * 3, "2 readings"),
        ([], [], [], "0 readings"),
    ],
)
def test_unclear_readings_are_refused(
    idle: list[int], busy: list[int], charging: list[int], why: str
) -> None:
    """Never a guess."""
    with pytest.raises(SensorError, match=why) as caught:
        calibrate(idle, busy, charging)
    assert caught.value.code == "sensor.calibration"


@settings(deadline=None, max_examples=200)
@given(*(st.lists(st.integers(-(10**9), 10**9), max_size=5) for _ in range(3)))
def test_any_readings_give_a_calibration_or_an_error(
    idle: list[int], busy: list[int], charging: list[int]
) -> None:
    """And a calibration makes the busy phone draw a believable positive current."""
    try:
        found = calibrate(idle, busy, charging)
    except SensorError:
        return
    assert all(found.discharge_a(value) > 0 for value in busy)
    assert all(found.discharge_a(value) < 0 for value in charging)


def supply(root: Path, text: str) -> Path:
    """A phone's battery, and a charger and a mouse beside it."""
    folder = "sys/class/power_supply"
    return tree(
        root,
        {
            f"{folder}/ac/type": "Mains",
            f"{folder}/a-mouse/type": "Battery",
            f"{folder}/a-mouse/scope": "Device",
            f"{folder}/battery/type": "Battery",
            f"{folder}/battery/uevent": text,
        },
    )


def test_without_a_calibration_there_is_no_power(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Level and state are there; the fix says what to write where."""
    monkeypatch.setenv("FARM_BATTERY_READINGS", str(tmp_path / "battery.json"))
    root = supply(tmp_path, MI6)
    sensor = battery.open(root)

    assert sensor.read() == pytest.approx(
        {"level": 81.0, "charge_state": 3.0, "battery_V": 4.13744, "temperature": 31.1}
    )
    assert not battery.probe(root).unavailable
    assert str(tmp_path / "battery.json") in battery.probe(root).fix
    assert "power_w" not in {channel.kind for channel in sensor.channels}


def test_energy_windows_do_not_count_on_such_a_battery(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is missing as a power sensor, with the fix; the doctor shows what it tells and what it lacks."""
    monkeypatch.setenv("FARM_BATTERY_READINGS", str(tmp_path / "battery.json"))
    monkeypatch.setattr(battery, "SUPPLIES", supply(tmp_path, MI6) / battery.SUPPLIES)

    found, missing = open_sources(("battery",), every=True)

    assert [source.power for source in found] == [False]
    assert [(name, "no power" in why, str(tmp_path) in fix) for name, why, fix in missing] == [
        ("battery", True, True)
    ]
    reading = sensing.read("battery")
    assert reading.code == "sensor.calibration"
    assert reading.values["level"] == 81.0


def test_readings_in_the_agents_folder_make_the_power_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The readings are kept, not what was made of them."""
    path = tmp_path / "battery.json"
    readings = {"idle": [-200000] * 3, "busy": [-1200000] * 3, "charging": [900000] * 3}
    path.write_text(json.dumps(readings))
    monkeypatch.setenv("FARM_BATTERY_READINGS", str(path))
    sensor = battery.open(supply(tmp_path, MI6))

    assert sensor.read()["battery"] == pytest.approx(1.202147 * 4.13744)
    assert {channel.name: channel.scope for channel in sensor.channels}["battery"] == "battery"


def test_a_charging_battery_has_no_power(tmp_path: Path) -> None:
    """The current into it is no cost of an inference."""
    charging = MI6.replace("Discharging", "Charging").replace("-1202147", "900000")
    values = battery.open(supply(tmp_path, charging), SPEC).read()

    assert "battery" not in values
    assert values["battery_A"] == pytest.approx(-0.9)


@pytest.mark.parametrize("status", ["Full", "Not charging", "Unknown"])
def test_a_current_tells_no_power_unless_the_battery_feeds_the_phone(tmp_path: Path, status: str) -> None:
    """A full battery on a charger trickles: what the phone draws comes from elsewhere."""
    values = battery.open(supply(tmp_path, MI6.replace("Discharging", status)), SPEC).read()

    assert "battery" not in values


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"idle": [1.5]}', '{"idle": "x"}', "\xff", "[" * 5000])
def test_a_file_of_readings_is_untrusted(tmp_path: Path, text: str) -> None:
    """Anything else is one error with its fix."""
    path = tmp_path / "battery.json"
    path.write_text(text, encoding="latin-1")

    with pytest.raises(SensorError) as caught:
        calibration.load(path)
    assert caught.value.code == "sensor.calibration"
    assert caught.value.fix


PARSERS: list[tuple[Callable[[str], object], str]] = [
    (battery_text.parse_dumpsys, USB),
    (battery_text.parse_dumpsys, SAMSUNG),
    (battery_text.parse_uevent, MI6),
]


@settings(deadline=None, max_examples=120)
@given(st.sampled_from(PARSERS), st.text(max_size=120), st.integers(0, 500))
def test_any_text_is_understood_or_a_sensor_error(
    parser: tuple[Callable[[str], object], str], text: str, position: int
) -> None:
    """Random text alone and inside the real one, and the real one cut anywhere."""
    parse, real = parser
    for candidate in (text, real[:position] + text + real[position:], real[:position]):
        try:
            parse(candidate)
        except SensorError:
            continue


def test_a_machine_without_a_battery_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No folder, no dumpsys."""
    monkeypatch.setenv("PATH", str(tmp_path))
    found = battery.probe(tmp_path)

    assert found.unavailable
    assert found.fix
