"""Which faults meet which driver, drawn from the catalogue by a seed: the same in every run."""

from __future__ import annotations

import random
from collections.abc import Iterable

from tests.faults.fault import Fault, every, of_patience
from tests.faults.volley import DEADLY

MOST = 6
ORDER = (
    *("take", "hello", "stock", "put", "commit", "begin", "start", "started", "attach", "result", "get"),
    *("put_file", "add_result", "commit-sql", "ack", "forget", "gc", "release"),
)
"""A driver's calls, as they come."""


def drawn(count: int, seed: int, only: str = "", faults: Iterable[Fault] = ()) -> list[Fault]:
    """``count`` faults: the catalogue in a random order, again and again. ``only``: part of a name."""
    known = [fault for fault in (list(faults) or list(every())) if only in fault.name]
    if not known:
        raise SystemExit(f"no fault's name contains {only!r}")
    dice = random.Random(seed)
    found: list[Fault] = []
    while len(found) < count:
        dice.shuffle(known)
        found += known
    return found[:count]


def share(part: int, ending: int, others: int) -> list[Fault]:
    """For one test: ``ending`` faults after which a driver or a job is over, each part other ones, and
    ``others`` that drivers survive, so that many meet each driver."""
    known = drawn(len(list(every())), seed=7)
    deadly = [fault for fault in known if ends(fault)]
    begin = part * ending % len(deadly)
    mild = [fault for fault in drawn(len(known), seed=part) if not ends(fault)]
    return [*(deadly * 2)[begin : begin + ending], *mild[:others]]


def mixed(count: int, seed: int, only: str = "") -> list[Fault]:
    """A quarter ends a driver or a job; each such driver meets some of the others first."""
    known = [fault for fault in (*every(), *of_patience()) if only in fault.name]
    deadly, mild = [one for one in known if ends(one)], [one for one in known if not ends(one)]
    if not deadly or not mild:
        return drawn(count, seed, only, known)
    return drawn(count // 4, seed, "", deadly) + drawn(count - count // 4, seed, "", mild)


def volleys(faults: Iterable[Fault], *, dense: bool = False) -> list[tuple[Fault, ...]]:
    """As few drivers as can meet them all: those that go together share one, in the order of its calls.

    ``dense``: the drivers that meet most come first.
    """
    drawn_ones = list(faults)
    found = [[fault] for fault in drawn_ones if ends(fault)]
    for fault in drawn_ones:
        if not ends(fault):
            fitting = [volley for volley in found if len(volley) < MOST and _fits(volley, fault)]
            if fitting:
                min(fitting, key=len).append(fault)
            else:
                found.append([fault])
    if dense:
        found.sort(key=len, reverse=True)
    return [tuple(sorted(volley, key=_when)) for volley in found]


def _fits(volley: list[Fault], fault: Fault) -> bool:
    """Whether each of them would still happen: what ends the driver or the job comes last."""
    if any((one.where, one.moment) == (fault.where, fault.moment) for one in volley):
        return False
    return all(_when(fault) < _when(one) for one in volley if ends(one))


def ends(fault: Fault) -> bool:
    """Whether after it this driver meets nothing any more in the usual order."""
    return (
        (fault.victim == "coordinator" and fault.kind in DEADLY)
        or (fault.victim == "runner" and fault.kind != "freeze")
        or fault.kind in ("reboot", "fill", "power", "gone")
    )


def _when(fault: Fault) -> float:
    call = fault.where.split(" ", maxsplit=1)[0]
    place = ORDER.index("attach" if call[0] == "_" else call)
    return place + {"before": 0.0, "at": 0.2, "middle": 0.3, "after": 0.4}[fault.moment]
