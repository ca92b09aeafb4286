"""ONNX Runtime's ``onnxruntime_perf_test``: times in seconds with six digits, which may have an exponent.

It prints no version. Its percentiles are by nearest rank: of few runs, all the high ones are the maximum.
"""

from __future__ import annotations

import math
import re
from typing import Dict, List, Mapping, Optional, Sequence

from farm_agent.messages.tool import ToolReport
from farm_agent.tools import TEXT_LIMIT, ToolJob, failed, on_path, positive, unreadable, whole

TOOL = "onnxruntime_perf_test"
RUNTIMES = ("onnxruntime",)
FIX = "build onnxruntime_perf_test from ONNX Runtime's sources and put it on the PATH of farm's user there"
UNITS_NS = {"s": 1e9, "ms": 1e6, "us": 1e3}
LINE = re.compile(r"([A-Z][A-Za-z0-9 ]+):\s*([0-9.]+(?:e[+-]?\d+)?)(?: ([a-z%]+))?\s*")
PROVIDERS = {"CPUExecutionProvider": "cpu", "CUDAExecutionProvider": "cuda"}
PROVIDERS.update({"TensorrtExecutionProvider": "tensorrt", "XnnpackExecutionProvider": "xnnpack"})
PROBLEM = re.compile(r"(?:[Ee]rror|[Ee]xception|[Ff]ailed|FAIL)[^\n]*")
LEAST_FOR_P99 = 1000


def find() -> Sequence[str]:
    """The user's own build."""
    return on_path(TOOL)


def argv(command: Sequence[str], job: ToolJob) -> List[str]:
    """A duration, one parallel run, the threads asked for, generated inputs, spinning as in our own runs."""
    provider = PROVIDERS.get(str(job.options.get("provider") or "CPUExecutionProvider"), "cpu")
    still = [] if str(job.options.get("allow_spinning", "0")) == "1" else ["-D"]
    settings = ["-m", "duration", "-t", str(max(1, round(job.min_time_s))), "-c", "1"]
    return [
        *command, "-e", provider, *settings, "-x", str(job.threads), "-y", "1", *still, "-I", job.model
    ]  # fmt: skip


def parse(text: str, files: Optional[Mapping[str, str]] = None) -> ToolReport:
    """The console's text. Raises MeasurementError ``tool.unreadable``, JobError ``tool.failed``."""
    del files
    text = text[-TEXT_LIMIT:]
    found: Dict[str, str] = {}
    times: Dict[str, Optional[float]] = {}
    for line in text.splitlines():
        match = LINE.fullmatch(line[:200].strip())
        if match is None:
            continue
        found[match[1]] = match[2]
        if match[3] in UNITS_NS:
            times[match[1]] = positive(match[2], UNITS_NS[match[3]])
    mean_ns, median_ns = times.get("Average inference time cost"), times.get("P50 Latency")
    if mean_ns is None and median_ns is None:
        words = "; ".join(PROBLEM.findall(text)[:5])
        raise failed(TOOL, words) if words else unreadable(TOOL, "there is neither an average nor a P50")
    count = whole(found.get("Runs", found.get("Total inference requests", "")))
    percentiles = {
        name.split()[0].lower(): value
        for name, value in times.items()
        if re.fullmatch(r"P\d+ Latency", name) and name != "P50 Latency" and value is not None
    }
    caveats = []
    if percentiles and (count is None or count < LEAST_FOR_P99):
        caveats.append(f"percentiles by nearest rank over {count or 'an unknown number of'} runs")
    return ToolReport(
        tool=TOOL,
        protocol=TOOL,
        count=count,
        median_ns=median_ns,
        mean_ns=mean_ns,
        min_ns=times.get("Min Latency"),
        max_ns=times.get("Max Latency"),
        percentiles_ns=percentiles,
        throughput_per_s=positive(found.get("Number of inferences per second")),
        load_ns=times.get("Session creation time cost"),
        first_inference_ns=times.get("First inference time cost"),
        resolution_ns=_last_digit_ns(median_ns or mean_ns or 0.0),
        details={
            "cpu_pct": positive(found.get("Avg CPU usage")),
            "peak_memory_bytes": whole(found.get("Peak working set size", "")),
        },
        caveats=tuple(caveats),
    )


def _last_digit_ns(value_ns: float) -> Optional[float]:
    """The step of the sixth significant digit."""
    return float(10 ** (math.floor(math.log10(value_ns)) - 5)) if value_ns > 0 else None
