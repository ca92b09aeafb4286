"""Real local parts behind every kind of power switch: an HTTP server like a relay's, programs."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from farm.switches import SwitchSettings
from tests.farm.power.plug import Answer, serving

OFF_S = 0.01


@dataclass
class Rig:
    """One switch with what it switches. ``is_on`` reads the real state; ``stuck``: it ignores commands."""

    settings: SwitchSettings
    is_on: Callable[[], bool]
    stick: Callable[[], object]
    orders: Callable[[], list[str]]


@dataclass
class Relay:
    """A relay in this process; ``changed`` hears of every change."""

    on: bool = True
    stuck: bool = False
    orders: list[str] = field(default_factory=list)
    changed: Callable[[bool], object] = lambda _on: None

    def turn(self, word: str) -> None:
        """Obey, unless stuck."""
        on = word.lower() in ("on", "true", "1")
        self.orders.append("on" if on else "off")
        if not self.stuck and on != self.on:
            self.on = on
            self.changed(on)

    def stick(self) -> None:
        """Ignore commands from now on."""
        self.stuck = True


def shelly_gen2(relay: Relay, path: str, query: Mapping[str, str]) -> dict[str, Any]:
    """Switch.Set and Switch.GetStatus as Shelly's API documents them."""
    was = relay.on
    if path == "/rpc/Switch.Set" and query.get("id") == "1":
        relay.turn(query["on"])
        return {"was_on": was}
    assert (path, query) == ("/rpc/Switch.GetStatus", {"id": "1"})
    return {"id": 1, "source": "HTTP_in", "output": relay.on, "temperature": {"tC": 42.1}}


def shelly_gen1(relay: Relay, path: str, query: Mapping[str, str]) -> dict[str, Any]:
    """/relay/N of the first generation."""
    assert path == "/relay/0"
    if "turn" in query:
        relay.turn(query["turn"])
    timer = "timer" in query
    return {"ison": relay.on, "has_timer": timer, "timer_remaining": 35 if timer else 0, "source": "http"}


def tasmota(relay: Relay, path: str, query: Mapping[str, str]) -> dict[str, Any]:
    """The command Power2 of a device with several relays."""
    assert path == "/cm"
    command, _, word = query["cmnd"].partition(" ")
    assert command == "Power2"
    if word:
        relay.turn(word)
    return {"POWER2": "ON" if relay.on else "OFF"}


Speaks = Callable[[Relay, str, Mapping[str, str]], dict[str, Any]]


@contextlib.contextmanager
def web(kind: str, speaks: Speaks, relay: Relay, **options: Any) -> Iterator[Rig]:
    """A relay behind HTTP."""

    def answer(target: str, _headers: Mapping[str, str]) -> Answer:
        parts = urlsplit(target)
        query = {key: values[0] for key, values in parse_qs(parts.query).items()}
        return Answer(json.dumps(speaks(relay, parts.path, query)).encode())

    with serving(answer) as plug:
        table = {"kind": kind, "device": "pi", "address": plug.address, "off_s": OFF_S, **options}
        settings = SwitchSettings("desk", kind, "pi", table)
        yield Rig(settings, lambda: relay.on, relay.stick, lambda: relay.orders)


# A program with a state file: "on" or "off", and what it was told. Each prints as the real one does.
_PROGRAM = """#!{python}
import pathlib, sys
folder = pathlib.Path({folder!r})
state, log, words = folder / "state", folder / "log", sys.argv[1:]
def turn(word):
    with log.open("a") as file:
        file.write(word + "\\n")
    if not (folder / "stuck").exists():
        state.write_text(word)
{body}
"""
_COMMAND = """
if words[0] == "state":
    print("the relay is", state.read_text())
else:
    turn(words[0])
"""
# As uhubctl 2.5 prints
_UHUBCTL = """
assert words[:4] == ["-l", "1-1.4", "-p", "2"], words
def show(title):
    on = state.read_text() == "on"
    print(title, "status for hub 1-1.4 [2109:2817 VIA Labs, Inc. USB2.0 Hub, USB 2.10, 4 ports, ppps]")
    print("  Port 2: 0103 power enable connect [04d8:eed1 board]" if on else "  Port 2: 0000 off")
show("Current")
if words[4:]:
    assert words[4] == "-a", words
    print("Sent power", words[5], "request")
    turn(words[5])
    show("New")
"""
# As labgrid-client prints; power of a place that is not acquired is refused
_LABGRID = """
assert words[:4] == ["-x", "rack:20408", "-p", "board"], words
mine = folder / "mine"
if words[4] == "acquire":
    if mine.exists():
        sys.exit("labgrid-client: error: place board is already acquired by you/here")
    mine.touch()
    print("acquired place board")
elif not mine.exists():
    sys.exit("labgrid-client: error: place board is not acquired")
elif words[4] == "release":
    mine.unlink()
elif words[5] == "get":
    print("power for place board is", state.read_text())
else:
    turn("off")
    turn("on")
"""


@contextlib.contextmanager
def program(kind: str, body: str, folder: Path, options: Callable[[str], dict[str, Any]]) -> Iterator[Rig]:
    """A relay behind a program."""
    path = folder / kind
    path.write_text(_PROGRAM.format(python=sys.executable, folder=str(folder), body=body))
    path.chmod(0o755)
    (folder / "state").write_text("on")
    table = {"kind": kind, "device": "pi", "off_s": OFF_S, **options(str(path))}
    settings = SwitchSettings("desk", kind, "pi", table, str(folder))

    def orders() -> list[str]:
        log = folder / "log"
        return log.read_text().split() if log.exists() else []

    yield Rig(
        settings,
        lambda: (folder / "state").read_text() == "on",
        (folder / "stuck").touch,
        orders,
    )


def rigs(folder: Path) -> dict[str, contextlib.AbstractContextManager[Rig]]:
    """Every kind of switch, some in two manners, by name."""

    def cycle(path: str) -> dict[str, Any]:
        return {"off": [path, "off"], "on": [path, "on"], "state": [path, "state"]}

    def usb(path: str) -> dict[str, Any]:
        return {"program": path, "location": "1-1.4", "port": 2}

    def place(path: str) -> dict[str, Any]:
        return {"program": path, "place": "board", "coordinator": "rack:20408"}

    return {
        "shelly": web("shelly", shelly_gen2, Relay(), channel=1),
        "shelly-gen1": web("shelly", shelly_gen1, Relay(), generation=1),
        "tasmota": web("tasmota", tasmota, Relay(), channel=2),
        "command": program("command", _COMMAND, folder, cycle),
        "uhubctl": program("uhubctl", _UHUBCTL, folder, usb),
        "labgrid": program("labgrid", _LABGRID, folder, place),
    }
