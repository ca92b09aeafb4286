"""What the fixture ``farm_bench`` gives: a call that measures, and assertions on what came out."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from farm.errors import FarmError

if TYPE_CHECKING:
    from farm.gate import Check
    from farm_results.model import Result

PASS, FAIL = "pass", "fail"


class NoisyWarning(UserWarning):
    """A budget whose number lies too close to its limit to be told from it."""


class Bench:
    """Measures models on one device. ``device``: its name."""

    def __init__(self, device: str, node: Any, store: str | None) -> None:  # noqa: ANN401 - a pytest item
        self.device = device
        self._node = node
        self._store = store

    def __call__(
        self,
        model: str | Path | Sequence[str | Path] | None = None,
        *,
        budget: str = "",
        baseline: str = "",
        noise: str = PASS,
        **options: Any,  # noqa: ANN401 - those of farm.bench
    ) -> list[Result]:
        """Measure and return the results, one for each runtime, precision and number of threads.

        ``options``: those of ``farm.bench`` but ``devices``. ``budget``: limits as ``farm bench --budget``
        takes them. ``baseline``: a run, label, commit, @baseline or last that the numbers must not be worse
        than. ``noise``: "pass" (with a warning) or "fail" where a number cannot be told from its limit. The
        test fails when a job fails, when a number must not be believed, and when a limit does not hold.
        """
        from farm import bench
        from farm.gate import check, parse_budget

        wrong = _wrong(noise, options, bench) or _no_text(budget=budget, baseline=baseline)
        if wrong:
            pytest.fail(wrong, pytrace=False)
        labels = {"pytest": self._node.nodeid, **options.pop("labels", {})}
        options.setdefault("store", self._store)
        ref, problem, results = None, "", []
        try:
            limits = parse_budget(budget) if budget else ()
            ref = _resolved(options["store"], baseline) if baseline else None
            results = bench(model, devices=self.device, labels=labels, **options)
        except FarmError as error:
            problem = f"{error.code}: {error.message}" + (f"\nfix: {error.fix}" if error.fix else "")
        if problem:
            pytest.fail(problem, pytrace=False)
        self._note(results)
        problems = _broken(results)
        checks = check(results, limits)
        problems += [_line(one) for one in checks if one.state == "broken"]
        unclear = [_line(one) for one in checks if one.state == "unclear"]
        if ref is not None:
            worse, unsure = _worse(options["store"], ref, results)
            problems += worse
            unclear += unsure
        if noise == FAIL:
            problems += unclear
        else:
            for line in unclear:
                warnings.warn(NoisyWarning(line), stacklevel=2)
        if problems:
            pytest.fail("\n".join(problems), pytrace=False)
        return results

    def _note(self, results: Sequence[Result]) -> None:
        """For the end of the output and, as properties of the test, for JUnit."""
        from farm.pytest_plugin import PROPERTY
        from farm_results.report.figures import figures, marks_of, name_of
        from farm_results.text import number

        for result in results:
            name, found = name_of(result), figures(result)
            texts = [f"{one.name} {number(one.value)} {one.unit}".strip() for one in found[:1]]
            self._node.user_properties.append((PROPERTY, " · ".join([name, *texts, marks_of(result)])))
            for one in found:
                unit = f" {one.unit}" if one.unit else ""
                self._node.user_properties.append((f"{name}: {one.name}{unit}", number(one.value, 5)))


def _wrong(noise: str, options: Mapping[str, Any], bench: Callable[..., Any]) -> str:
    """What is wrong with a call itself; "" where nothing is."""
    import difflib
    import inspect

    if noise not in (PASS, FAIL):
        return f'farm_bench: noise={noise!r}: "pass" or "fail"'
    if "devices" in options:
        return "farm_bench: the devices of a test are those of its marker and of --farm-devices"
    known = [name for name in inspect.signature(bench).parameters if name not in ("models", "devices")]
    for name in options:
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            return f"farm_bench has no option {name!r}; " + (
                f"did you mean {near[0]!r}?" if near else f"one of: {', '.join(known)}"
            )
    return ""


def _no_text(**words: object) -> str:
    found = [f"{name}={value!r}" for name, value in words.items() if not isinstance(value, str)]
    return f"farm_bench: {found[0]} is no text" if found else ""


def _broken(results: Sequence[Result]) -> list[str]:
    from farm_results.report.figures import name_of

    if not results:
        return ["nothing was measured"]
    lines = []
    for result in results:
        if result.status == "failed":
            lines.append(f"{name_of(result)}: {result.error_code}: {result.error_message}")
            lines += [f"  fix: {result.error_fix}"] if result.error_fix else []
        elif result.status == "ok" and result.verdict.word == "invalid":
            reasons = "; ".join(caveat.evidence for caveat in result.verdict.caveats)
            lines.append(f"{name_of(result)}: the number must not be believed: {reasons}")
    if all(result.status == "skipped" for result in results):
        lines += [f"{name_of(result)}: skipped: {result.error_message}" for result in results]
    return lines


def _line(check: Check) -> str:
    from farm_results.compare.words import beside
    from farm_results.report.figures import name_of

    value = "was not measured"
    if check.value is not None:
        value = f"is {beside(check.unit, check.value, check.limit.bound)}"
    why = f" ({check.reason})" if check.reason and check.value is not None else ""
    return f"{name_of(check.result)}: {check.limit.text}: {check.limit.metric} {value}{why}"


def _resolved(store: str | None, text: str) -> Any:  # noqa: ANN401 - farm_results.refs.Ref
    """Before anything is measured, so that ``last`` is the run before this one."""
    from farm_results import refs

    with _opened(store) as found:
        return refs.resolve(found, text, measured=True)


def _worse(store: str | None, ref: Any, results: Sequence[Result]) -> tuple[list[str], list[str]]:  # noqa: ANN401
    """(what is worse than the baseline, what cannot be told)."""
    from farm.gate import UNSURE
    from farm_results import refs
    from farm_results.compare import stored, words
    from farm_results.series import key_of, series_id

    series = tuple(dict.fromkeys(series_id(key_of(result)) for result in results))
    with _opened(store) as found:
        ours = refs.results_of(found, ref, series=series)
        compared = stored.compare_results(found, ours, results, names=(ref.text, "this test"))

    def lines(section: str) -> list[str]:
        return [
            f"{words.name_text(row, compared.rows)}: {section}: {row.metric} {words.effect_text(row)} "
            f"({words.interval_text(row)}) against {ref.text} {words.reason_text(row)}".rstrip()
            for row in compared.of(section)
        ]

    return lines("regressed"), [line for section in UNSURE for line in lines(section)]


def _opened(store: str | None) -> Any:  # noqa: ANN401 - a context manager of a Store
    import contextlib

    from farm.config import load_config
    from farm_results.store import open_store

    return contextlib.closing(open_store(load_config({"store": str(store)} if store else None).store))
