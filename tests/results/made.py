"""Specs, job results and results to test with, spelled once."""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from farm_agent.messages.observed import Observed
from farm_agent.wire import (
    ArtifactSpec,
    Blob,
    BlockPlan,
    BlockResult,
    CheckResult,
    GatePlan,
    Golden,
    JobResult,
    JobSpec,
    MemoryPhase,
    PrecisionProof,
    Tolerance,
)
from farm_results.model import Caveat, Latency, Result, Run, Verdict

Pairs = npt.NDArray[np.int64]


def pairs_of(durations: Any, gap_ns: int = 1_000) -> Pairs:
    """Back-to-back (start, end) pairs with these durations."""
    taken = np.asarray(durations, dtype=np.int64)
    end = np.cumsum(taken + gap_ns)
    return np.stack([end - taken, end], axis=1)


def packed(pairs: Pairs) -> bytes:
    """Samples as a device sends them."""
    return gzip.compress(pairs.astype("<i8").tobytes(), mtime=0)


def quiet_pairs(seed: int, count: int = 400, median_ns: int = 5_000_000) -> Pairs:
    """A quiet device: 0.5 % of jitter around the median."""
    rng = np.random.default_rng(seed)
    return pairs_of(np.rint(rng.normal(median_ns, median_ns * 0.005, count)))


def block(index: int = 0, **changes: Any) -> BlockResult:
    """A steady process of 400 runs."""
    base = BlockResult(
        index=index,
        samples=Blob("0" * 64, 100, f"block-{index}.samples.gz"),
        count=400,
        import_ns=200_000_000 + index,
        load_ns=30_000_000 + index,
        first_inference_ns=9_000_000 + index,
        warmup_runs=50,
        warmup_ns=500_000_000,
        steady=True,
        ended="floor",
        harness="python",
        timer_step_ns=20,
        timer_cost_ns=80,
        memory=(
            MemoryPhase("loaded", 50_000_000, 60_000_000),
            MemoryPhase("measured", 70_000_000, 80_000_000 + index),
        ),
        cpu_pressure_pct=0.5,
        observed=observed(),
    )
    return replace(base, **changes)


def observed(**changes: Any) -> Observed:
    """A process that nothing disturbed, on a device that tells everything."""
    base = Observed(
        elapsed_ns=10_000_000_000,
        own_cpu_ns=19_800_000_000,
        own_waited_ns=30_000_000,
        other_cpu_pct=2.0,
        steal_pct=0.1,
        memory_pressure_pct=0.0,
        io_pressure_pct=0.0,
        involuntary_switches=20,
        major_faults=0,
        swapped_in_pages=0,
        swapped_out_pages=0,
        own_swap_bytes=0,
        clock_step_ns=1_000,
        suspended_ns=0,
        clock_low_share=0.0,
        clock_lowest_khz=2_400_000,
        clock_target_khz=2_400_000,
        temperature_start_c=50.0,
        temperature_max_c=51.0,
    )
    return replace(base, **changes)


def spec(**changes: Any) -> JobSpec:
    """An fp32 artifact in ONNX Runtime with golden outputs, five processes behind a gate."""
    artifact = ArtifactSpec("onnx", "fp32", (Blob("a" * 64, 14_000_000, "model.onnx"),), (), ())
    golden = Golden(Blob("b" * 64, 10, "golden.npz"), 2, Tolerance(1e-4, 1e-3))
    base = JobSpec(
        "job-1", 1, artifact, "onnxruntime", BlockPlan(blocks=5), threads=2, golden=golden, gate=GatePlan()
    )
    return replace(base, **changes)


def job(**changes: Any) -> JobResult:
    """A job that went well."""
    base = JobResult(
        job_id="job-1",
        outcome="ok",
        failure=None,
        blocks=tuple(block(index) for index in range(5)),
        check=CheckResult(passed=True, max_abs_error=2e-6, max_reference=1.0, cosine=1.0, samples=2),
        proof=PrecisionProof("fp32", {"fp32": 50, "other": 3}, "profile"),
        accuracy=None,
        runtime_version="1.23.0",
        environment={},
        agent_sha256="c" * 64,
        started_unix_s=1.0,
        ended_unix_s=2.0,
    )
    return replace(base, **changes)


def latency(**changes: Any) -> Latency:
    """A calm summary of 2000 runs in five processes."""
    base = Latency(
        count=2000,
        blocks=5,
        p50_ns=4_910_000.0,
        p50_low_ns=4_870_000.0,
        p50_high_ns=4_960_000.0,
        p90_ns=5_100_000.0,
        p95_ns=5_200_000.0,
        p99_ns=5_600_000.0,
        min_ns=4_800_000.0,
        mean_ns=4_950_000.0,
        stdev_ns=90_000.0,
        mad_ns=40_000.0,
        between_block_spread=0.01,
        drift=0.99,
        median_to_min=1.02,
        p5_ns=4_850_000.0,
        cv=0.018,
        between_cv=0.004,
        settling=0.99,
        slope=0.001,
        slope_p=0.6,
        intervals_ns={"p90": (5_080_000.0, 5_120_000.0), "p99": (5_500_000.0, 5_750_000.0)},
    )
    return replace(base, **changes)


def run(run_id: str = "20261121-060000-aaaa", created_unix_s: float = 1000.0) -> Run:
    """A run of one command."""
    return Run(run_id, created_unix_s, ("farm", "bench"), "0.1.0", "desk", labels={"why": "test"})


def result(job_id: str = "job-1", **changes: Any) -> Result:
    """A valid result of ``run()``."""
    base = Result(
        job_id=job_id,
        run_id="20261121-060000-aaaa",
        created_unix_s=1001.5,
        model="mobilenet",
        model_sha256="d" * 64,
        device="pi",
        profile="rpi4",
        format="onnx",
        runtime="onnxruntime",
        runtime_version="1.23.0",
        precision="fp32",
        executed_precision="fp32",
        threads=2,
        scenario="latency",
        protocol="closed-loop/v0",
        status="ok",
        latency=latency(),
        load_ns=30_000_000.0,
        peak_memory_bytes=148_000_000,
        verdict=Verdict("valid", (Caveat("processes.one", "note", "one process only", "use three"),)),
        document={"spec": {"threads": 2}},
    )
    return replace(base, **changes)


def sha256(data: bytes) -> str:
    """The name of ``data`` in the content store."""
    return hashlib.sha256(data).hexdigest()


HOSTILE = (
    "",
    "'; DROP TABLE result; --",
    "nul\x00inside",
    "lone \udc80 surrogate",
    "back\\slash \\u0000 \\\\",
    "\x1b[31mred\x1b]0;title\x07",
    "tab\tnew\nline\r\n",
    "=HYPERLINK(1)",
    "mixed \u202e direction \u200b zero \U0001f600",
    "x" * 20_000,
    "%s %(name)s {0} :bind",
)
