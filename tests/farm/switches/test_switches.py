"""Power switches: what all must do, and what each refuses."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from farm import switches
from farm.config import load_config
from farm.errors import FarmError, UsageError
from farm.switches import SwitchError, SwitchSettings, open_switch, parse_switches
from tests.farm.power.plug import Answer, serving
from tests.farm.switches.bench import Relay, Rig, rigs, tasmota, web

MANNERS = ("shelly", "shelly-gen1", "tasmota", "command", "uhubctl", "labgrid")

LOGIN = {"user": "admin", "password_env": "PDU_WORD"}


@pytest.fixture(params=MANNERS)
def rig(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Rig]:
    """Each kind in turn."""
    with rigs(tmp_path)[request.param] as found:
        yield found


def test_every_kind_is_on_the_bench() -> None:
    """A new file needs a rig: the tests below are what it must do."""
    assert {manner.partition("-")[0] for manner in MANNERS} == set(switches.names())


def test_a_cycle_is_off_then_on(rig: Rig) -> None:
    """And nothing else; the device has power afterwards, which the switch itself says."""
    switch = open_switch(rig.settings)
    assert switch.state() is True
    assert rig.orders() == []

    said = switch.cycle()

    assert rig.orders() == ["off", "on"]
    assert rig.is_on()
    assert switch.state() is True
    assert said


@pytest.mark.parametrize("rig", [manner for manner in MANNERS if manner != "labgrid"], indirect=True)
def test_a_switch_that_does_nothing_is_found_out(rig: Rig) -> None:
    """Who says "done" and leaves the power on has cycled nothing; labgrid's cycle is labgrid's to prove."""
    rig.stick()

    with pytest.raises(SwitchError) as caught:
        open_switch(rig.settings).cycle()

    assert caught.value.code == "switch.stuck"
    assert rig.orders()[-1] == "on", "whatever happened, the last word must be on"


def test_every_kind_lists_its_settings(rig: Rig) -> None:
    """What the bench gave is what the settings accept, strictly."""
    table = dict(rig.settings.options)
    (found,) = parse_switches({"desk": table}, "farm.toml", Path("/x")).values()
    assert (found.kind, found.device, found.folder) == (rig.settings.kind, "pi", "/x")

    with pytest.raises(UsageError, match="has no setting 'colour'"):
        parse_switches({"desk": {**table, "colour": "red"}}, "farm.toml", Path())
    with pytest.raises(UsageError, match=r"switches\.desk\.device"):
        parse_switches({"desk": {key: table[key] for key in table if key != "device"}}, "farm.toml", Path())


def test_power_comes_back_when_the_off_was_not_heard(tmp_path: Path) -> None:
    """A relay that goes silent behind the off gets its on as soon as it answers again."""
    relay, lost = Relay(), [False]

    def answer(target: str, _headers: object) -> Answer:
        if "OFF" in target:
            relay.turn("off")
            lost[0] = True
            return Answer(b"gone", status=500)
        if "ON" in target:
            relay.turn("on")
        return Answer(json.dumps({"POWER": "ON" if relay.on else "OFF"}).encode())

    with serving(answer) as plug:
        table = {"address": plug.address, "off_s": 0.01}
        with pytest.raises(SwitchError) as caught:
            open_switch(SwitchSettings("desk", "tasmota", "pi", table, str(tmp_path))).cycle()

    assert caught.value.code == "switch.refused"
    assert lost == [True]
    assert relay.on


@pytest.mark.parametrize(
    ("kind", "body", "code"),
    [
        ("tasmota", b"[1]", "switch.garbled"),
        ("tasmota", b'{"WARNING":"Need user=<username>&password=<password>"}', "switch.garbled"),
        ("tasmota", b'{"POWER":"BLINKING"}', "switch.garbled"),
        ("shelly", b"<html>", "switch.garbled"),
        ("shelly", b'{"ison": true}', "switch.garbled"),
        ("shelly", b'{"was_on": 1, "output": 1}', "switch.garbled"),
        ("shelly", b"x" * 100_000, "switch.garbled"),
        ("shelly", None, "switch.silent"),
    ],
)
def test_answers_that_make_no_sense(kind: str, body: bytes | None, code: str) -> None:
    """Never taken for a state."""
    with serving(lambda _path, _headers: Answer(body)) as plug:
        settings = SwitchSettings("desk", kind, "pi", {"address": plug.address, "timeout_s": 0.2})
        with pytest.raises(SwitchError) as caught:
            open_switch(settings).state()
        plug.release.set()

    assert caught.value.code == code
    assert "meter" not in caught.value.message + caught.value.fix


def test_a_password_is_asked_for_and_shown_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tasmota takes it in the path; the message names only the variable."""
    with web("tasmota", tasmota, Relay(), channel=2, **LOGIN) as rig:
        with pytest.raises(UsageError) as caught:
            open_switch(rig.settings)
        assert caught.value.code == "switch.password"
        monkeypatch.setenv("PDU_WORD", "s3cret")
        assert open_switch(rig.settings).state() is True


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"cycle": ["/nowhere/at/all"]}, "switch.command"),
        ({"cycle": ["false"]}, "switch.command"),
        ({"cycle": ["sleep", "30"], "timeout_s": 0.1}, "switch.silent"),
        ({"cycle": ["true"], "state": ["echo", "perhaps"]}, "switch.garbled"),
        ({"cycle": ["true"], "state": ["echo", "off"]}, "switch.stuck"),
        ({}, "switch.command"),
        ({"off": ["true"]}, "switch.command"),
        ({"cycle": ["true"], "off": ["true"], "on": ["true"]}, "switch.command"),
    ],
)
def test_commands_that_fail(options: dict[str, Any], code: str, tmp_path: Path) -> None:
    """Each says what was wrong with it."""
    with pytest.raises(FarmError) as caught:
        open_switch(SwitchSettings("desk", "command", "pi", options, str(tmp_path))).cycle()

    assert caught.value.code == code
    assert caught.value.fix


def test_settings_come_from_farm_toml(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With [health] beside them; two switches of one device are refused, and so is a wrong time."""
    monkeypatch.chdir(tmp_path)
    desk = '[switches.desk]\nkind = "command"\ndevice = "pi"\ncycle = ["true"]\n'
    file = tmp_path / "farm.toml"
    file.write_text(f'{desk}[health]\nevery = "90m"\nalarm_after = "2d"\nalarm = ["notify-send", "farm"]\n')

    config = load_config()

    assert switches.of_device(config.switches, "pi") is config.switches["desk"]
    assert switches.of_device(config.switches, "other") is None
    assert (config.health.every_s, config.health.alarm_after_s) == (5400.0, 172800.0)
    assert (config.health.alarm, config.health.alarm_folder) == (("notify-send", "farm"), str(tmp_path))
    for text, wrong in (
        (desk + desk.replace("desk", "rack"), "that desk does not switch"),
        ('[health]\nevery = "soon"\n', "health.every"),
        ('[health]\nevery = "0h"\n', "health.every"),
        ("[health]\nalarm = [1]\n", "health.alarm"),
        ('[health]\nhourly = "1h"\n', "has no setting 'hourly'"),
        ('[switches.desk]\nkind = "relay"\n', "one of command, labgrid, shelly, tasmota, uhubctl"),
        ('[switches.desk]\nkind = "tasmota"\ndevice = "pi"\naddress = "x"\noff_s = 0\n', "above 0"),
    ):
        file.write_text(text)
        with pytest.raises(UsageError, match=wrong):
            load_config()
