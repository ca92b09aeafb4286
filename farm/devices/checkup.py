"""Examine one device from the link inwards: host key, login, Python, agent, disk, runtimes, clock, the rest.

What findings mean is in ``checks``, by subject.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from farm.devices import hostkeys
from farm.devices.device import Device
from farm.devices.finding import FAIL, OK, WARN, Finding, Report, failed
from farm.errors import FarmError

if TYPE_CHECKING:
    from farm.agent_client import AgentClient
    from farm.transports import Transport
    from farm_agent.messages.checkup import Surroundings
    from farm_agent.pack import Packed
    from farm_agent.wire import Facts, Hello
    from farm_profiles import Profile

CONNECT_TIMEOUT_S = 20.0
CALL_TIMEOUT_S = 30.0
LITTLE_BYTES = 64 * 1024 * 1024
FEW_BYTES = 1024 * 1024 * 1024
SKEW_S = 5.0
USUAL_PYTHONS = ("/opt/farm/venv/bin/python", "python3")

_CHECKS = {"device.auth": "login", "device.identity": "login"}
_CLOCK = "import sys, time; sys.stdout.write('farm-clock %.6f' % time.time())"


def pythons_to_try(device: Device, pythons: Sequence[str]) -> Sequence[str]:
    """The device's own choice, else this very Python here, else what its profile knows."""
    if device.python:
        return (device.python,)
    return (sys.executable,) if device.transport == "local" else pythons


def examine(
    device: Device, profile: Profile | None, packed: Packed, report: Report, *, thorough: bool = False
) -> Facts | None:
    """Report one finding per step; later steps need the earlier ones. Returns the facts if it came so far.

    Without a profile every runtime counts as wanted, and usual Pythons are tried. ``thorough``: also a real
    inference in every runtime, every sensor, and what would disturb a measurement. Raises nothing of its
    own: what goes wrong is a finding.
    """
    from farm.transports import connect

    try:
        transport = connect(device, CONNECT_TIMEOUT_S)
    except FarmError as error:
        check = "host key" if error.code.startswith("device.host-key") else "reach"
        report(failed(device.name, _CHECKS.get(error.code, check), error))
        return None
    try:
        report(Finding(device.name, "reach", OK, device.address))
        if device.host_key:
            key = hostkeys.parse(device.host_key)
            report(Finding(device.name, "host key", OK, f"{key.type} {key.fingerprint()}"))
        if device.transport == "adb":
            report = _of_phone(report)
        pythons = profile.reach.pythons if profile else USUAL_PYTHONS
        return _examine_inside(device, pythons, profile, packed, transport, report, thorough=thorough)
    finally:
        transport.close()


def _examine_inside(
    device: Device,
    pythons: Sequence[str],
    profile: Profile | None,
    packed: Packed,
    transport: Transport,
    report: Report,
    *,
    thorough: bool,
) -> Facts | None:
    from farm import agent_client
    from farm.devices.root import make_root
    from farm.phone.python import find

    step = "python"
    try:
        python = find(transport, device, pythons_to_try(device, pythons))
        report(Finding(device.name, step, OK, python))
        step = "agent"
        root = make_root(transport, device)
        client = agent_client.install(transport, python, packed, root)
        hello = client.hello()
        report(Finding(device.name, step, OK, f"{packed.path.stem} on Python {hello.python} in {root}"))
        report(_disk(device.name, hello))
        step = "surroundings"
        # Before anything else runs there: the load of our own checks is nobody's load.
        seen = client.surroundings() if thorough else None
        step = "runtimes"
        facts = client.facts()
        _runtimes(device.name, client, facts, profile, report, thorough=thorough)
        step = "clock"
        report(_clock(device.name, transport, python))
        if seen is not None:
            step = "sensors"
            _disturbances(device, seen, client, profile, report)
    except FarmError as error:
        report(failed(device.name, step, error))
        return None
    return facts


def has_nvidia_driver(device: Device) -> bool:
    """Whether the kernel there drives an NVIDIA GPU. Raises what connecting raises."""
    from farm.transports import connect

    transport = connect(device, CONNECT_TIMEOUT_S)
    try:
        done = transport.run(["test", "-e", "/proc/driver/nvidia/version"], timeout_s=CALL_TIMEOUT_S)
        return done.returncode == 0
    finally:
        transport.close()


def _disk(name: str, hello: Hello) -> Finding:
    text = f"{hello.free_bytes / 1e9:.1f} GB free at {hello.root}"
    fix = f"free space there (df -h), or remove what farm keeps: farm agent gc {name}"
    if hello.free_bytes < LITTLE_BYTES:
        return Finding(name, "disk", FAIL, text, fix)
    if hello.free_bytes < FEW_BYTES:
        return Finding(name, "disk", WARN, text, fix)
    return Finding(name, "disk", OK, text)


def _runtimes(
    name: str,
    client: AgentClient,
    facts: Facts,
    profile: Profile | None,
    report: Report,
    *,
    thorough: bool,
) -> None:
    from farm.devices.checks import runtimes

    wanted = {target.runtime for target in profile.targets} if profile else None
    there = [fact.name for fact in facts.runtimes if not fact.unavailable]
    for finding in runtimes.check(name, facts, wanted, client.try_runtimes(there) if thorough else ()):
        report(finding)


def _disturbances(
    device: Device, seen: Surroundings, client: AgentClient, profile: Profile | None, report: Report
) -> None:
    from farm.devices.checks import clocks, load, memory, phone, power, sensing

    name = device.name
    for found in (
        load.check(name, seen),
        memory.check(name, seen),
        clocks.check(name, seen),
        power.check(name, seen),
        sensing.check(name, client.sensors(), seen, profile),
    ):
        for finding in found:
            report(phone.worded(finding, seen) if device.transport == "adb" else finding)


def _of_phone(report: Report) -> Report:
    from farm.devices.checks import phone

    return lambda finding: report(phone.worded(finding))


def _clock(name: str, transport: Transport, python: str) -> Finding:
    before = time.time()
    done = transport.run([python, "-c", _CLOCK], timeout_s=CALL_TIMEOUT_S)
    after = time.time()
    try:
        theirs = float(done.stdout.partition(b"farm-clock ")[2])
    except ValueError:
        return Finding(name, "clock", WARN, "it does not tell its time", "check date(1) there")
    # Their clock was read somewhere in between: only what lies outside that span is certain.
    skew_s = max(before - theirs, theirs - after, 0.0)
    if skew_s > SKEW_S:
        text = f"{skew_s:.0f} s away from this machine's clock"
        return Finding(
            name, "clock", WARN, text, "switch on time synchronisation there: timedatectl set-ntp true"
        )
    return Finding(name, "clock", OK, f"agrees with this machine's within {after - before + skew_s:.1f} s")
