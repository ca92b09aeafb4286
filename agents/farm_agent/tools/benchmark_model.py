"""TensorFlow Lite's ``benchmark_model``: whole microseconds of ``Invoke`` alone. It prints no version."""

from __future__ import annotations

import re
from typing import Dict, List, Mapping, Optional, Sequence

from farm_agent.messages.tool import ToolReport
from farm_agent.tools import TEXT_LIMIT, ToolJob, failed, on_path, positive, rounding, unreadable, whole

TOOL = "benchmark_model"
RUNTIMES = ("litert",)
FIX = "build TensorFlow Lite's benchmark_model for the device and put it on the PATH of farm's user there"
NAMES = ("benchmark_model", "benchmark_model_plus_flex", "linux_aarch64_benchmark_model")
RESOLUTION_NS = 1000.0
COUNTED = re.compile(r"\bcount=(\d+) ((?:[a-z0-9]+=[0-9.e+]+ ?)+)")
SAME = re.compile(r"\bcount=(\d+) curr=([0-9.e+]+) ?\(all same\)")
NEW = re.compile(
    r"Inference timings in us: Init: (?P<init>[0-9.e+]+), First inference: (?P<first>[0-9.e+]+), "
    r"Warmup \(avg\): (?P<warmup>[0-9.e+]+), Inference \(avg\): (?P<mean>[0-9.e+]+)"
)
OLD = re.compile(
    r"Average inference timings in us: Warmup: (?P<warmup>[0-9.e+]+), Init: (?P<init>[0-9.e+]+), "
    r"(?:no stats: [0-9.e+]+|Inference: (?P<mean>[0-9.e+]+))"
)
MEMORY = re.compile(r"Memory footprint delta from the start of the tool \(MB\): init=(\S+) overall=(\S+)")
DELEGATE = re.compile(
    r"Created TensorFlow Lite (?:XNNPACK )?delegate for ([A-Z]+)|(XNNPACK) delegate for CPU"
)
REFUSED = re.compile(r"Though (\w+) delegate is explicitly applied, the model graph will not be executed")


def find() -> Sequence[str]:
    """The user's own build."""
    return on_path(*NAMES)


def argv(command: Sequence[str], job: ToolJob) -> List[str]:
    """XNNPACK said explicitly: releases differ in whether it is the default."""
    return [
        *command,
        f"--graph={job.model}",
        f"--num_threads={job.threads}",
        "--use_xnnpack=true",
        "--warmup_min_secs=0.5",
        f"--num_runs={max(50, job.min_runs)}",
        f"--min_secs={job.min_time_s:g}",
        f"--max_secs={max(job.max_time_s, job.min_time_s):g}",
    ]


def parse(text: str, files: Optional[Mapping[str, str]] = None) -> ToolReport:
    """Its log, also out of logcat. Raises MeasurementError ``tool.unreadable``, JobError ``tool.failed``."""
    del files
    text = text[-TEXT_LIMIT:]
    found = list((NEW if NEW.search(text) else OLD).finditer(text))
    summary: Dict[str, Optional[str]] = found[-1].groupdict() if found else {}
    stats = _stats(text)
    mean_ns = positive(summary.get("mean"), 1e3) or positive(stats.get("avg"), 1e3)
    if mean_ns is None:
        words = "; ".join(re.findall(r"^.*\bERROR:? (.*)$", text, re.MULTILINE)[:5])
        raise failed(TOOL, words) if words else unreadable(TOOL, "there is no line with inference timings")
    median_ns = positive(stats.get("median"), 1e3)
    memory = MEMORY.search(text)
    caveats = rounding(TOOL, RESOLUTION_NS, {"mean": mean_ns})
    caveats += [f"the {name} delegate took nothing of the network" for name in REFUSED.findall(text)]
    if memory:
        caveats.append("its memory is ru_maxrss of the process, which a large parent inflates: not used")
    return ToolReport(
        tool=TOOL,
        protocol=TOOL,
        count=whole(stats.get("count", "")),
        median_ns=median_ns,
        mean_ns=mean_ns,
        min_ns=positive(stats.get("min"), 1e3),
        max_ns=positive(stats.get("max"), 1e3),
        stdev_ns=positive(stats.get("std"), 1e3),
        percentiles_ns={
            name: value
            for name, value in ((key, positive(stats.get(key), 1e3)) for key in ("p5", "p95"))
            if value is not None
        },
        load_ns=positive(summary.get("init"), 1e3),
        first_inference_ns=positive(summary.get("first"), 1e3),
        resolution_ns=RESOLUTION_NS,
        details={
            "delegates": sorted({a or b for a, b in DELEGATE.findall(text)}),
            "memory_mb": list(memory.groups()) if memory else [],
            "warmup_mean_ns": positive(summary.get("warmup"), 1e3),
        },
        caveats=tuple(caveats),
    )


def _stats(text: str) -> Dict[str, str]:
    """The last statistics that have a mean: the measured runs stand after the warm-up."""
    found: Dict[str, str] = {}
    for line in text.splitlines():
        same = SAME.search(line[:1000])
        if same:
            found = {"count": same[1], **dict.fromkeys(("min", "max", "avg", "median"), same[2])}
            continue
        match = COUNTED.search(line[:1000])
        pairs = dict(pair.split("=", 1) for pair in match[2].split()) if match else {}
        if match and "avg" in pairs and "Memory" not in line:
            found = {"count": match[1], **pairs}
    return found
