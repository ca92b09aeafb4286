"""A store that holds a bit of everything a page can show: samples, traces, layers, failures, simulations."""

from __future__ import annotations

import gzip
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from farm_agent import codec
from farm_agent.messages.layers import Layer, LayerProfile
from farm_agent.messages.traces import Channel, Trace, TraceFile
from farm_agent.wire import Blob, JobResult
from farm_results.model import Caveat, Energy, Latency, Result, Verdict
from farm_results.statistics.summary import summarise
from farm_results.store import Store, open_store
from tests.results import made

RUN_ID = "20261121-060000-aaaa"
GATE_NS = 3_000_000_000
FACTS = {
    "cpu": "Cortex-A72",
    "cores": 4,
    "machine": "aarch64",
    "os": "Debian 12",
    "kernel": "6.6.51",
    "python": "3.11",
}
NOISY = Caveat("load.cpu", "noisy", "CPU pressure reached 40 %", "end other load on the device (top)")


def samples(seed: int, count: int = 900, median_ns: float = 5e6) -> made.Pairs:
    """A process that gets a little slower, with a few stalls."""
    rng = np.random.default_rng(seed)
    taken = rng.normal(median_ns, median_ns * 0.01, count) * np.linspace(1, 1.02, count)
    taken[rng.integers(0, count, 4)] *= 3
    return made.pairs_of(np.rint(taken)) + seed * GATE_NS * 4


def traces(pairs: made.Pairs, seed: int) -> TraceFile:
    """Temperature, clock and power during a process."""
    start, end = int(pairs[0, 0]), int(pairs[-1, 1])
    times = tuple(np.linspace(start, end, 60).astype(int).tolist())
    warm = tuple((50 + 12 * np.linspace(0, 1, 60) + seed).round(2).tolist())
    clock = tuple([1_500_000.0] * 40 + [1_000_000.0] * 20)
    power = tuple(np.random.default_rng(seed).normal(4.1, 0.1, 60).round(3).tolist())
    made_of = (("temperature_c", "cpu", warm), ("frequency_khz", "cpu0", clock), ("power_w", "VDD_IN", power))
    return TraceFile(tuple(Trace("soc", Channel(name, kind), times, v) for kind, name, v in made_of))


def profile(slower: float = 1.0, count: int = 30) -> LayerProfile:
    """Convolutions on the unit that was asked for, and one layer that fell back."""
    rows = tuple(
        Layer(i, f"block{i}/conv", "Conv", unit="gpu", mean_us=40.0 + i, median_us=39.0 + i, precision="fp16")
        for i in range(count)
    )
    rows += (Layer(count, "resize", "Resize", unit="cpu", mean_us=300.0 * slower, median_us=290.0 * slower),)
    return LayerProfile("ort", rows, 30, 1900.0, 2000.0, clean_us=1950.0, asked_unit="gpu")


def measured(store: Store, job_id: str, seed: int, median_ns: float = 5e6, **changes: Any) -> Result:
    """A result with its samples and traces in the store."""
    processes = [samples(seed + 1 + index, median_ns=median_ns) for index in range(3)]
    blocks = tuple(
        made.block(i, count=len(rows), traces=Blob("0" * 64, 1, f"block-{i}.traces.gz"))
        for i, rows in enumerate(processes)
    )
    packed = [
        gzip.compress(codec.dumps(traces(rows, i)).encode(), mtime=0) for i, rows in enumerate(processes)
    ]
    job: JobResult = made.job(blocks=blocks, layers=profile())
    artifact = {
        "seconds": 2.9,
        "toolchain": {"edge": "onnx_to_onnx", "onnx": "1.23.2"},
        "check": {
            "passed": True,
            "max_abs_error": 4.3e-6,
            "cosine": 1.0,
            "samples": 2,
            "runtime": "onnxruntime",
        },
    }
    base = made.result(
        job_id,
        run_id=RUN_ID,
        created_unix_s=1_795_000_100.0,
        latency=summarise(processes),
        sample_hashes=tuple(store.objects.put_bytes(made.packed(rows)) for rows in processes),
        trace_hashes=tuple(store.objects.put_bytes(one) for one in packed),
        artifact_sha256="a" * 64,
        artifact_bytes=14_000_000,
        accuracy_metric="top-1",
        accuracy=0.986,
        accuracy_count=360,
        energy=(
            Energy("ina", "VDD_IN", "module_input", 100, 30.0, 300, 0.031, 0.001, 0.025, 0.001, 4.1, 1.2),
        ),
        document={
            "facts": FACTS,
            "artifact": artifact,
            "job": codec.encode(job),
            "spec": codec.encode(made.spec()),
        },
    )
    return replace(base, **changes)


def faster(latency: Latency | None, share: float) -> Latency | None:
    """The same summary, every time scaled."""
    if latency is None:
        return None
    low, high = latency.p50_low_ns or 0.0, latency.p50_high_ns or 0.0
    return replace(
        latency, p50_ns=latency.p50_ns * share, p50_low_ns=low * share, p50_high_ns=high * share, min_ns=1.0
    )


def filled(folder: Path | str, *, simulated: bool = False) -> Store:
    """One run of seven results: valid, noisy, throttled, failed, skipped, a fallback, a hostile name."""
    store = open_store(folder)
    store.add_run(
        replace(made.run(RUN_ID, 1_795_000_000.0), command=("farm", "bench", "m.onnx", "-d", "pi,jetson"))
    )
    origin = "simulated" if simulated else ""
    first = measured(store, "job-1", 0, origin=origin)
    results = [
        first,
        measured(
            store,
            "job-2",
            10,
            9e6,
            runtime="litert",
            verdict=Verdict("noisy", (NOISY,)),
            origin=origin,
            energy=(),
            accuracy=0.97,
            artifact_bytes=9_000_000,
        ),
        replace(
            first,
            job_id="job-3",
            device="jetson",
            runtime="tensorrt",
            precision="int8",
            executed_precision="int8",
            latency=faster(first.latency, 0.2),
            accuracy=0.951,
            artifact_bytes=3_700_000,
            sample_hashes=(),
            trace_hashes=(),
        ),
        replace(
            first,
            job_id="job-4",
            device="jetson",
            runtime="openvino",
            verdict=Verdict("throttled"),
            energy=(),
            latency=faster(first.latency, 0.7),
            sample_hashes=(),
            trace_hashes=(),
        ),
        made.result(
            "job-5",
            run_id=RUN_ID,
            device="nano",
            status="failed",
            latency=None,
            verdict=Verdict(""),
            origin=origin,
            error_blame="job",
            error_code="job.golden",
            error_message="outputs differ",
            error_fix="farm inspect m.onnx",
        ),
        made.result(
            "job-6",
            run_id=RUN_ID,
            device="nano",
            runtime="litert",
            status="skipped",
            latency=None,
            origin=origin,
            verdict=Verdict(""),
            error_message="no wheel for Python 3.6",
        ),
        replace(
            first,
            job_id="job-7",
            device='<img src=x onerror="alert(1)">',
            runtime="</script><script>alert(2)//",
            verdict=Verdict(
                "invalid", (Caveat("x.y", "invalid", "<b>bold</b> {{ 7 * 7 }}", "javascript:alert(3)"),)
            ),
            sample_hashes=(),
            trace_hashes=(),
            model="mobilenet",
        ),
    ]
    for one in results:
        store.add_result(one)
    store.end_run(RUN_ID, "done", 1_795_000_400.0)
    return store
