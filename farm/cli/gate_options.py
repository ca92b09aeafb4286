"""The options of ``farm bench`` that turn what was measured into an exit code."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from farm.cli.output import say, say_sentence
from farm.cli.state import State
from farm.cli.types import CommaList, list_option
from farm.errors import UsageError

if TYPE_CHECKING:
    from farm.gate import Check, Limit
    from farm.plan import Plan
    from farm_results.compare.row import Compared
    from farm_results.model import Result
    from farm_results.refs import Ref
    from farm_results.store import Store

F = Callable[..., Any]

FAIL_ON = ("regression", "budget", "error", "noise", "never")
DEFAULT = ("regression", "budget")

_OPTIONS = (
    click.option(
        "--baseline", metavar="REF", help="Compare with this: a run, label, commit, @baseline or last."
    ),
    click.option("--budget", metavar="LIMITS", help="What must hold: 'p50<=20ms,energy<=50mJ'."),
    list_option(
        "--fail-on",
        kind=CommaList(FAIL_ON),
        metavar="A,B",
        text="What ends in exit code 1: regression, budget, error; noise: 5 where one cannot be told; never. "
        "Default: regression,budget.",
    ),
)


@dataclass(frozen=True)
class Gate:
    """What a run will be held against; understood before anything is measured."""

    limits: tuple[Limit, ...] = ()
    baseline: Ref | None = None
    fail_on: tuple[str, ...] = DEFAULT


def gate_options(function: F) -> F:
    """Add the options; their values arrive under their names."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


def gate_of(values: Mapping[str, Any], state: State) -> Gate:
    """What the options ask for, before anything runs: ``last`` is the newest run that is there now.

    Raises UsageError ``gate.budget``, and as ``refs.resolve`` does.
    """
    from farm.gate import parse_budget

    limits = parse_budget(values["budget"]) if values["budget"] is not None else ()
    baseline = None
    if values["baseline"] is not None:
        with _opened(state) as store:
            baseline = _resolved(store, values["baseline"])
    return Gate(limits, baseline, values["fail_on"] or DEFAULT)


def refuse_unmeasured(gate: Gate, plan: Plan) -> None:
    """A budget of something that the plan does not measure. Raises UsageError ``gate.energy``."""
    if plan.request.measure.energy is None and any(limit.metric == "energy" for limit in gate.limits):
        raise UsageError(
            "--budget limits the energy, and nothing measures it", code="gate.energy", fix="add --energy"
        )


@dataclass(frozen=True)
class Judged:
    """How a run stands against its gates. ``failures``: why one did not hold, by job id; ``document``: for
    ``--json`` (``farm.gate.document``)."""

    code: int
    failures: Mapping[str, list[str]]
    document: Mapping[str, Any]


def gated(gate: Gate, results: tuple[Result, ...], state: State, code: int) -> Judged:
    """Say how the results stand against the gate, and the exit code that comes of it."""
    from farm.gate import check, document, exit_code

    checks = check(results, gate.limits)
    _show_checks(checks)
    compared = None
    if gate.baseline is not None:
        with _opened(state) as store:
            compared = _compared(store, gate.baseline, results)
    failures = _failures(gate, checks, compared)
    code = exit_code(code, gate.fail_on, checks=checks, compared=compared)
    told = {**failures, **_errors(gate, results)}
    return Judged(code, failures, document(gate.fail_on, told, code, checks=checks, compared=compared))


def _resolved(store: Store, text: str) -> Ref:
    from farm_results import refs

    return refs.resolve(store, text, measured=True)


def _compared(store: Store, baseline: Ref, results: tuple[Result, ...]) -> Compared:
    """Said on standard error: standard output holds the results."""
    from farm_results import refs
    from farm_results.compare import stored, tables, words
    from farm_results.series import key_of, series_id

    series = tuple(dict.fromkeys(series_id(key_of(result)) for result in results))
    ours = refs.results_of(store, baseline, series=series)
    found = stored.compare_results(store, ours, results, names=(baseline.name, "this run"))
    for section in tables.shown(found):
        for row in found.of(section):
            name, why = words.name_text(row, found.rows), words.reason_text(row)
            effect = f" {words.effect_text(row)} ({words.interval_text(row)})" if row.low is not None else ""
            say_sentence(f"{section.upper()}  {name} {row.metric}{effect}" + (f": {why}" if why else ""))
    say(f"against {baseline.name}: {words.verdict_line(found)}")
    for line in words.closing_lines(found):
        say_sentence(line)
    return found


def _errors(gate: Gate, results: tuple[Result, ...]) -> dict[str, list[str]]:
    """Jobs that failed, where ``error`` was asked for; reports tell of them anyway."""
    from farm.gate import ERROR, NEVER

    if ERROR not in gate.fail_on or NEVER in gate.fail_on:
        return {}
    failed = [one for one in results if one.status == "failed"]
    return {one.job_id: [f"FAILED {one.error_code}: {one.error_message}"] for one in failed}


def _failures(gate: Gate, checks: tuple[Check, ...], compared: Compared | None) -> dict[str, list[str]]:
    """What the gate fails on, in words."""
    from farm.gate import BROKEN, BUDGET, NEVER, REGRESSION
    from farm_results.compare import words

    found: dict[str, list[str]] = {}
    if NEVER in gate.fail_on:
        return found
    for one in checks:
        if BUDGET in gate.fail_on and one.state == BROKEN:
            found.setdefault(one.result.job_id, []).append(_line(one))
    for row in compared.of("regressed") if compared is not None and REGRESSION in gate.fail_on else ():
        if row.candidate is not None:
            line = f"REGRESSED {row.metric} {words.effect_text(row)} ({words.interval_text(row)})"
            found.setdefault(row.candidate.job_id, []).append(line)
    return found


def _show_checks(checks: tuple[Check, ...]) -> None:
    from farm.gate import MET

    for one in checks:
        if one.state != MET:
            say_sentence(_line(one))
    if checks:
        met = sum(one.state == MET for one in checks)
        say(f"budget: {met} of {len(checks)} limits met")


def _line(check: Check) -> str:
    from farm_results.compare.words import beside
    from farm_results.text import printable

    result = check.result
    name = " ".join((result.model, result.device, result.runtime, result.precision))
    value = "" if check.value is None else f" is {beside(check.unit, check.value, check.limit.bound)}"
    why = f": {check.reason}" if check.reason else ""
    mark = "" if result.verdict.word in ("", "valid") else f" {printable(result.verdict.word).upper()}"
    return f"BUDGET {check.state.upper()}  {printable(name)}: {check.limit.text}{value}{mark}{why}"


def _opened(state: State) -> Any:  # noqa: ANN401 - a context manager of a Store
    import contextlib

    from farm_results.store import open_store

    return contextlib.closing(open_store(state.config.store))
