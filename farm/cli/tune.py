"""``farm tune``: find the best configuration of a model on a device."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from farm.cli.calib_options import calib_options
from farm.cli.data_options import data_options
from farm.cli.duration import Duration
from farm.cli.measure_options import LATENCY, block_plan, latency_options, measure_of
from farm.cli.output import print_json, print_table, say, say_sentence
from farm.cli.shapes_option import shape_option
from farm.cli.state import State, json_option, pass_state
from farm.cli.types import CommaInts, CommaList, examples, list_option
from farm.errors import EXIT_INTERRUPTED, EXIT_OK, MeasurementError
from farm.shapes import ShapeWish
from farm_agent import precisions as known_precisions
from farm_agent import runtimes as known_runtimes

if TYPE_CHECKING:
    from farm.tune.engine import Outcome, Wish


@click.command(
    "tune",
    epilog=examples(
        "farm tune model.onnx",
        "farm tune model.onnx -d rpi4 --objective latency,accuracy --data val.npz",
        "farm tune model.onnx --constraint 'accuracy_drop<=1pp' --data val.npz",
        "farm tune model.onnx --time 20m --batch 1,4,8 --objective throughput,memory",
    )
    + "\n\nExit codes: 0 done, 2 usage, 3 nothing meets the constraints, 130 interrupted (run it again).",
)
@click.argument("model", required=False, type=click.Path(path_type=Path), metavar="[MODEL]")
@list_option(
    "-d", "--devices", metavar="SELECTORS", text="Names, globs, tags, profiles, families, !name, all."
)
@list_option(
    "--objective",
    "objectives",
    metavar="A,B",
    text="What to optimise, most important first; default latency,size.",
)
@click.option(
    "--constraint", "constraints", multiple=True, metavar="NAME<=VALUE", help="What must hold. Repeatable."
)
@click.option(
    "--trials", type=click.IntRange(1, 10_000), help="Configurations to look at; default: all, at most 48."
)
@click.option("--time", "time_s", type=Duration(), help="How long this call may take, roughly.")
@list_option("-r", "--runtimes", kind=CommaList(known_runtimes.names()), text="Only these runtimes.")
@list_option("-p", "--precisions", kind=CommaList(known_precisions.NAMES), text="Only these precisions.")
@list_option(
    "--threads", kind=CommaInts(), metavar="N,M", text="Threads to try; default 1, 2, 4 … its cores."
)
@list_option("--batch", kind=CommaInts(), metavar="N,M", text="Sizes of every free leading dimension to try.")
@click.option(
    "--option", "options", multiple=True, metavar="RUNTIME.NAME=A,B", help="Values to try. Repeatable."
)
@shape_option
@click.option(
    "--inputs", type=click.Path(path_type=Path, exists=True), help="Your own sample inputs, an .npz."
)
@data_options
@calib_options
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Of the search and of generated inputs.",
)
@latency_options
@click.option(
    "--wait", type=Duration(), default="10m", show_default=True, help="How long to wait for a device."
)
@click.option("--study", default="", metavar="NAME", help="Name of the study to begin or go on with.")
@click.option("--out", type=click.Path(path_type=Path), help="Where the files go; default MODEL-tune.")
@json_option
@pass_state
def command(state: State, /, model: Path | None, out: Path | None, **values: Any) -> int:  # noqa: ANN401 - click's
    """Find a model's best configuration on a device.

    Without MODEL the bundled network is tuned on its labelled samples. Tries format, runtime, precision,
    threads, options and batch: a quick look at many, a closer one at the promising, an honest measurement
    of the front. What fails is a result with its reason. The same command again goes on where the last one
    ended.
    """
    from farm import progress
    from farm.tune import engine

    wish = _wish(model, values)
    signal.signal(signal.SIGTERM, _terminate)
    outcome = engine.tune(wish, state.config, lambda: progress.choose(quiet=state.quiet), say)
    folder = out or Path(f"{outcome.model.name}-tune")
    files = _write(outcome, wish, folder, state)
    _show(outcome, wish, files, state)
    if outcome.interrupted:
        return EXIT_INTERRUPTED
    if any(report.best for report in outcome.reports):
        return EXIT_OK
    raise _nothing(outcome, wish)


def _wish(model: Path | None, values: dict[str, Any]) -> Wish:
    from farm.benchmark import with_sample
    from farm.cli.bench import devices_from_environment
    from farm.plan import Request
    from farm.tune import goals
    from farm.tune.engine import Wish
    from farm.tune.space import Axes, parse_options

    shapes: tuple[ShapeWish, ...] = values["shapes"]
    values = {**LATENCY, **values}
    request = Request(
        models=() if model is None else (model,),
        devices=values["devices"] or devices_from_environment(),
        shapes=shapes,
        inputs=values["inputs"],
        data=values["data"],
        metric=values["metric"],
        preprocess=values["preprocess"],
        calib=values["calib"],
        calib_random=values["calib_random"] or 0,
        exclude=values["exclude"],
        seed=values["seed"],
        blocks=block_plan(values),
        measure=measure_of(values),
        wait_s=values["wait"],
    )
    axes = Axes(
        values["runtimes"],
        values["precisions"],
        values["threads"],
        values["batch"],
        parse_options(values["options"]),
    )
    return Wish(
        request=with_sample(request),
        axes=axes,
        objectives=goals.objectives(values["objectives"]),
        constraints=tuple(goals.constraint(words) for words in values["constraints"]),
        trials=values["trials"] or 0,
        time_s=values["time_s"] or 0.0,
        study=values["study"],
    )


def _write(outcome: Outcome, wish: Wish, folder: Path, state: State) -> list[Path]:
    from farm.tune import files

    return files.write_all(outcome, wish, folder, state.config)


def _show(outcome: Outcome, wish: Wish, files: list[Path], state: State) -> None:
    from farm.tune import report as reports
    from farm.tune.files import document

    if state.json:
        print_json(document(outcome, wish))
    names = reports.columns(wish.objectives, wish.constraints)
    for one in outcome.reports:
        if not state.json:
            head, rows = reports.table(one.rows, names)
            align = dict.fromkeys(head[2 : 2 + len(names)], "right")
            print_table(head, rows, title=f"{outcome.model.name} on {one.space.device.name}", align=align)
        say(
            f"{one.space.device.name}: {one.used_s:.0f} s of device time, {one.share * 100:.0f} % of the "
            f"{one.sweep_s:.0f} s that measuring all {len(one.space.points)} configurations would take"
        )
    for path in files:
        say(f"wrote {path}")
    say_sentence(f"The study is kept in {outcome.study}; the same command goes on with it.")


def _nothing(outcome: Outcome, wish: Wish) -> MeasurementError:
    words = ", ".join(one.text for one in wish.constraints)
    nearest = "; ".join(f"{r.space.device.name}: {r.nearest}" for r in outcome.reports if r.nearest)
    if words and nearest:
        return MeasurementError(
            f"no configuration meets {words}; the nearest: {nearest}",
            code="tune.infeasible",
            fix="relax the constraint, widen the space, or make the model smaller (farm optimize)",
        )
    return MeasurementError(
        "no configuration could be measured; the table says why",
        code="tune.nothing",
        fix="correct what the first reason names, then run it again with another --study NAME",
    )


def _terminate(_signal: int, _frame: object) -> None:
    raise KeyboardInterrupt
