"""An external meter's trace on the device's clock: by round trips of the link, then by the load signature.

Round trips tell how the two clocks stand to each other; they cannot tell how late a meter is (its filter, its
radio, its polling). The signature can: bursts of load at times that the device knows, seen in the trace.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from farm_agent.messages.energy import EnergyRun
from farm_agent.messages.traces import Trace
from farm_results.energy.integrate import Array, refused

# Two quartz clocks drift apart by at most so much; more between two measurements is a jump.
DRIFT = 200e-6
# A meter may be late by so much beyond what the clocks leave open.
LATEST_S = 4.0
# The share of the trace's variation that the pattern must explain, and its lead over any other alignment.
LEAST_FIT = 0.6
LEAST_LEAD = 0.15
_FIX = "use a faster or finer meter, or measure a device whose power differs more between idle and load"


@dataclass(frozen=True)
class Ping:
    """How far the device's monotonic clock is ahead of ours: ``offset_ns`` within +-``bound_ns``.

    ``local_ns``: when, on our CLOCK_MONOTONIC. ``boot_id``: of the device.
    """

    local_ns: int
    offset_ns: int
    bound_ns: int
    boot_id: str = ""


@dataclass(frozen=True)
class MeterRecord:
    """What an external meter told during a job's energy windows, on this machine's CLOCK_MONOTONIC.

    ``problem_code``, ``problem``: why there is nothing to use, where the meter or the link failed.
    """

    meter: str
    kind: str
    trace: Trace
    before: Ping | None = None
    after: Ping | None = None
    problem_code: str = ""
    problem: str = ""


@dataclass(frozen=True)
class Lag:
    """The meter is ``lag_s`` late, within +-``bound_s``; ``fit``: share of the variation explained."""

    lag_s: float
    bound_s: float
    fit: float


def on_device_clock(
    times_ns: Sequence[int], before: Ping, after: Ping
) -> tuple[npt.NDArray[np.int64], float]:
    """Our times as times of the device, by linear interpolation, and the bound in seconds.

    Raises MeasurementError energy.clock-jumped when the offset changed by more than drift and bounds allow.
    """
    span_ns = max(1, after.local_ns - before.local_ns)
    moved_ns = after.offset_ns - before.offset_ns
    allowed_ns = before.bound_ns + after.bound_ns + DRIFT * span_ns
    if before.boot_id != after.boot_id:
        raise refused("energy.clock-jumped", "the device restarted while its energy was measured")
    if abs(moved_ns) > allowed_ns:
        raise refused(
            "energy.clock-jumped",
            f"the device's clock moved by {moved_ns / 1e6:.1f} ms against ours; {allowed_ns / 1e6:.1f} ms "
            "would be possible",
        )
    ours = np.asarray(times_ns, dtype=np.int64)
    share = (ours - before.local_ns) / span_ns
    shift = before.offset_ns + np.rint(share * moved_ns).astype(np.int64)
    return ours + shift, max(before.bound_ns, after.bound_ns) / 1e9


def lag_of(times_s: Array, watts: Array, run: EnergyRun, origin_ns: int, search_s: float) -> Lag:
    """Align a trace, whose times count from ``origin_ns`` on the device's clock, by the load signature.

    For every lag within +-``search_s`` the samples around the signatures fall into quiet, burst and busy;
    the lag that leaves the least variance within these classes wins (a correlation ratio, which unlike a
    plain cross-correlation needs not know how much the busy window draws). Lags that explain the samples
    about as well (two standard deviations of the likelihood) bound it. Raises MeasurementError
    ``energy.no-signature`` when there is no clear winner.
    """
    edges = (np.asarray(run.edges_ns, dtype=np.int64) - origin_ns) / 1e9
    if len(edges) < 4 or len(edges) % 4:
        raise refused("energy.no-signature", "the energy run made no load signature", _FIX)
    half = len(edges) // 2
    margin_s = search_s + float(edges[1] - edges[0])
    near = np.zeros(len(times_s), dtype=bool)
    for part in (edges[:half], edges[half:]):
        near |= (times_s >= part[0] - margin_s) & (times_s <= part[-1] + margin_s)
    times, values = times_s[near], watts[near]
    if len(times) < 4 * half:
        raise refused("energy.no-signature", f"{len(times)} samples around the load signatures", _FIX)
    burst_s = float(edges[1] - edges[0])
    step_s = max(0.001, float(np.median(np.diff(times))) / 50)
    lags = np.arange(-search_s, search_s + step_s, step_s)
    bounds, kinds = _classes(edges, run, origin_ns)
    left, above = _unexplained(times, values, bounds, kinds, lags)
    return _clear(lags, left, above, float(np.sum((values - values.mean()) ** 2)), len(times), burst_s)


def _classes(edges: Array, run: EnergyRun, origin_ns: int) -> tuple[Array, npt.NDArray[np.int64]]:
    """Sorted boundaries, and the class of what follows each: 0 quiet, 1 burst, 2 busy."""
    marks = [(float(edge), 1 - index % 2) for index, edge in enumerate(edges)]
    for window in run.windows:
        if window.name == "busy":
            marks += [((window.start_ns - origin_ns) / 1e9, 2), ((window.end_ns - origin_ns) / 1e9, 0)]
    marks.sort()
    return np.array([at for at, _ in marks]), np.array([0, *(kind for _, kind in marks)], dtype=np.int64)


def _unexplained(
    times: Array, values: Array, bounds: Array, kinds: npt.NDArray[np.int64], lags: Array
) -> tuple[Array, Array]:
    """For each lag the sum of squares left within the classes, and how far bursts are above quiet."""
    left, above = np.empty(len(lags)), np.empty(len(lags))
    total = float(np.sum(values**2))
    for index, lag_s in enumerate(lags):
        kind = kinds[np.searchsorted(bounds, times - lag_s, side="right")]
        counts = np.bincount(kind, minlength=3)
        sums = np.bincount(kind, weights=values, minlength=3)
        means = sums / np.maximum(counts, 1)
        left[index] = max(0.0, total - float(np.sum(counts * means**2)))
        above[index] = means[1] - means[0]
    return left, above


def _clear(lags: Array, left: Array, above: Array, total: float, count: int, burst_s: float) -> Lag:
    if total <= 0:
        raise refused("energy.no-signature", "the meter showed the same power in bursts and pauses", _FIX)
    rising = np.where(above > 0, left, np.inf)
    best = int(np.argmin(rising))
    fit = 1 - float(rising[best]) / total
    if not fit >= LEAST_FIT:
        text = f"the load signature explains {max(0.0, 100 * fit):.0f} % of what the meter showed"
        raise refused("energy.no-signature", f"{text}, at least {100 * LEAST_FIT:.0f} % are needed", _FIX)
    rivals = rising[np.abs(lags - lags[best]) > burst_s / 2]
    rival_fit = 1 - float(np.min(rivals)) / total if len(rivals) else 0.0
    if fit - rival_fit < LEAST_LEAD:
        raise refused("energy.no-signature", "the load signature fits the meter's trace at two places", _FIX)
    # -2 log likelihood ratio of normal residuals: 4 is two standard deviations of one parameter.
    limit = rising[best] * (1 + 4 / max(1, count - 4)) + 1e-9 * total
    alike = np.flatnonzero((rising <= limit) & (np.abs(lags - lags[best]) <= burst_s / 2))
    low, high = float(lags[alike[0]]), float(lags[alike[-1]])
    step_s = float(lags[1] - lags[0])
    if alike[0] == 0 or alike[-1] == len(lags) - 1:
        raise refused("energy.no-signature", "the meter is later than any alignment that was tried", _FIX)
    return Lag((low + high) / 2, (high - low) / 2 + step_s, fit)
