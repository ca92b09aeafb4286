"""From a new process to the first output: import of the runtime, load of the model, first inference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from farm_agent.wire import JobSpec
from farm_results import text
from farm_results.measured import Measured, over_processes, resident_share
from farm_results.model import Result

NOTHING = "–"


def metrics(spec: JobSpec, processes: Sequence[Measured]) -> dict[str, float]:
    """Medians over the processes with exact intervals (six processes or more). ``cold_total_ns`` is import
    plus load plus first inference of each process; ``cold_steady_p50_ns`` the median once warm;
    ``cold_resident_share``: of the model's and the runtime's files, the share that lay in the page cache
    just before the import, the largest of all processes; absent where the kernel does not tell.
    """
    del spec
    found = {
        **over_processes(processes, lambda p: p.import_ns, "cold_import", "ns"),
        **over_processes(processes, lambda p: p.load_ns, "cold_load", "ns"),
        **over_processes(processes, lambda p: p.first_inference_ns, "cold_first_inference", "ns"),
        **over_processes(processes, turn_ns, "cold_total", "ns"),
        **over_processes(processes, lambda p: float(np.median(p.latency_ns())), "cold_steady_p50", "ns"),
        "cold_processes_count": float(len(processes)),
    }
    shares = [resident_share(process.state) for process in processes]
    known = [share for share in shares if share is not None]
    if known and len(known) == len(shares):
        found["cold_resident_share"] = max(known)
    return found


def turn_ns(process: Measured) -> float:
    """From its start to its first output: import, load and first inference."""
    return float(process.import_ns + process.load_ns + process.first_inference_ns)


def columns(result: Result) -> list[tuple[str, str]]:
    """The total with its interval, its parts, and the state of the caches."""
    values = result.metrics
    return [
        ("cold-start total", _time(values, "cold_total_ns")),
        ("cold-start 95 % interval", _interval(values)),
        ("cold-start import", _time(values, "cold_import_ns")),
        ("cold-start load", _time(values, "cold_load_ns")),
        ("cold-start first inference", _time(values, "cold_first_inference_ns")),
        ("cold-start steady p50", _time(values, "cold_steady_p50_ns")),
        ("cold-start page cache", page_cache(result)),
    ]


def page_cache(result: Result) -> str:
    """The state in which the processes found the page cache: each word that occurs."""
    job = result.document.get("job")
    blocks = job.get("blocks", []) if isinstance(job, Mapping) else []
    words = [block.get("state", {}).get("page_cache", "") for block in blocks if isinstance(block, Mapping)]
    return ", ".join(dict.fromkeys(text.printable(str(word), 40) for word in words if word)) or "unknown"


def headline(result: Result) -> str:
    """The total."""
    return f"cold-start {_time(result.metrics, 'cold_total_ns')} (page cache {page_cache(result)})"


def _time(values: Mapping[str, float], name: str) -> str:
    value = values.get(name)
    return NOTHING if value is None else text.duration(value)


def _interval(values: Mapping[str, float]) -> str:
    low, high = values.get("cold_total_low_ns"), values.get("cold_total_high_ns")
    if low is None or high is None:
        return f"n/a (n={values.get('cold_processes_count', 0):.0f})"
    return text.duration_range(low, high, values.get("cold_total_ns", high))
