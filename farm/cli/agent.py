"""``farm agent``: the program that runs on devices."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from farm.cli.output import print_error, print_json, print_table
from farm.cli.state import State, json_option, pass_state
from farm.cli.types import examples
from farm.errors import EXIT_OK, EXIT_PARTIAL, FarmError

if TYPE_CHECKING:
    from farm.devices.session import Session
    from farm_agent.pack import Packed
    from farm_agent.wire import Facts, Hello

TIMEOUT_S = 30.0
GC_KEYS = ("jobs", "files", "agents", "freed_bytes")

python_option = click.option(
    "--python", default=None, metavar="PROGRAM", help="The Python to run it with; default: farm's own."
)


@click.group(
    "agent",
    epilog=examples(
        "farm agent pack --out .",
        "farm agent facts",
        "farm agent selftest --python python3.8",
    ),
)
def command() -> None:
    """Pack the agent, or run it on this machine."""


@command.command(
    epilog=examples(
        "farm agent pack",
        "farm agent pack --out dist --json",
    )
)
@click.option("--out", type=click.Path(path_type=Path), help="Folder; default: the cache.")
@json_option
@pass_state
def pack(state: State, out: Path | None) -> None:
    """Pack the agent into one file. Its version is its hash: the same sources give the same bytes."""
    from farm_agent import pack as packing

    packed = packing.build(out or state.config.cache_dir / "agents")
    if state.json:
        document = {
            "path": str(packed.path),
            "sha256": packed.sha256,
            "size_bytes": packed.path.stat().st_size,
        }
        print_json({"schema": "farm.agent/1", **document})
    else:
        print_table(("path", "sha256"), [(str(packed.path), packed.sha256)])


@command.command(
    epilog=examples(
        "farm agent facts",
        "farm agent facts --python python3.9 --json",
    )
)
@python_option
@json_option
@pass_state
def facts(state: State, python: str | None) -> None:
    """Ask the agent what this machine is and which runtimes it has."""
    _, _, found = _ask(state, python)
    if state.json:
        from farm_agent import codec

        print_json({"schema": "farm.facts/1", **codec.encode(found)})
        return
    print_table(("fact", "value"), _fact_rows(found))


@command.command(
    epilog=examples(
        "farm agent selftest",
        "farm agent selftest --python python3.13",
    )
)
@python_option
@json_option
@pass_state
def selftest(state: State, python: str | None) -> int:
    """Check the packed agent on this machine.

    It is run, and must be the one that was packed.

    Exit code 3 when a check fails.
    """
    from farm_agent.wire import WIRE

    packed, hello, found = _ask(state, python)
    usable = [runtime.name for runtime in found.runtimes if not runtime.unavailable]
    checks: list[tuple[str, bool, Any]] = [
        ("wire number", hello.wire == WIRE, hello.wire),
        ("hash", hello.agent_sha256 == packed.sha256, hello.agent_sha256),
        ("a runtime works", bool(usable), ", ".join(usable) or "none"),
    ]
    if state.json:
        rows = [{"check": name, "passed": passed, "seen": seen} for name, passed, seen in checks]
        print_json({"schema": "farm.selftest/1", "python": hello.python, "checks": rows})
    else:
        rows_text = [(name, "ok" if passed else "FAILED", str(seen)) for name, passed, seen in checks]
        print_table(("check", "state", "seen"), rows_text, title=f"Agent on Python {hello.python}")
    return EXIT_OK if all(passed for _, passed, _ in checks) else EXIT_PARTIAL


@command.command(
    epilog=examples(
        "farm agent gc",
        "farm agent gc rpi4-a --keep-mb 500",
    )
)
@click.argument("devices", nargs=-1, metavar="[DEVICE]...")
@click.option("--keep-mb", type=click.IntRange(min=0), default=0, show_default=True, help="Files may stay.")
@json_option
@pass_state
def gc(state: State, devices: tuple[str, ...], keep_mb: int) -> int:
    """Free space in the agent's folder on devices.

    Default: this machine.

    What running jobs need stays. Exit code 3 when a device could not be reached.
    """
    freed: dict[str, dict[str, Any]] = {}
    sessions = _sessions(state, devices or ("local",))
    for session in sessions:
        try:
            freed[session.device.name] = session.call(lambda client, _: client.gc(keep_mb * 1024 * 1024))
        except FarmError as error:
            print_error(error)
        finally:
            session.close()
    if state.json:
        print_json({"schema": "farm.gc/1", "devices": freed})
    else:
        rows = [(name, *(_amount(done.get(key)) for key in GC_KEYS)) for name, done in freed.items()]
        print_table(("device", *GC_KEYS), rows)
    return EXIT_OK if len(freed) == len(sessions) else EXIT_PARTIAL


def _amount(value: object) -> str:
    return str(len(value) if isinstance(value, list) else value)


def _sessions(state: State, words: Sequence[str]) -> list[Session]:
    import threading

    from farm.devices import inventory
    from farm.devices.select import select
    from farm.devices.session import Session
    from farm_agent import pack as packing
    from farm_profiles.load import load_profile, profile_names

    profiles = {name: load_profile(name) for name in profile_names()}
    matches = select(inventory.load(state.config.inventory_path), profiles, words).matches
    packed = packing.build(state.config.cache_dir / "agents")
    return [Session(one, profiles[one.profile], packed, stop=threading.Event()) for one in matches]


def _ask(state: State, python: str | None) -> tuple[Packed, Hello, Facts]:
    """Pack the agent and have ``python`` answer hello and facts in a folder of its own."""
    import sys

    from farm import transports
    from farm.agent_client import find_python, install
    from farm.devices.device import Device
    from farm_agent import pack as packing

    packed = packing.build(state.config.cache_dir / "agents")
    transport = transports.connect(Device("local", "x86-cpu", "local"), TIMEOUT_S)
    try:
        with tempfile.TemporaryDirectory(prefix="farm-agent-") as root:
            program = find_python(transport, (python or sys.executable,))
            client = install(transport, program, packed, root)
            return packed, client.hello(), client.facts()
    finally:
        transport.close()


def _fact_rows(found: Facts) -> list[tuple[str, str]]:
    names = ("machine", "model", "cpu", "cores", "memory_bytes", "kernel", "os", "libc", "python")
    rows = [
        (name, "unknown" if getattr(found, name) in (None, "") else str(getattr(found, name)))
        for name in names
    ]
    for runtime in found.runtimes:
        state = f"unavailable: {runtime.unavailable}" if runtime.unavailable else runtime.version
        rows.append((f"runtime {runtime.name}", f"{state} (fix: {runtime.fix})" if runtime.fix else state))
    return rows
