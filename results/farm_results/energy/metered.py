"""Energy per inference by external meters: their traces on the device's clock, then as any sensor's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from farm_agent.errors import MeasurementError
from farm_agent.messages.energy import EnergyRun
from farm_agent.messages.traces import Trace
from farm_agent.wire import JobResult
from farm_results.energy import align, energy, integrate
from farm_results.energy.align import MeterRecord
from farm_results.energy.integrate import refused
from farm_results.model import Energy


def of_meters(job: JobResult, records: Sequence[MeterRecord]) -> tuple[Energy, ...]:
    """One entry per external meter that watched the job's energy windows."""
    run = job.energy
    if run is None or (not run.windows and not run.error_code):
        return ()
    return tuple(of_meter(run, record) for record in records)


def of_meter(run: EnergyRun, record: MeterRecord) -> Energy:
    """Energy by a meter: its times brought to the device's clock, then aligned by the load signature."""
    channel = record.trace.channel
    failed = Energy(record.meter, channel.name, channel.scope, run.inferences)
    if run.error_code:
        return replace(failed, error_code=run.error_code, error_message=run.error_message)
    if record.problem_code:
        return replace(failed, error_code=record.problem_code, error_message=record.problem)
    try:
        trace, bound_s = _on_device_clock(run, record)
    except MeasurementError as error:
        reason = f"{error.message} ({record.trace.problem})" if record.trace.problem else error.message
        return replace(failed, error_code=error.code, error_message=reason)
    return energy.of_trace(replace(trace, sensor=record.meter), run, bound_s=bound_s)


def _on_device_clock(run: EnergyRun, record: MeterRecord) -> tuple[Trace, float]:
    """Raises MeasurementError energy.*."""
    if record.before is None or record.after is None:
        raise refused("energy.clock-bound", "the device's clock was not measured before and after")
    trace = record.trace
    if not run.windows or not trace.times_ns:
        raise refused("energy.no-samples", "the meter gave nothing during the energy windows")
    times_ns, bound_s = align.on_device_clock(trace.times_ns, record.before, record.after)
    for window in run.windows:
        if window.name == "busy":
            energy.long_enough(window, 0.0)
            # A trace that ends early would show half of the signature: its end is what is to be told.
            inside = times_ns[(times_ns >= window.start_ns) & (times_ns <= window.end_ns)]
            integrate.gaps_of((inside - window.start_ns) / 1e9, 0.0, (window.end_ns - window.start_ns) / 1e9)
    origin_ns = run.windows[0].start_ns
    times_s, values = (times_ns - origin_ns) / 1e9, np.asarray(trace.values, dtype=np.float64)
    integrate.checked(times_s, values)
    if trace.channel.kind == "energy_j":
        total = integrate.unwrapped(times_s, values, trace.channel.wraps_at)
        powers, middles = np.diff(total) / np.diff(times_s), (times_s[1:] + times_s[:-1]) / 2
    else:
        integrate.sane_power(values)
        powers, middles = values, times_s
    lag = align.lag_of(middles, powers, run, origin_ns, align.LATEST_S + bound_s)
    shifted = times_ns - int(lag.lag_s * 1e9)
    return replace(trace, times_ns=tuple(shifted.tolist())), lag.bound_s
