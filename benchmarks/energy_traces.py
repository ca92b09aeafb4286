"""Energy out of traces whose true energy is known: error and coverage of the stated uncertainty.

    python benchmarks/energy_traces.py [SEEDS]

Each case draws its phase, noise, lost samples and clock error anew for every seed, makes the trace that a
sensor would have given, and hands it to ``farm_results.energy.energy`` as a job's result would be. Printed
are the root mean square and the 95th percentile of the error, and how many of the results had the truth
within two standard uncertainties (k=2, at least 95 % is due).
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from farm_agent.messages.energy import EnergyRun, Window
from farm_agent.messages.traces import Channel, Trace
from farm_results.energy import energy

Array = npt.NDArray[np.float64]
Work = Callable[[Array], Array]  # joules above idle since the busy window began, by seconds since then

IDLE_W = 3.0
BUSY_S = (10.5, 40.5)
END_S = 51.0
INFERENCES = 1000
ORIGIN_NS = 7_000_000_000_000
RUN = EnergyRun(
    windows=tuple(
        Window(name, ORIGIN_NS + int(start * 1e9), ORIGIN_NS + int(end * 1e9))
        for name, start, end in (
            ("idle-before", 0.0, 10.0),
            ("busy", *BUSY_S),
            ("idle-after", 41.0, END_S),
        )
    ),
    inferences=INFERENCES,
    harness="native",
)


@dataclass(frozen=True)
class Case:
    """How a sensor sees the power. ``work``: see ``Work``. ``averages``: a sample is the mean since the one
    before, not the moment's value. ``jitter``: reads come at the interval times 1 +- jitter."""

    name: str
    work: Callable[[np.random.Generator], Work]
    interval_s: float = 0.05
    averages: bool = False
    noise_w: float = 0.02
    quantum: float = 0.0
    jitter: float = 0.5
    dropped: float = 0.0
    clock_bound_s: float = 0.0
    stamp_error_s: float = 0.0
    wraps_at: float | None = None
    counter: bool = False


def steady(watts: float) -> Callable[[np.random.Generator], Work]:
    """The same power all the time."""
    return lambda _: lambda t: watts * t


def ramp(low_w: float, high_w: float) -> Callable[[np.random.Generator], Work]:
    """A power that grows linearly over the window."""
    slope = (high_w - low_w) / (BUSY_S[1] - BUSY_S[0])
    return lambda _: lambda t: low_w * t + slope * t**2 / 2


def square(low_w: float, high_w: float, hertz: float) -> Callable[[np.random.Generator], Work]:
    """Half the time high, half the time low, from a random phase on."""

    def draw(random: np.random.Generator) -> Work:
        phase = random.uniform(0, 1)

        def high_s(t: Array | float) -> Array:
            cycles = np.asarray(t * hertz + phase)
            whole = np.floor(cycles)
            high: Array = (0.5 * whole + np.minimum(cycles - whole, 0.5)) / hertz
            return high

        return lambda t: low_w * t + (high_w - low_w) * (high_s(t) - high_s(0.0))

    return draw


CASES = (
    Case("constant", steady(7.0)),
    Case("ramp 5 to 9 W", ramp(5.0, 9.0)),
    Case("square 0.7 Hz, 1 to 13 W, 50 Hz reads", square(1.0, 13.0, 0.7), interval_s=0.02),
    Case("square 100 Hz, 6 to 8 W, 50 Hz reads", square(6.0, 8.0, 100.0), interval_s=0.02),
    Case("square 101 Hz, 1 to 13 W, averaging sensor", square(1.0, 13.0, 101.0), averages=True, jitter=0.0),
    Case("counter, 61 µJ steps", steady(7.0), counter=True, quantum=61e-6),
    Case("counter that wraps", square(1.0, 13.0, 3.0), counter=True, quantum=61e-6, wraps_at=90.0),
    Case("one sample in twenty dropped", square(5.0, 9.0, 0.9), dropped=0.05),
    Case("steps of 40 mW", steady(7.013), quantum=0.04),
    Case("steps of 0.1 W at 4 Hz", ramp(6.8, 7.2), quantum=0.1, interval_s=0.2, noise_w=0.2),
    Case("time stamps wrong by 5 ms", square(5.0, 9.0, 0.3), stamp_error_s=0.005, jitter=0.3),
    Case("clock off by up to 30 ms", steady(7.0), clock_bound_s=0.03),
)


def trace_of(case: Case, random: np.random.Generator) -> tuple[Trace, float]:
    """A trace and the true energy of the busy window above idle, in joules."""
    work = case.work(random)

    def total(t: Array) -> Array:
        above: Array = work(np.clip(t, *BUSY_S) - BUSY_S[0]) + IDLE_W * t
        return above

    steps = case.interval_s * (
        1 + random.uniform(-case.jitter, case.jitter, int(1.2 * END_S / case.interval_s))
    )
    times = -0.2 + random.uniform(0, case.interval_s) + np.cumsum(steps)
    times = times[times < END_S + 0.2]
    span = np.diff(times, prepend=times[0] - case.interval_s) if case.averages else np.full(len(times), 1e-6)
    if case.counter:
        values = 40.0 + total(times)
    else:
        values = (total(times) - total(times - span)) / span + random.normal(0, case.noise_w, len(times))
    if case.quantum:
        values = (np.floor if case.counter else np.round)(values / case.quantum) * case.quantum
    if case.wraps_at:
        values = values % case.wraps_at
    kept = random.uniform(0, 1, len(times)) >= case.dropped
    seen = times + random.uniform(-case.clock_bound_s, case.clock_bound_s)
    seen = np.maximum.accumulate(seen + random.uniform(-1, 1, len(seen)) * case.stamp_error_s)
    stamps = np.unique(ORIGIN_NS + (seen[kept] * 1e9).astype(np.int64), return_index=True)
    channel = Channel(
        "channel",
        "energy_j" if case.counter else "power_w",
        "package",
        quantum=case.quantum or None,
        wraps_at=case.wraps_at,
    )
    trace = Trace("sensor", channel, tuple(stamps[0].tolist()), tuple(values[kept][stamps[1]].tolist()))
    return trace, float(work(np.asarray(BUSY_S[1] - BUSY_S[0])))


@dataclass(frozen=True)
class Score:
    """Errors of net energy in per cent of the truth, stated uncertainty likewise, coverage of k=2."""

    errors_pct: Array
    stated_pct: Array
    covered: float
    gross_covered: float


def score(case: Case, seeds: int) -> Score:
    """Measure a case ``seeds`` times."""
    errors, stated, net_in, gross_in = [], [], 0, 0
    busy_idle_j = IDLE_W * (BUSY_S[1] - BUSY_S[0])
    for seed in range(seeds):
        trace, truth_j = trace_of(case, np.random.default_rng(seed))
        found = energy.of_trace(trace, RUN, bound_s=max(case.clock_bound_s, case.stamp_error_s))
        if found.net_j is None or found.u_net_j is None or found.gross_j is None or found.u_gross_j is None:
            raise SystemExit(f"{case.name}: {found.error_code}: {found.error_message}")
        error_j = INFERENCES * found.net_j - truth_j
        gross_error_j = INFERENCES * found.gross_j - truth_j - busy_idle_j
        errors.append(100 * error_j / truth_j)
        stated.append(100 * INFERENCES * found.u_net_j / truth_j)
        net_in += abs(error_j) <= 2 * INFERENCES * found.u_net_j
        gross_in += abs(gross_error_j) <= 2 * INFERENCES * found.u_gross_j
    return Score(np.array(errors), np.array(stated), net_in / seeds, gross_in / seeds)


def main(seeds: int) -> None:
    """Print the table."""
    print(
        f"{'net energy of':44} {'rms error':>9} {'95 % below':>10} {'stated u':>9} {'in 2u':>7} {'gross':>7}"
    )
    for case in CASES:
        result = score(case, seeds)
        rms = float(np.sqrt(np.mean(result.errors_pct**2)))
        p95 = float(np.percentile(np.abs(result.errors_pct), 95))
        print(
            f"{case.name:44} {rms:8.3f}% {p95:9.3f}% {np.median(result.stated_pct):8.3f}% "
            f"{100 * result.covered:6.1f}% {100 * result.gross_covered:6.1f}%"
        )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 200)
