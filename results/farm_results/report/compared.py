"""Comparisons in turns in the formats of results, where those can say what a comparison says.

What other tools follow is the candidate's time over the reference's: 1.05 is 5 % slower, whatever the device.
A comparison that says nothing (failed, or a half that was invalid or throttled) is left out there.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from farm_agent.errors import UsageError
from farm_results.comparison import FAILED, FASTER, INCONCLUSIVE, SAME, SKIPPED, SLOWER, Comparison
from farm_results.text import number, printable, threads_text
from farm_results.view import versus

if TYPE_CHECKING:
    from junitparser import TestCase
    from junitparser.junitparser import FinalResult

SCHEMA = "farm.ab/1"
FOLLOWED = ("bmf", "gha_bench", "gitlab")
"""Formats of tools that follow a number over time."""
_HOPELESS = ("invalid", "throttled")
_ORDER = (SLOWER, FAILED, INCONCLUSIVE, FASTER, SAME, SKIPPED)
_CANNOT: Mapping[str, str] = {
    "openmetrics": "it has the newest number of each series, and a comparison is of two",
    "otava": "it follows one number from night to night, and the reference of a comparison moves",
    "parquet": "its columns are those of results",
    "bundle": "it holds whole runs: farm results export RUN --format bundle",
}


def render(name: str, comparisons: Sequence[Comparison], worst: Collection[str] = (SLOWER,)) -> str:
    """As text. ``worst``: the words that JUnit calls a failure. Raises UsageError ``report.not-for-ab``."""
    if name == "junit":
        return junit(comparisons, worst)
    refuse(name)
    return _FORMATS[name](comparisons)


def refuse(name: str) -> None:
    """A format that cannot carry a comparison. Raises UsageError ``report.not-for-ab``."""
    if name not in (*_FORMATS, "junit"):
        known = ", ".join(sorted((*_FORMATS, "junit")))
        raise UsageError(
            f"the format {name} cannot say a comparison: {_CANNOT.get(name, 'it is made of results')}",
            code="report.not-for-ab",
            fix=f"use one of: {known}",
        )


def write(
    name: str, comparisons: Sequence[Comparison], path: Path, worst: Collection[str] = (SLOWER,)
) -> int:
    """Write a file, whole or not at all; how many comparisons it leaves out. Raises as ``report.write_text``,
    and UsageError ``report.not-for-ab``."""
    from farm_results.report import write_text

    write_text(render(name, comparisons, worst), path)
    return sum(not says(each) for each in comparisons) if name in FOLLOWED else 0


def says(comparison: Comparison) -> bool:
    """Whether its effect may be followed by others."""
    hopeless = any(each.severity in _HOPELESS for each in comparison.caveats)
    return comparison.effect is not None and not hopeless


def junit(comparisons: Sequence[Comparison], worst: Collection[str] = (SLOWER,)) -> str:
    """One suite per run, one case per cell; what is slower is a failure."""
    from junitparser import JUnitXml, TestSuite

    document, names = JUnitXml(), names_of(comparisons)
    for run_id in dict.fromkeys(each.run_id for each in comparisons):
        suite = TestSuite(printable(f"{run_id} in turns"))
        for each in comparisons:
            if each.run_id == run_id:
                suite.add_testcase(_case(each, names[each.comparison_id], worst))
        document.add_testsuite(suite)
    text: bytes = document.tostring()  # type: ignore[no-untyped-call]
    return '<?xml version="1.0" encoding="utf-8"?>\n' + text.decode("utf-8") + "\n"


def summary(comparisons: Sequence[Comparison], there_bytes: int = 0) -> str:
    """The step's summary on GitHub, which drops all of it beyond 1 MiB: then without the reasons, or rows."""
    from farm_results.report.github import SLACK, SUMMARY_LIMIT

    words = Counter(each.word for each in comparisons)
    counted = " · ".join(f"{count} {printable(word)}" for word, count in words.items()) or "nothing ran"
    head = f"### farm, in turns: {counted}\n\n"
    room = SUMMARY_LIMIT - SLACK - there_bytes - len(head)
    order = sorted(comparisons, key=lambda each: _ORDER.index(each.word) if each.word in _ORDER else 0)
    for count in (len(order), 1_000, 100, 10, 0):
        text = versus.markdown(order[:count])
        if len(text.encode()) <= room:
            left = len(order) - min(count, len(order))
            return head + text + (f"\nLeft out for GitHub's limit: {left} comparisons.\n" if left else "")
    return ""


def workflow_commands(comparisons: Sequence[Comparison], worst: Collection[str] = (SLOWER,)) -> list[str]:
    """GitHub's annotations, at most ten of a kind, for it drops more silently: an error for what is slower or
    failed, a warning for what could not be told. ``worst``: further words that are errors."""
    from farm_results.report.github import MOST_ANNOTATIONS

    found: dict[str, list[str]] = {"error": [], "warning": []}
    for each in comparisons:
        kind = "error" if each.word in (*worst, SLOWER, FAILED) else "warning"
        if each.word in (*worst, SLOWER, FAILED, INCONCLUSIVE):
            text = printable(f"{each.device}: {versus.sentence(each)}", 1_000).replace("%", "%25")
            found[kind].append(f"::{kind} title=farm::{text}")
    for kind, lines in found.items():
        if len(lines) > MOST_ANNOTATIONS:
            more = len(lines) - MOST_ANNOTATIONS + 1
            lines[MOST_ANNOTATIONS - 1 :] = [f"::{kind} title=farm::{more} more stand in the summary"]
    return [*found["error"], *found["warning"]]


def _case(comparison: Comparison, name: str, worst: Collection[str]) -> TestCase:
    from junitparser import Properties, Property, TestCase

    case = TestCase(name, classname=printable(comparison.candidate.model or "in turns"))
    both = (*comparison.reference.medians_ns, *comparison.candidate.medians_ns)
    case.time = round(sum(both) / 1e9, 6)
    case.result = _outcomes(comparison, worst)
    properties = Properties()  # type: ignore[no-untyped-call]
    for key, value in _properties(comparison):
        properties.add_property(Property(key, printable(value)))
    case.append(properties)  # type: ignore[no-untyped-call]
    lines = versus.caveat_lines(comparison) if comparison.played else []
    case.system_out = "\n".join([versus.sentence(comparison), *lines])
    return case


def _outcomes(comparison: Comparison, worst: Collection[str]) -> list[FinalResult]:
    from junitparser import Error, Failure, Skipped

    message = printable(comparison.error_message or versus.sentence(comparison), 4_000)
    if comparison.word == SKIPPED:
        return [Skipped(message, comparison.error_code or "skipped")]
    if comparison.word == FAILED:
        error = Error(message, printable(comparison.error_code))
        error.text = printable(comparison.error_fix, 4_000)
        return [error]
    return [Failure(message, comparison.word)] if comparison.word in worst else []


def _properties(comparison: Comparison) -> list[tuple[str, str]]:
    words = {
        "word": comparison.word,
        "kind": comparison.kind,
        "run": comparison.run_id,
        "comparison": comparison.comparison_id,
        "device": comparison.device,
        "scenario": comparison.scenario,
        "reference": comparison.reference.label,
        "reference_sha256": comparison.reference.artifact_sha256,
        "candidate": comparison.candidate.label,
        "candidate_sha256": comparison.candidate.artifact_sha256,
        "origin": comparison.origin,
    }
    found = [(name, value) for name, value in words.items() if value]
    if (effect := comparison.effect) is not None:
        found.append(("change %", number(100 * effect.ratio, 4)))
        low, high = number(100 * effect.low, 4), number(100 * effect.high, 4)
        found.append((f"change {effect.level:.0%} interval", f"{low} to {high}"))
        found.append(("pairs", str(comparison.pairs)))
    return found


def _bmf(comparisons: Sequence[Comparison]) -> str:
    """Bencher: a measure ``ab-ratio`` with the interval as its bounds."""
    document, called = {}, names_of(comparisons)
    for each in _oldest_first(comparisons):
        if each.effect is not None:
            ratio = (each.effect.ratio, each.effect.low, each.effect.high)
            names = ("value", "lower_value", "upper_value")
            document[called[each.comparison_id]] = {
                "ab-ratio": dict(zip(names, (1 + one for one in ratio), strict=True))
            }
    return json.dumps(document, indent=2, allow_nan=False) + "\n"


def _gha_bench(comparisons: Sequence[Comparison]) -> str:
    """github-action-benchmark: per cent of the reference, for it divides one night's number by another's."""
    entries: dict[str, dict[str, str | float]] = {}
    names = names_of(comparisons)
    for each in _oldest_first(comparisons):
        if each.effect is not None:
            half = 50 * (each.effect.high - each.effect.low)
            name = names[each.comparison_id]
            entries[name] = {
                "name": f"{name}: A/B",
                "unit": "% of the reference",
                "value": 100 * (1 + each.effect.ratio),
                "range": f"± {number(half)}",
                "extra": versus.sentence(each),
            }
    return json.dumps([*entries.values()], indent=2, allow_nan=False) + "\n"


def _gitlab(comparisons: Sequence[Comparison]) -> str:
    """GitLab's metrics report: the ratio and both ends of its interval."""
    lines: dict[str, str] = {}
    names = names_of(comparisons)
    for each in _oldest_first(comparisons):
        if (effect := each.effect) is not None:
            name = (
                names[each.comparison_id]
                .replace("\\", "/")
                .replace('"', "'")
                .replace("{", "(")
                .replace("}", ")")
            )
            for word, value in (("", effect.ratio), ("_low", effect.low), ("_high", effect.high)):
                lines[f'farm_ab_ratio{word}{{cell="{name}"}}'] = number(1 + value, 5)
    return "".join(f"{name} {value}\n" for name, value in lines.items()) or "# no comparison can be used\n"


def _json(comparisons: Sequence[Comparison]) -> str:
    document = {"schema": SCHEMA, "comparisons": [versus.document(each) for each in comparisons]}
    return json.dumps(document, indent=2, sort_keys=True, allow_nan=False) + "\n"


def _oldest_first(comparisons: Sequence[Comparison]) -> list[Comparison]:
    """Those that may be followed; of a cell compared twice the newest is the last."""
    return sorted((each for each in comparisons if says(each)), key=lambda each: each.created_unix_s)


def names_of(comparisons: Sequence[Comparison]) -> dict[str, str]:
    """By comparison: what people call its cell, the same in every run; of two series never the same."""
    series: dict[str, set[str]] = {}
    for each in comparisons:
        series.setdefault(_name(each), set()).add(each.series)
    return {
        each.comparison_id: f"{name} · {each.series[:6]}" if len(series[name]) > 1 else name
        for each in comparisons
        for name in (_name(each),)
    }


def _name(comparison: Comparison) -> str:
    """What is compared with what, never the job that a side stands for."""
    candidate, reference = comparison.candidate, comparison.reference
    sides = [side.model if side.job_id else side.label for side in (reference, candidate)]
    parts = [" → ".join(dict.fromkeys(side for side in sides if side)), comparison.device]
    parts += [candidate.runtime, candidate.precision]
    parts += [threads_text(candidate.threads)] if candidate.threads else []
    parts += [comparison.scenario] if comparison.scenario != "latency" else []
    parts += ["A/A"] if comparison.kind == "aa" else []
    parts[:0] = [comparison.origin.upper()] if comparison.origin else []
    return printable(" · ".join(part for part in parts if part), 300)


_FORMATS: Mapping[str, Callable[[Sequence[Comparison]], str]] = {
    "bmf": _bmf,
    "csv": versus.csv,
    "gha_bench": _gha_bench,
    "gitlab": _gitlab,
    "json": _json,
    "md": versus.markdown,
}
