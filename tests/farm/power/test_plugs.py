"""Plugs over HTTP: real bodies, answers that make no sense, silence, logins, no redirects."""

from __future__ import annotations

import hashlib
import json
import re
import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farm import power
from farm.errors import UsageError
from farm.power import MeterError, MeterSettings, shelly, tasmota
from farm.power.common import digest
from tests.farm.power.plug import SHELLY, TASMOTA, Answer, Plug, says, serving

VARIABLE = "FARM_TEST_DESK"


def wanted(plug: Plug, kind: str, **options: Any) -> MeterSettings:
    return MeterSettings(
        "desk", kind, "", {"kind": kind, "address": plug.address, "timeout_s": 30.0, **options}
    )


def failing(plug: Plug, kind: str = "shelly", **options: Any) -> MeterError:
    """The error that opening the meter ends with."""
    with pytest.raises(MeterError) as caught:
        power.open_meter(wanted(plug, kind, **options))
    assert caught.value.message.startswith("meter desk: ")
    assert caught.value.fix
    return caught.value


def test_shelly_gen2_says_its_power() -> None:
    """apower of the switch that was asked for; wall power in steps of 0.1 W."""
    with serving(says(SHELLY % "23.4")) as plug:
        meter = power.open_meter(wanted(plug, "shelly"))
        ((time_ns, watts),) = meter.read()

    assert watts == 23.4
    assert time_ns > 0
    assert (meter.channel.kind, meter.channel.scope, meter.channel.quantum) == ("power_w", "wall", 0.1)
    assert {path for path, _ in plug.seen} == {"/rpc/Switch.GetStatus?id=0"}


def test_shelly_gen1_says_its_power() -> None:
    """The meters of the status page; one that is not valid is none."""
    with serving(says('{"meters":[{"power":4.06,"is_valid":true}]}')) as plug:
        ((_, watts),) = power.open_meter(wanted(plug, "shelly", generation=1)).read()
    assert watts == 4.06
    with serving(says('{"meters":[{"power":0.0,"is_valid":false}]}')) as plug:
        assert failing(plug, generation=1).code == "meter.garbled"


def test_tasmota_says_its_power() -> None:
    """Power, not Total; whole watts unless the settings say better."""
    with serving(says(TASMOTA % "2")) as plug:
        meter = power.open_meter(wanted(plug, "tasmota"))
        ((_, watts),) = meter.read()
        fine = power.open_meter(wanted(plug, "tasmota", decimals=2))

    assert watts == 2.0
    assert meter.channel.quantum == 1.0
    assert fine.channel.quantum == 0.01
    assert plug.seen[0][0] == "/cm?cmnd=Status+10"


def test_an_array_needs_a_channel() -> None:
    """Of two channels none is guessed."""
    with serving(says(TASMOTA % "[52,5]")) as plug:
        ((_, second),) = power.open_meter(wanted(plug, "tasmota", channel=2)).read()
        assert second == 5.0
        assert "set channel" in failing(plug, "tasmota").message
        assert "no channel 3" in failing(plug, "tasmota", channel=3).message


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("", "JSON"),
        ("<html>login</html>", "JSON"),
        ('{"id":0,"output":true}', "no apower"),
        ('{"id":1,"apower":1.0}', "switch 0"),
        ('{"id":0,"apower":"12"}', "no number"),
        ('{"id":0,"apower":NaN}', "no number"),
        ('{"id":0,"apower":true}', "no number"),
        ('{"id":0,"apower":1.0,"errors":["power_meter:failure"]}', "power_meter:failure"),
        ("[" * 5000, "JSON"),
        ("[1]" + " " * 70_000, "more than"),
    ],
)
def test_garbage_is_refused(body: str, words: str) -> None:
    """Whatever it says, it ends as the meter's own error."""
    with serving(says(body)) as plug:
        error = failing(plug)

    assert error.code == "meter.garbled"
    assert words in error.message


def test_a_plug_that_stops_answering_is_silent_and_may_come_back() -> None:
    """A later read is possible; nothing is made up meanwhile."""
    bodies = [SHELLY % "5.0", None, SHELLY % "6.0"]
    with serving(lambda *_: Answer(_bytes(bodies.pop(0)))) as plug:
        meter = power.open_meter(wanted(plug, "shelly", timeout_s=2.0))
        with pytest.raises(MeterError) as caught:
            meter.read()
        ((_, watts),) = meter.read()

    assert caught.value.code == "meter.silent"
    assert watts == 6.0


def _bytes(text: str | None) -> bytes | None:
    return None if text is None else text.encode()


def test_nobody_there_is_unreachable() -> None:
    """A port where nothing listens, nor can anything else meanwhile."""
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        plug = Plug(says(""), nobody.getsockname()[1])

        assert failing(plug).code == "meter.unreachable"


def test_a_redirect_is_not_followed() -> None:
    """Not even to the same host."""
    with (
        serving(says(SHELLY % "1.0")) as other,
        serving(lambda *_: Answer(b"", 302, {"Location": f"http://{other.address}/"})) as plug,
    ):
        error = failing(plug)

    assert error.code == "meter.refused"
    assert "302" in error.message
    assert other.seen == []


def test_digest_login_with_the_plugs_algorithm(monkeypatch: pytest.MonkeyPatch) -> None:
    """RFC 7616 with SHA-256, checked here by its formula; the password is in no message."""
    monkeypatch.setenv(VARIABLE, "s3cret")
    challenge = 'Digest qop="auth", realm="shellyplugus-1", nonce="65d1", algorithm=SHA-256'

    def answer(path: str, headers: Mapping[str, str]) -> Answer:
        given = headers.get("Authorization", "")
        if _digest_fits(given, path, "s3cret"):
            return Answer((SHELLY % "7.0").encode())
        return Answer(b"", 401, {"WWW-Authenticate": challenge})

    with serving(answer) as plug:
        ((_, watts),) = power.open_meter(wanted(plug, "shelly", password_env=VARIABLE)).read()
        monkeypatch.setenv(VARIABLE, "wrong")
        error = failing(plug, password_env=VARIABLE)

    assert watts == 7.0
    assert error.code == "meter.refused"
    assert "401" in error.message
    assert "wrong" not in error.message
    assert not any("s3cret" in path + str(headers) for path, headers in plug.seen)


def _digest_fits(given: str, path: str, password: str) -> bool:
    fields = dict(re.findall(r'(\w+)="?([^",]*)"?', given))
    if not fields:
        return False

    def sha(text: str) -> str:
        return hashlib.sha256(text.encode()).hexdigest()

    first, second = sha(f"admin:shellyplugus-1:{password}"), sha(f"GET:{path}")
    return bool(fields["response"] == sha(f"{first}:65d1:{fields['nc']}:{fields['cnonce']}:auth:{second}"))


def test_a_password_file_must_be_its_owners_alone(tmp_path: Path) -> None:
    """Mode 0600, and something in it."""
    path = tmp_path / "secret"
    path.write_text("s3cret\n")
    path.chmod(0o644)
    with serving(says(TASMOTA % "2")) as plug:
        with pytest.raises(UsageError) as caught:
            power.open_meter(wanted(plug, "tasmota", password_file=str(path)))
        assert caught.value.code == "meter.password"
        assert "chmod 600" in caught.value.fix
        path.chmod(0o600)
        power.open_meter(wanted(plug, "tasmota", password_file=str(path)))

    assert "password=s3cret" in plug.seen[0][0]


@pytest.mark.parametrize("address", ["http://plug/", "plug/../x", "a b", "plug:0", "plug:99999", "-x", "x@y"])
def test_an_address_is_a_host_and_nothing_else(address: str) -> None:
    """No scheme, no path, no user."""
    with pytest.raises(UsageError) as caught:
        power.open_meter(MeterSettings("desk", "shelly", "", {"address": address}))
    assert caught.value.code == "meter.address"


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                ["id", "apower", "errors", "meters", "power", "is_valid", "StatusSNS", "ENERGY", "Power"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(JSON, st.integers(0, 3))
@settings(max_examples=300, deadline=None)
def test_any_json_is_a_power_or_refused(answer: Any, channel: int) -> None:
    """The parsers return a finite number or raise their own error."""
    parsers: tuple[Callable[[], float], ...] = (
        lambda: shelly.parse(answer, channel),
        lambda: shelly.parse_gen1(answer, channel),
        lambda: tasmota.parse(answer, channel),
        lambda: tasmota.parse(answer, None),
    )
    for parse in parsers:
        try:
            watts = parse()
        except MeterError as error:
            found = error.code
        else:
            found = json.dumps(watts, allow_nan=False)
        assert found


@given(st.text(max_size=200))
@settings(max_examples=100, deadline=None)
def test_any_challenge_is_answered_or_not(challenge: str) -> None:
    """A hostile header breaks nothing."""
    assert digest.answer("Digest " + challenge, "admin", "x", "/").startswith(("", "Digest "))
