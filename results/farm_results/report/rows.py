"""Results as rows of strings: what the terminal's table, TSV and Markdown show alike.

Every string is safe to print (see ``printable``) and carries its unit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from farm_results import text
from farm_results.model import Latency, Result
from farm_results.text import printable

NOTHING = "–"


@dataclass(frozen=True)
class Table:
    """``align``: "left" or "right" per column."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    align: tuple[str, ...]


def table_of(results: Sequence[Result], *, brief: bool = False) -> Table:
    """One row per result. Columns for the model and the threads only where they differ between rows.

    ``brief`` leaves the messages of failures to ``lines_of_caveats``.
    """
    columns = [
        "device",
        "runtime",
        "prec",
        "p50",
        "95 % interval",
        "p99",
        "peak memory",
        "accuracy",
        "verdict",
    ]
    rows = [_cells(result) for result in results]
    if brief:
        for row, result in zip(rows, results, strict=True):
            row[-1] = row[-1].partition(":")[0] if result.status == "failed" else row[-1]
    if len({result.threads for result in results}) > 1:
        columns.insert(2, "threads")
        for row, result in zip(rows, results, strict=True):
            row.insert(2, str(result.threads))
    if len({(result.model, result.model_sha256) for result in results}) > 1:
        columns.insert(0, "model")
        for row, result in zip(rows, results, strict=True):
            row.insert(0, printable(result.model))
    right = ("threads", "p50", "95 % interval", "p99", "peak memory", "accuracy")
    align = tuple("right" if column in right else "left" for column in columns)
    return Table(tuple(columns), tuple(tuple(row) for row in rows), align)


def _cells(result: Result) -> list[str]:
    latency = result.latency
    return [
        printable(result.device),
        runtime_text(result) or NOTHING,
        precision_text(result),
        NOTHING if latency is None else text.duration(latency.p50_ns),
        interval_text(latency),
        percentile_text(latency, "p99_ns"),
        NOTHING if result.peak_memory_bytes is None else text.size(result.peak_memory_bytes),
        accuracy_text(result),
        verdict_text(result),
    ]


def runtime_text(result: Result) -> str:
    """``onnxruntime``, or ``onnxruntime (CUDA)`` where the target names an execution provider."""
    provider = result.options.get("provider", "").removesuffix("ExecutionProvider")
    return printable(f"{result.runtime} ({provider})" if provider else result.runtime)


def precision_text(result: Result) -> str:
    """``fp32``, or ``fp16→fp32`` when another precision ran than was asked for."""
    asked, executed = printable(result.precision), printable(result.executed_precision)
    return asked if executed in ("", asked, "other") else f"{asked}→{executed}"


def interval_text(latency: Latency | None) -> str:
    """``4.87–4.96 ms``, or why there is none."""
    if latency is None:
        return NOTHING
    if latency.p50_low_ns is None or latency.p50_high_ns is None:
        return f"n/a (n={latency.count})"
    return text.duration_range(latency.p50_low_ns, latency.p50_high_ns, latency.p50_ns)


def percentile_text(latency: Latency | None, field: str) -> str:
    """A percentile, or ``n/a (n=100)`` when so few samples do not support it."""
    if latency is None:
        return NOTHING
    value = getattr(latency, field)
    return f"n/a (n={latency.count})" if value is None else text.duration(value)


def accuracy_text(result: Result) -> str:
    """``97.2 % (n=360)``: a share of labelled samples, never without its count."""
    if result.accuracy is None:
        return NOTHING
    return f"{result.accuracy * 100:.1f} % (n={result.accuracy_count})"


def verdict_text(result: Result) -> str:
    """The verdict's word, or FAILED and SKIPPED with the reason."""
    message = printable(result.error_message, 160)
    if result.status == "failed":
        return f"FAILED {printable(result.error_code)}: {message}"
    if result.status == "skipped":
        return f"skipped: {message}"
    word = printable(result.verdict.word)
    return word if word == "valid" else word.upper()


def lines_of_caveats(results: Sequence[Result]) -> list[str]:
    """Why numbers are not simply valid, and what to do: one line per reason, naming the rows it is about."""
    found: dict[tuple[str, str, str], list[str]] = {}
    for result in results:
        for caveat in result.verdict.caveats:
            key = (caveat.severity, caveat.evidence, caveat.next_step)
            found.setdefault(key, []).append(_name(result, results))
        if result.status == "failed":
            code = f"{result.error_code}: " if result.error_code else ""
            key = ("failed", f"{code}{result.error_message}", result.error_fix)
            found.setdefault(key, []).append(_name(result, results))
    return [
        f"{printable(severity).upper() if severity != 'note' else 'note'}  "
        f"{_names(names, len(results))}: {printable(evidence)}"
        + (f" → {printable(next_step)}" if next_step else "")
        for (severity, evidence, next_step), names in found.items()
    ]


def _name(result: Result, results: Sequence[Result]) -> str:
    parts = [result.device, runtime_text(result), result.precision]
    if len({one.model for one in results}) > 1:
        parts.insert(0, result.model)
    return " ".join(printable(part) for part in parts if part)


def _names(names: Sequence[str], total: int) -> str:
    if len(names) == total and total > 1:
        return f"all {total} rows"
    shown = ", ".join(names[:3])
    return shown if len(names) <= 3 else f"{shown} and {len(names) - 3} more"


def facts_of(result: Result) -> list[tuple[str, str]]:
    """Everything worth reading about one result, as label and text, for a vertical view."""
    latency = result.latency
    pairs = [
        ("job", result.job_id),
        ("run", result.run_id),
        ("model", f"{result.model}  sha256:{result.model_sha256[:12]}"),
        ("device", f"{result.device} ({result.profile})"),
        ("runtime", f"{result.runtime} {result.runtime_version}".strip()),
        ("precision", precision_text(result)),
        ("threads", str(result.threads)),
        ("verdict", verdict_text(result)),
    ]
    if latency is not None:
        pairs += _latency_facts(latency)
    times = {
        "import": result.import_ns,
        "load": result.load_ns,
        "first inference": result.first_inference_ns,
    }
    pairs += [(name, text.duration(value)) for name, value in times.items() if value is not None]
    if result.peak_memory_bytes is not None:
        pairs.append(("peak memory", text.size(result.peak_memory_bytes)))
    if result.artifact_bytes is not None:
        pairs.append(
            ("artifact", f"{text.size(result.artifact_bytes)}  sha256:{result.artifact_sha256[:12]}")
        )
    if result.max_abs_error is not None:
        pairs.append(("max error", f"{result.max_abs_error:.3g}"))
    if result.accuracy is not None:
        pairs.append((result.accuracy_metric or "accuracy", accuracy_text(result)))
    pairs += [("caveat", line) for line in lines_of_caveats([result])]
    return [(label, printable(value)) for label, value in pairs]


def _latency_facts(latency: Latency) -> list[tuple[str, str]]:
    percentiles = [(name[:3], percentile_text(latency, name)) for name in ("p90_ns", "p95_ns", "p99_ns")]
    spread = latency.between_block_spread
    return [
        ("samples", f"{latency.count} in {latency.blocks} processes"),
        ("p50", f"{text.duration(latency.p50_ns)}  95 % interval {interval_text(latency)}"),
        *percentiles,
        ("min", text.duration(latency.min_ns)),
        ("mean", text.duration(latency.mean_ns)),
        ("deviation", f"median {text.duration(latency.mad_ns)}" + _standard(latency)),
        ("between processes", "unknown (one process)" if spread is None else f"{spread:.2%} of p50"),
    ]


def _standard(latency: Latency) -> str:
    return "" if latency.stdev_ns is None else f", standard {text.duration(latency.stdev_ns)}"
