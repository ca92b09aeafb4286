"""``litert-benchmark``, in LiteRT's wheel: a fixed number of runs, hundredths of a millisecond."""

from __future__ import annotations

import json
import re
from typing import Any, Dict, List, Mapping, Optional, Sequence

from farm_agent.messages.tool import ToolReport
from farm_agent.tools import TEXT_LIMIT, ToolJob, failed, on_path, positive, rounding, unreadable, whole

TOOL = "litert-benchmark"
RUNTIMES = ("litert",)
PACKAGE = "ai-edge-litert"
FIX = "install ai-edge-litert 2.1.6 or newer for the device's Python: pip install ai-edge-litert"
RESOLUTION_NS = 10_000.0
WARMUP = 5
MOST_RUNS = 100_000
LINE = re.compile(r"([A-Z][a-z ]+(?:\([a-z0-9]+\))?):\s+([0-9.]+) ms(?: \((\d+) runs\))?\s*")
# The text's names -> the JSON's.
NAMES = {
    "Model initialization": "init_ms",
    "Warmup (first)": "warmup_first_ms",
    "Warmup (avg)": "warmup_avg_ms",
    "Inference (avg)": "avg_ms",
    "Inference (min)": "min_ms",
    "Inference (max)": "max_ms",
    "Inference (median)": "median_ms",
    "Inference (std)": "std_ms",
    "Inference (p5)": "p5_ms",
    "Inference (p95)": "p95_ms",
}
PROBLEM = re.compile(r"(?:ERROR|CRITICAL)[: ]+(.+)|^(\w*(?:Error|Exception)): (.+)$", re.MULTILINE)


def find() -> Sequence[str]:
    """The script of the wheel."""
    return on_path(TOOL)


def argv(command: Sequence[str], job: ToolJob) -> List[str]:
    """On the CPU, as many runs as asked for: the tool has no least time."""
    runs = str(min(MOST_RUNS, max(50, job.min_runs)))
    settings = ["--num_threads", str(job.threads), "--warmup_runs", str(WARMUP), "--num_runs", runs]
    return [*command, "--model", job.model, *settings]


def parse(text: str, files: Optional[Mapping[str, str]] = None) -> ToolReport:
    """The console's text. Raises MeasurementError ``tool.unreadable``, JobError ``tool.failed``."""
    del files
    text = text[-TEXT_LIMIT:]
    found: Dict[str, Any] = {}
    for line in text.splitlines():
        match = LINE.fullmatch(line[:200])
        if match and match[1] in NAMES:
            found[NAMES[match[1]]] = match[2]
            if match[1] == "Inference (avg)":
                found["num_runs"] = match[3]
    if "avg_ms" not in found:
        words = "; ".join(" ".join(part for part in groups if part) for groups in PROBLEM.findall(text)[:5])
        raise failed(TOOL, words) if words else unreadable(TOOL, "there is no Inference (avg)")
    accelerated = re.search(r"Fully accelerated:\s+(True|False)", text)
    return _report(found, {"fully_accelerated": accelerated[1] == "True" if accelerated else None})


def parse_json(text: str) -> ToolReport:
    """What ``--result_json`` wrote; rounded as the text is. Raises MeasurementError ``tool.unreadable``."""
    try:
        document = json.loads(text[:TEXT_LIMIT])
    except (ValueError, RecursionError) as error:
        raise unreadable(TOOL, str(error)) from error
    latency = document.get("latency") if isinstance(document, dict) else None
    if not isinstance(latency, dict) or "avg_ms" not in latency:
        raise unreadable(TOOL, "there is no latency.avg_ms")
    return _report(latency, {"fully_accelerated": document.get("fully_accelerated") is True})


def _report(found: Mapping[str, Any], details: Dict[str, Any]) -> ToolReport:
    def ns(name: str) -> Optional[float]:
        return positive(found.get(name), 1e6)

    both = {"median": ns("median_ms"), "average": ns("avg_ms")}
    return ToolReport(
        tool=TOOL,
        protocol=TOOL,
        count=whole(found.get("num_runs", "")),
        median_ns=both["median"],
        mean_ns=both["average"],
        min_ns=ns("min_ms"),
        max_ns=ns("max_ms"),
        stdev_ns=ns("std_ms"),
        percentiles_ns={
            name: value for name, value in (("p5", ns("p5_ms")), ("p95", ns("p95_ms"))) if value is not None
        },
        load_ns=ns("init_ms"),
        first_inference_ns=ns("warmup_first_ms"),
        resolution_ns=RESOLUTION_NS,
        details={**details, "warmup_mean_ns": ns("warmup_avg_ms")},
        caveats=tuple(rounding(TOOL, RESOLUTION_NS, both)),
    )
