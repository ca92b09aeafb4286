"""The second half of a night on one device: look at every number, and again, in turns, at what stands out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from farm.errors import FarmError
from farm.nightly.away import AWAY
from farm.nightly.bench import Bench, Say
from farm.nightly.diary import Diary
from farm.nightly.layers import grown
from farm.nightly.look import Look, look
from farm.nightly.record import LEARNING, MEASURED, NEW_SERIES, STEADY, UNCONFIRMED, CellRecord
from farm.nightly.settings import NightlySettings
from farm.nightly.verdict import TELLING_Z, CanaryWord, Case, effect_text, judge
from farm_results.comparison import Comparison
from farm_results.detect.trigger import LEAST
from farm_results.environment import differences
from farm_results.finding import CANARY, Cause

if TYPE_CHECKING:
    from farm_results.model import Result
    from farm_results.store import Store

ACTOR = "farm nightly"
BROKE_OFF = "the night broke off before its A/B"
NOT_KEPT = "ab.not-kept"
AT_THE_END = "judged when all A/Bs of the night are there"


@dataclass(frozen=True)
class Pending:
    """A cell that was looked at again; what that means is said when all of the night's A/Bs are there."""

    cell: CellRecord
    found: Look
    case: Case


@dataclass
class Judging:
    """Of one device in one night. ``left_s``: of the device's budget; the first A/B is taken in any case.
    ``broke_off``: of a night that nobody goes on with, whose A/Bs are those that it took."""

    store: Store
    settings: NightlySettings
    bench: Bench
    diary: Diary
    say: Say
    left_s: float
    broke_off: bool = False
    canary: CanaryWord = field(default_factory=CanaryWord)
    tried: bool = False
    pending: list[Pending] = field(default_factory=list)

    def cells(self, cells: Sequence[CellRecord]) -> None:
        """Look at the measured cells of a device: its canaries first, then whatever stands out most.

        What needs no A/B has its outcome then; the others are ``pending``.
        """
        todo = [cell for cell in cells if cell.state == MEASURED and not cell.outcome]
        self._remember([cell for cell in cells if cell.canary and cell.outcome])
        for wave in ([c for c in todo if c.canary], [c for c in todo if not c.canary]):
            looks = [(cell, each) for cell in wave if (each := self._look(cell)) is not None]
            calm = [(cell, each, self._at_once(cell, each)) for cell, each in looks]
            self.diary.put(*(judged for _, _, judged in calm if judged is not None))
            rest = [(cell, each) for cell, each, judged in calm if judged is None]
            for cell, each in sorted(rest, key=lambda pair: -abs(pair[1].trigger.z or 0.0)):
                if self.bench.stop.is_set():
                    return
                self._again(cell, each)
        self.diary.flush()

    def _look(self, cell: CellRecord) -> Look | None:
        try:
            *tried, last = cell.job_ids
            return look(self.store, last, threshold=self.settings.trigger_z, without=tried)
        except FarmError as error:
            if error.code in AWAY:
                raise
            self.diary.note(f"{cell.model} on {cell.device}: {error.message}")
            return None

    def _at_once(self, cell: CellRecord, found: Look) -> CellRecord | None:
        """The cell with its outcome where that needs no A/B; None where it does."""
        cell = replace(cell, series=found.series, trigger_z=found.trigger.z)
        if not found.now.usable:
            text = f"{found.now.verdict or found.now.status}: not to be compared"
            return replace(cell, outcome=UNCONFIRMED, text=text)
        if found.baseline is None:
            self._first(found)
            return replace(cell, outcome=NEW_SERIES, text="first night: its result is the baseline")
        if found.why and found.baseline.job_id != found.now.job_id:
            return None
        self._hear(cell, found, moved=False)
        word = STEADY if found.trigger.count >= LEAST else LEARNING
        return replace(cell, outcome=word, text=found.trigger.reason)

    def _again(self, cell: CellRecord, found: Look) -> None:
        cell = replace(cell, series=found.series, trigger_z=found.trigger.z)
        comparison, trouble = self._before(found), ""
        if comparison is None:
            small = abs(found.trigger.z or 0.0) < TELLING_Z
            if self.broke_off or (self._no_time() and small):
                why = BROKE_OFF if self.broke_off else "no time left for an A/B tonight"
                self.diary.put(replace(cell, outcome=UNCONFIRMED, text=f"{found.why}; {why}"))
                return
            comparison, trouble = self._compared(cell, found)
        if self.bench.stop.is_set() and comparison is None:
            return  # it is judged when the night goes on
        if comparison is not None:
            text = f"the A/B says {comparison.word}: {effect_text(comparison)}; {AT_THE_END}"
            self.diary.put(replace(cell, comparison_id=comparison.comparison_id, text=text))
        reference = self._reference(found)
        case = Case(
            trigger=replace(found.trigger, reason=found.why),
            change=found.change,
            differences=differences(reference, found.result) if reference else (),
            comparison=comparison,
            trouble=trouble,
            reference=found.reference_shift(comparison) if comparison else None,
            last_z=found.last_z,
            canary=self.canary,
            is_canary=cell.canary,
            layers=grown(reference, found.result) if reference else (),
            commits=self._commits(reference, found.result) if reference else (),
        )
        self._hear(cell, found, moved=judge(case).word == CANARY)
        self.pending.append(Pending(cell, found, case))

    def _before(self, found: Look) -> Comparison | None:
        """The A/B of tonight's artifact with the baseline's, from before a break."""
        from farm_results.history import comparisons

        pair = (found.reference_job_id, found.now.job_id)
        taken = comparisons.of_series(self.store, found.series, limit=20)
        return next((each for each in taken if (each.reference.job_id, each.candidate.job_id) == pair), None)

    def _compared(self, cell: CellRecord, found: Look) -> tuple[Comparison | None, str]:
        """The same, taken now."""
        if self._no_time():
            return None, "no time left in the budget"
        self.diary.put(replace(cell, text=f"{found.why}; an A/B is running"))
        self.diary.flush()
        begun = self.bench.now_unix_s()
        pair = (found.reference_job_id, found.now.job_id)
        self.say(f"{cell.device}  {cell.model} {cell.what}: {found.why}; A/B against the baseline")
        try:
            taken = self.bench.confirm(
                self.diary.record.night_id, cell.device, *pair, pairs=self.settings.pairs
            )
        except FarmError as error:
            if error.code in AWAY:
                raise
            trouble = f"{error.message} [{error.code}]"
            if error.code == NOT_KEPT:  # nothing can ever be held against this baseline again
                trouble += f"; if tonight's is right: farm baseline set {found.now.job_id}"
            return None, trouble
        finally:
            self.left_s = min(self.left_s, self.left_s - (self.bench.now_unix_s() - begun))
            self.tried = True
        self.say(f"{cell.device}  {cell.model} {cell.what}: the A/B says {taken.word}: {effect_text(taken)}")
        return taken, ""

    def _no_time(self) -> bool:
        return self.tried and self.left_s <= 0

    def _first(self, found: Look) -> None:
        from farm_results.history import baselines

        baselines.put(
            self.store,
            series=found.series,
            job_id=found.now.job_id,
            artifact_sha256=found.now.artifact_sha256,
            actor=ACTOR,
            event=baselines.INITIAL,
            reason=f"its first night, {self.diary.record.night_id}",
            at_unix_s=self.bench.now_unix_s() if self.bench.origin else None,
        )

    def _reference(self, found: Look) -> Result | None:
        try:
            return self.store.result(found.reference_job_id)
        except FarmError as error:
            if error.code in AWAY:
                raise
            return None

    def _commits(self, before: Result, after: Result) -> tuple[Cause, ...]:
        """From which commit of the project to which, by the labels of their runs."""
        runs = self.store.run(before.run_id), self.store.run(after.run_id)
        was, is_now = (run.labels.get("git.commit", "")[:12] if run else "" for run in runs)
        return (Cause("git", f"commit {was} → {is_now}"),) if was and is_now and was != is_now else ()

    def _hear(self, cell: CellRecord, found: Look, *, moved: bool) -> None:
        if cell.canary:
            self.canary = CanaryWord(found.shift, moved)

    def _remember(self, canaries: Sequence[CellRecord]) -> None:
        """What the canary said before the night broke off."""
        for cell in canaries:
            found = self._look(cell)
            if found is not None:
                self.canary = CanaryWord(found.shift, cell.outcome == CANARY)
