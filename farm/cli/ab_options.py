"""``farm bench --ab``: two artifacts in turns, from the options to the exit code."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from farm.cli.output import print_json, print_problem, print_table, print_text, printable, say, say_sentence
from farm.cli.state import State
from farm.errors import (
    EXIT_GATE,
    EXIT_INCONCLUSIVE,
    EXIT_INTERRUPTED,
    EXIT_NOTHING,
    EXIT_OK,
    EXIT_PARTIAL,
    UsageError,
)

if TYPE_CHECKING:
    from farm.ab.bench import Opponent
    from farm.benchmark import Outcome
    from farm.cli.gate_options import Gate
    from farm.errors import FarmError
    from farm.plan import Plan, Request
    from farm.progress import Reporter
    from farm_results.comparison import Comparison

F = Callable[..., Any]
PAIRS, SMOKE_PAIRS = 20, 10
MOST_ANNOTATIONS = 10
SUFFIXES = (".onnx", ".tflite", ".pt2", ".pt", ".pth", ".keras", ".h5", ".xml", ".pb")
# Options of farm bench that a comparison has no use for, and the values that say nothing.
_UNUSED: Mapping[str, tuple[Any, ...]] = {
    "blocks": (None,),
    "energy": (False, None),
    "energy_window": (None,),
    "meter": ((), None),
    "profile_ops": (False, None),
    "tool": (None, ""),
    "baseline": (None,),
    "budget": (None,),
    "junit": (None,),
    "html": (None,),
    "exports": ((), None),
    "data": (None,),
    "plan": (None,),
}

_OPTIONS = (
    click.option(
        "--ab",
        metavar="REF",
        help="Measure in turns with this on the same device: a model file, a run or job, @baseline, last. "
        "Without MODEL: REF with itself. See docs/ab.md.",
    ),
    click.option(
        "--pairs",
        type=click.IntRange(8, 500),
        metavar="N",
        help="With --ab: pairs of fresh processes; default 20, smoke 10.",
    ),
)


def ab_options(function: F) -> F:
    """Add the options; their values arrive as ab and pairs."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


@dataclass(frozen=True)
class Ab:
    """What is asked for. ``path``: REF as a model file, None where it names something stored."""

    text: str
    pairs: int
    path: Path | None
    gate: bool
    github: bool = False

    def wished(self, request: Request) -> Request:
        """As many processes as the pairs have, each for its least time; REF itself where nothing is named."""
        models = request.models or ((self.path,) if self.path else ())
        blocks = replace(request.blocks, blocks=2 * self.pairs, ci_half_width=0.0)
        return replace(request, models=models, blocks=blocks)

    def matched(self, plan: Plan, state: State) -> tuple[Plan, dict[str, Opponent]]:
        """Every cell with what it is measured against. Raises as ``refs.resolve`` does."""
        from farm.ab import bench
        from farm_results import refs
        from farm_results.store import open_store

        if self.path is not None:
            return bench.against_file(plan, self.path, state.config, self.pairs)
        with contextlib.closing(open_store(state.config.store)) as store:
            ref = refs.resolve(store, self.text)
            if ref.note:
                say_sentence(ref.note)
            return bench.against_stored(plan, store, ref, self.pairs)


def ab_of(values: Mapping[str, Any], *, data: Path | None, plan_file: Path | None) -> Ab | None:
    """What the options ask for; None without --ab. Raises UsageError ab.option, ab.scenario."""
    text = values["ab"]
    if text is None:
        if values["pairs"] is not None:
            raise _unused("--pairs", "without --ab", "add --ab REF, or leave it out")
        return None
    if values["scenario"] != "latency":
        raise UsageError(
            f"two artifacts cannot be measured in turns in the scenario {values['scenario']}",
            code="ab.scenario",
            fix="compare them with --scenario latency",
        )
    given = {**values, "data": data, "plan": plan_file}
    for name, silent in _UNUSED.items():
        if given.get(name) not in silent:
            option = "export" if name == "exports" else name.replace("_", "-")
            raise _unused(f"--{option}", "with --ab", "leave it out: only times are compared in turns")
    pairs = values["pairs"] or (SMOKE_PAIRS if values["smoke"] else PAIRS)
    return Ab(text, pairs, _file(text), bool(values["gate"]), bool(values.get("github")))


def _file(text: str) -> Path | None:
    """REF as a model file; None where it looks like the name of something stored.

    Raises UsageError ab.reference for what can only be a file, and is none.
    """
    path = Path(text)
    if path.is_file() or ("/" in text and path.is_dir()):
        return path
    if "/" in text or path.suffix in SUFFIXES:
        raise UsageError(
            f"{text}: there is no such file", code="ab.reference", fix="check the path given to --ab"
        )
    return None


def run_again(ab: Ab, request: Request, state: State, gate: Gate, layout: str, reporter: Reporter) -> int:
    """Without a model: what REF measured against itself. Raises UsageError ab.reference."""
    from farm.ab import Terms
    from farm.ab.again import again
    from farm.benchmark import devices_of
    from farm_results import refs
    from farm_results.store import open_store

    chosen = {device.name for device in devices_of(request, state.config)}
    with contextlib.closing(open_store(state.config.store)) as store:
        found = refs.results_of(store, refs.resolve(store, ab.text))
    results = [one for one in found if one.status == "ok" and one.scenario == "latency" and not one.origin]
    results = [one for one in results if one.device in chosen]
    if not results:
        raise UsageError(
            f"{ab.text} has no ok result in the scenario latency of {', '.join(sorted(chosen))}",
            code="ab.reference",
            fix="name the device with -d, or another run (farm results runs)",
        )
    terms = Terms(
        plan=request.blocks,
        wait_s=request.wait_s,
        priority=request.priority,
        anyway=request.anyway,
        gate=ab.gate,
    )
    outcome, errors = again(state.config, results, reporter, pairs=ab.pairs, terms=terms, command=sys.argv)
    return finished(ab, outcome, gate, state, layout, errors)


def finished(
    ab: Ab,
    outcome: Outcome,
    gate: Gate,
    state: State,
    layout: str,
    errors: Sequence[FarmError] = (),
) -> int:
    """Show what was found; the exit code that comes of it and of ``--fail-on``. ``errors``: beside those of
    the run's failed results."""
    from farm_results.comparison import INCONCLUSIVE, SLOWER

    problems = [(one.code, one.message, one.fix) for one in errors]
    problems += [
        (one.error_code, f"{one.device} {one.model}: {one.error_message}", one.error_fix)
        for one in outcome.results
        if one.status == "failed"
    ]
    for problem in problems:
        print_problem(*problem)
    show(outcome.comparisons, outcome.run_id, "json" if state.json else layout, problems)
    if ab.github:
        _tell_github(outcome.comparisons)
    words = [each.word for each in outcome.comparisons]
    fail_on = () if "never" in gate.fail_on else gate.fail_on
    if outcome.interrupted:
        return EXIT_INTERRUPTED
    if (SLOWER in words and "regression" in fail_on) or (problems and "error" in fail_on):
        return EXIT_GATE
    if problems:
        return EXIT_PARTIAL
    if not words:
        return EXIT_NOTHING
    return EXIT_INCONCLUSIVE if INCONCLUSIVE in words and "noise" in fail_on else EXIT_OK


def show(
    comparisons: Sequence[Comparison],
    run_id: str,
    layout: str,
    problems: Sequence[tuple[str, str, str]] = (),
) -> None:
    """A table, or what ``layout`` says; the reasons on standard error."""
    from farm_results.view import versus

    if layout == "json":
        records = [versus.document(each) for each in comparisons]
        failed = [dict(zip(("code", "message", "fix"), problem, strict=True)) for problem in problems]
        print_json({"schema": "farm.ab/1", "run_id": run_id, "comparisons": records, "errors": failed})
        return
    if layout == "md":
        print_text(versus.markdown(comparisons))
        return
    if layout == "csv":
        print_text(versus.csv(comparisons))
        return
    print_table(
        versus.COLUMNS, [versus.row(each) for each in comparisons], title="In turns", align=versus.ALIGN
    )
    for each in comparisons:
        for line in versus.caveat_lines(each):
            say_sentence(f"{each.device} {line}" if len(comparisons) > 1 else line)
    say(f"Pair by pair: farm show {run_id}")


def _tell_github(comparisons: Sequence[Comparison]) -> None:
    """The step's summary and its annotations, at most ten of a kind: GitHub drops more silently."""
    from farm_results.comparison import INCONCLUSIVE, SLOWER
    from farm_results.view import versus

    for word, kind in ((SLOWER, "error"), (INCONCLUSIVE, "warning")):
        for each in [one for one in comparisons if one.word == word][:MOST_ANNOTATIONS]:
            text = f"{each.device}: {versus.sentence(each)}".replace("%", "%25")
            sys.stderr.write(f"::{kind} title=farm::{printable(text)}\n")
    if path := os.environ.get("GITHUB_STEP_SUMMARY"):
        try:
            with Path(path).open("a", encoding="utf-8") as file:
                file.write(versus.markdown(comparisons))
        except OSError as error:  # what is stored does not fail for that
            say(f"{path} cannot be written: {error.strerror}")


def _unused(option: str, where: str, fix: str) -> UsageError:
    return UsageError(f"{option} says nothing {where}", code="ab.option", fix=fix)
