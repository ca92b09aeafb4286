"""TensorRT's ``trtexec``: CUDA events; ``Latency`` = copies to the GPU + computing + copies back.

Release 11 changed what the same command measures (CUDA graph and spin-wait on, copies off), so every release
gets flags that ask for the same. Time stamps are float32 ms since the start: the longer the run, the coarser.
"""

from __future__ import annotations

import json
import math
import re
import statistics
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from farm_agent.messages.layers import Layer
from farm_agent.messages.tool import ToolReport
from farm_agent.profilers import trt
from farm_agent.profilers.rows import number
from farm_agent.tools import TEXT_LIMIT, ToolJob, failed, on_path, positive, rounding, unreadable, whole

TOOL = "trtexec"
RUNTIMES = ("tensorrt",)
FIX = "install NVIDIA's TensorRT (JetPack has it in /usr/src/tensorrt/bin) and put trtexec on the PATH"
TIMES = "times.json"
BANNER = re.compile(r"&&&& (RUNNING|PASSED|FAILED) TensorRT\.trtexec(?: \[TensorRT v(\d{4,6})\])?")
# A line may carry the time in front; "median = 1.2 ms" or, up to release 7, a line per value.
FIGURES = re.compile(
    r"\[I\] (Latency|End-to-End Host Latency|Enqueue Time|H2D Latency|GPU Compute Time|D2H Latency): (.+)"
)
PAIR = re.compile(r"(min|max|mean|median|percentile(?:\(\d+%\))?) = ([0-9.e+-]+) ms")
OLD_TITLE = re.compile(r"\[I\] (Host [Ll]atency|GPU [Cc]ompute|Enqueue [Tt]ime)\s*")
OLD_VALUE = re.compile(r"\[I\] (min|max|mean|median|percentile): ([0-9.e+-]+) ms(?: at (\d+)%)?.*")
OLD_NAMES = {"host latency": "Latency", "gpu compute": "GPU Compute Time", "enqueue time": "Enqueue Time"}
SINGLE = re.compile(r"\[I\] (Throughput|throughput|Total Host Walltime|walltime): ([0-9.e+-]+) (?:qps|s)")
QUERIES = re.compile(r"Timing trace has (\d+) queries")
UNSTABLE = re.compile(r"GPU compute time is unstable, with coefficient of variance = ([0-9.]+)%")
TROUBLE = re.compile(r"(?:\[[^\]]*\] )?\[E\] ?(.*)")
NEW_ENTRY = re.compile(r"\[\d\d/\d\d/|\[[VIWEF]\]|&&&&")
DETAILS = {
    "End-to-End Host Latency": "end_to_end",
    "Enqueue Time": "enqueue",
    "H2D Latency": "h2d",
    "GPU Compute Time": "gpu_compute",
    "D2H Latency": "d2h",
}
MANTISSA_BITS = 24


def find() -> Sequence[str]:
    """On the PATH, or where JetPack puts it."""
    return on_path("trtexec", "/usr/src/tensorrt/bin/trtexec")


def argv(command: Sequence[str], job: ToolJob) -> List[str]:
    """CUDA graph, spin-wait, no copies, in every release; no TF32 where fp32 was asked for."""
    major = int(str(job.options.get("tool_major") or 0))
    settings = [f"--onnx={job.model}", "--warmUp=500", f"--duration={max(3, min(60, round(job.min_time_s)))}"]
    settings += [f"--iterations={max(10, job.min_runs)}", f"--exportTimes={job.output(TIMES)}"]
    if major == 0 or major < 11:
        settings += ["--useSpinWait", "--useCudaGraph"]
        settings += [] if major == 7 else ["--noDataTransfers"]
        settings += [f"--{job.precision}"] if job.precision in ("fp16", "int8") else []
    if job.precision == "fp32":
        settings.append("--noTF32")
    return [*command, *settings]


def version_of(text: str) -> Tuple[int, ...]:
    """The release in a banner: v8601 is 8.6.1, v101601 is 10.16.1; () where none stands."""
    found = [match[2] for match in BANNER.finditer(text) if match[2]]
    if not found:
        return ()
    value, unit = int(found[-1]), 1000 if len(found[-1]) <= 4 else 10_000
    return value // unit, value % unit // 100, value % 100


def parse(text: str, files: Optional[Mapping[str, str]] = None) -> ToolReport:
    """The log, and the count of what ``--exportTimes`` wrote. Raises as ``parse_log``."""
    report = parse_log(text)
    times = (files or {}).get(TIMES)
    if times is None or report.count is not None:
        return report
    return ToolReport(**{**vars(report), "count": parse_times(times).count})


def parse_log(text: str) -> ToolReport:
    """The performance summary of releases 7 to 11.

    Raises JobError ``tool.failed`` with the log's errors, MeasurementError ``tool.unreadable``.
    """
    text = text[-TEXT_LIMIT:]
    banners = [match[1] for match in BANNER.finditer(text)]
    figures = _figures(text)
    if "FAILED" in banners:
        raise failed(TOOL, errors_in(text) or "it said FAILED and gave no reason")
    latency = figures.get("Latency", {})
    if not latency:
        words = errors_in(text)
        why = "there is no performance summary (with --dumpProfile or --skipInference it prints none)"
        raise failed(TOOL, words) if words else unreadable(TOOL, why)
    version = version_of(text)
    singles = {match[1].split()[-1].lower(): match[2] for match in SINGLE.finditer(text)}
    walltime_s = positive(singles.get("walltime"))
    resolution_ns = _float32_step_ns(walltime_s) if walltime_s else None
    queries = QUERIES.search(text)
    return ToolReport(
        tool=TOOL,
        protocol=f"{TOOL}/{'.'.join(map(str, version))}" if version else TOOL,
        count=whole(queries[1]) if queries else None,
        median_ns=latency.get("median"),
        mean_ns=latency.get("mean"),
        min_ns=latency.get("min"),
        max_ns=latency.get("max"),
        percentiles_ns={name: ns for name, ns in latency.items() if name.startswith("p")},
        throughput_per_s=positive(singles.get("throughput")),
        resolution_ns=resolution_ns,
        details={
            f"{word}_median_ns": figures[name].get("median")
            for name, word in DETAILS.items()
            if name in figures
        },
        caveats=tuple(_caveats(text, version, figures, latency, resolution_ns)),
    )


def parse_times(text: str) -> ToolReport:
    """Every query of ``--exportTimes``, also of a file cut short. Raises MeasurementError tool.unreadable."""
    latencies: List[float] = []
    computes: List[float] = []
    last_ms = 0.0
    for part in re.findall(r"\{[^{}]*\}", text[: 16 * TEXT_LIMIT]):
        try:
            row: Dict[str, Any] = json.loads(part)
            latencies.append(number(row["latencyMs"]) * 1e6)
            computes.append(number(row["computeMs"]) * 1e6)
            last_ms = max(last_ms, number(row["endComputeMs"]))
        except (ValueError, KeyError, TypeError, RecursionError):
            raise unreadable(TOOL, f"no query: {part[:80]}") from None
    if not latencies:
        raise unreadable(TOOL, "there is no query with latencyMs and computeMs")
    resolution_ns = _float32_step_ns(last_ms / 1000) if last_ms > 0 else None
    median_ns = statistics.median(latencies)
    return ToolReport(
        tool=TOOL,
        protocol=TOOL,
        count=len(latencies),
        median_ns=median_ns,
        mean_ns=statistics.fmean(latencies),
        min_ns=min(latencies),
        max_ns=max(latencies),
        stdev_ns=statistics.stdev(latencies) if len(latencies) > 1 else None,
        resolution_ns=resolution_ns,
        details={"gpu_compute_median_ns": statistics.median(computes)},
        caveats=tuple(rounding(TOOL, resolution_ns, {"median": median_ns}) if resolution_ns else ()),
    )


def parse_profile(text: str) -> Tuple[Layer, ...]:
    """``--exportProfile``, or the table in a log. Raises MeasurementError ``layers.unreadable``."""
    return trt.parse_printed(text) if "=== Profile (" in text else trt.parse(text)


def _figures(text: str) -> Dict[str, Dict[str, float]]:
    """Times in ns by the tool's titles; percentiles as p99."""
    found: Dict[str, Dict[str, float]] = {}
    title = ""
    for line in (line[:2000] for line in text.splitlines()):
        match, old_title, old = FIGURES.search(line), OLD_TITLE.search(line), OLD_VALUE.search(line)
        if match:
            pairs = ((name, positive(value, 1e6)) for name, value in PAIR.findall(match[2]))
            named = {re.sub(r"percentile\((\d+)%\)", r"p\1", name): value for name, value in pairs}
            found[match[1]] = {name: value for name, value in named.items() if value is not None}
        elif old_title:
            title = OLD_NAMES[old_title[1].lower()]
        elif old:
            value = positive(old[2], 1e6)
            name = f"p{old[3]}" if old[1] == "percentile" and old[3] else old[1]
            if value is not None:
                found.setdefault(title or "Latency", {})[name] = value
    return found


def _caveats(
    text: str,
    version: Tuple[int, ...],
    figures: Mapping[str, Mapping[str, float]],
    latency: Mapping[str, float],
    resolution_ns: Optional[float],
) -> List[str]:
    found: List[str] = []
    unstable = UNSTABLE.search(text)
    if unstable:
        found.append(f"trtexec calls the GPU's time unstable: coefficient of variation {unstable[1]} %")
    copies = [figures[name].get("median", 0.0) for name in ("H2D Latency", "D2H Latency") if name in figures]
    if sum(copies) > 0:
        found.append("the latency includes copies to and from the GPU")
    elif version and version[0] >= 11:
        found.append("the latency is computing alone: no copies, with a CUDA graph and spin-wait")
    if resolution_ns:
        found += rounding(TOOL, resolution_ns, {"median": latency.get("median")})
    return found


def errors_in(text: str) -> str:
    """The log's [E] entries with their further lines, those that say "error" first."""
    entries: List[str] = []
    inside = False
    for line in text.splitlines():
        match = TROUBLE.match(line)
        if match:
            entries.append(match[1])
        elif inside and line.strip() and not NEW_ENTRY.match(line):
            entries[-1] += f" {line.strip()}"
        inside = bool(match) or (inside and not NEW_ENTRY.match(line))
    telling = [entry for entry in entries if re.search(r"error", entry, re.IGNORECASE)]
    others = [entry for entry in entries if entry not in telling and "node ---" not in entry]
    return "; ".join([*telling, *others])


def _float32_step_ns(seconds: float) -> float:
    """The distance of neighbouring float32 values at so many milliseconds since the start."""
    return float(2.0 ** (math.floor(math.log2(seconds * 1000)) + 1 - MANTISSA_BITS) * 1e6)
