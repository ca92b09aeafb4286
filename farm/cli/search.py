"""``farm search``: architectures that a user's function builds, measured on the device."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from farm.cli.duration import Duration
from farm.cli.measure_options import LATENCY, block_plan, latency_options, measure_of
from farm.cli.output import print_json, print_table, say
from farm.cli.state import State, json_option, pass_state
from farm.cli.types import CommaInts, CommaList, examples, list_option
from farm.errors import EXIT_INTERRUPTED, EXIT_OK, MeasurementError, UsageError
from farm_agent import precisions as known_precisions
from farm_agent import runtimes as known_runtimes

if TYPE_CHECKING:
    from farm.search.engine import Outcome, Wish

GIB = 1024**3


@click.command(
    "search",
    epilog=examples(
        "farm search net.py:build --train net.py:train --constraint 'latency<=5ms'",
        "farm search net.py:build --trials 30 --smoke -d rpi4",
    )
    + "\n\nExit codes: 0 done, 2 usage, 3 nothing meets the constraints, 130 interrupted (run it again).",
)
@click.argument("build", metavar="FILE.py:FUNCTION")
@click.option(
    "--train", default="", metavar="FILE.py:FUNCTION", help="Trains a network briefly; answers its score."
)
@list_option("-d", "--devices", metavar="SELECTORS", text="The device to measure on.")
@list_option("--objective", "objectives", metavar="A,B", text="What to optimise; default accuracy,latency.")
@click.option(
    "--constraint", "constraints", multiple=True, metavar="NAME<=VALUE", help="What must hold. Repeatable."
)
@click.option(
    "--trials", type=click.IntRange(1, 10_000), default=20, show_default=True, help="Candidates in all."
)
@click.option("--time", "time_s", type=Duration(), help="No new candidate after that time of this call.")
@click.option(
    "--framework", type=click.Choice(("torch", "keras")), help="Run in farm's environment of that name."
)
@click.option("--python", type=click.Path(path_type=Path), help="Run in this Python; default: farm's own.")
@click.option(
    "--candidate-timeout",
    type=Duration(),
    default="30m",
    show_default=True,
    help="Of one build and training.",
)
@click.option(
    "--candidate-memory",
    type=click.FloatRange(0.25, min_open=False),
    metavar="GIB",
    help="Address space of one build and training; default: no bound.",
)
@list_option(
    "-r", "--runtimes", kind=CommaList(known_runtimes.names()), text="Measure in these; the fastest counts."
)
@list_option("-p", "--precisions", kind=CommaList(known_precisions.NAMES), text="At these; default fp32.")
@list_option(
    "--threads", kind=CommaInts(), metavar="N,M", text="With so many; default: what the profile says."
)
@click.option(
    "--batch", type=click.IntRange(1), default=1, show_default=True, help="Size of free leading dimensions."
)
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Of the search and of every candidate.",
)
@latency_options
@click.option(
    "--wait", type=Duration(), default="10m", show_default=True, help="How long to wait for a device."
)
@click.option("--study", default="", metavar="NAME", help="Name of the study to begin or go on with.")
@click.option("--out", type=click.Path(path_type=Path), help="Where the files go; default FUNCTION-search.")
@json_option
@pass_state
def command(state: State, /, build: str, out: Path | None, **values: Any) -> int:  # noqa: ANN401 - click's
    """Search architectures that your function builds.

    build(trial) chooses with trial.suggest_int, suggest_float and suggest_categorical, and returns a torch
    module with example inputs, or the path of an ONNX file. Each candidate is measured first; what breaks a
    constraint is not trained. A candidate that fails is a result with its reason. The same command again
    goes on where the last one ended.
    """
    from farm import progress
    from farm.search import engine, files

    wish = _wish(build, values, state)
    signal.signal(signal.SIGTERM, _terminate)
    outcome = engine.search(wish, state.config, lambda: progress.choose(quiet=state.quiet), say)
    folder = out or Path(f"{build.rpartition(':')[2]}-search")
    rows = files.rows(outcome, wish)
    written = files.write_all(outcome, wish, rows, folder, state.config)
    if state.json:
        print_json(files.document(outcome, wish, rows))
    else:
        _show(outcome, wish, rows)
    for path in written:
        say(f"wrote {path}")
    if outcome.exhausted:
        say("every proposal was there before: the space is exhausted")
    if outcome.interrupted:
        return EXIT_INTERRUPTED
    if any(row.place == "best" for row in rows):
        return EXIT_OK
    raise _nothing(outcome, wish)


def _wish(build: str, values: dict[str, Any], state: State) -> Wish:
    from farm.cli.bench import devices_from_environment
    from farm.plan import Request
    from farm.search.engine import Wish
    from farm.search.talk import Code
    from farm.tune import goals

    for option, words in (("FILE.py:FUNCTION", build), ("--train", values["train"])):
        if words and not (
            words.partition(":")[0] and words.rpartition(":")[2].isidentifier() and ":" in words
        ):
            raise UsageError(
                f"{option} {words!r}: expected FILE.py:FUNCTION or MODULE:FUNCTION",
                code="search.entry",
                fix="write for example space.py:build",
            )
        if words.rpartition(":")[0].endswith(".py") and not Path(words.rpartition(":")[0]).is_file():
            raise UsageError(
                f"{words.rpartition(':')[0]}: there is no such file",
                code="search.entry",
                fix="check the path",
            )
    values = {**LATENCY, **values}
    request = Request(
        models=(),
        devices=values["devices"] or devices_from_environment(),
        runtimes=values["runtimes"],
        precisions=values["precisions"],
        threads=values["threads"],
        batch=(values["batch"],),
        seed=values["seed"],
        blocks=block_plan(values),
        measure=measure_of(values),
        wait_s=values["wait"],
    )
    memory_bytes = int((values["candidate_memory"] or 0) * GIB)
    code = Code(
        Path.cwd(), build, values["train"], _python(values, state), values["candidate_timeout"], memory_bytes
    )
    return Wish(
        request=request,
        code=code,
        objectives=goals.objectives(values["objectives"] or ("accuracy", "latency")),
        constraints=tuple(goals.constraint(words) for words in values["constraints"]),
        trials=values["trials"],
        time_s=values["time_s"] or 0.0,
        study=values["study"],
    )


def _python(values: dict[str, Any], state: State) -> str:
    framework, python = values["framework"], values["python"]
    if framework is None:
        return sys.executable if python is None else str(python)
    from farm_converters.training import environments
    from farm_converters.training.recipe import EnvironmentWish

    chosen = EnvironmentWish(python=str(python) if python else "")
    return environments.prepare(framework, chosen, Path.cwd(), state.config.cache_dir, say).python


def _terminate(_signal: int, _frame: object) -> None:
    raise KeyboardInterrupt


def _show(outcome: Outcome, wish: Wish, rows: Any) -> None:  # noqa: ANN401 - rows of farm.tune.report
    from farm.tune import report

    names = report.columns(wish.objectives, wish.constraints)
    names = [name for name in names if name != "accuracy_drop"]
    head, lines = report.table(rows, names)
    head[1] = "candidate"
    print_table(head, lines, title=outcome.study.stem, align=dict.fromkeys(head[2 : 2 + len(names)], "right"))


def _nothing(outcome: Outcome, wish: Wish) -> MeasurementError:
    from farm.search.files import scores
    from farm.tune.report import nearest

    words = ", ".join(one.text for one in wish.constraints)
    near = nearest(scores(outcome), wish.constraints)
    if words and near:
        return MeasurementError(
            f"no candidate meets {words}; the nearest: {near}",
            code="tune.infeasible",
            fix="relax the constraint, or let build(trial) make smaller networks",
        )
    return MeasurementError(
        "no candidate could be measured and scored; the table says why",
        code="tune.nothing",
        fix="correct what the first reason names, then run it again with another --study NAME",
    )
