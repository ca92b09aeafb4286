"""The simulated nights' ``Bench``: numbers from a random generator, all after them by the real code."""

from __future__ import annotations

import hashlib
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from farm.demo import cells, health
from farm.demo.cells import CELL_S, SIMULATED
from farm.demo.fleet import CANARY, ENTRIES, Entry, machine
from farm.demo.job import TURNS, Night, disturbed, made, process_medians
from farm.demo.objects import Unsynced
from farm.demo.story import Story, sha256
from farm.nightly.bench import AA, AB, Began, Say, Wanted

if TYPE_CHECKING:
    from farm_results.comparison import Comparison
    from farm_results.model import Result
    from farm_results.store import Store

NIGHT_S = 86_400.0
PAIR_S = 12.0


@dataclass
class DemoBench:
    """``number``: the night that is simulated, from 0. Its clock goes on as its devices measure."""

    store: Store
    story: Story
    first_unix_s: float
    seed: int
    scratch: Path
    entries: Sequence[Entry] = ENTRIES
    number: int = 0
    origin: str = SIMULATED
    stop: threading.Event = field(default_factory=threading.Event)
    _spent_s: dict[str, float] = field(default_factory=dict)
    _made: dict[str, tuple[Entry, int]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def begin(self, number: int) -> None:
        """Go on to another night."""
        self.number, self._spent_s = number, {}

    @property
    def night_unix_s(self) -> float:
        """When the night began."""
        return self.first_unix_s + self.number * NIGHT_S

    def now_unix_s(self) -> float:
        """The night's clock: as far as its slowest device is."""
        with self._lock:
            return self.night_unix_s + max(self._spent_s.values(), default=0.0)

    def matrix(self, say: Say) -> Sequence[Wanted]:  # noqa: ARG002 - nothing is imported here
        """Every cell, canaries first."""
        order = sorted(self.entries, key=lambda entry: entry.model != CANARY)
        return [cells.wanted(entry, self.story, self.number) for entry in order]

    def measure(
        self, night_id: str, chosen: Sequence[Wanted], began: Began, ended: Callable[[Result], None]
    ) -> bool:
        """Make a result of each cell."""
        from farm_results.model import Run

        started = self.now_unix_s()
        stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime(started))
        run_id = f"{stamp}-{sha256(f'{night_id} {len(self._made)} {self.seed}')[:4]}"
        jobs = {each.key: f"{run_id}-{index:03d}" for index, each in enumerate(chosen)}
        labels = {"night": night_id, SIMULATED: "true", "git.commit": self._commit(), "git.branch": "main"}
        command = ("farm", "nightly", "run")
        self.store.add_run(Run(run_id, started, command, "demo", SIMULATED, labels=labels, planned=len(jobs)))
        began(jobs)
        for each in chosen:
            if self.stop.is_set():
                self.store.end_run(run_id, "interrupted", self.now_unix_s())
                return False
            at_unix_s = self._spend(each.device, CELL_S)
            entry = cells.entry_of(each.key)
            result = self._result(entry, run_id, jobs[each.key], at_unix_s)
            self.store.add_result(result)
            ended(result)
            if each.canary:
                health.sang(self.store, self.story.machine(machine(entry.device), self.number), result)
        self.store.end_run(run_id, "done", self.now_unix_s())
        return True

    def confirm(
        self, night_id: str, device: str, reference_job_id: str, candidate_job_id: str, *, pairs: int
    ) -> Comparison:
        """Two artifacts in turns: the night's luck is the same for both."""
        from farm_results import environment
        from farm_results.comparison import Comparison
        from farm_results.history import comparisons
        from farm_results.series import key_of, series_id
        from farm_results.statistics.paired import effect_of, word_of

        at_unix_s = self._spend(device, PAIR_S * pairs)
        results = [self.store.result(job_id) for job_id in (reference_job_id, candidate_job_id)]
        entry, _ = self._made[candidate_job_id]
        night = self._night(entry)
        rng = night.rng(entry, TURNS)
        medians = [
            process_medians(entry, night, rng, count=pairs, factor=self._factor(entry, result.job_id))
            for result in results
        ]
        effect = effect_of(*medians, seed=night.number)
        kind = AA if reference_job_id == candidate_job_id else AB
        text = f"{night_id} {reference_job_id} {candidate_job_id}"
        turns = tuple("rc" if first else "cr" for first in rng.random(pairs) < 0.5)
        comparison = Comparison(
            comparison_id=f"{kind}-{hashlib.sha256(text.encode()).hexdigest()[:12]}",
            created_unix_s=at_unix_s,
            kind=kind,
            series=series_id(key_of(results[1])),
            device=device,
            run_id=results[1].run_id,
            reference=cells.side("reference", results[0], medians[0]),
            candidate=cells.side("candidate", results[1], medians[1]),
            word=word_of(effect),
            pairs=pairs,
            effect=effect,
            order=turns,
            environment={**environment.surroundings(results[1]), **environment.toolchain(results[1])},
            origin=SIMULATED,
        )
        comparisons.add(self.store, comparison)
        return comparison

    def _factor(self, entry: Entry, job_id: str) -> float:
        """Of an artifact, on the device as it is tonight."""
        _, born = self._made[job_id]
        return self.story.artifact_factor(entry, born) * self.story.device_factor(entry, self.number)

    def _night(self, entry: Entry) -> Night:
        night = Night(self.number, self.story, self.night_unix_s, self.seed)
        return disturbed(night, machine(entry.device))

    def _result(self, entry: Entry, run_id: str, job_id: str, at_unix_s: float) -> Result:
        from farm.jobs.judge import judged
        from farm_results.build import failed

        self._made[job_id] = (entry, self.number)
        if not entry.milliseconds:
            error, known = cells.too_large(entry), cells.identity(entry, run_id, job_id, at_unix_s)
            return replace(failed(error=error, **known), origin=SIMULATED)
        with tempfile.TemporaryDirectory(dir=self.scratch) as folder:
            context, fetched = made(entry, self._night(entry), run_id, job_id, Path(folder))
            objects = Unsynced(self.store.objects.folder)
            result = judged(context, fetched, (), objects=objects, scratch=self.scratch, interrupted=False)
        return replace(result, created_unix_s=at_unix_s, origin=SIMULATED)

    def _spend(self, device: str, seconds: float) -> float:
        """The device's own clock after it worked for so long."""
        with self._lock:
            self._spent_s[device] = self._spent_s.get(device, 0.0) + seconds
            return self.night_unix_s + self._spent_s[device]

    def _commit(self) -> str:
        """What a repository would have been at: it changes when the converter does."""
        return sha256(f"commit {self.number >= self.story.step} {self.number // 6}")[:40]
