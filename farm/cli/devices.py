"""``farm devices``: the inventory."""

from __future__ import annotations

import shlex
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from farm.cli.holding import lock, reserve, unlock, who
from farm.cli.output import print_error, print_json, print_table, say
from farm.cli.state import State, json_option, pass_state
from farm.cli.types import examples
from farm.errors import EXIT_OK, EXIT_PARTIAL, FarmError

if TYPE_CHECKING:
    from farm.devices.device import Device
    from farm.devices.finding import Finding
    from farm.devices.hostkeys import HostKey
    from farm_agent.wire import Facts

AUTO = "auto"

host_key_option = click.option(
    "--host-key", default="", metavar="'TYPE BASE64'", help="The device's public host key."
)
fingerprint_option = click.option(
    "--fingerprint", default="", metavar="SHA256:...", help="The fingerprint of its host key."
)


@click.group(
    "devices",
    invoke_without_command=True,
    epilog=examples(
        "farm devices",
        "farm devices add pi-lab ssh://pi@10.0.0.7 --profile rpi4 --tag lab",
        "farm devices show pi-lab",
    ),
)
@json_option
@click.pass_context
def command(context: click.Context) -> None:
    """List, add, reserve, show and remove devices."""
    if context.invoked_subcommand is None:
        context.invoke(list_devices)


@command.command("list", epilog=examples("farm devices list", "farm devices list --json"))
@json_option
@pass_state
def list_devices(state: State) -> None:
    """Print every device of the inventory, and how it is.

    See farm health for why.
    """
    from farm.devices import inventory
    from farm.health.words import words

    devices = list(inventory.load(state.config.inventory_path).values())
    health = words(state.config.store, [device.name for device in devices])
    if state.json:
        found = [{**_document(device), "health": health[device.name]} for device in devices]
        print_json({"schema": "farm.devices/1", "devices": found})
        return
    rows = [
        (each.name, each.profile, each.address, health[each.name], ",".join(each.tags), _key(each))
        for each in devices
    ]
    print_table(("name", "profile", "address", "health", "tags", "host key"), rows)


@command.command(
    epilog=examples(
        "farm devices add pi-lab ssh://pi@10.0.0.7 --profile rpi4 --tag lab",
        "farm devices add orin ssh://orin --profile auto --fingerprint SHA256:...",
    )
)
@click.argument("name")
@click.argument("address")
@click.option(
    "--profile", default=AUTO, show_default=True, help="What kind of device it is; auto asks the device."
)
@click.option("--tag", "tags", multiple=True, help="A word to select it by; may be repeated.")
@click.option("--identity", default="", metavar="FILE", help="The private key to log in with.")
@click.option("--python", default="", metavar="PROGRAM", help="The device's Python, if not its profile's.")
@click.option("--root", default="", metavar="DIR", help="Where the agent keeps its files; default: ~/.farm.")
@click.option("--no-probe", is_flag=True, help="Do not try it out.")
@host_key_option
@fingerprint_option
@json_option
@pass_state
def add(
    state: State,
    name: str,
    address: str,
    profile: str,
    tags: tuple[str, ...],
    identity: str,
    python: str,
    root: str,
    no_probe: bool,
    host_key: str,
    fingerprint: str,
) -> int:
    """Add a device: local, or ssh://[user@]host[:port].

    Its host key is pinned: compare the fingerprint that is shown, or give it. Then the device is tried out;
    exit code 3 when it was added but does not work yet.
    """
    from pathlib import Path

    from farm.devices import inventory
    from farm.devices.address import parse_address
    from farm.devices.device import Device
    from farm.errors import UsageError
    from farm_profiles.load import load_profile

    inventory.check_name(name)
    if identity:
        identity = str(Path(identity).expanduser().absolute())
    parsed = parse_address(address)
    device = Device(name, profile, parsed.text(), "", tags, python, identity, root)
    if profile != AUTO:
        load_profile(profile)
    elif no_probe:
        raise UsageError(
            "--profile auto has to ask the device", code="cli.usage", fix="leave --no-probe out, or name it"
        )
    if name in inventory.load(state.config.inventory_path) and name != "local":
        raise UsageError(
            f"a device is called {name} already",
            code="device.exists",
            fix=f"choose another name, or run `farm devices remove {name}` first",
        )
    if device.transport not in ("local", "adb"):  # a phone has no host key: it knows this computer's
        words = ["farm", "devices", "add", name, device.address, "--profile", profile]
        words += [word for tag in tags for word in ("--tag", tag)]
        for option, value in (("--identity", identity), ("--python", python), ("--root", root)):
            words += [option, value] if value else []
        device = _pinned(device, host_key, fingerprint, shlex.join(words))
    return _add(state, device, probe=not no_probe)


@command.command(epilog=examples("farm devices pin pi-lab --fingerprint SHA256:..."))
@click.argument("name")
@host_key_option
@fingerprint_option
@pass_state
def pin(state: State, name: str, host_key: str, fingerprint: str) -> None:
    """Pin a device's host key anew.

    For instance after it was reinstalled.
    """
    from farm.devices import inventory

    device = known(state, name)
    device = _pinned(device, host_key, fingerprint, f"farm devices pin {shlex.quote(name)}")
    inventory.add(state.config.inventory_path, device, overwrite=True)
    say(f"{name}: pinned {_key(device)}")


@command.command(epilog=examples("farm devices show pi-lab", "farm devices show local --json"))
@click.argument("name")
@json_option
@pass_state
def show(state: State, name: str) -> None:
    """Print everything that the inventory says about a device."""
    document = _document(known(state, name))
    if state.json:
        print_json({"schema": "farm.device/1", **document})
        return
    rows = [
        (key, ",".join(value) if isinstance(value, list) else str(value)) for key, value in document.items()
    ]
    print_table(("key", "value"), rows)


@command.command(epilog=examples("farm devices remove pi-lab"))
@click.argument("name")
@pass_state
def remove(state: State, name: str) -> None:
    """Take a device out of the inventory. Its results stay, and so do its files on the device."""
    from farm.devices import inventory

    inventory.remove(state.config.inventory_path, name)
    say(f"removed {name}")


for each in (who, reserve, lock, unlock):
    command.add_command(each)


def _add(state: State, device: Device, *, probe: bool) -> int:
    """Write the device, after asking it for its profile where that is wanted, and report the trial."""
    from farm.devices import checkup, detect, inventory

    facts, findings = (None, []) if not probe else _probe(state, device)
    failures = [finding for finding in findings if finding.state == "fail"]
    if device.profile == AUTO:
        if facts is None:
            # Without facts there is no profile, and without profile no device.
            raise _as_error(failures[0])
        nvidia = checkup.has_nvidia_driver(device)
        device = replace(device, profile=detect.detect_profile(facts, nvidia_driver=nvidia))
    inventory.add(state.config.inventory_path, device, overwrite=device.name == "local")
    if state.json:
        rows = [vars(finding) for finding in findings]
        print_json({"schema": "farm.device-added/1", "device": _document(device), "findings": rows})
    elif findings:
        print_table(("check", "state", "seen", "fix"), [(e.check, e.state, e.text, e.fix) for e in findings])
    say(f"added {device.name} ({device.profile}) to {state.config.inventory_path}")
    for finding in failures:
        print_error(_as_error(finding))
    return EXIT_PARTIAL if failures else EXIT_OK


def _probe(state: State, device: Device) -> tuple[Facts | None, list[Finding]]:
    from farm.devices import checkup
    from farm_agent import pack
    from farm_profiles.load import load_profile

    say(f"trying {device.name} out: link, Python, agent, runtimes ...")
    findings: list[Finding] = []
    profile = None if device.profile == AUTO else load_profile(device.profile)
    packed = pack.build(state.config.cache_dir / "agents")
    return checkup.examine(device, profile, packed, findings.append), findings


def _pinned(device: Device, host_key: str, fingerprint: str, again: str) -> Device:
    from farm.devices.enrolment import key_to_pin

    ask = (lambda key: _confirm(device, key)) if sys.stdin.isatty() else None
    text = key_to_pin(device, host_key=host_key, fingerprint=fingerprint, ask=ask, again=again)
    return replace(device, host_key=text)


def _confirm(device: Device, key: HostKey) -> bool:
    """A whole word, so that nobody confirms by leaning on Enter."""
    click.echo(f"{device.address} offers the {key.type} host key\n  {key.fingerprint()}", err=True)
    click.echo("Compare it with `ssh-keygen -lf /etc/ssh/ssh_host_*_key.pub` on the device itself.", err=True)
    answer = ""
    while answer not in ("yes", "no"):
        answer = click.prompt("Is it the same? Type yes or no", err=True).strip().lower()
    return answer == "yes"


def known(state: State, name: str) -> Device:
    """The device of that name. Raises UsageError device.unknown."""
    import difflib

    from farm.devices import inventory
    from farm.errors import UsageError

    devices = inventory.load(state.config.inventory_path)
    if name in devices:
        return devices[name]
    near = difflib.get_close_matches(name, devices, n=1)
    hint = f"did you mean {near[0]}? " if near else ""
    raise UsageError(
        f"no device is called {name}",
        code="device.unknown",
        fix=f"{hint}`farm devices list` shows what there is: {', '.join(list(devices)[:8])}",
    )


def _document(device: Device) -> dict[str, object]:
    from farm_agent import codec

    document: dict[str, object] = codec.encode(device)
    return {**document, "fingerprint": _key(device).partition(" ")[2]}


def _key(device: Device) -> str:
    from farm.devices import hostkeys

    if not device.host_key:
        return ""
    try:
        key = hostkeys.parse(device.host_key)
    except FarmError as error:
        return f"unreadable: {error.message}"
    return f"{key.type} {key.fingerprint()}"


def _as_error(finding: Finding) -> FarmError:
    from farm.errors import InfrastructureError

    return InfrastructureError(finding.text, code=finding.code or "device.check", fix=finding.fix)
