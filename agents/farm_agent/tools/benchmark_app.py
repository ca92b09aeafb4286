"""OpenVINO's ``benchmark_app``, in its wheel. Latency inside the runtime; two decimals of ms, or of us below
1 ms. Asynchronous requests overlap: their latencies are no single inference's."""

from __future__ import annotations

import importlib.util
import re
import sys
from typing import Dict, List, Mapping, Optional, Sequence, Tuple

from farm_agent.messages.tool import ToolReport
from farm_agent.tools import TEXT_LIMIT, ToolJob, failed, on_path, positive, rounding, unreadable, whole
from farm_agent.trace import precision_of

TOOL = "benchmark_app"
RUNTIMES = ("openvino",)
FIX = "install openvino for the device's Python: pip install openvino"
# As the wheel's script does, but without OpenVINO's report to its makers (see runtimes.openvino).
START = (
    "import sys; sys.modules['openvino_telemetry'] = None; sys.argv[0] = 'benchmark_app'; "
    "from openvino.tools.benchmark.main import main; sys.exit(main())"
)
NS = {"ms": 1e6, "us": 1e3}
TIME = re.compile(r"\s*(Median|Average|Min|Max|AVG|\d+ percentile):\s+([0-9.]+) (ms|us)\s*")
BUILD = re.compile(r"Build \.+ (\d{4}\.\d+)(?:\.\d+)*")
TOOK = re.compile(r"(Read model|Compile model|First inference) took ([0-9.]+) ms")
MODE = re.compile(r"Start inference (a?synchronously)(?:, (\d+) inference requests)?")
HINT = re.compile(r"INFERENCE_PRECISION_HINT: (?:<Type: '([a-z0-9_]+)'>|([a-z0-9]+))")


def find() -> Sequence[str]:
    """Through this Python where it has OpenVINO, else the program of a package."""
    try:
        wheel = importlib.util.find_spec("openvino.tools.benchmark") is not None
    except (ImportError, ValueError):
        wheel = False
    return [sys.executable, "-c", START] if wheel else on_path("benchmark_app")


def argv(command: Sequence[str], job: ToolJob) -> List[str]:
    """One synchronous request, one stream, no hint, the precision asked for."""
    device = str(job.options.get("device") or "CPU")
    hint = "f16" if job.precision == "fp16" and device != "CPU" else "f32"
    settings = ["-hint", "none", "-nstreams", "1", "-api", "sync", "-nireq", "1", "-infer_precision", hint]
    if device == "CPU":
        settings += ["-nthreads", str(job.threads)]
    seconds = str(max(1, round(job.min_time_s)))
    return [*command, "-m", job.model, "-d", device, *settings, "-t", seconds]


def parse(text: str, files: Optional[Mapping[str, str]] = None) -> ToolReport:
    """The console's text. Raises MeasurementError ``tool.unreadable``, JobError ``tool.failed``."""
    del files
    lines = [line.partition("[ INFO ]")[2] or line for line in text[-TEXT_LIMIT:].splitlines()]
    times, unit = _times(lines)
    if "Average" not in times and "AVG" not in times:
        words = _error(text)
        raise failed(TOOL, words) if words else unreadable(TOOL, "there is no Latency with an Average")
    took = {match[1]: match[2] for match in map(TOOK.search, lines) if match}
    build = BUILD.search(text)
    hint = HINT.search(text)
    mode = MODE.search(text)
    resolution = NS[unit] / 100
    central = {"median": times.get("Median"), "average": times.get("Average", times.get("AVG"))}
    shown = {name: value for name, value in central.items() if name == "average" or "Median" in times}
    caveats = rounding(TOOL, resolution, shown)
    if mode and mode[1] == "asynchronously" and (whole(mode[2]) or 2) > 1:
        caveats.append(f"{mode[2] or 'several'} requests overlapped: no latency of a single inference")
    executed = precision_of((hint[1] or hint[2]).replace("_t", "")) if hint else "other"
    return ToolReport(
        tool=TOOL,
        protocol=f"{TOOL}/{build[1]}" if build else TOOL,
        count=_count(lines),
        median_ns=times.get("Median"),
        mean_ns=central["average"],
        min_ns=times.get("Min"),
        max_ns=times.get("Max"),
        percentiles_ns={
            f"p{name.split()[0]}": value
            for name, value in times.items()
            if name.endswith("percentile") and value is not None
        },
        throughput_per_s=_after(lines, "Throughput:", "FPS"),
        load_ns=positive(took.get("Compile model"), 1e6),
        first_inference_ns=positive(took.get("First inference"), 1e6),
        resolution_ns=resolution,
        executed_precision="" if executed == "other" else executed,
        details={
            "mode": mode[1] if mode else "",
            "requests": whole(mode[2]) if mode else None,
            "duration_ms": _after(lines, "Duration:", "ms"),
            "read_ms": positive(took.get("Read model")),
        },
        caveats=tuple(caveats),
    )


def _times(lines: Sequence[str]) -> Tuple[Dict[str, Optional[float]], str]:
    """Latencies in ns by the tool's names, None for a rounded zero; and the unit that it chose."""
    found: Dict[str, Optional[float]] = {}
    unit = "ms"
    for line in lines:
        match = TIME.fullmatch(line[:200])
        if match:
            unit = match[3]
            found[match[1]] = positive(match[2], NS[unit])
    return found, unit


def _count(lines: Sequence[str]) -> Optional[int]:
    value = _after(lines, "Count:", "iterations")
    return int(value) if value is not None and value < 1e15 else None


def _after(lines: Sequence[str], name: str, unit: str) -> Optional[float]:
    for line in lines:
        words = line.split()
        if len(words) == 3 and words[0] == name and words[2] == unit:
            return positive(words[1])
    return None


def _error(text: str) -> str:
    """What follows the first ``[ ERROR ]``, up to the trace."""
    after = text.partition("[ ERROR ]")[2]
    return after.partition("Traceback")[0].strip()
