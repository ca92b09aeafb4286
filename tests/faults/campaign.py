"""Many faults, one after another, and what they left."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults import plan
from tests.faults.count import Counts, count, torn
from tests.faults.fault import STEPS, Fault
from tests.faults.site import Site
from tests.faults.volley import Volley, fire, settle
from tests.faults.zygote import Drivers

TOGETHER = 12
"""Volleys between two counts."""


@dataclass
class Outcome:
    """``findings``: (what was injected, what is wrong) for each round that was not clean."""

    drivers: int = 0
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
    faults: Sequence[Fault],
    seed: int,
    *,
    enough: int = 0,
    dense: bool = False,
    stop_when_hung: bool = False,
    tell: Callable[[Outcome], None] = lambda _outcome: None,
) -> Outcome:
    """Inject ``faults`` (the first ``enough`` that happen); every few drivers one that nothing disturbs, and
    a count. What a driver left is brought home by the next one, or by ``farm jobs collect``.
    ``stop_when_hung``: a driver that hangs ends it, as it costs minutes, and so would the next one.
    """
    dice = random.Random(seed)
    outcome, known = Outcome(), Counts()
    recent: list[Volley] = []
    collecting = plan.volleys((fault for fault in faults if fault.collectable), dense=dense)
    benching = plan.volleys((fault for fault in faults if not fault.collectable), dense=dense)
    hung = False
    while (collecting or benching) and not (hung or (enough and len(outcome.injected) >= enough)):
        site.sql("DELETE FROM device_health")  # somebody has looked at the device
        left = bool(site.sql("SELECT job_id FROM job"))
        mode = "collect" if collecting and left else "bench"
        group = (collecting if mode == "collect" or not benching else benching).pop(0)
        volley = fire(site, drivers, group, dice, mode)
        recent.append(volley)
        hung = stop_when_hung and bool(volley.troubles)
        outcome.drivers += 1
        outcome.injected += volley.injected
        outcome.missed += [fault for fault in group if fault not in volley.injected]
        if len(recent) == TOGETHER:
            _look(site, drivers, recent, outcome, known)
            recent = []
        tell(outcome)
    if recent:
        _look(site, drivers, recent, outcome, known)
        tell(outcome)
    return outcome


def _look(site: Site, drivers: Drivers, recent: list[Volley], outcome: Outcome, known: Counts) -> None:
    """Settle and count; what was wrong before is not counted again."""
    site.sql("DELETE FROM device_health")
    site.weeks_later(torn(site))
    settle(site, drivers, recent[-1])
    found = count(site)
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


def site_in(folder: Path, cache: Path) -> Site:
    """A site on this machine that is ready."""
    site = Site(folder, cache)
    site.make()
    return site
