"""Which faults meet which driver, drawn from the catalogue by a seed: the same in every run."""

from __future__ import annotations

import random
from collections.abc import Iterable

from tests.faults.fault import STEPS, Fault, every
from tests.faults.volley import DEADLY

MOST = 6


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


def volleys(faults: Iterable[Fault], *, dense: bool = False) -> list[tuple[Fault, ...]]:
    """As few drivers as can meet them all: those that go together share one, in the order of its steps.

    ``dense``: the drivers that meet most come first.
    """
    open_ones: list[list[Fault]] = []
    for fault in faults:
        for volley in open_ones:
            if _fits(volley, fault):
                volley.append(fault)
                break
        else:
            open_ones.append([fault])
    if dense:
        open_ones.sort(key=len, reverse=True)
    return [tuple(sorted(volley, key=_when)) for volley in open_ones]


def _fits(volley: list[Fault], fault: Fault) -> bool:
    """Whether each of them would still happen, and each be seen on its own: one that ends the driver or the
    job comes last, and no two meet the same call."""
    if len(volley) >= MOST or any(one.where == fault.where for one in volley):
        return False
    ends = [one for one in volley if _ends(one)]
    if _ends(fault):
        return not ends and all(_when(one) < _when(fault) for one in volley)
    return all(_when(fault) < _when(one) for one in ends)


def _ends(fault: Fault) -> bool:
    """After it, this driver meets nothing any more in the usual order."""
    return (
        (fault.victim == "coordinator" and fault.kind in DEADLY)
        or (fault.victim == "runner" and fault.kind != "freeze")
        or fault.kind in ("reboot", "fill")
    )


def _when(fault: Fault) -> int:
    return STEPS.index(fault.step)
