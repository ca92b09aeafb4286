"""``farm doctor``: what works here and on each device, and what to do about the rest."""

from __future__ import annotations

import click

from farm.cli.output import print_json, print_table, say
from farm.cli.state import State, json_option, pass_state
from farm.cli.types import examples
from farm.devices.finding import FAIL, WARN, Finding
from farm.errors import EXIT_OK, EXIT_PARTIAL, FarmError


@click.command(
    "doctor",
    epilog=examples(
        "farm doctor",
        "farm doctor local pi-lab",
        "farm doctor all --json",
    ),
)
@click.argument("devices", nargs=-1)
@json_option
@pass_state
def command(state: State, devices: tuple[str, ...]) -> int:
    """Check this machine and devices.

    DEVICES are names, tags or profiles; default: local. Each device runs a real inference in every runtime,
    reads every sensor, and tells what would make its numbers untrustworthy.

    Each finding is ok, warn or fail; warn and fail come with a fix. Exit code 3 when something fails.
    """
    findings = examine_all(state, devices or ("local",))
    if state.json:
        rows = [vars(finding) for finding in findings]
        print_json({"schema": "farm.doctor/1", "findings": rows})
    else:
        table = [(each.subject, each.check, each.state, each.text, each.fix) for each in findings]
        print_table(("where", "check", "state", "seen", "fix"), table)
        count = {word: sum(each.state == word for each in findings) for word in (FAIL, WARN)}
        say(f"{len(findings)} checks, {count[FAIL]} failed, {count[WARN]} with a warning")
    return EXIT_PARTIAL if any(finding.state == FAIL for finding in findings) else EXIT_OK


def examine_all(state: State, tokens: tuple[str, ...]) -> list[Finding]:
    """The host's findings, then each device's, in order; devices are examined at the same time."""
    from concurrent.futures import ThreadPoolExecutor

    from farm.devices import inventory
    from farm.devices.device import Device
    from farm.devices.finding import failed
    from farm.devices.hostcheck import SUBJECT, examine_host
    from farm.devices.select import select
    from farm_agent import pack
    from farm_profiles.load import load_profile, profile_names

    profiles = {name: load_profile(name) for name in profile_names()}
    selected = select(inventory.load(state.config.inventory_path), profiles, tokens).matches
    findings: list[Finding] = []
    examine_host(state.config, findings.append)
    try:
        packed = pack.build(state.config.cache_dir / "agents")
    except FarmError as error:
        return [*findings, failed(SUBJECT, "agent", error)]

    def one(device: Device) -> list[Finding]:
        from farm.devices.checkup import examine

        found: list[Finding] = []
        if device.profile not in profiles:
            text, fix = f"no profile is called {device.profile!r}", f"use one of: {', '.join(profiles)}"
            found.append(Finding(device.name, "profile", FAIL, text, fix, "profile.unknown"))
        profile = profiles.get(device.profile)
        if profile and profile.support.state != "supported":
            found.append(Finding(device.name, "profile", WARN, f"{profile.title}: {profile.support.note}"))
        try:
            examine(device, profile, packed, found.append, thorough=True)
        except FarmError as error:
            found.append(failed(device.name, "check", error))
        return found

    with ThreadPoolExecutor(max_workers=8) as pool:
        for found in pool.map(one, selected):
            findings += found
    return findings
