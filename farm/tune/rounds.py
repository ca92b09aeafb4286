"""Measure points through ``farm.benchmark``: each becomes a cell of an ordinary run, kept in the store."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from farm import benchmark
from farm.config import Config
from farm.plan import Cell, Plan, Request, make_plan
from farm.progress import Reporter
from farm.tune.score import STAGES, Score, score_of
from farm.tune.space import Point, Space
from farm_agent.wire import BlockPlan
from farm_converters.model import Model
from farm_converters.recipe import Recipe
from farm_results.model import Result

MS = 1_000_000
# A process costs several times what it measures here. One rules out the hopeless, with the doubt that
# ``front.DOUBT`` leaves it; two more tell what processes of the promising differ by.
SCREEN = BlockPlan(
    blocks=1,
    min_time_ns=300 * MS,
    min_runs=10,
    max_time_ns=3000 * MS,
    warmup_min_ns=200 * MS,
    warmup_min_runs=5,
    warmup_max_ns=2000 * MS,
)
SECOND = BlockPlan(
    blocks=2,
    min_time_ns=1000 * MS,
    min_runs=30,
    max_time_ns=10_000 * MS,
    warmup_min_ns=500 * MS,
    warmup_max_ns=10_000 * MS,
)

Told = Callable[[str, Point, Score], None]


@dataclass(frozen=True)
class Bench:
    """Measures points. ``request``: the honest protocol, the model, the data; ``make_reporter``: anew for
    each run; ``inspect`` reads the model, ``calibrated`` gives a recipe its samples."""

    request: Request
    config: Config
    inspect: Callable[[Path], Model]
    make_reporter: Callable[[], Reporter]
    study: str
    calibrated: Callable[[Recipe, Model], Recipe]

    def measure(self, stage: str, work: Mapping[str, tuple[Space, Sequence[Point]]], told: Told) -> bool:
        """Measure the points of every device (by name); devices in parallel. True: a person interrupted.

        ``told`` gets each score as soon as it is there, from the thread of its device. Every cell that
        fails or is skipped has a score, too.
        """
        plan, points = self._plan(stage, work)
        if not plan.cells:
            return False
        reporter = _Teller(self.make_reporter(), stage, points, told)
        outcome = benchmark.execute(plan, self.config, reporter, command=sys.argv)
        return outcome.interrupted

    def blocks(self, stage: str) -> BlockPlan:
        """How carefully a stage measures; never more than the honest measurement was asked for."""
        whole = self.request.blocks
        if stage == STAGES[2]:
            return whole
        quick = SCREEN if stage == STAGES[0] else SECOND
        return replace(
            quick,
            blocks=min(quick.blocks, whole.blocks),
            min_time_ns=min(quick.min_time_ns, whole.min_time_ns),
            min_runs=min(quick.min_runs, whole.min_runs),
            max_time_ns=min(quick.max_time_ns, max(whole.max_time_ns, whole.min_time_ns)),
            warmup_min_ns=min(quick.warmup_min_ns, whole.warmup_min_ns),
            warmup_max_ns=min(quick.warmup_max_ns, whole.warmup_max_ns),
        )

    def request_of(self, stage: str) -> Request:
        """The request of a stage: energy and layers are for the honest measurement alone."""
        measure = self.request.measure
        if stage == STAGES[0]:
            measure = replace(measure, energy=None, meters=(), profile_ops=False)
        labels = {**self.request.labels, "tune": self.study, "stage": stage}
        return replace(self.request, blocks=self.blocks(stage), measure=measure, labels=labels)

    def _plan(
        self, stage: str, work: Mapping[str, tuple[Space, Sequence[Point]]]
    ) -> tuple[Plan, dict[str, Point]]:
        """One plan for all devices, with cells in the order given, and the point of every job id."""
        request = self.request_of(stage)
        run_id = benchmark.new_run_id()
        cells: list[Cell] = []
        points: dict[str, Point] = {}
        for space, wanted in work.values():
            for point in wanted:
                job_id = f"{run_id}-{len(cells):03d}"
                cells.append(replace(self._cell(request, run_id, space, point), job_id=job_id))
                points[job_id] = point
        matched = tuple((name, (name,)) for name in work)
        return Plan(run_id, request, matched, tuple(cells)), points

    def _cell(self, request: Request, run_id: str, space: Space, point: Point) -> Cell:
        batch = () if point.batch is None else (point.batch,)
        plan = make_plan(
            replace(request, targets=(point.target,), batch=batch),
            run_id=run_id,
            devices=(space.device,),
            matched=(),
            profile_of=lambda _name: space.profile,
            inspect=self.inspect,
            calibrated=self.calibrated,
        )
        return plan.cells[0]


class _Teller:
    """Passes everything on to a reporter, and every result on to the study."""

    def __init__(self, inner: Reporter, stage: str, points: Mapping[str, Point], told: Told) -> None:
        self._inner = inner
        self._stage = stage
        self._points = points
        self._told = told
        self.begin, self.convert, self.stage = inner.begin, inner.convert, inner.stage
        self.note, self.close = inner.note, inner.close

    def end(self, cell: Cell, result: Result) -> None:
        """A cell ended: its score is kept at once, unless a person interrupted it."""
        self._inner.end(cell, result)
        if result.error_code != "run.interrupted":
            point = self._points[cell.job_id]
            self._told(cell.device.name, point, score_of(result, self._stage, point.batch))
