"""Many faults, one after another, and what they left."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults.count import Counts, count
from tests.faults.fault import STEPS, Fault
from tests.faults.site import Site
from tests.faults.volley import Volley, fire, settle
from tests.faults.zygote import Drivers

TOGETHER = 6
"""Volleys between two counts."""


@dataclass
class Outcome:
    """``findings``: (what was injected, what is wrong) for each round that was not clean."""

    injected: list[Fault] = field(default_factory=list)
    missed: list[Fault] = field(default_factory=list)
    counts: Counts = field(default_factory=Counts)
    troubles: list[str] = field(default_factory=list)
    findings: list[tuple[list[str], dict[str, list[str]]]] = field(default_factory=list)

    def table(self) -> str:
        """Injected faults by step and kind."""
        kinds = sorted({f"{fault.victim} {fault.kind}" for fault in self.injected})
        seen = Counter((f"{fault.victim} {fault.kind}", fault.step) for fault in self.injected)
        lines = ["| fault | " + " | ".join(STEPS) + " | all |", "|---" * (len(STEPS) + 2) + "|"]
        for kind in kinds:
            row = [seen[kind, step] for step in STEPS]
            lines.append(f"| {kind} | " + " | ".join(str(n or "") for n in row) + f" | {sum(row)} |")
        total = [sum(seen[kind, step] for kind in kinds) for step in STEPS]
        lines.append("| **all** | " + " | ".join(map(str, total)) + f" | {len(self.injected)} |")
        return "\n".join(lines)


def run(
    site: Site,
    drivers: Drivers,
    volleys: Sequence[tuple[Fault, ...]],
    seed: int,
    tell: Callable[[Outcome, int], None] = lambda _outcome, _done: None,
) -> Outcome:
    """Each volley in turn; every few of them a driver that nothing disturbs, and a count."""
    dice = random.Random(seed)
    outcome, known = Outcome(), Counts()
    recent: list[Volley] = []
    excused: set[str] = set()
    for number, faults in enumerate(volleys, 1):
        site.sql_if_there("DELETE FROM device_health")  # somebody has looked at the device
        volley = fire(site, drivers, faults, dice)
        recent.append(volley)
        outcome.injected += volley.injected
        outcome.missed += [fault for fault in faults if fault not in volley.injected]
        if any(fault.kind == "torn" for fault in volley.injected):
            excused |= {line["job"] for line in site.ledger()[-40:]}
        if number % TOGETHER == 0 or number == len(volleys):
            _look(site, drivers, recent, outcome, known, excused)
            recent = []
        tell(outcome, number)
    return outcome


def _look(
    site: Site, drivers: Drivers, recent: list[Volley], outcome: Outcome, known: Counts, excused: set[str]
) -> None:
    """Settle and count; what was wrong before is not counted again."""
    site.sql_if_there("DELETE FROM device_health")
    settle(site, drivers, recent[-1])
    found = count(site, excused)
    fresh = found.without(known)
    known.add(fresh)
    outcome.counts.add(fresh)
    troubles = [trouble for volley in recent for trouble in volley.troubles]
    outcome.troubles += troubles
    if not fresh.clean() or troubles:
        names = [fault.name for volley in recent for fault in volley.injected]
        numbers = [str(number) for volley in recent for number in volley.drivers]
        wrong = {name: list(entries) for name, entries in vars(fresh).items() if entries}
        outcome.findings.append((names, {**wrong, "troubles": troubles, "drivers": numbers}))


def wait_note(began_s: float, done: int, total: int) -> str:
    """How long it still takes."""
    left_s = (time.monotonic() - began_s) / max(1, done) * (total - done)
    return f"{left_s / 60:.0f} min left"


def site_in(folder: Path, cache: Path) -> Site:
    """A site on this machine that is ready."""
    site = Site(folder, cache)
    site.make()
    return site
