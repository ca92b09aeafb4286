"""Which configurations get how close a look: the stages of a study on a bench that knows the truth."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import cast

from farm.plan import Request
from farm.tune import goals
from farm.tune.engine import Wish, _Run
from farm.tune.rounds import Bench
from farm.tune.score import STAGES, Score
from farm.tune.space import Axes, Point, Space
from farm.tune.study import Study
from tests.farm.tune.made import score, space

SCREEN, SECOND, WHOLE = STAGES
LATENCY = goals.objectives(("latency",))


class Known:
    """Measures at once. ``truth``: latency in ns by key; ``errs``: by what factor a stage misses it."""

    def __init__(self, truth: Mapping[str, float], errs: Mapping[tuple[str, str], float]) -> None:
        self.truth, self.errs = truth, errs
        self.runs: list[tuple[str, list[str]]] = []

    def request_of(self, _stage: str) -> Request:
        return Request(models=())

    def measure(
        self,
        stage: str,
        work: Mapping[str, tuple[Space, Sequence[Point]]],
        told: Callable[[str, Point, Score], None],
    ) -> bool:
        for device, (_, points) in work.items():
            self.runs.append((stage, [point.key for point in points]))
            for point in points:
                value = self.truth[point.key] * self.errs.get((stage, point.key), 1.0)
                job = f"{len(self.runs)}-{point.key}"
                told(device, point, score(value, spread=0.002, stage=stage, job=job))
        return False

    def keys(self, stage: str) -> list[str]:
        return [key for which, keys in self.runs for key in keys if which == stage]


def tuned(
    path: Path, what: Space, truth: Sequence[float], errs: Mapping[tuple[int, str], float] | None = None
) -> Known:
    """Run all stages; ``truth`` in the order of the space, ``errs`` by place there and stage."""
    keys = [point.key for point in what.points]
    by_key = {(stage, keys[place]): factor for (place, stage), factor in (errs or {}).items()}
    bench = Known(dict(zip(keys, truth, strict=True)), by_key)
    wish = Wish(request=Request(models=()), axes=Axes(), objectives=LATENCY)
    study = Study(path, what, identity="one", goals=LATENCY, constraints=())
    run = _Run(wish, cast("Bench", bench), {what.device.name: study}, lambda _text: None)
    interrupted = run.screen() or run.look_again() or run.measure()
    assert not interrupted
    return bench


def test_the_hopeless_are_looked_at_once(tmp_path: Path) -> None:
    """Of 18, one in ten goes on to the whole measurement, by way of a second look at a quarter at most."""
    what = space(runtimes=3, threads=3)
    bench = tuned(tmp_path / "s.db", what, [100, 104, 108, 112, 300] + [400] * 13)

    assert len(bench.keys(SCREEN)) == 18
    assert len(bench.keys(SECOND)) == 4
    assert len(bench.keys(WHOLE)) == 2


def test_a_runner_up_that_is_surely_beaten_is_not_measured_whole(tmp_path: Path) -> None:
    """8 % behind after the second look, whose doubt is 5 %: the best one's own measurement settles it."""
    what = space(runtimes=2, threads=3)
    keys = [point.key for point in what.points]
    bench = tuned(tmp_path / "s.db", what, [100, 108, 109] + [400] * 9)

    assert bench.keys(WHOLE) == keys[:1]


def test_a_screen_that_errs_by_a_fifth_loses_nothing(tmp_path: Path) -> None:
    """The best one's single process was 20 % slow, another's 10 % fast."""
    what = space(runtimes=2, threads=3)
    keys = [point.key for point in what.points]
    errs = {(0, SCREEN): 1.2, (1, SCREEN): 0.9}
    bench = tuned(tmp_path / "s.db", what, [100, 105, 115] + [400] * 9, errs)

    assert bench.keys(WHOLE)[0] == keys[0]


def test_the_most_promising_is_measured_alone_first(tmp_path: Path) -> None:
    """It turns out slow: the one behind it is measured whole, too."""
    what = space(runtimes=2, threads=3)
    keys = [point.key for point in what.points]
    bench = tuned(tmp_path / "s.db", what, [100, 103, 106] + [400] * 9, {(0, WHOLE): 1.3})

    assert [run for run in bench.runs if run[0] == WHOLE] == [(WHOLE, keys[:1]), (WHOLE, keys[1:2])]


def test_the_same_question_again_measures_nothing(tmp_path: Path) -> None:
    """Although the second look moved one of the quarter behind another that had none."""
    what = space(runtimes=2, threads=3)
    truth = [100, 101, 102, 103, 104] + [400] * 7
    first = tuned(tmp_path / "s.db", what, truth, {(0, SECOND): 1.3})
    again = tuned(tmp_path / "s.db", what, truth)

    assert len(first.keys(SECOND)) == 3
    assert again.runs == []
