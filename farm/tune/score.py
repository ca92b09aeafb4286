"""What one measurement of one configuration said, small enough to keep in the study."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from farm.tune.goals import Constraint, Metric
from farm_agent import codec
from farm_results.model import Result

STAGES = ("screen", "second look", "measurement")


@dataclass(frozen=True)
class Value:
    """A number with the interval it lies in; both ends equal where it is exact."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Score:
    """``stage``: how carefully it was measured. ``why``: what ended a trial that has no numbers, and
    ``blame`` who is to blame for it.

    ``values`` by metric: latency and p99 in ns, energy in J, size and memory in bytes, accuracy as the metric
    counts it, accuracy_drop as what was lost against the source. ``device_s``: time on the device.
    """

    stage: str
    job_id: str
    run_id: str
    status: str
    verdict: str = ""
    code: str = ""
    why: str = ""
    blame: str = ""
    values: Mapping[str, Value] = field(default_factory=dict)
    device_s: float = 0.0

    @property
    def usable(self) -> bool:
        """Whether its numbers may be compared: it ran, and no rule called it invalid."""
        return self.status == "ok" and self.verdict != "invalid"

    @property
    def passing(self) -> bool:
        """Whether it failed for a reason that says nothing about the configuration: a device that did not
        answer, a full disk, a machine that was never quiet."""
        return self.status == "failed" and (self.blame == "infrastructure" or self.code == "gate.not-quiet")

    @property
    def document(self) -> dict[str, Any]:
        """As JSON values."""
        encoded: dict[str, Any] = codec.encode(self)
        return encoded


def decode(document: object) -> Score:
    """The inverse of ``document``. Raises codec.DecodeError."""
    return codec.decode(Score, document)


def score_of(result: Result, stage: str, batch: int | None) -> Score:
    """The score of a stored result."""
    values = values_of(result, batch) if result.status == "ok" else {}
    why = "" if result.status == "ok" else result.error_message
    if result.status == "ok" and result.verdict.word == "invalid":
        why = "; ".join(c.evidence for c in result.verdict.caveats if c.severity == "invalid") or "invalid"
    return Score(
        stage=stage,
        job_id=result.job_id,
        run_id=result.run_id,
        status=result.status,
        verdict=result.verdict.word,
        code=result.error_code,
        why=why,
        blame=result.error_blame,
        values=values,
        device_s=device_s(result),
    )


def values_of(result: Result, batch: int | None) -> dict[str, Value]:
    """Every metric that a result has."""
    found: dict[str, Value] = {}
    latency = result.latency
    if latency is not None:
        p50 = latency.p50_ns
        low, high = latency.p50_low_ns or p50, latency.p50_high_ns or p50
        found["latency"] = Value(p50, low, high)
        per_s = (batch or 1) * 1e9
        found["throughput"] = Value(per_s / p50, per_s / high, per_s / low)
        if latency.p99_ns is not None:
            ends = tuple(latency.intervals_ns.get("p99", ())) or (latency.p99_ns, latency.p99_ns)
            found["p99"] = Value(latency.p99_ns, ends[0], ends[-1])
    for name, size in (("size", result.artifact_bytes), ("memory", result.peak_memory_bytes)):
        if size is not None:
            found[name] = Value(float(size), float(size), float(size))
    energy = next((entry for entry in result.energy if entry.gross_j is not None), None)
    if energy is not None and energy.gross_j is not None:
        spread = 2 * (energy.u_gross_j or 0.0)
        found["energy"] = Value(energy.gross_j, energy.gross_j - spread, energy.gross_j + spread)
    if result.accuracy is not None:
        found["accuracy"] = Value(result.accuracy, result.accuracy, result.accuracy)
    if result.accuracy_delta is not None:
        lost = lost_of(result)
        found["accuracy_drop"] = lost
    return found


def lost_of(result: Result) -> Value:
    """What was lost against the source: positive where the artifact is worse."""
    delta = result.accuracy_delta or 0.0
    low = delta if result.accuracy_delta_low is None else result.accuracy_delta_low
    high = delta if result.accuracy_delta_high is None else result.accuracy_delta_high
    if better_high(result.accuracy_metric):
        return Value(-delta, -high, -low)
    return Value(delta, low, high)


def better_high(metric: str) -> bool:
    """Whether more of an accuracy metric is better; a metric of the user's own is taken so."""
    from farm_results import metrics

    return metric not in metrics.names() or not metrics.load(metric).LOWER_IS_BETTER


def device_s(result: Result) -> float:
    """How long the job held the device, in seconds; 0 for one that never came there."""
    job = result.document.get("job")
    if not isinstance(job, Mapping):
        return 0.0
    began, ended = job.get("started_unix_s"), job.get("ended_unix_s")
    if not isinstance(began, float | int) or not isinstance(ended, float | int):
        return 0.0
    return max(0.0, float(ended) - float(began))


def cost(score: Score, metric: Metric) -> Value | None:
    """The metric as something to be low, or None where the score lacks it."""
    value = score.values.get(metric.name)
    if value is None or metric.better == "low":
        return value
    return Value(-value.value, -value.high, -value.low)


def broken(score: Score, constraints: Sequence[Constraint]) -> list[str]:
    """The constraints that a score does not meet, with what was seen."""
    from farm.tune.goals import shown

    found = []
    for one in constraints:
        value = score.values.get(one.metric)
        if value is None:
            found.append(f"{one.text}: not measured")
        elif one.excess(value.value) > 0:
            found.append(f"{one.text}: {shown(one.metric, value.value)}")
    return found


def excess(score: Score, constraints: Sequence[Constraint]) -> float:
    """The sum of what misses the constraints, as shares of their bounds; a missing number counts as 1."""
    total = 0.0
    for one in constraints:
        value = score.values.get(one.metric)
        total += 1.0 if value is None else max(0.0, one.excess(value.value))
    return total
