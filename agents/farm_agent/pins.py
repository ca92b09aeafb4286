"""Pin what a job asks for while it runs, and set it back: governor, turbo, power mode, clocks, CPUs."""

from __future__ import annotations

import contextlib
import os
from dataclasses import replace
from pathlib import Path
from typing import Dict, Iterator, List, Optional, Sequence, Tuple

from farm_agent import identity, pins_affinity, pins_knobs, restore, task
from farm_agent.errors import FarmError, JobError
from farm_agent.messages.gate import Pin, PinPlan
from farm_agent.pins_knobs import Device
from farm_agent.restore import Entry, Journal
from farm_agent.steps_process import Keeper


@contextlib.contextmanager
def pinned(keeper: Keeper, plan: PinPlan, root: Path, device: Optional[Device] = None) -> Iterator[None]:
    """Everything that ``plan`` names is pinned inside, and set back however it is left.

    A pin that the device does not allow is no error: JobResult.pins says why. Raises JobError
    ``pins.option``, ``pins.affinity`` for a plan that nobody could follow.
    """
    device = device or Device(root)
    wanted = knobs(plan, device)
    allowed = os.sched_getaffinity(0)
    cpus = pins_affinity.choose(plan.affinity or "all", allowed, device.cpu)
    restore.leftover(root, device)
    told = recorded(plan, device)
    try:
        told += apply(wanted, root, device)
        told.append(_bind(plan, cpus, sorted(allowed)))
        keeper.keep(replace(keeper.result, pins=grouped(told)))
        yield
    finally:
        with restore.undisturbed():
            journal = restore.read(root)
            back = restore.set_back(root, journal, device) if journal is not None else ()
            problem = task.run_on(allowed) if plan.affinity else ""
            told = [_ended(pin, back, problem) for pin in told]
            with contextlib.suppress(FarmError):
                keeper.keep(replace(keeper.result, pins=grouped(told)))


def knobs(plan: PinPlan, device: Device) -> Dict[str, str]:
    """Names of knobs and the values they are to have, in the order to set them.

    Raises JobError ``pins.option``.
    """
    wanted: Dict[str, str] = {}
    if plan.power_mode:
        if not pins_knobs.may_hold("power-mode", plan.power_mode):
            raise _refused("power-mode", plan.power_mode, "NUMBER, as nvpmodel -q tells")
        wanted["power-mode"] = plan.power_mode
    if plan.governor:
        if not pins_knobs.may_hold("governor", plan.governor):
            raise _refused("governor", plan.governor, "performance")
        wanted.update(dict.fromkeys(pins_knobs.governors(device) or ["governor:policy0"], plan.governor))
    if plan.turbo:
        if plan.turbo != "off":
            raise _refused("turbo", plan.turbo, "off")
        wanted.update(pins_knobs.turbo_off(device) or {"turbo:boost": "0"})
    if plan.clocks:
        if plan.clocks != "max":
            raise _refused("clocks", plan.clocks, "max")
        wanted["clocks"] = "max"
    if plan.fixed_performance:
        if plan.fixed_performance != "on":
            raise _refused("fixed-performance", plan.fixed_performance, "on")
        wanted["fixed-performance"] = "on"
    return wanted


def apply(wanted: Dict[str, str], root: Path, device: Device) -> List[Pin]:
    """Set each knob, its old value on the disk first. Raises InfrastructureError device.* of that disk."""
    done: List[Pin] = []
    known = restore.read(root)
    journal = Journal(identity.boot_id(), identity.identify(os.getpid()), known.entries if known else ())
    for name, value in wanted.items():
        pin = Pin(name, "", value)
        try:
            knob = pins_knobs.knob(device, name)
            pin = replace(pin, old=knob.read())
            if pin.old != value:
                knob.prepare()
                if all(entry.name != name for entry in journal.entries):
                    journal = replace(journal, entries=(*journal.entries, Entry(name, pin.old, value)))
                restore.write(root, journal)
                knob.write(value)
        except FarmError as error:
            if not error.code.startswith("pins."):
                raise
            pin = replace(pin, problem=f"{error.message} ({error.fix})")
        done.append(pin)
    return done


def recorded(plan: PinPlan, device: Device) -> List[Pin]:
    """What nobody asked to pin, as it is: ``new`` is ""."""
    names: List[str] = []
    if not plan.governor:
        names += pins_knobs.governors(device)
    if not plan.turbo:
        names += list(pins_knobs.turbo_off(device))
    if not plan.power_mode and device.command("nvpmodel"):
        names.append("power-mode")
    found = []
    for name in names:
        with contextlib.suppress(FarmError):
            found.append(Pin(name, pins_knobs.knob(device, name).read(), ""))
    return found


def grouped(told: Sequence[Pin]) -> Tuple[Pin, ...]:
    """One pin for all policies of a governor: their old values, the first problem, restored when all are."""
    groups: Dict[str, List[Pin]] = {}
    for pin in told:
        groups.setdefault(pin.name.partition(":")[0], []).append(pin)
    return tuple(_merged(name, members) for name, members in groups.items())


def with_restored(told: Sequence[Pin], back: Sequence[Pin]) -> Tuple[Pin, ...]:
    """Grouped pins of a job that died, with what was set back after it."""
    groups = {pin.name: pin for pin in grouped(back)}
    return tuple(
        replace(pin, restored=groups[pin.name].restored, problem=pin.problem or groups[pin.name].problem)
        if pin.name in groups
        else pin
        for pin in told
    )


def _merged(name: str, members: Sequence[Pin]) -> Pin:
    def words(values: Sequence[str]) -> str:
        return ",".join(dict.fromkeys(value for value in values if value))

    restored = [pin.restored for pin in members if pin.restored is not None]
    return Pin(
        name=name,
        old=words([pin.old for pin in members]),
        new=words([pin.new for pin in members]),
        problem=next((pin.problem for pin in members if pin.problem), ""),
        restored=all(restored) if restored else None,
    )


def _bind(plan: PinPlan, cpus: Sequence[int], allowed: Sequence[int]) -> Pin:
    """This process runs on the chosen CPUs, and whatever it starts does."""
    old = pins_affinity.listed(allowed)
    if not plan.affinity:
        return Pin("affinity", old, "")
    return Pin("affinity", old, pins_affinity.listed(cpus), task.run_on(cpus))


def _ended(pin: Pin, back: Sequence[Pin], affinity_problem: str) -> Pin:
    if pin.name == "affinity" and pin.new:
        return replace(pin, restored=not affinity_problem, problem=pin.problem or affinity_problem)
    for other in back:
        if other.name == pin.name:
            return replace(pin, restored=other.restored, problem=pin.problem or other.problem)
    return replace(pin, restored=True) if pin.new and not pin.problem else pin


def _refused(name: str, value: str, choices: str) -> JobError:
    return JobError(
        f"--pin {name}={value[:40]}: that is no value for it",
        code="pins.option",
        fix=f"give --pin {name}={choices}",
    )
