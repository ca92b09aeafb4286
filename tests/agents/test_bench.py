"""The timed loop, driven by a clock that the test turns."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Callable, Iterable
from itertools import chain, cycle, repeat

import numpy as np
import pytest

from farm_agent import bench
from farm_agent.loop import PythonLoop, calibrate
from farm_agent.wire import BlockPlan

MS = 1_000_000
S = 1000 * MS


class Clock:
    """Each inference takes the next duration; reading the clock takes ``cost_ns``."""

    def __init__(self, durations: Iterable[int], cost_ns: int = 0) -> None:
        self.now = 1_000
        self.cost_ns = cost_ns
        self.calls = 0
        self._durations = iter(durations)

    def __call__(self) -> int:
        self.now += self.cost_ns
        return self.now

    def infer(self) -> None:
        self.calls += 1
        self.now += next(self._durations)


def looped(clock: Clock) -> PythonLoop:
    return PythonLoop(clock.infer, clock=clock)


def pairs(block: bench.Block) -> np.ndarray:
    return np.frombuffer(block.to_bytes(), "<i8").reshape(-1, 2)


def test_every_start_and_end_is_kept_in_order() -> None:
    clock = Clock(chain(repeat(5 * MS, 80), range(MS, 10**12, MS)))
    plan = BlockPlan(min_time_ns=0, min_runs=4, warmup_min_ns=0, warmup_min_runs=1, warmup_max_ns=500 * MS)
    block = bench.measure(looped(clock), plan)
    kept = pairs(block)
    assert block.count == 4
    assert (kept[1:, 0] >= kept[:-1, 1]).all()
    assert np.diff(kept, axis=1).ravel().tolist() == [1 * MS, 2 * MS, 3 * MS, 4 * MS]


def test_a_block_needs_both_its_time_and_its_runs() -> None:
    clock = Clock(repeat(10 * MS))
    by_time = bench.timed(looped(clock), BlockPlan(min_time_ns=S, min_runs=10))
    by_runs = bench.timed(looped(clock), BlockPlan(min_time_ns=S, min_runs=300))
    assert (by_time.count, by_time.ended) == (100, "floor")
    assert (by_runs.count, by_runs.ended) == (300, "floor")


def test_a_slow_model_ends_at_the_cap_with_what_it_has() -> None:
    clock = Clock(repeat(90 * S))
    done = bench.timed(looped(clock), BlockPlan(max_time_ns=60 * S))
    assert (done.count, done.ended) == (1, "cap")


def test_more_samples_than_one_chunk_stay_in_order() -> None:
    clock = Clock(repeat(10))
    count = bench.CHUNK_ROWS + 5
    done = bench.timed(looped(clock), BlockPlan(min_time_ns=0, min_runs=count))
    block = bench.Block(bench.WarmUp(0, 0, steady=True), done.chunks, done.count, "floor")
    assert len(done.chunks) == 2
    assert pairs(block).shape == (count, 2)
    assert (np.diff(pairs(block).ravel()) >= 0).all()


def test_the_number_of_samples_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "MOST_ROWS", 50)
    clock = Clock(repeat(10))
    done = bench.timed(looped(clock), BlockPlan(min_time_ns=S, min_runs=10**9))
    assert (done.count, done.ended) == (50, "cap")


def test_constant_times_are_steady_after_two_windows() -> None:
    clock = Clock(repeat(10 * MS))
    warm = bench.warm_up(looped(clock), BlockPlan(warmup_min_ns=0, warmup_min_runs=1))
    assert warm == bench.WarmUp(40, 400 * MS, steady=True)


def test_warm_up_waits_for_falling_times_to_settle() -> None:
    falling = [int(40 * MS * 0.9**k) + 5 * MS for k in range(40)]
    clock = Clock(chain(falling, repeat(5 * MS)))
    warm = bench.warm_up(looped(clock), BlockPlan(warmup_min_ns=0, warmup_min_runs=1))
    assert warm.steady
    assert warm.runs > len(falling) / 2


def test_times_that_never_settle_are_given_up_and_said_to_be_unsteady() -> None:
    rising = (int(MS * 1.01**k) for k in range(2000))
    clock = Clock(rising)
    warm = bench.warm_up(looped(clock), BlockPlan(warmup_max_ns=5 * S))
    assert not warm.steady
    assert 5 * S <= warm.elapsed_ns < 7 * S


def test_warm_up_takes_its_least_time_and_runs() -> None:
    clock = Clock(repeat(10 * MS))
    plan = BlockPlan(warmup_min_ns=1500 * MS, warmup_min_runs=500)
    warm = bench.warm_up(looped(clock), plan)
    assert warm.steady
    assert warm.runs >= 500


def test_an_inference_longer_than_a_window_can_be_steady() -> None:
    clock = Clock(repeat(10 * S))
    warm = bench.warm_up(looped(clock), BlockPlan())
    assert warm == bench.WarmUp(2, 20 * S, steady=True)


def test_an_inference_longer_than_the_whole_warm_up_runs_once() -> None:
    clock = Clock(repeat(100 * S))
    warm = bench.warm_up(looped(clock), BlockPlan())
    assert (warm.runs, warm.steady) == (1, False)


def test_windows_with_unlike_quartiles_do_not_agree() -> None:
    flat, wide = [100] * 20, [100] * 14 + [120] * 6
    assert bench.agree(flat, flat)
    assert not bench.agree(flat, wide)
    assert not bench.agree([], flat)
    assert not bench.agree([100] * 20, [103] * 20)


def test_the_timer_is_calibrated_with_its_own_clock() -> None:
    assert calibrate(Clock([], cost_ns=40)) == (40, 40)
    assert calibrate(Clock([])) == (0, 0)


def test_the_garbage_collector_is_off_while_measuring_and_on_again_after_an_error() -> None:
    seen = []

    def call() -> None:
        seen.append(gc.isenabled())
        raise ValueError

    clock: Callable[[], int] = Clock([])
    with contextlib.suppress(ValueError):
        bench.measure(PythonLoop(call, clock=clock), BlockPlan())
    assert seen == [False]
    assert gc.isenabled()


def test_a_block_goes_on_until_the_median_is_known_well_enough() -> None:
    noisy = cycle([8 * MS, 10 * MS, 12 * MS, 9 * MS, 11 * MS])
    plan = BlockPlan(min_time_ns=S, min_runs=10, ci_half_width=0.05)
    done = bench.timed(looped(Clock(noisy)), plan)
    assert done.ended == "ci"
    assert done.count > 100
    assert done.ci_half_width is not None
    assert done.ci_half_width <= 0.05


def test_a_narrow_interval_ends_no_block_before_its_floors() -> None:
    plan = BlockPlan(min_time_ns=2 * S, min_runs=300, ci_half_width=0.5)
    done = bench.timed(looped(Clock(repeat(10 * MS))), plan)
    assert (done.count, done.ended) == (300, "ci")
    assert done.ci_half_width == pytest.approx(0.0, abs=1e-3)


def test_a_median_that_never_narrows_ends_at_the_cap_and_tells_its_interval() -> None:
    two_modes = cycle([10 * MS, 20 * MS])
    plan = BlockPlan(min_time_ns=S, min_runs=10, max_time_ns=5 * S, ci_half_width=0.005)
    done = bench.timed(looped(Clock(two_modes)), plan)
    assert done.ended == "cap"
    assert done.ci_half_width == pytest.approx(0.5, abs=0.01)  # 10 ms below 20 ms


def test_an_inference_too_short_for_the_clock_is_timed_several_at_a_time() -> None:
    clock = Clock(repeat(3000), cost_ns=40)
    plan = BlockPlan(min_time_ns=10 * MS, min_runs=100, warmup_min_ns=MS, warmup_max_ns=5 * MS)
    block = bench.measure(looped(clock), plan)
    assert block.calls_per_sample == 3  # 200 x 40 ns are 8 µs
    assert int(np.median(np.diff(pairs(block)))) >= 3 * 3000


def test_least_runs_count_inferences_and_not_rows() -> None:
    clock = Clock(repeat(100))
    done = bench.timed(looped(clock), BlockPlan(min_time_ns=0, min_runs=100), calls=7)
    assert done.count == 15
    assert clock.calls == 105


def test_the_rows_of_the_shortest_inference_stay_bounded() -> None:
    assert bench.calls_per_sample(1000, 0, 10 * S) * bench.WISHED_ROWS * 1000 >= 10 * S
    assert bench.calls_per_sample(5000, 20, 10 * S) == 1
    assert bench.calls_per_sample(0, 20, 10 * S) == 1


def test_a_warm_up_that_is_given_up_still_tells_a_duration() -> None:
    warm = bench.warm_up(looped(Clock(repeat(1000))), BlockPlan(warmup_max_ns=10 * MS))
    assert (warm.steady, warm.median_ns) == (False, 1000)


def test_a_block_tells_how_much_memory_its_rows_take() -> None:
    done = bench.timed(looped(Clock(repeat(10))), BlockPlan(min_time_ns=0, min_runs=10))
    block = bench.Block(bench.WarmUp(0, 0, steady=True), done.chunks, done.count, done.ended)
    assert block.buffer_bytes == bench.CHUNK_ROWS * 16
