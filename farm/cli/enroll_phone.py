"""``farm enroll adb:SERIAL``: hands a phone to ``farm.phone``, then has it prove itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from farm.cli.output import print_error, print_json, print_table, say
from farm.errors import EXIT_OK, EXIT_PARTIAL, InfrastructureError, UsageError

if TYPE_CHECKING:
    from farm.cli.state import State
    from farm.devices.address import Address
    from farm.devices.finding import Finding


def enroll_phone(
    state: State,
    address: Address,
    name: str,
    profile: str,
    tags: tuple[str, ...],
    *,
    health: bool,
    check: bool,
) -> int:
    """Add the phone to the inventory once its agent answers, then have it run its canary.

    Exit code 3 when a check or the canary failed all the same. With ``check`` nothing is changed.

    Raises what ``farm.phone.enroll`` raises; UsageError device.exists.
    """
    from farm import phone
    from farm.cli.enroll_options import Terminal
    from farm.devices import checkup, inventory
    from farm.enroll import flow
    from farm_agent import codec, pack
    from farm_profiles.load import load_profile

    config = state.config
    known = inventory.load(config.inventory_path).get(name)
    if known is not None and known.address != address.text():
        raise UsageError(
            f"a device is called {name} already",
            code="device.exists",
            fix=f"choose another --name, or run `farm devices remove {name}` first",
        )
    device, found = phone.enroll(
        address.text(), name, config=config, profile=profile or "auto", tags=tags, check=check, say=say
    )
    document: dict[str, object] = {"device": codec.encode(device), "phone": codec.encode(found)}
    if check:
        if state.json:
            print_json({"schema": "farm.phone-enrolled/1", **document, "check": True})
        return EXIT_OK
    say(f"{name}: trying it out: agent, runtimes ...")
    findings: list[Finding] = []
    packed = pack.build(config.cache_dir / "agents")
    facts = checkup.examine(device, load_profile(device.profile), packed, findings.append, thorough=False)
    failures = [each for each in findings if each.state == "fail"]
    if facts is None and failures:
        worst = failures[0]
        raise InfrastructureError(worst.text, code=worst.code or "device.check", fix=worst.fix)
    inventory.add(config.inventory_path, device, overwrite=True)
    say(f"added {name} ({device.profile}) to {config.inventory_path}")
    admission = flow.prove(device, config, Terminal(yes=True, diff=False), health_run=health)
    if state.json:
        rows = [vars(each) for each in findings]
        document["findings"] = rows
        document["health"] = admission.health if admission else None
        document["reason"] = admission.reason if admission else None
        print_json({"schema": "farm.phone-enrolled/1", **document})
    else:
        print_table(("check", "state", "seen", "fix"), [(e.check, e.state, e.text, e.fix) for e in findings])
    for each in failures:
        print_error(InfrastructureError(each.text, code=each.code or "device.check", fix=each.fix))
    if admission is not None:
        say(f"{name}: {admission.health}: {admission.reason}")
        if not admission.ok:
            if admission.error is not None:
                print_error(admission.error)
            return EXIT_PARTIAL
    return EXIT_PARTIAL if failures else EXIT_OK
