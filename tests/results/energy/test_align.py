"""A meter's trace on the device's clock: offset by round trips, lag by the load signature."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farm_agent.errors import MeasurementError
from farm_agent.messages.energy import EnergyRun, Window
from farm_agent.messages.traces import Channel, Trace
from farm_agent.wire import JobResult
from farm_results.energy import align, metered
from farm_results.energy.align import MeterRecord, Ping

S = 1_000_000_000
# On the device's clock, which began 1000 s after ours.
AHEAD_NS = -1000 * S
BEGIN = 500 * S


def made_run(window_s: int = 300, burst_s: int = 1) -> EnergyRun:
    """The windows that the agent makes, in whole seconds."""
    at = BEGIN
    windows: list[Window] = []
    edges: list[int] = []

    def add(name: str, seconds: int) -> None:
        nonlocal at
        windows.append(Window(name, at, at + seconds * S))
        if name.startswith("signature"):
            for burst in range(3):
                begin = at + 2 * burst * burst_s * S
                edges.extend((begin, begin + burst_s * S))
        at += seconds * S

    add("idle-before", 10)
    add("signature-before", 6 * burst_s)
    add("busy", window_s)
    add("signature-after", 6 * burst_s)
    add("idle-after", 10)
    return EnergyRun(tuple(windows), 10_000, "native", tuple(edges))


def power_at(run: EnergyRun, times_s: Any) -> Any:
    """3 W idle, 8 W busy, 12 W in bursts; times count from the first window."""
    origin = run.windows[0].start_ns
    watts = np.full(len(times_s), 3.0)
    busy = next(window for window in run.windows if window.name == "busy")
    watts[(times_s >= (busy.start_ns - origin) / 1e9) & (times_s < (busy.end_ns - origin) / 1e9)] = 8.0
    for begin, end in zip(run.edges_ns[::2], run.edges_ns[1::2], strict=True):
        watts[(times_s >= (begin - origin) / 1e9) & (times_s < (end - origin) / 1e9)] = 12.0
    return watts


def record(
    run: EnergyRun, interval_s: float, lag_s: float, seed: int = 0, noise_w: float = 0.05, **changes: Any
) -> MeterRecord:
    """What a meter with that lag would have told us, on our clock."""
    random = np.random.default_rng(seed)
    length_s = (run.windows[-1].end_ns - run.windows[0].start_ns) / 1e9
    steps = interval_s * random.uniform(0.5, 1.5, int(1.3 * length_s / interval_s) + 20)
    seen_s = -2.0 + np.cumsum(steps)
    seen_s = seen_s[seen_s < length_s + 3]
    watts = power_at(run, seen_s - lag_s) + random.normal(0, noise_w, len(seen_s))
    ours = (seen_s * 1e9).astype(np.int64) + BEGIN - AHEAD_NS
    trace = Trace("plug", Channel("power", "power_w", "wall"), tuple(ours.tolist()), tuple(watts.tolist()))
    before, after = (Ping(int(at), AHEAD_NS, 500_000, "boot") for at in (ours[0], ours[-1]))
    return replace(MeterRecord("plug", "shelly", trace, before, after), **changes)


@pytest.mark.parametrize(
    ("interval_s", "window_s", "burst_s"), [(0.02, 60, 1), (0.1, 60, 1), (0.25, 200, 1), (1.0, 600, 3)]
)
def test_the_signature_finds_the_lag_within_its_bound(interval_s: float, window_s: int, burst_s: int) -> None:
    """Within one sample always, within the stated bound in 95 of 100 traces."""
    run = made_run(window_s, burst_s)
    inside = 0
    seeds = 20
    for seed in range(seeds):
        lag_s = float(np.random.default_rng(1000 + seed).uniform(-0.5, 3.0))
        made = record(run, interval_s, lag_s, seed)
        assert made.before is not None
        assert made.after is not None
        times, _ = align.on_device_clock(made.trace.times_ns, made.before, made.after)
        found = align.lag_of((times - BEGIN) / 1e9, np.array(made.trace.values), run, BEGIN, align.LATEST_S)
        assert abs(found.lag_s - lag_s) <= interval_s
        inside += abs(found.lag_s - lag_s) <= found.bound_s
    assert inside >= 0.9 * seeds


def test_a_late_meter_gives_the_right_energy() -> None:
    """2.3 s late, 8 W for 300 s: unaligned, 2.3 s of it would be lost."""
    run = made_run()

    found = metered.of_meter(run, record(run, 0.25, 2.3))

    assert found.error_code == ""
    assert found.scope == "wall"
    assert found.gross_j == pytest.approx(8.0 * 300 / 10_000, rel=2e-3)
    assert found.net_j is not None
    assert found.u_net_j is not None
    assert abs(found.net_j - 5.0 * 300 / 10_000) <= 2 * found.u_net_j <= 0.01 * found.net_j
    assert found.clock_bound_s is not None
    assert 0 < found.clock_bound_s < 0.25


def test_a_counter_is_aligned_by_its_increments() -> None:
    """Joules instead of watts."""
    run = made_run()
    made = record(run, 0.1, 1.0, noise_w=0.0)
    times = np.array(made.trace.times_ns) / 1e9
    joules = 500 + np.concatenate(([0.0], np.cumsum(np.diff(times) * np.array(made.trace.values)[1:])))
    trace = replace(made.trace, channel=Channel("energy", "energy_j", "wall"), values=tuple(joules.tolist()))

    found = metered.of_meter(run, replace(made, trace=trace))

    assert found.error_code == ""
    assert found.net_j == pytest.approx(5.0 * 300 / 10_000, rel=5e-3)


def test_a_meter_that_shows_no_signature_is_refused() -> None:
    """Noise, the power of something else, a trace that does not change."""
    run = made_run()
    noise = np.random.default_rng(1)
    made = record(run, 0.25, 0.0)
    for values in (
        noise.normal(50, 5, len(made.trace.values)),
        20 + 5 * np.sign(np.sin(np.arange(len(made.trace.values)) / 9)),
        np.full(len(made.trace.values), 7.0),
    ):
        trace = replace(made.trace, values=tuple(values.tolist()))
        found = metered.of_meter(run, replace(made, trace=trace))
        assert found.error_code == "energy.no-signature"
        assert found.gross_j is None


def test_a_signature_that_drowns_is_refused() -> None:
    """It can be guessed at, yet explains less than 60 % of what the meter showed."""
    run = made_run()

    drowned = record(run, 0.1, 0.5, noise_w=4.0)
    trace = replace(drowned.trace, values=tuple(20.0 + value for value in drowned.trace.values))

    found = metered.of_meter(run, replace(drowned, trace=trace))

    assert found.error_code == "energy.no-signature"
    assert "are needed" in found.error_message


def test_another_devices_signature_does_not_fit() -> None:
    """A meter on the wrong plug sees load upside down: that is no alignment."""
    run = made_run()
    made = record(run, 0.1, 0.0)
    trace = replace(made.trace, values=tuple(20.0 - value for value in made.trace.values))

    assert metered.of_meter(run, replace(made, trace=trace)).error_code == "energy.no-signature"


def test_a_clock_that_jumped_gives_no_number() -> None:
    """5 ms between two measurements that are known to 0.5 ms; drift within 200 ppm is followed."""
    run = made_run()
    made = record(run, 0.25, 0.0)
    assert made.after is not None
    drifted = replace(made.after, offset_ns=AHEAD_NS + 30_000_000)
    jumped = replace(made.after, offset_ns=AHEAD_NS + 90_000_000)

    assert metered.of_meter(run, replace(made, after=drifted)).error_code == ""
    assert metered.of_meter(run, replace(made, after=jumped)).error_code == "energy.clock-jumped"


def test_a_device_that_restarted_gives_no_number() -> None:
    """Its monotonic clock began anew."""
    run = made_run()
    made = record(run, 0.25, 0.0)
    assert made.after is not None

    found = metered.of_meter(run, replace(made, after=replace(made.after, boot_id="other")))

    assert found.error_code == "energy.clock-jumped"
    assert "restarted" in found.error_message


def test_a_meter_that_failed_says_why() -> None:
    """Its own code and reason, no number."""
    run = made_run()
    made = record(run, 0.25, 0.0, problem_code="meter.silent", problem="the plug does not answer")

    found = metered.of_meter(run, made)

    assert (found.error_code, found.error_message) == ("meter.silent", "the plug does not answer")
    assert found.gross_j is None


def test_a_meter_that_stops_in_the_middle_says_so() -> None:
    """With what it said last; neither a number nor a misleading word about signatures."""
    run = made_run()
    made = record(run, 0.25, 0.5)
    half = len(made.trace.values) // 2
    trace = replace(
        made.trace,
        times_ns=made.trace.times_ns[:half],
        values=made.trace.values[:half],
        problem="192.168.1.20 did not answer within 3 s",
    )

    found = metered.of_meter(run, replace(made, trace=trace))

    assert found.error_code == "energy.sensor-vanished"
    assert "did not answer" in found.error_message
    assert found.gross_j is None


def test_a_meter_without_an_energy_run_gives_nothing() -> None:
    """A job that measured no energy has no entry for it."""
    job = JobResult("j", "ok", None, (), None, None, None, "", {}, "", 0.0, 0.0)

    assert metered.of_meters(job, [record(made_run(), 0.25, 0.0)]) == ()


@given(st.lists(st.floats(0, 100), min_size=0, max_size=60), st.integers(0, 2**40))
@settings(max_examples=100, deadline=None)
def test_any_trace_aligns_or_is_refused(values: list[float], step_ns: int) -> None:
    """Nothing but the reader's own error comes out."""
    run = made_run(30)
    times = (np.arange(len(values)) * step_ns) / 1e9
    try:
        found = align.lag_of(times, np.array(values), run, BEGIN, 1.0)
    except MeasurementError:
        return
    assert np.isfinite(found.lag_s)
