"""Energy per inference from what sensors told during a job's energy windows.

E = E_busy / N gross and (E_busy - P_idle * T) / N net; P_idle is interpolated linearly between the idle
windows before and after. What cannot be taken honestly is an Energy with an error_code and no value.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from farm_agent.errors import MeasurementError
from farm_agent.messages.energy import EnergyRun, Window
from farm_agent.messages.traces import Trace
from farm_agent.wire import JobResult
from farm_results.energy import integrate, traces
from farm_results.energy.integrate import Integral, refused
from farm_results.energy.place import headline
from farm_results.model import Energy, Result

# A window counts from these on: seconds, updates of the sensor, multiples of the bound of the clocks.
LEAST_WINDOW_S = 30.0
LEAST_UPDATES = 100
LEAST_SYNC_RATIO = 1000.0
_LONGER = "measure longer, for instance with --energy-window 2m (docs/power.md)"


@dataclass(frozen=True)
class Idle:
    """Idle power at the middle of the busy window, its standard uncertainties and the spread of the samples.

    ``u_w`` is without ``u_quantum_w``, which may be the same error that the busy window has.
    """

    power_w: float
    u_w: float
    u_quantum_w: float
    stdev_w: float


def of_device(job: JobResult, path: Path | None) -> tuple[Energy, ...]:
    """One entry per power or energy channel of the device's own sensors; nothing when none was measured."""
    run = job.energy
    if run is None:
        return ()
    if run.error_code:
        return (Energy("", "", "", error_code=run.error_code, error_message=run.error_message),)
    if path is None:
        return ()
    try:
        found = traces.read_traces(path).traces
    except MeasurementError as error:
        return (Energy("", "", "", error_code=error.code, error_message=error.message),)
    return of_run(run, found)


def of_run(run: EnergyRun, found: Sequence[Trace]) -> tuple[Energy, ...]:
    """One entry per channel of power or energy, voltages and currents paired, and one for each sum."""
    measured = [trace for trace in traces.paired(found) if trace.channel.kind in ("power_w", "energy_j")]
    every = [*traces.summed(measured), *measured]
    return tuple(of_trace(trace, run, bound_s=trace.read_ns / 2e9) for trace in every)


def of_trace(trace: Trace, run: EnergyRun, *, bound_s: float) -> Energy:
    """Energy by one trace on the device's clock, whose times may be wrong by ``bound_s``."""
    channel = trace.channel
    base = Energy(
        trace.sensor,
        channel.name,
        channel.scope,
        run.inferences,
        clock_bound_s=bound_s,
        other_cpu_pct=max(
            (w.other_cpu_pct for w in run.windows if w.other_cpu_pct is not None), default=None
        ),
    )
    try:
        return _measured(base, trace, run, bound_s)
    except MeasurementError as error:
        reason = f"{error.message} ({trace.problem})" if trace.problem else error.message
        return replace(base, error_code=error.code, error_message=reason)


def _measured(base: Energy, trace: Trace, run: EnergyRun, bound_s: float) -> Energy:
    """Raises MeasurementError energy.*."""
    windows = {window.name: window for window in run.windows}
    if "busy" not in windows or run.inferences < 1:
        raise refused("energy.no-inferences", "no inference ran in the energy window")
    long_enough(windows["busy"], bound_s)
    busy = _integral(trace, windows["busy"], run)
    if busy.updates < LEAST_UPDATES:
        text = f"the sensor gave {busy.updates} new values, at least {LEAST_UPDATES} are needed"
        raise refused("energy.too-few-updates", text, _LONGER)
    _alive(trace, run)
    count, gain = run.inferences, trace.channel.gain or 0.0
    idle = _idle(trace, windows, run, margin_s=bound_s + busy.interval_s)
    step_w = abs(busy.power_w - idle.power_w) if idle else busy.power_w
    # A step of the load at an edge falls between two updates: uniform within one interval, at both edges.
    u_edge_j = step_w * busy.interval_s * math.sqrt(2 / 12)
    u_sync_j = step_w * bound_s / math.sqrt(3)
    u_gross_j = math.hypot(busy.u_j, u_edge_j, u_sync_j, gain * busy.energy_j)
    gross = replace(
        base,
        window_s=busy.duration_s,
        updates=busy.updates,
        gross_j=busy.energy_j / count,
        u_gross_j=u_gross_j / count,
        power_w=busy.power_w,
    )
    if idle is None:
        return gross
    net_j = busy.energy_j - idle.power_w * busy.duration_s
    u_idle_j = math.hypot(idle.u_w, idle.u_quantum_w) * busy.duration_s
    u_net_j = math.hypot(busy.u_j, u_edge_j, u_sync_j, gain * net_j, u_idle_j)
    return replace(
        gross,
        net_j=net_j / count,
        u_net_j=u_net_j / count,
        idle_w=idle.power_w,
        idle_stdev_w=idle.stdev_w,
    )


def long_enough(busy: Window, bound_s: float) -> None:
    """Raises MeasurementError energy.window-short, energy.clock-bound."""
    length_s = (busy.end_ns - busy.start_ns) / 1e9
    if length_s < LEAST_WINDOW_S:
        text = f"the window lasted {length_s:.1f} s, at least {LEAST_WINDOW_S:.0f} s are needed"
        raise refused("energy.window-short", text, _LONGER)
    if length_s < LEAST_SYNC_RATIO * bound_s:
        needed_s = LEAST_SYNC_RATIO * bound_s
        text = (
            f"clocks known to ±{bound_s * 1e3:.3g} ms need a window of {needed_s:.0f} s, not {length_s:.0f} s"
        )
        raise refused("energy.clock-bound", text, _LONGER)


def _integral(trace: Trace, window: Window, run: EnergyRun) -> Integral:
    """Times count from the first window, so that float64 keeps them to a nanosecond."""
    origin_ns = run.windows[0].start_ns
    times_s = (np.asarray(trace.times_ns, dtype=np.int64) - origin_ns) / 1e9
    values = np.asarray(trace.values, dtype=np.float64)
    start_s, end_s = (window.start_ns - origin_ns) / 1e9, (window.end_ns - origin_ns) / 1e9
    channel = trace.channel
    if channel.kind == "energy_j":
        return integrate.of_counter(
            times_s, values, start_s, end_s, quantum_j=channel.quantum, wraps_at=channel.wraps_at
        )
    return integrate.of_power(
        times_s, values, start_s, end_s, quantum_w=channel.quantum, update_s=channel.update_s
    )


def _idle(trace: Trace, windows: Mapping[str, Window], run: EnergyRun, *, margin_s: float) -> Idle | None:
    """Linear between the middles of the two idle windows; None when either cannot be used.

    How the idle power went from one to the other is not known: the difference counts as uniform. A margin
    at both ends keeps out the load beside them, which clocks or a slow sensor may move inside.
    """
    try:
        before, after = (
            _integral(trace, _within(windows[name], margin_s), run) for name in ("idle-before", "idle-after")
        )
    except (KeyError, MeasurementError):
        return None
    middles = {name: (window.start_ns + window.end_ns) / 2 for name, window in windows.items()}
    whole_ns = middles["idle-after"] - middles["idle-before"]
    share = (middles["busy"] - middles["idle-before"]) / whole_ns if whole_ns > 0 else 0.5
    drift_w = after.power_w - before.power_w
    noise_w = [math.hypot(i.u_noise_j, i.u_gap_j) / i.duration_s for i in (before, after)]
    return Idle(
        power_w=before.power_w + share * drift_w,
        u_w=math.hypot((1 - share) * noise_w[0], share * noise_w[1], drift_w / math.sqrt(12)),
        u_quantum_w=max(i.u_quantum_j / i.duration_s for i in (before, after)),
        stdev_w=math.sqrt((before.stdev_w**2 + after.stdev_w**2) / 2),
    )


def _within(window: Window, margin_s: float) -> Window:
    """The window without its margins, which take at most half of it."""
    margin_ns = min(int(margin_s * 1e9), (window.end_ns - window.start_ns) // 4)
    return replace(window, start_ns=window.start_ns + margin_ns, end_ns=window.end_ns - margin_ns)


def _alive(trace: Trace, run: EnergyRun) -> None:
    """A sensor that never changes, idle or busy, is stuck. Raises MeasurementError ``energy.frozen``."""
    first, last = run.windows[0].start_ns, run.windows[-1].end_ns
    seen = {v for t, v in zip(trace.times_ns, trace.values, strict=True) if first <= t <= last}
    if len(seen) == 1:
        raise refused("energy.frozen", f"the sensor said {seen.pop():g} all the time, idle and busy")


def metrics_of(energies: Sequence[Energy]) -> dict[str, float]:
    """energy_gross_j, energy_net_j, u_energy_net_j, power_w, idle_power_w of the headline, where known."""
    best = headline(energies)
    if best is None:
        return {}
    values = {
        "energy_gross_j": best.gross_j,
        "u_energy_gross_j": best.u_gross_j,
        "energy_net_j": best.net_j,
        "u_energy_net_j": best.u_net_j,
        "power_w": best.power_w,
        "idle_power_w": best.idle_w,
    }
    return {name: value for name, value in values.items() if value is not None}


def energy_text(result: Result) -> str:
    """Energy per inference for a table: "12.4 ± 0.3 mJ (package, net)", k=2; "not measured"; or the error.

    With several sensors the headline's; "error: CODE" when every one of them failed.
    """
    best = headline(result.energy)
    if best is None:
        return f"error: {result.energy[0].error_code}" if result.energy else "not measured"
    kind, value, u = "net", best.net_j, best.u_net_j
    if value is None or u is None:
        kind, value, u = "gross", best.gross_j, best.u_gross_j
    return f"{joules(value or 0.0, 2 * (u or 0.0))} ({best.scope or best.sensor}, {kind})"


def unavailable(result: Result) -> tuple[str, ...]:
    """Why nothing was measured where energy was asked for: one line per sensor, with its fix."""
    job = result.document.get("job")
    run = job.get("energy") if isinstance(job, Mapping) else None
    rows = run.get("unavailable", ()) if isinstance(run, Mapping) else ()
    lines = []
    for row in rows:
        name, why, fix = (*map(str, row), "", "", "")[:3]
        lines.append(f"{name}: {why}" + (f" (fix: {fix})" if fix else ""))
    return tuple(lines)


def joules(value: float, half: float) -> str:
    """``12.4 ± 0.3 mJ``: the half width with two digits below 3.5, else one, and the value as far."""
    largest = max(abs(value), half)
    units = (("J", 1.0), ("mJ", 1e-3), ("µJ", 1e-6), ("nJ", 1e-9))
    unit, scale = next(((name, size) for name, size in units if largest >= size), units[-1])
    value, half = value / scale, half / scale
    if half <= 0:
        return f"{value:.3g} {unit}"
    exponent = math.floor(math.log10(half))
    digits = max(0, 1 - exponent if half / 10**exponent < 3.5 else -exponent)
    return f"{value:.{digits}f} ± {half:.{digits}f} {unit}"
