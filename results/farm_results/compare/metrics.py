"""The numbers that can be compared, and how sure each is by itself."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from farm_agent import codec
from farm_agent.errors import UsageError
from farm_agent.wire import MemoryPhase
from farm_results.accuracy import SHARES
from farm_results.compare.noise import PastNumber
from farm_results.compare.row import DIFFERENCE, RATIO, Reading
from farm_results.model import Latency, Result
from farm_results.series import HIGHER, LOWER, number_of

Z95 = 1.959963984540054
MEDIAN_COST = 1.5
"""Variance of a median over that of a mean: at most 1.5 for ten values, in the limit pi / 2."""
MANY = 1e6
OWN = "own"


@dataclass(frozen=True)
class Metric:
    """``read``: a result's number, None where it has none. ``past``: the same of a point of history, None
    where points do not keep it. ``unit``: ns, bytes, J, per_s, share or "" (see ``words``). ``zone``: smaller
    effects are called unchanged; ``large``: larger ones are shown even when noise could explain them.
    ``basis``: what a result's number is of (a sensor, a data set); two of different bases are not compared.
    ``timeless``: neither the moment nor the device's state has a part in it: its own interval tells all of
    its noise, and throttling or another kernel forbid nothing."""

    name: str
    unit: str
    read: Callable[[Result], Reading | None]
    past: Callable[[PastNumber], float | None] | None = None
    better: str = LOWER
    scale: str = RATIO
    zone: float = 0.01
    large: float = 0.05
    basis: Callable[[Result], str] = lambda _result: ""
    timeless: bool = False


def names() -> tuple[str, ...]:
    """What ``--metric`` takes. ``own``: what the result's series follows, p50 for a closed loop."""
    return (OWN, *_METRICS)


def metric_of(name: str, result: Result) -> Metric:
    """The metric of that name for such a result. Raises UsageError ``compare.metric``."""
    if name == OWN or (name == "p50" and number_of(result).metric == "p50_ns"):
        return _own(result)
    if name == "accuracy":
        return _accuracy(result)
    if name not in _METRICS:
        raise UsageError(
            f"{name!r} cannot be compared", code="compare.metric", fix=f"one of: {', '.join(names())}"
        )
    return _METRICS[name]


def _own(result: Result) -> Metric:
    """The series' own number, by the name that people know it under."""
    number = number_of(result)
    unit = "per_s" if number.metric.endswith("_per_s") else "ns"
    name = number.metric.removesuffix("_per_s").removesuffix("_ns")
    return Metric(name, unit, _own_reading, lambda point: point.value, better=number.better)


def _own_reading(result: Result) -> Reading | None:
    number = number_of(result)
    if number.metric == "p50_ns":
        return _p50(result)
    value = _positive(number.value)
    if value is None:
        return None
    return Reading(value, number.low, number.high, _half(number.low, number.high), MANY)


def _percentile(name: str) -> Callable[[Result], Reading | None]:
    """The spread between the processes, and never less than what the samples' own interval tells."""

    def read(result: Result) -> Reading | None:
        latency = result.latency
        value = None if latency is None else _positive(getattr(latency, f"{name}_ns"))
        if latency is None or value is None:
            return None
        low, high = _bounds(latency, name)
        spread = _between(latency)
        if spread is not None and name != "p50":
            spread = max(spread, _half(low, high) or spread)
        return Reading(value, low, high, spread, max(1.0, latency.blocks - 1.0))

    return read


_p50 = _percentile("p50")


def _bounds(latency: Latency, name: str) -> tuple[float | None, float | None]:
    if name == "p50":
        return latency.p50_low_ns, latency.p50_high_ns
    found = latency.intervals_ns.get(name, ())
    return (found[0], found[1]) if len(found) == 2 else (None, None)


def _between(latency: Latency) -> float | None:
    """The standard error of the median of the processes' medians; None with one process."""
    if latency.between_cv is None or not math.isfinite(latency.between_cv) or latency.blocks < 2:
        return None
    return latency.between_cv * math.sqrt(median_cost(latency.blocks) / latency.blocks)


def median_cost(count: int) -> float:
    """How much more the median of so many values varies than their mean; of two it is the mean."""
    return 1.0 if count <= 2 else MEDIAN_COST


def _half(low: float | None, high: float | None) -> float | None:
    """Standard error of the log out of a 95 % interval."""
    if low is None or high is None or low <= 0 or high < low:
        return None
    return (math.log(high) - math.log(low)) / (2 * Z95)


def _per_process(field: str) -> Callable[[Result], Reading | None]:
    """The median over the processes of something that happens once in each: load, first inference."""

    def read(result: Result) -> Reading | None:
        value = _positive(getattr(result, field))
        known = [_positive(block.get(field)) for block in _blocks(result)]
        return None if value is None else _reading_of(value, [v for v in known if v is not None])

    return read


def _reading_of(value: float, known: Sequence[float], *, largest: bool = False) -> Reading:
    """A median of what each process told, or the largest of it."""
    if len(known) < 2:
        return Reading(value)
    deviation = statistics.stdev(math.log(v) for v in known)
    spread = deviation if largest else deviation * math.sqrt(median_cost(len(known)) / len(known))
    return Reading(value, spread=spread, degrees=len(known) - 1.0)


def _blocks(result: Result) -> Sequence[Mapping[str, object]]:
    job = result.document.get("job")
    blocks = job.get("blocks") if isinstance(job, Mapping) else None
    return [block for block in blocks or () if isinstance(block, Mapping)]


def _energy(result: Result) -> Reading | None:
    from farm_results.energy.place import headline

    found = headline(result.energy)
    value = None if found is None else _positive(found.gross_j)
    if found is None or value is None:
        return None
    if found.u_gross_j is None:
        return Reading(value)
    half = Z95 * found.u_gross_j
    return Reading(value, value - half, value + half, found.u_gross_j / value, MANY)


@dataclass(frozen=True)
class _Process:
    """Of a process no more than what it held."""

    memory: tuple[MemoryPhase, ...] = ()


def _memory(result: Result) -> Reading | None:
    """The largest process's peak; how far the processes lie apart is what tells of its noise."""
    from farm_results.memory import peak_bytes

    value = _positive(result.peak_memory_bytes)
    if value is None:
        return None
    try:
        processes = [codec.decode(_Process, dict(block)) for block in _blocks(result)]
    except codec.DecodeError:
        processes = []
    peaks = [_positive(peak_bytes([process])) for process in processes]
    return _reading_of(value, [peak for peak in peaks if peak is not None], largest=True)


def _size(result: Result) -> Reading | None:
    """Bytes of the artifact: counted, so that any difference is one."""
    size = result.artifact_bytes
    return Reading(float(size), float(size), float(size), 0.0, MANY) if size else None


def _accuracy(result: Result) -> Metric:
    """In percentage points for shares; an error, such as mae, as a ratio. A metric of the user's own has no
    known direction: it is compared, and higher counts as better, which the words of a row show."""
    from farm_results import metrics

    name = result.accuracy_metric
    if name in SHARES:
        name, zone, large = name or "accuracy", 0.005, 0.02
        share = Metric(name, "share", _share, _past_accuracy, HIGHER, DIFFERENCE, zone, large, _samples)
        return replace(share, timeless=True)
    lower = name in metrics.names() and metrics.load(name).LOWER_IS_BETTER
    return Metric(name, "", _score, _past_accuracy, LOWER if lower else HIGHER, basis=_samples, timeless=True)


def _samples(result: Result) -> str:
    """Which metric over how many samples of which file."""
    spec = result.document.get("spec")
    dataset = spec.get("dataset") if isinstance(spec, Mapping) else None
    blob = dataset.get("blob") if isinstance(dataset, Mapping) else None
    file = str(blob.get("sha256", ""))[:8] if isinstance(blob, Mapping) else ""
    told = f"{result.accuracy_metric or 'accuracy'} of {result.accuracy_count} samples"
    return f"{told} ({file})" if file else told


def _load(result: Result) -> str:
    """The times of ``throughput`` are those at its knee: with other streams they are of something else."""
    streams = result.metrics.get("throughput_knee_streams_count") if result.scenario == "throughput" else None
    return "" if streams is None else f"at {streams:.0f} streams"


def _sensor(result: Result) -> str:
    from farm_results.energy.place import headline

    found = headline(result.energy)
    return "" if found is None else f"{found.sensor} {found.channel} ({found.scope})"


def _past_accuracy(point: PastNumber) -> float | None:
    return point.accuracy


def _past_memory(point: PastNumber) -> float | None:
    return None if point.peak_memory_bytes is None else float(point.peak_memory_bytes)


def _share(result: Result) -> Reading | None:
    value, low, high = result.accuracy, result.accuracy_low, result.accuracy_high
    if value is None or not math.isfinite(value):
        return None
    if low is None or high is None:
        return Reading(value)
    return Reading(value, low, high, (high - low) / (2 * Z95), MANY)


def _score(result: Result) -> Reading | None:
    """Of any sign: an error may be none at all, and a coefficient below zero."""
    value, low, high = result.accuracy, result.accuracy_low, result.accuracy_high
    if value is None or not math.isfinite(value):
        return None
    return Reading(value, low, high, _half(low, high), MANY)


def _positive(value: object) -> float | None:
    """A number that has a log."""
    good = isinstance(value, int | float) and math.isfinite(value) and value > 0
    return float(value) if good else None  # type: ignore[arg-type]


_METRICS: Mapping[str, Metric] = {
    "p50": Metric("p50", "ns", _p50, basis=_load),
    **{name: Metric(name, "ns", _percentile(name), basis=_load) for name in ("p90", "p95", "p99")},
    "load": Metric("load", "ns", _per_process("load_ns"), zone=0.02, large=0.1),
    "first": Metric("first", "ns", _per_process("first_inference_ns"), zone=0.02, large=0.1),
    "energy": Metric("energy", "J", _energy, lambda p: p.energy_j, zone=0.02, large=0.1, basis=_sensor),
    "peak_mem": Metric("peak_mem", "bytes", _memory, _past_memory),
    "size": Metric("size", "bytes", _size, timeless=True),
    "accuracy": Metric("accuracy", "share", _share, scale=DIFFERENCE, better=HIGHER),
}
