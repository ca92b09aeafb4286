"""The reasons behind the verdicts of several rows, each said once."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from farm_results.model import Caveat, Result
from farm_results.report.rows import runtime_text
from farm_results.text import printable, threads_text

# More rows than this with one reason in different numbers share a line.
MOST_ALIKE = 3


def lines_of_caveats(results: Sequence[Result]) -> list[str]:
    """Why numbers are not simply valid, and what to do: one line per reason, naming the rows it is about."""
    found: dict[tuple[str, str, str], list[str]] = {}
    crowded, name = _crowded(results), _namer(results)
    for result in results:
        for caveat in result.verdict.caveats:
            evidence = crowded.get((caveat.severity, caveat.code), caveat.evidence)
            key = (caveat.severity, evidence, caveat.next_step)
            found.setdefault(key, []).append(name(result))
        if result.status == "failed":
            code = f"{result.error_code}: " if result.error_code else ""
            key = ("failed", f"{code}{result.error_message}", result.error_fix)
            found.setdefault(key, []).append(name(result))
    return [
        f"{printable(severity).upper() if severity != 'note' else 'note'}  "
        f"{_names(names, len(results))}: {printable(evidence)}"
        + (f" → {printable(next_step)}" if next_step else "")
        for (severity, evidence, next_step), names in found.items()
    ]


def _crowded(results: Sequence[Result]) -> dict[tuple[str, str], str]:
    """What to say of a reason that many rows have, each with numbers of its own: the first row's."""
    evidences: dict[tuple[str, str], dict[str, Caveat]] = {}
    for result in results:
        for caveat in result.verdict.caveats:
            evidences.setdefault((caveat.severity, caveat.code), {}).setdefault(caveat.evidence, caveat)
    return {
        key: f"{next(iter(alike))}; the others alike, farm show tells each"
        for key, alike in evidences.items()
        if len(alike) > MOST_ALIKE
    }


def _namer(results: Sequence[Result]) -> Callable[[Result], str]:
    """What calls a row by that which tells it from the others; those are looked at once."""
    models = len({one.model for one in results}) > 1
    threads = len({one.threads for one in results}) > 1
    batches = len({one.options.get("batch") for one in results}) > 1

    def name(result: Result) -> str:
        parts = [result.device, runtime_text(result), result.precision]
        if models:
            parts.insert(0, result.model)
        if threads:
            parts.append(threads_text(result.threads))
        if batches:
            parts.append(f"batch {result.options.get('batch', 'unknown')}")
        return " ".join(printable(part) for part in parts if part)

    return name


def _names(names: Sequence[str], total: int) -> str:
    if len(names) == total and total > 1:
        return f"all {total} rows"
    shown = ", ".join(names[:3])
    return shown if len(names) <= 3 else f"{shown} and {len(names) - 3} more"
