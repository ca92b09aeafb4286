"""What a run leaves behind: results with their verdicts. Frozen; units in names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Caveat:
    """One reason behind a verdict: a stable code, how bad it is (note, noisy, throttled, invalid), what was
    seen, and what to do about it."""

    code: str
    severity: str
    evidence: str
    next_step: str = ""


@dataclass(frozen=True)
class Verdict:
    """``word``: valid, noisy, throttled or invalid; "" when nothing was measured."""

    word: str
    caveats: tuple[Caveat, ...] = ()


@dataclass(frozen=True)
class Latency:
    """Summary of all samples of a result, in nanoseconds.

    ``p50_ns`` is the median of the processes' medians, with the hull of their exact 95 % order-statistic
    intervals as [p50_low_ns, p50_high_ns]. A percentile, an interval or a spread is None where the count
    does not support it. ``intervals_ns`` holds the exact 95 % interval (low, high) of every percentile that
    has one, by name ("p99"). ``mad_ns`` is the median of |x - median|, unscaled; ``cv`` is the standard
    deviation over the mean. ``between_block_spread`` is (largest - smallest process median) / p50, and
    ``between_cv`` the standard deviation of the process medians over their mean: the error that matters.
    ``drift`` is the largest, over the processes, of the last quarter's median (its lower bound) over the
    first quarter's (its upper bound); ``settling`` the same backwards in time. ``slope`` is the largest
    robust slope of a process (``stats.trend``), as a share of its median over the whole block, and
    ``slope_p`` the chance of one like it in samples without a trend. ``median_to_min`` is the smallest,
    over the processes, of median / minimum.
    """

    count: int
    blocks: int
    p50_ns: float
    p50_low_ns: float | None
    p50_high_ns: float | None
    p90_ns: float | None
    p95_ns: float | None
    p99_ns: float | None
    min_ns: float
    mean_ns: float
    stdev_ns: float | None
    mad_ns: float
    between_block_spread: float | None
    drift: float | None = None
    median_to_min: float | None = None
    p5_ns: float | None = None
    p99_9_ns: float | None = None
    cv: float | None = None
    between_cv: float | None = None
    settling: float | None = None
    slope: float | None = None
    slope_p: float | None = None
    intervals_ns: Mapping[str, tuple[float, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Outliers:
    """Runs of one process outside Tukey's fences (1.5 interquartile ranges: mild, 3: severe). None dropped.

    ``causes``: how many of the high ones coincide with what telemetry saw (frozen, swap, major fault,
    throttle, frequency drop, involuntary switch), or unknown. ``longest_stall_ns``: the longest time that
    one row, or the pause between two rows of a closed loop, took beyond the median row.
    """

    count: int
    low_severe: int = 0
    low_mild: int = 0
    high_mild: int = 0
    high_severe: int = 0
    causes: Mapping[str, int] = field(default_factory=dict)
    longest_stall_ns: float = 0.0
    median_row_ns: float = 0.0


@dataclass(frozen=True)
class Energy:
    """Energy per inference by one sensor or meter, in joules; u_... are standard uncertainties (k=1).

    ``scope`` says what the sensor covers (module_input, package, wall, ...). ``net_j`` is without the idle
    power; None where no idle window could be used. Where the number could not be taken honestly, every value
    is None and ``error_code`` and ``error_message`` say why. ``other_cpu_pct``: the most that other programs
    used in one of the windows, in percent of one CPU; they draw power, too.
    """

    sensor: str
    channel: str
    scope: str
    inferences: int = 0
    window_s: float | None = None
    updates: int = 0
    gross_j: float | None = None
    u_gross_j: float | None = None
    net_j: float | None = None
    u_net_j: float | None = None
    power_w: float | None = None
    idle_w: float | None = None
    idle_stdev_w: float | None = None
    clock_bound_s: float | None = None
    other_cpu_pct: float | None = None
    error_code: str = ""
    error_message: str = ""


@dataclass(frozen=True)
class Result:
    """One cell of a run: a model on a device in a runtime at a precision, measured, failed or skipped.

    ``status``: ok, failed or skipped; ``error_*`` say why for the last two. ``document`` is the whole
    record (job spec, job result, device facts, conversion) as JSON values; the fields beside it are
    what tables show and queries ask for. ``options`` are what the target hands to its runtime. ``metrics``
    are the scenario's own numbers, units in their names; ``trace_hashes`` the traces of the sensors, a file
    per process; ``harness`` native, python or the name of a tool. ``memory_delta_bytes`` is the peak less
    what the process held once the runtime was imported; ``outliers`` has one entry per process.
    ``precision_share``: of the operators that carry weights, how many really ran (or are stored) in
    ``precision``. ``calibration``: "200 samples", "32 random samples", "". ``accuracy_reference``: the source
    model's own value on the same samples; ``accuracy_delta``: value less that, with its 95 % interval
    on the same samples; ``accuracy_low``, ``accuracy_high``: that of the value itself.
    ``agreement`` with the source's outputs: snr_db, cosine, max_abs_error, top1, not_finite (samples).
    ``origin``: "" for what a device measured, "simulated" for what none did. ``conditions``: what the
    scenario was asked for beyond its defaults, and a native tool's name (``throughput.streams``: "1,8"): a
    part of the series, as ``options`` are.
    """

    job_id: str
    run_id: str
    created_unix_s: float
    model: str
    model_sha256: str
    device: str
    profile: str
    format: str
    runtime: str
    runtime_version: str
    precision: str
    executed_precision: str
    threads: int
    scenario: str
    protocol: str
    status: str
    error_blame: str = ""
    error_code: str = ""
    error_message: str = ""
    error_fix: str = ""
    latency: Latency | None = None
    import_ns: float | None = None
    load_ns: float | None = None
    first_inference_ns: float | None = None
    peak_memory_bytes: int | None = None
    accuracy_metric: str = ""
    accuracy: float | None = None
    accuracy_count: int = 0
    artifact_sha256: str = ""
    artifact_bytes: int | None = None
    max_abs_error: float | None = None
    verdict: Verdict = Verdict("")
    options: Mapping[str, str] = field(default_factory=dict)
    sample_hashes: tuple[str, ...] = ()
    harness: str = ""
    metrics: Mapping[str, float] = field(default_factory=dict)
    energy: tuple[Energy, ...] = ()
    trace_hashes: tuple[str, ...] = ()
    memory_delta_bytes: int | None = None
    outliers: tuple[Outliers, ...] = ()
    precision_share: float | None = None
    calibration: str = ""
    accuracy_reference: float | None = None
    accuracy_delta: float | None = None
    accuracy_delta_low: float | None = None
    accuracy_delta_high: float | None = None
    agreement: Mapping[str, float] = field(default_factory=dict)
    accuracy_low: float | None = None
    accuracy_high: float | None = None
    origin: str = ""
    conditions: Mapping[str, str] = field(default_factory=dict)
    document: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Run:
    """One ``farm bench``: who asked for what, when, and how it ended (running, done, interrupted).

    ``planned``: how many results it is to have, 0 where nobody said. ``driver``: the process that drives it.
    ``cause``: why it was interrupted, "" where a person did that.
    """

    run_id: str
    created_unix_s: float
    command: tuple[str, ...]
    farm_version: str
    host: str
    state: str = "running"
    labels: Mapping[str, str] = field(default_factory=dict)
    ended_unix_s: float | None = None
    planned: int = 0
    driver: str = ""
    cause: str = ""
