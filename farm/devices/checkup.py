"""Examine one device from the link inwards: host key, login, Python, agent, runtimes, disk, clock, load."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING

from farm.devices import hostkeys
from farm.devices.device import Device
from farm.devices.finding import FAIL, OK, WARN, Finding, Report, failed
from farm.errors import FarmError

if TYPE_CHECKING:
    from farm.transports import Transport
    from farm_agent.pack import Packed
    from farm_agent.wire import Facts, Hello
    from farm_profiles import Profile

CONNECT_TIMEOUT_S = 20.0
CALL_TIMEOUT_S = 30.0
LITTLE_BYTES = 64 * 1024 * 1024
FEW_BYTES = 1024 * 1024 * 1024
SKEW_S = 5.0
USUAL_PYTHONS = ("/opt/farm/venv/bin/python", "python3")
BUSY_PCT = 20.0

_CHECKS = {"device.auth": "login", "device.identity": "login"}
_CLOCK = "import sys, time; sys.stdout.write('farm-clock %.6f' % time.time())"


def pythons_to_try(device: Device, pythons: Sequence[str]) -> Sequence[str]:
    """The device's own choice, else this very Python here, else what its profile knows."""
    if device.python:
        return (device.python,)
    return (sys.executable,) if device.transport == "local" else pythons


def examine(device: Device, profile: Profile | None, packed: Packed, report: Report) -> Facts | None:
    """Report one finding per step; later steps need the earlier ones. Returns the facts if it came so far.

    Without a profile every runtime counts as wanted, and usual Pythons are tried. Raises nothing of its own:
    what goes wrong is a finding.
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
        pythons = profile.reach.pythons if profile else USUAL_PYTHONS
        wanted = {target.runtime for target in profile.targets} if profile else None
        return _examine_inside(device, pythons, wanted, packed, transport, report)
    finally:
        transport.close()


def _examine_inside(
    device: Device,
    pythons: Sequence[str],
    wanted: AbstractSet[str] | None,
    packed: Packed,
    transport: Transport,
    report: Report,
) -> Facts | None:
    from farm import agent_client
    from farm.devices.root import make_root

    step = "python"
    try:
        python = agent_client.find_python(transport, pythons_to_try(device, pythons))
        report(Finding(device.name, step, OK, python))
        step = "agent"
        root = make_root(transport, device)
        client = agent_client.install(transport, python, packed, root)
        hello = client.hello()
        report(Finding(device.name, step, OK, f"{packed.path.stem} on Python {hello.python} in {root}"))
        report(_disk(device.name, hello))
        step = "runtimes"
        facts = client.facts()
        _runtimes(device.name, facts, wanted, report)
        step = "clock"
        report(_clock(device.name, transport, python))
        report(_pressure(device.name, transport))
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


def _runtimes(name: str, facts: Facts, wanted: AbstractSet[str] | None, report: Report) -> None:
    for runtime in facts.runtimes:
        check = f"runtime {runtime.name}"
        if runtime.unavailable and wanted is not None and runtime.name not in wanted:
            report(Finding(name, check, OK, "not there, and not wanted by the profile"))
        elif runtime.unavailable:
            report(Finding(name, check, WARN, runtime.unavailable, runtime.fix))
        else:
            report(Finding(name, check, OK, runtime.version))
    if all(runtime.unavailable for runtime in facts.runtimes):
        fix = "install one in the Python that the agent uses, for instance: pip install onnxruntime numpy"
        report(Finding(name, "runtimes", FAIL, "none can be used: nothing can be measured here", fix))


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


def _pressure(name: str, transport: Transport) -> Finding:
    """PSI: the share of time in which some task waited for a CPU, over the last 10 s."""
    done = transport.run(["cat", "/proc/pressure/cpu"], timeout_s=CALL_TIMEOUT_S)
    words = dict(word.split(b"=", 1) for word in done.stdout.split() if b"=" in word)
    try:
        waited_pct = float(words[b"avg10"])
    except (KeyError, ValueError):
        text = "the kernel tells no pressure (PSI): load by others cannot be seen in results"
        return Finding(name, "load", WARN, text, "boot with psi=1 where the kernel has it")
    if waited_pct > BUSY_PCT:
        text = f"tasks waited for a CPU {waited_pct:.0f} % of the last 10 s"
        return Finding(name, "load", WARN, text, "stop what else runs there; see top(1)")
    return Finding(name, "load", OK, f"tasks waited for a CPU {waited_pct:.0f} % of the last 10 s")
