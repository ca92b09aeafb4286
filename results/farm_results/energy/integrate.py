"""Energy over one window, out of samples of power or reads of a counter, with its standard uncertainty.

The terms follow the usual model u(E)^2 = (dP * dt_sync)^2 + (s_P * sqrt(T * dt))^2 + (gain * E)^2, with what
quantisation and missing samples add. This file has the terms that the samples themselves tell; ``energy``
adds those of the clock and of the gain. All u_... are k=1 (JCGM 100:2008, GUM): an error known only to lie
within +-a counts as a / sqrt(3), a rounding to steps of q as q / sqrt(12).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from farm_agent.errors import MeasurementError

Array = npt.NDArray[np.float64]

# A gap may have five usual intervals or this share of the window, whichever is longer.
GAP_INTERVALS = 5.0
GAP_SHARE = 0.02
MOST_W = 10_000.0
_CHECK = "check the sensor with farm doctor DEVICE, then measure again"


@dataclass(frozen=True)
class Integral:
    """Energy of a window. ``interval_s``: usual time between two updates; ``updates``: new values seen.

    ``u_noise_j``: what happened between the samples; ``u_quantum_j``: the sensor's steps; ``u_gap_j``:
    samples that are missing. ``stdev_w``: spread of the power within the window.
    """

    energy_j: float
    duration_s: float
    updates: int
    interval_s: float
    stdev_w: float
    u_noise_j: float
    u_quantum_j: float
    u_gap_j: float

    @property
    def power_w(self) -> float:
        """Mean power."""
        return self.energy_j / self.duration_s

    @property
    def u_j(self) -> float:
        """All terms that the samples tell, together."""
        return math.hypot(self.u_noise_j, self.u_quantum_j, self.u_gap_j)


def of_power(
    times_s: Array,
    watts: Array,
    start_s: float,
    end_s: float,
    *,
    quantum_w: float | None = None,
    update_s: float | None = None,
) -> Integral:
    """Trapezoids over the samples inside the window; the first and last hold to its edges.

    Samples outside are not used: a step of load at an edge would leak in. Noise: with w_i the time that
    sample i stands for, u^2 = s^2 * sum(w_i^2), which is (s * sqrt(T * dt))^2 for equal dt; s^2 is half the
    mean square of successive differences (von Neumann 1941), so that a slow change, which trapezoids
    follow, does not count as noise. A rounding error may be the same in every sample: q / sqrt(12) * T.
    ``update_s``: how often the sensor takes a new value; None: a read that repeats a value is no update.
    Raises MeasurementError energy.*.
    """
    checked(times_s, watts)
    sane_power(watts)
    inside = (times_s >= start_s) & (times_s <= end_s)
    times, values = times_s[inside], watts[inside]
    gaps = gaps_of(times, start_s, end_s)
    span_s = end_s - start_s
    points = np.concatenate(([start_s], times, [end_s]))
    held = np.concatenate((values[:1], values, values[-1:]))
    energy_j = float(np.sum(np.diff(points) * (held[1:] + held[:-1]) / 2))
    new = changed(values) if update_s is None else _spaced(times, update_s)
    u_noise_j, interval_s = _noise(times[new], values[new], start_s, end_s)
    spread_w = float(np.std(values))
    step_w = smallest_step(watts) if quantum_w is None else quantum_w
    return Integral(
        energy_j=energy_j,
        duration_s=span_s,
        updates=len(new),
        interval_s=interval_s,
        stdev_w=spread_w,
        u_noise_j=u_noise_j,
        u_quantum_j=step_w / math.sqrt(12) * span_s,
        u_gap_j=spread_w * float(np.sqrt(np.sum(_long(gaps) ** 2))),
    )


def of_counter(
    times_s: Array,
    joules: Array,
    start_s: float,
    end_s: float,
    *,
    quantum_j: float | None = None,
    wraps_at: float | None = None,
) -> Integral:
    """Last read minus first read inside the window, scaled to its edges by the mean power between them.

    Each of the two reads may be wrong by the counter's step: q / sqrt(12) each, q / sqrt(6) together. A
    gap does no harm to a counter, unless it could have wrapped twice within. Raises
    MeasurementError energy.*.
    """
    checked(times_s, joules)
    total = unwrapped(times_s, joules, wraps_at)
    inside = (times_s >= start_s) & (times_s <= end_s)
    times, values = times_s[inside], total[inside]
    gaps_of(times, start_s, end_s)
    covered_s = float(times[-1] - times[0])
    if covered_s <= 0:
        raise refused("energy.no-samples", "the counter was read only once within the window")
    scale = (end_s - start_s) / covered_s
    new = changed(values)
    powers = np.diff(values[new]) / np.diff(times[new])
    if len(powers) and float(np.max(powers)) > MOST_W:
        raise refused("energy.absurd", f"the counter ran at {np.max(powers):.0f} W")
    interval_s = float(np.median(np.diff(times[new]))) if len(new) > 1 else covered_s
    spread_w = float(np.std(powers)) if len(powers) else 0.0
    step_j = smallest_step(total) if quantum_j is None else quantum_j
    return Integral(
        energy_j=float(values[-1] - values[0]) * scale,
        duration_s=end_s - start_s,
        updates=len(new),
        interval_s=interval_s,
        stdev_w=spread_w,
        u_noise_j=spread_w * (end_s - start_s - covered_s),
        u_quantum_j=step_j / math.sqrt(6) * scale,
        u_gap_j=0.0,
    )


def unwrapped(times_s: Array, joules: Array, wraps_at: float | None) -> Array:
    """The counter as if it had never wrapped.

    A fall without a known range, or one that as a wrap would mean far more power than ever seen before, is
    a reset. Two reads so far apart that it could have wrapped in between unseen are refused, too: poll at
    least every range / (4 * Pmax). Raises MeasurementError energy.counter-reset, energy.gap.
    """
    steps = np.diff(joules)
    taken_s = np.diff(times_s)
    falls = steps < 0
    rising = steps[~falls] / taken_s[~falls]
    most_w = float(np.max(rising)) if len(rising) else 0.0
    if np.any(falls):
        if wraps_at is None or wraps_at <= float(np.max(joules)):
            raise refused("energy.counter-reset", "the energy counter fell, and its range is not known")
        steps = np.where(falls, steps + wraps_at, steps)
        wrapped_w = float(np.max(steps[falls] / taken_s[falls]))
        if wrapped_w > min(MOST_W, 4 * most_w + 10.0):
            raise refused(
                "energy.counter-reset",
                f"the energy counter fell; as a wrap it would mean {wrapped_w:.0f} W, and at most "
                f"{most_w:.1f} W were seen",
            )
    if wraps_at is not None and len(taken_s):
        longest_s = float(np.max(taken_s))
        if longest_s * 4 * max(most_w, 1e-9) > wraps_at:
            raise refused("energy.gap", f"no read for {longest_s:.1f} s: the counter may have wrapped twice")
    total: Array = np.concatenate((joules[:1], joules[0] + np.cumsum(steps)))
    return total


def checked(times_s: Array, values: Array) -> None:
    """Refuse what no working sensor says. Raises MeasurementError energy.no-samples, energy.not-a-number,
    energy.negative, energy.absurd, energy.clock-jumped."""
    if len(times_s) == 0 or len(times_s) != len(values):
        raise refused("energy.no-samples", "the sensor gave no samples")
    if not np.all(np.isfinite(values)):
        raise refused("energy.not-a-number", "the sensor gave a value that is no number")
    if np.any(values < 0):
        raise refused("energy.negative", f"the sensor gave {np.min(values):g}, below zero")
    if np.any(np.diff(times_s) <= 0):
        raise refused("energy.clock-jumped", "the times of the samples go back")


def sane_power(watts: Array) -> None:
    """Raises MeasurementError ``energy.absurd`` for a power that no device of a farm draws."""
    if len(watts) and float(np.max(watts)) > MOST_W:
        raise refused("energy.absurd", f"the sensor gave {np.max(watts):.0f} W")


def gaps_of(times: Array, start_s: float, end_s: float) -> Array:
    """The times without a sample in [start, end].

    Raises MeasurementError energy.no-samples, energy.sensor-vanished (nothing until the end), energy.gap.
    """
    if len(times) < 2:
        raise refused("energy.no-samples", f"{len(times)} samples within the window")
    gaps: Array = np.diff(np.concatenate(([start_s], times, [end_s])))
    limit_s = max(GAP_INTERVALS * float(np.median(np.diff(times))), GAP_SHARE * (end_s - start_s))
    if gaps[-1] > limit_s:
        raise refused("energy.sensor-vanished", f"the last sample came {gaps[-1]:.1f} s before the end")
    if np.max(gaps) > limit_s:
        raise refused("energy.gap", f"no sample for {np.max(gaps):.1f} s, at most {limit_s:.1f} s may lack")
    return gaps


def changed(values: Array) -> npt.NDArray[np.int64]:
    """The positions of new values: a read that repeats the one before is no update of the sensor."""
    kept = np.flatnonzero(np.concatenate(([True], np.diff(values) != 0)))
    return kept.astype(np.int64)


def _spaced(times: Array, update_s: float) -> npt.NDArray[np.int64]:
    """The positions of reads that are at least about one update of the sensor apart."""
    kept = [0]
    for index, time_s in enumerate(times):
        if time_s - times[kept[-1]] >= 0.9 * update_s:
            kept.append(index)
    return np.array(kept, dtype=np.int64)


def smallest_step(values: Array) -> float:
    """The sensor's step as far as its values show it; 0.0 where they never change."""
    steps = np.diff(np.unique(values))
    return float(np.min(steps)) if len(steps) else 0.0


def refused(code: str, message: str, fix: str = _CHECK) -> MeasurementError:
    """The error instead of a number."""
    return MeasurementError(message, code=code, fix=fix)


def _noise(times: Array, values: Array, start_s: float, end_s: float) -> tuple[float, float]:
    """(u of the integral, usual interval) from the updates alone: repeated reads are not independent."""
    if len(times) < 2:
        return 0.0, end_s - start_s
    edges = np.concatenate(([start_s], (times[1:] + times[:-1]) / 2, [end_s]))
    weights = np.diff(edges)
    variance = float(np.mean(np.diff(values) ** 2)) / 2
    return math.sqrt(variance * float(np.sum(weights**2))), float(np.median(np.diff(times)))


def _long(gaps: Array) -> Any:  # noqa: ANN401 - an array of the gaps that lack a sample
    return gaps[gaps > 2 * np.median(gaps)]
