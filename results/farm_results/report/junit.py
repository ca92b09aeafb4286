"""JUnit XML, which every CI system shows: a case per cell of the run.

A gate that did not hold is a failure, a job that broke an error, a cell that could not be tried skipped. A
number that must not be believed is an error, too: a green case would hide it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from farm_results.model import Result
from farm_results.report.figures import Figure, figures, marks_of
from farm_results.report.rows import runtime_text
from farm_results.series import key_of
from farm_results.text import number, printable, threads_text

if TYPE_CHECKING:
    from junitparser import TestCase
    from junitparser.junitparser import FinalResult

SUFFIX = "xml"
TEXT_LIMIT = 4_000
Gate = Mapping[str, Sequence[str]]
"""Why a gate did not hold, by job id."""


def render(results: Sequence[Result], failures: Gate | None = None) -> str:
    """One suite per run and model."""
    from junitparser import JUnitXml, TestSuite

    document = JUnitXml()
    suites: dict[str, list[Result]] = {}
    for result in results:
        suites.setdefault(printable(f"{result.run_id} {result.model}"), []).append(result)
    for name, members in suites.items():
        suite = TestSuite(name)
        for result in members:
            suite.add_testcase(_case(result, (failures or {}).get(result.job_id, ())))
        document.add_testsuite(suite)
    text: bytes = document.tostring()  # type: ignore[no-untyped-call]
    return '<?xml version="1.0" encoding="utf-8"?>\n' + text.decode("utf-8") + "\n"


def _case(result: Result, failures: Sequence[str]) -> TestCase:
    from junitparser import Properties, Property, TestCase

    name = f"{result.device}.{runtime_text(result)}.{result.precision}"
    extra = [result.scenario] if result.scenario != "latency" else []
    extra += [threads_text(result.threads), *(f"{k}={v}" for k, v in key_of(result).options.items())]
    case = TestCase(printable(f"{name} [{', '.join(extra)}]"), classname=printable(result.model))
    case.time = _seconds(result)
    case.result = _outcomes(result, failures)
    properties = Properties()  # type: ignore[no-untyped-call]
    for key, value in _properties(result):
        properties.add_property(Property(key, _plain(value)))
    case.append(properties)  # type: ignore[no-untyped-call]
    if lines := _caveats(result):
        case.system_out = "\n".join(lines)
    return case


def _outcomes(result: Result, failures: Sequence[str]) -> list[FinalResult]:
    from junitparser import Error, Failure, Skipped

    if result.status == "skipped":
        return [Skipped(_plain(result.error_message), _plain(result.error_code or "skipped"))]
    if result.status != "ok":
        return [_filled(Error(_plain(result.error_message), _plain(result.error_code)), result.error_fix)]
    if result.verdict.word == "invalid":
        return [_filled(Error("the number must not be believed", "invalid"), "\n".join(_caveats(result)))]
    return [Failure(_plain(line), "gate") for line in failures]


def _filled(outcome: Any, text: str) -> Any:  # noqa: ANN401 - junitparser's own class
    outcome.text = _plain(text)
    return outcome


def _properties(result: Result) -> list[tuple[str, str]]:
    words = {
        "verdict": marks_of(result),
        "run": result.run_id,
        "job": result.job_id,
        "device": result.device,
        "profile": result.profile,
        "runtime": f"{result.runtime} {result.runtime_version}".strip(),
        "precision": result.precision,
        "executed_precision": result.executed_precision,
        "scenario": result.scenario,
        "harness": result.harness,
        "model_sha256": result.model_sha256,
    }
    return [(name, value) for name, value in words.items() if value] + [
        pair for figure in figures(result) for pair in _numbers(figure)
    ]


def _numbers(figure: Figure) -> list[tuple[str, str]]:
    name = f"{figure.name} {figure.unit}".strip()
    found = [(name, number(figure.value, 5))]
    if figure.low is not None and figure.high is not None:
        found.append((f"{figure.name} 95 % interval", f"{number(figure.low, 5)} to {number(figure.high, 5)}"))
    return found


def _caveats(result: Result) -> list[str]:
    return [
        _plain(f"{caveat.severity} {caveat.code}: {caveat.evidence} -> {caveat.next_step}")
        for caveat in result.verdict.caveats
    ]


def _seconds(result: Result) -> float:
    """How long the measured runs took together: what a CI system shows beside the name."""
    latency = result.latency
    return 0.0 if latency is None else round(latency.mean_ns * latency.count / 1e9, 6)


def _plain(text: str) -> str:
    """XML 1.0 has no control characters, and no surrogates."""
    return "\n".join(printable(line, TEXT_LIMIT) for line in text[: 2 * TEXT_LIMIT].split("\n"))
