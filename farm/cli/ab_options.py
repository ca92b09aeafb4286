"""``farm bench --ab``: two artifacts in turns, from the options to the exit code."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from farm.cli.output import print_json, print_problem, say, say_sentence
from farm.cli.results_output import show_comparisons
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
    from farm.cli.after_options import After
    from farm.cli.gate_options import Gate
    from farm.plan import Plan, Request
    from farm.progress import Reporter

F = Callable[..., Any]
PAIRS, SMOKE_PAIRS = 20, 10
_WORST = {"regression": "slower", "error": "failed", "noise": "inconclusive"}
"""What each word of ``--fail-on`` means of a comparison."""
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
        help="With --ab: pairs of fresh processes, an even number; default 20, smoke 10.",
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

    def wished(self, request: Request) -> Request:
        """As many processes as the pairs have, each for its least time; REF itself where nothing is named.

        Raises UsageError ab.scenario.
        """
        from farm.ab.turns import refuse_scenario

        if request.models:
            streams = request.measure.scenario_options.get("streams", "1,2")
            refuse_scenario(request.measure.scenario, streams.count(",") + 1)
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
            ref = refs.resolve(store, self.text, measured=True)
            if ref.note:
                say_sentence(ref.note)
            return bench.against_stored(plan, store, ref, self.pairs)


def ab_of(values: Mapping[str, Any], *, data: Path | None, plan_file: Path | None) -> Ab | None:
    """What the options ask for; None without --ab.

    Raises UsageError ab.option, ab.pairs, ab.scenario, ab.reference.
    """
    from farm.ab.turns import refuse_pairs, refuse_scenario

    text = values["ab"]
    if text is None:
        if values["pairs"] is not None:
            raise _unused("--pairs", "without --ab", "add --ab REF, or leave it out")
        return None
    refuse_scenario(values["scenario"])
    given = {**values, "data": data, "plan": plan_file}
    for name, silent in _UNUSED.items():
        if given.get(name) not in silent:
            raise _unused(
                f"--{name.replace('_', '-')}", "with --ab", "leave it out: only times are compared in turns"
            )
    pairs = values["pairs"] or (SMOKE_PAIRS if values["smoke"] else PAIRS)
    refuse_pairs(pairs)
    return Ab(text, pairs, _file(text), bool(values["gate"]))


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


def run_again(
    ab: Ab, request: Request, state: State, gate: Gate, after: After, layout: str, reporter: Reporter
) -> int:
    """Without a model: what REF measured against itself. Raises UsageError ab.reference."""
    from farm.ab import Terms
    from farm.ab.again import again
    from farm.benchmark import devices_of
    from farm_results import refs
    from farm_results.store import open_store

    chosen = {device.name for device in devices_of(request, state.config)}
    with contextlib.closing(open_store(state.config.store)) as store:
        found = refs.results_of(store, refs.resolve(store, ab.text, measured=True))
    scenario = request.measure.scenario
    results = [one for one in found if one.status == "ok" and one.scenario == scenario and not one.origin]
    results = [one for one in results if one.device in chosen]
    if not results:
        raise UsageError(
            f"{ab.text} has no ok result in the scenario {scenario} of {', '.join(sorted(chosen))}",
            code="ab.reference",
            fix="farm baseline set last"
            if ab.text == refs.BASELINE_WORD and not found
            else "name the device with -d, the --scenario, or another run (farm results runs)",
        )
    terms = Terms(
        plan=request.blocks,
        wait_s=request.wait_s,
        priority=request.priority,
        anyway=request.anyway,
        gate=ab.gate,
    )
    outcome = again(state.config, results, reporter, pairs=ab.pairs, terms=terms, command=sys.argv)
    return finished(outcome, gate, after, state, layout)


def finished(outcome: Outcome, gate: Gate, after: After, state: State, layout: str) -> int:
    """Show and write what was found; the exit code that comes of it and of ``--fail-on``."""
    from farm_results.comparison import FAILED

    worst = () if "never" in gate.fail_on else tuple(_WORST[name] for name in gate.fail_on if name in _WORST)
    code = _exit_code(outcome, gate.fail_on)
    if state.json or layout != "table":
        for one in outcome.comparisons:
            if one.word == FAILED:  # a table says it below
                what = f"{one.device} {one.candidate.label}: {one.error_message}"
                print_problem(one.error_code, what, one.error_fix)
    if state.json or layout == "json":
        _show_json(outcome, worst, gate, code)
    else:
        show_comparisons(outcome.comparisons, layout)
        say(f"Pair by pair: farm show {outcome.run_id}")
    after.write_compared(outcome.comparisons, run_id=outcome.run_id, worst=worst)
    return code


def _exit_code(outcome: Outcome, fail_on: Sequence[str]) -> int:
    from farm_results.comparison import FAILED, INCONCLUSIVE, SKIPPED, SLOWER

    words = [each.word for each in outcome.comparisons]
    asked = () if "never" in fail_on else fail_on
    if outcome.interrupted:
        return EXIT_INTERRUPTED
    if (SLOWER in words and "regression" in asked) or (FAILED in words and "error" in asked):
        return EXIT_GATE
    if FAILED in words:
        return EXIT_PARTIAL
    if all(word == SKIPPED for word in words):
        return EXIT_NOTHING
    return EXIT_INCONCLUSIVE if INCONCLUSIVE in words and "noise" in asked else EXIT_OK


def _show_json(outcome: Outcome, worst: Sequence[str], gate: Gate, code: int) -> None:
    """The document ``farm.ab/1``. ``worst``: the words that the gate fails on."""
    from farm.gate import document
    from farm_results.comparison import FAILED
    from farm_results.report.compared import SCHEMA
    from farm_results.view import versus

    made = outcome.comparisons
    failed = [one for one in made if one.word == FAILED]
    print_json(
        {
            "schema": SCHEMA,
            "run_id": outcome.run_id,
            "comparisons": [versus.document(each) for each in made],
            "errors": [
                {"code": one.error_code, "message": one.error_message, "fix": one.error_fix} for one in failed
            ],
            "gates": document(
                gate.fail_on,
                {one.comparison_id: [versus.sentence(one)] for one in made if one.word in worst},
                code,
            ),
        }
    )


def _unused(option: str, where: str, fix: str) -> UsageError:
    return UsageError(f"{option} says nothing {where}", code="ab.option", fix=fix)
