"""``farm enroll``: make a bare device one that measures."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from farm.cli.devices import fingerprint_option, host_key_option
from farm.cli.enroll_options import Terminal, end_in_order, login_options, secret
from farm.cli.output import print_error, print_json, say
from farm.cli.state import State, json_option, pass_state
from farm.cli.types import examples, list_option
from farm.errors import EXIT_OK, EXIT_PARTIAL

if TYPE_CHECKING:
    from farm.enroll.flow import Outcome, Request


@click.command(
    "enroll",
    epilog=examples(
        "farm enroll pi@192.0.2.7 --name rpi4-a",
        "farm enroll pi@192.0.2.7 --name rpi4-a --check --diff",
        "farm enroll root@192.0.2.8:2222 --yes --fingerprint SHA256:...",
        "farm enroll adb:R58M123456A --name pixel-a",
    ),
)
@click.argument("target")
@click.option("--name", default="", help="What to call it; default: its host name.")
@click.option("--profile", default="auto", show_default=True, help="What kind of device; auto asks it.")
@click.option(
    "--wheels",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Install from this folder of wheels alone (a site without a network).",
)
@list_option("--runtime", "runtimes", text="Install only these of the profile's runtimes.")
@click.option("--tag", "tags", multiple=True, help="A word to select it by; may be repeated.")
@click.option("--user", default="farm", show_default=True, help="The unprivileged user to make there.")
@click.option(
    "--key",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The private key that farm logs in with from then on; default: its own, made once.",
)
@click.option("--no-health", is_flag=True, help="Do not prove by a health run that it works.")
@login_options
@host_key_option
@fingerprint_option
@json_option
@pass_state
def command(
    state: State,
    target: str,
    name: str,
    profile: str,
    wheels: Path | None,
    runtimes: tuple[str, ...],
    tags: tuple[str, ...],
    user: str,
    key: Path | None,
    no_health: bool,
    identity: str,
    ask_password: bool,
    password_file: Path | None,
    ask_become_password: bool,
    become_password_file: Path | None,
    check: bool,
    diff: bool,
    yes: bool,
    host_key: str,
    fingerprint: str,
) -> int:
    """Make a bare device one that measures.

    TARGET is USER@HOST[:PORT], or adb:SERIAL.

    USER must be root or allowed to use sudo. Ansible makes an unprivileged user with farm's key, a virtual
    environment with the profile's runtimes, a helper for the few acts that need root, and what runs at boot.
    Its host key is pinned: compare the fingerprint that is shown, or give it. A second run changes nothing;
    after a failure run it again. Exit code 3 when the device is enrolled but its health run failed.
    """
    from farm.enroll import flow
    from farm.enroll.target import default_name, parse_target
    from farm_profiles.load import load_profile

    address = parse_target(target)
    if profile != "auto":
        load_profile(profile)
    name = name or default_name(address)
    if address.scheme == "adb":
        from farm.cli.enroll_phone import enroll_phone

        return enroll_phone(state, address, name, profile, tags, health=not no_health, check=check)
    words = ["farm", "enroll", target, "--name", name, "--profile", profile]
    given = {"--identity": identity, "--wheels": str(wheels or ""), "--runtime": ",".join(runtimes)}
    words += [word for option, value in given.items() if value for word in (option, value)]
    request = flow.Request(
        address=address,
        name=name,
        again=shlex.join(words),
        profile=profile,
        wheels=wheels.absolute() if wheels else None,
        runtimes=runtimes,
        tags=tags,
        user=user,
        identity=str(Path(identity).expanduser().absolute()) if identity else "",
        key=key.absolute() if key else None,
        password=secret("password", password_file, ask_password, f"Password of {address.text()}"),
        become_password=secret(
            "become_password", become_password_file, ask_become_password, "Password of sudo there"
        ),
        host_key=host_key,
        fingerprint=fingerprint,
        check=check,
        health=not no_health,
    )
    end_in_order()
    outcome = flow.enroll(request, state.config, Terminal(yes=yes or check, diff=diff))
    return _report(state, request, outcome)


def _report(state: State, request: Request, outcome: Outcome) -> int:
    counts = outcome.counts.devices.get(request.name, {}) if outcome.counts else {}
    admission = outcome.admission
    if state.json:
        print_json(
            {
                "schema": "farm.enrolled/1",
                "device": outcome.device.name if outcome.device else request.name,
                "profile": outcome.proposal.profile.name if outcome.proposal else None,
                "check": request.check,
                "tasks": dict(counts),
                "health": admission.health if admission else None,
                "reason": admission.reason if admission else None,
            }
        )
    if counts:
        told = ", ".join(f"{name}={counts.get(name, 0)}" for name in ("ok", "changed", "failures"))
        say(f"{request.name}: {'would be' if request.check else 'tasks'} {told}")
    if outcome.device is not None:
        say(f"{request.name} is in the inventory as {outcome.device.address} ({outcome.device.profile})")
    if admission is not None:
        say(f"{request.name}: {admission.health}: {admission.reason}")
        if not admission.ok:
            if admission.error is not None:
                print_error(admission.error)
            return EXIT_PARTIAL
    return EXIT_OK
