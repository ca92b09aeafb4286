"""``farm bench``: measure models on devices."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import click

from farm.cli.ab_options import ab_of, ab_options, finished, run_again
from farm.cli.after_options import after_of, after_options
from farm.cli.calib_options import calib_options
from farm.cli.data_options import data_options
from farm.cli.duration import Duration
from farm.cli.gate_options import gate_of, gate_options, gated, refuse_unmeasured
from farm.cli.measure_options import block_plan, measure_of, measure_options
from farm.cli.output import print_error, print_json, print_table, say
from farm.cli.results_output import LAYOUTS, show_results
from farm.cli.shapes_option import shape_option
from farm.cli.state import State, json_option, pass_state
from farm.cli.types import CommaInts, CommaList, list_option
from farm.errors import (
    EXIT_INTERRUPTED,
    EXIT_NOTHING,
    EXIT_OK,
    EXIT_PARTIAL,
    EXIT_USAGE,
    FarmError,
    UsageError,
)
from farm.shapes import ShapeWish
from farm_agent import precisions as known_precisions
from farm_agent import runtimes as known_runtimes

if TYPE_CHECKING:
    from farm.benchmark import Outcome
    from farm.plan import Plan
    from farm_results.model import Result


@click.command(
    "bench",
    epilog=(
        "\b\nExamples:\n"
        "  farm bench                         the bundled network on this machine\n"
        "  farm bench model.onnx -d 'jetson,rpi4,!jetson-2' -r litert -p fp32,fp16\n"
        "  farm bench model.onnx --scenario throughput --batch 1,8 --threads 1,4\n"
        "  farm bench model.onnx --baseline @baseline --budget 'p50<=20ms'\n"
        "  farm bench new.onnx --ab old.onnx  in turns: slower, faster or the same\n\n"
        "Exit codes: 0 all ok, 1 a gate failed (--budget, --baseline, --ab), 2 usage, 3 some jobs failed "
        "(others are kept), 4 nothing ran, 5 not to be told (--fail-on noise), 130 interrupted."
    ),
)
@click.argument("models", nargs=-1, type=click.Path(path_type=Path), metavar="[MODEL.onnx]...")
@list_option(
    "-d", "--devices", metavar="SELECTORS", text="Names, globs, tags, profiles, families, !name, all."
)
@list_option(
    "-r", "--runtimes", kind=CommaList(known_runtimes.names()), metavar="A,B", text="Only these runtimes."
)
@list_option(
    "-p",
    "--precisions",
    kind=CommaList(known_precisions.NAMES),
    metavar="A,B",
    text="Precisions; default fp32. See docs/precision.md.",
)
@list_option("--threads", kind=CommaInts(), metavar="N,M", text="Threads; default: what the profile says.")
@shape_option
@list_option("--batch", kind=CommaInts(), metavar="N,M", text="Size of every free leading dimension.")
@click.option(
    "--inputs", type=click.Path(path_type=Path), help="Your own sample inputs, an .npz by input name."
)
@data_options
@calib_options
@click.option(
    "--builds",
    type=click.IntRange(1, 32),
    default=1,
    show_default=True,
    metavar="N",
    help="Engines to build where the device builds them; the fastest is measured.",
)
@click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of the generated inputs."
)
@measure_options
@click.option(
    "--wait", type=Duration(), default="10m", show_default=True, help="How long to wait for a device."
)
@click.option(
    "--priority",
    type=click.IntRange(-100, 100),
    default=0,
    show_default=True,
    metavar="N",
    help="Among those who wait for a device, higher comes first.",
)
@click.option(
    "--parallel",
    type=click.IntRange(min=1),
    metavar="N",
    help="Drive at most N devices at once; else all.",
)
@click.option("--anyway", is_flag=True, help="Take devices that are quarantined, too.")
@click.option("--label", "labels", multiple=True, metavar="KEY=VALUE", help="Kept with the run.")
@click.option(
    "--plan", "plan_file", type=click.Path(path_type=Path), help="A best.toml of farm tune: exactly that."
)
@click.option(
    "-n",
    "--dry-run",
    is_flag=True,
    help="Show the plan and what would be skipped; measure nothing.",
)
@click.option("--format", "layout", type=click.Choice(LAYOUTS), default="table", help="Of the final results.")
@ab_options
@gate_options
@after_options
@json_option
@pass_state
def command(
    state: State,
    /,
    models: tuple[Path, ...],
    devices: tuple[str, ...],
    runtimes: tuple[str, ...],
    precisions: tuple[str, ...],
    threads: tuple[int, ...],
    shapes: tuple[ShapeWish, ...],
    batch: tuple[int, ...],
    inputs: Path | None,
    data: Path | None,
    metric: str,
    calib: Path | None,
    calib_random: int | None,
    preprocess: str,
    exclude: tuple[str, ...],
    builds: int,
    seed: int,
    wait: float,
    priority: int,
    parallel: int | None,
    anyway: bool,
    labels: tuple[str, ...],
    plan_file: Path | None,
    dry_run: bool,
    layout: str,
    **measuring: Any,  # noqa: ANN401 - the values of the groups of options
) -> int:
    """Measure models on devices: convert, ship, run, judge, store.

    Without MODEL the bundled network runs on its labelled samples. Every number carries its verdict; a job
    that fails says why and leaves the others unharmed.
    """
    from farm import progress
    from farm.benchmark import execute, plan_for, with_sample
    from farm.plan import Request
    from farm.survey import surveyed
    from farm.tune.replay import check, replayed

    _present("--inputs", inputs)
    after = after_of(measuring, state.config.store)
    gate = gate_of(measuring, state)
    ab = ab_of(measuring, data=data, plan_file=plan_file)
    if ab:
        after.refuse_unsaid()
    wished = Request(
        models=models,
        devices=devices or devices_from_environment(),
        runtimes=runtimes,
        precisions=precisions,
        threads=threads,
        shapes=shapes,
        batch=batch,
        inputs=inputs,
        data=data,
        metric=metric,
        calib=calib,
        calib_random=calib_random or 0,
        preprocess=preprocess,
        exclude=exclude,
        builds=builds,
        seed=seed,
        blocks=block_plan(measuring),
        measure=measure_of(measuring),
        wait_s=wait,
        priority=priority,
        anyway=anyway,
        parallel=parallel,
        labels=_labels(labels),
    )
    reporter = progress.choose(quiet=state.quiet)
    wished = ab.wished(wished) if ab else wished
    if ab and not wished.models:
        if dry_run:
            raise click.UsageError("--dry-run shows the plan of a MODEL; --ab alone has none to show")
        signal.signal(signal.SIGTERM, _terminate)
        return run_again(ab, wished, state, gate, after, layout, reporter)
    found, request = (
        (None, with_sample(wished)) if plan_file is None else replayed(plan_file, wished, devices)
    )
    plan = plan_for(request, state.config, say)
    if found is not None:
        check(found, plan)
    refuse_unmeasured(gate, plan)
    plan, against = ab.matched(plan, state) if ab else (plan, None)
    if dry_run:
        return _show_plan(surveyed(plan, state.config.cache_dir), state)
    if errors := _all_wrong(plan):
        for error in errors:
            print_error(error)
        return EXIT_USAGE
    signal.signal(signal.SIGTERM, _terminate)
    outcome = execute(plan, state.config, reporter, command=sys.argv, against=against)
    if ab:
        return finished(outcome, gate, after, state, layout)
    if not state.json:
        _show(outcome, layout)
    judged = gated(gate, outcome.results, state, _exit_code(plan, outcome))
    if state.json:
        _show_json(outcome, judged.document)
    after.write(outcome.results, run_id=outcome.run_id, failures=judged.failures)
    return judged.code


def _all_wrong(plan: Plan) -> list[FarmError]:
    """What was asked for wrongly, each once, where nothing is left that could run; else nothing."""
    errors = [cell.error for cell in plan.cells if isinstance(cell.error, UsageError)]
    if not errors or len(errors) < len(plan.cells):
        return []
    return list({(error.code, error.message): error for error in errors}.values())


def _present(option: str, path: Path | None) -> None:
    if path is not None and not path.is_file():
        kind = option.removeprefix("--")
        raise UsageError(
            f"{path}: there is no such file", code=f"{kind}.missing", fix=f"check the path given to {option}"
        )


def devices_from_environment() -> tuple[str, ...]:
    """The selectors of FARM_DEVICES; this machine without it."""
    return tuple(part for part in os.environ.get("FARM_DEVICES", "local").split(",") if part)


def _labels(pairs: Sequence[str]) -> dict[str, str]:
    for pair in pairs:
        if "=" not in pair:
            raise click.BadParameter(f"{pair!r} is not KEY=VALUE", param_hint="--label")
    return dict(pair.split("=", 1) for pair in pairs)


def _terminate(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _show_plan(plan: Plan, state: State) -> int:
    from farm.dry_run import plan_document, plan_rows

    if state.json:
        print_json(plan_document(plan, state.config))
    else:
        from farm.progress import header

        for line in header(plan):
            say(line)
        columns, rows = plan_rows(plan, state.config)
        print_table(columns, rows, title="Plan")
    return EXIT_OK if any(cell.runs for cell in plan.cells) else EXIT_NOTHING


def _show(outcome: Outcome, layout: str) -> None:
    show_results(outcome.results, layout)
    _say_kinds(outcome)


def _say_kinds(outcome: Outcome) -> None:
    kinds = {status: _count(outcome.results, status) for status in ("ok", "failed", "skipped")}
    say(" · ".join(f"{count} {status}" for status, count in kinds.items() if count) or "nothing ran")
    say(f"How and why: farm show {outcome.run_id}")


def _show_json(outcome: Outcome, gates: Mapping[str, Any]) -> None:
    from farm_results.report import json

    _say_kinds(outcome)
    print_json({**json.document_of(outcome.results), "run_id": outcome.run_id, "gates": gates})


def _count(results: Sequence[Result], status: str) -> int:
    return sum(result.status == status for result in results)


def _exit_code(plan: Plan, outcome: Outcome) -> int:
    if outcome.interrupted:
        return EXIT_INTERRUPTED
    failed = [result for result in outcome.results if result.status == "failed"]
    if failed:
        only_usage = len(failed) == len(plan.cells) and all(r.error_blame == "usage" for r in failed)
        return EXIT_USAGE if only_usage else EXIT_PARTIAL
    return EXIT_OK if _count(outcome.results, "ok") else EXIT_NOTHING
