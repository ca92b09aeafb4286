"""One driver and the faults that meet it; then what a user does next, until everything is quiet again."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults.fault import Fault
from tests.faults.site import Site, stopped, wait_until
from tests.faults.zygote import Drivers
from tests.zoo.device import ZooDevice

LIMIT_S = 100.0
"""For one driver: it waits for a device for a minute at most, and needs a few seconds of its own."""
BREATH_S = 0.15
DARK_S = 3.0
ELSEWHERE = ("pull", "reset", "restart", "stall", "power")
"""What happens outside the driver, which stands still until it has begun."""
DEADLY = ("kill", "term", "interrupt", "stale", "duplicate")


@dataclass
class Volley:
    """``injected``: those that happened; ``troubles``: what no count shows (a driver that hung); ``woken``:
    those of which what stood still was seen to."""

    faults: Sequence[Fault]
    injected: list[Fault] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)
    drivers: list[int] = field(default_factory=list)
    woken: set[int] = field(default_factory=set)


def fire(
    site: Site, drivers: Drivers, faults: Sequence[Fault], dice: random.Random, mode: str = "bench"
) -> Volley:
    """Run one driver under ``faults``; returns when it and whoever ran beside it have ended."""
    volley = Volley(faults)
    if any(fault.cold for fault in faults):
        site.cool()
    numbered = list(enumerate(faults))
    for number, fault in numbered:
        if fault.on_device:
            site.arm(number, rule_of(fault))
    pid = drivers.start(site, mode, numbered)
    volley.drivers.append(drivers.number)
    try:
        _watch(site, drivers, volley, pid)
    finally:
        volley.injected = [fault for number, fault in numbered if site.fired(number)]
        site.disarm()
        site.drain()
        (site.folder / "clock").unlink(missing_ok=True)
    if dice.random() < 0.5 or any(fault.kind in ("reboot", "power") for fault in volley.injected):
        site.expire()  # else the next driver sees that the holder of the lease is dead
    return volley


def settle(site: Site, drivers: Drivers, volley: Volley) -> None:
    """Run again, as any user does; the second time must do."""
    for attempt in range(2):
        pid = drivers.start(site)
        volley.drivers.append(drivers.number)
        _watch(site, drivers, volley, pid)
        if drivers.status(pid) == 0:
            return
        site.expire()
        if attempt:
            volley.troubles.append(f"driver {drivers.number} could not measure although nothing disturbed it")


def _watch(site: Site, drivers: Drivers, volley: Volley, pid: int) -> None:
    """Wake what was stopped, play the second driver, and wait for the end."""
    number = drivers.number
    end = time.monotonic() + LIMIT_S
    while drivers.status(pid) is None:
        began = time.monotonic()
        if _attend(site, drivers, volley):
            end += time.monotonic() - began  # the time of others, who have a limit of their own
        elif began > end:
            volley.troubles.append(f"driver {number} did not end within {LIMIT_S:.0f} s")
            _kill(pid)
            end += LIMIT_S
        time.sleep(0.01)
    _attend(site, drivers, volley)


def _attend(site: Site, drivers: Drivers, volley: Volley) -> bool:
    """Do what the harness does about each fault that has happened; whether there was one.

    Whoever met it: what waits for one driver's process may be met by that of a driver that runs beside it.
    """
    before = len(volley.woken)
    for number, fault in enumerate(volley.faults):
        met = 0 if number in volley.woken else site.fired(number)
        if not met or fault.kind not in ("freeze", "stale", "duplicate", *ELSEWHERE):
            continue
        volley.woken.add(number)
        wait_until(lambda met=met: stopped(met) or not Path(f"/proc/{met}").exists(), 10.0)
        _meanwhile(site, drivers, volley, fault, met)
    return len(volley.woken) > before


def _meanwhile(site: Site, drivers: Drivers, volley: Volley, fault: Fault, met: int) -> None:
    """What happens while ``met`` stands still."""
    other = 0
    if fault.kind == "freeze":
        time.sleep(BREATH_S)
    elif fault.kind in ELSEWHERE and site.zoo:
        threading.Thread(target=_disturb, args=(site.zoo, fault.kind), daemon=True).start()
        time.sleep(BREATH_S)
    elif fault.kind == "duplicate" or site.expire():
        other = drivers.start(site)
        volley.drivers.append(drivers.number)
        if fault.kind == "stale":
            _watch(site, drivers, volley, other)
    with contextlib.suppress(ProcessLookupError):
        os.kill(met, signal.SIGCONT)
    if fault.kind == "duplicate":
        _watch(site, drivers, volley, other)


def _disturb(zoo: ZooDevice, kind: str) -> None:
    """Do something to a real device, and undo it."""
    if kind == "pull":
        zoo.cut()
        time.sleep(DARK_S)
        zoo.heal()
    elif kind == "reset":
        zoo.reset()
    elif kind == "restart":
        zoo.stop_sshd()
        zoo.start_sshd()
    elif kind == "stall":
        pids = zoo.pids("sshd")
        for number in (signal.SIGSTOP, signal.SIGCONT):
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)
            time.sleep(DARK_S if number == signal.SIGSTOP else 0.0)
    else:
        zoo.power_off()
        zoo.power_on()


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def rule_of(fault: Fault) -> dict[str, object]:
    """What the probe in the device's processes is told."""
    role, event, *match = fault.where.split(" ")
    action = {"kill": "SIGKILL", "term": "SIGTERM", "freeze": "SIGSTOP", "torn": "SIGKILL"}[fault.kind]
    tear = [fault.detail] if fault.kind == "torn" else []
    return {
        "role": role,
        "event": event,
        "match": " ".join(match),
        "nth": fault.nth,
        "action": action,
        "tear": tear,
    }
