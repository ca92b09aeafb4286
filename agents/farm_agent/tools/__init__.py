"""One file per benchmark tool that a runtime's makers ship: how to find and call it, and a pure parser.

A file provides

    TOOL                                     its name, as users write it
    RUNTIMES                                 the runtimes it measures
    FIX                                      what to do where it is missing
    find() -> Sequence[str]                  the command, empty where it is not there
    argv(command, job) -> List[str]          with every setting that its releases disagree on
    parse(text, files) -> ToolReport         ``files``: what it was asked to write, by name

and, where it helps, PACKAGE (whose release is the tool's), TIMES (the name of a file that it writes) and
version_of(text of --help).

Parsers raise MeasurementError ``tool.unreadable`` for text that holds no result, and JobError ``tool.failed``
with the tool's own words where it says that it failed; nothing else. Files are listed without importing any.
"""

from __future__ import annotations

import importlib
import math
import os
import shutil
import sys
from dataclasses import field
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Tuple

from farm_agent import faults
from farm_agent.errors import JobError, MeasurementError
from farm_agent.late import dataclass

# Name for users -> module. The runtimes stand here too, so that a plan can be checked without an import.
MODULES: Dict[str, str] = {
    "benchmark_app": "benchmark_app",
    "benchmark_model": "benchmark_model",
    "litert-benchmark": "litert_benchmark",
    "onnxruntime_perf_test": "perf_test",
    "trtexec": "trtexec",
}
RUNTIMES: Dict[str, Tuple[str, ...]] = {
    "benchmark_app": ("openvino",),
    "benchmark_model": ("litert",),
    "litert-benchmark": ("litert",),
    "onnxruntime_perf_test": ("onnxruntime",),
    "trtexec": ("tensorrt",),
}
TEXT_LIMIT = 4 * 1024 * 1024
# Rounding above this share of a value is worth a caveat.
COARSE = 0.01


@dataclass(frozen=True)
class ToolJob:
    """What a tool is to measure. ``folder``: its own, to write to. ``options``: those of the target, and
    ``tool_major``, the tool's release, for a tool that has ``version_of``; 0: unknown."""

    model: str
    folder: str
    threads: int
    precision: str
    min_time_s: float
    min_runs: int
    max_time_s: float
    options: Mapping[str, Any] = field(default_factory=dict)

    def output(self, name: str) -> str:
        """The path of a file that the tool is to write."""
        return str(Path(self.folder) / name)


def names() -> Tuple[str, ...]:
    """Every tool that farm can run."""
    return tuple(sorted(MODULES))


def load(name: str) -> Any:  # noqa: ANN401 - a module as described above
    """The module of a tool. Raises JobError ``tool.unknown``."""
    if name not in MODULES:
        raise JobError(
            f"no tool is called {name!r}; farm knows {', '.join(names())}",
            code="tool.unknown",
            fix="give one of these names to --tool",
        )
    return importlib.import_module(f"farm_agent.tools.{MODULES[name]}")


def on_path(*programs: str) -> List[str]:
    """The first of these programs that lies beside this Python or on PATH, as a command."""
    beside = str(Path(sys.executable).parent)
    for program in programs:
        if os.sep in program:
            found = program if os.access(program, os.X_OK) else None
        else:
            found = shutil.which(program, path=beside) or shutil.which(program)
        if found:
            return [found]
    return []


def positive(text: object, scale: float = 1.0) -> Optional[float]:
    """A finite number above zero, times ``scale``; None for anything else (a rounded 0.00 is no time)."""
    try:
        value = float(str(text)) * scale
    except ValueError:
        return None
    return value if math.isfinite(value) and value > 0 else None


def whole(text: object) -> Optional[int]:
    """A count out of text; None for anything else."""
    digits = str(text)
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 16 else None


def rounding(tool: str, resolution_ns: float, values: Mapping[str, Optional[float]]) -> List[str]:
    """Caveats for values that the tool's rounding makes coarse, or lets vanish."""
    step = f"{resolution_ns / 1000:g} µs"
    lost = [name for name, value in values.items() if value is None]
    found = [f"{tool} rounds to {step}: its {', '.join(lost)} cannot be read"] if lost else []
    known = [value for value in values.values() if value]
    worst = max((resolution_ns / 2 / value for value in known), default=0.0)
    if worst > COARSE:
        found.append(f"{tool} rounds to {step}: that alone is ±{worst:.1%} of its numbers")
    return found


def unreadable(tool: str, why: str) -> MeasurementError:
    """There is no result in what a tool wrote."""
    return MeasurementError(
        f"what {tool} wrote holds no result: {faults.shorten(why, 200)}",
        code="tool.unreadable",
        fix="look at the job's log, and report the tool's version and output",
    )


def failed(tool: str, words: str) -> JobError:
    """A tool said that it failed; ``words`` are its own."""
    return JobError(
        f"{tool} failed: {faults.shorten(words, 400)}",
        code="tool.failed",
        fix="run the tool by hand on the device with the command that the job's log shows",
    )
