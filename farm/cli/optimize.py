"""``farm optimize``: make a network smaller and faster by training, and measure what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from farm.cli.measure_options import LATENCY, block_plan, latency_options, measure_of
from farm.cli.output import print_json, print_table, say
from farm.cli.state import State, json_option, pass_state
from farm.cli.types import CommaInts, examples, list_option
from farm.errors import EXIT_OK, EXIT_PARTIAL

if TYPE_CHECKING:
    from farm.optimize.report import StepReport


@click.command(
    "optimize",
    epilog=examples(
        "farm optimize recipe.toml",
        "farm optimize recipe.toml --seeds 0,1,2 --devices rpi5 --out runs/digits",
        "farm optimize --list",
    )
    + "\n\nExit codes: 0 all done, 2 usage, 3 trained but some measurements failed, 130 interrupted.",
)
@click.argument("recipe", type=click.Path(path_type=Path), required=False)
@click.option("--out", type=click.Path(path_type=Path), help="The run's folder; default .farm/optimize/NAME.")
@list_option("--seeds", kind=CommaInts(minimum=0), metavar="N,M", text="Seeds in place of the recipe's.")
@list_option("-d", "--devices", metavar="SELECTORS", text="Devices in place of the recipe's.")
@click.option("--no-bench", is_flag=True, help="Train and export only; measure nothing.")
@click.option("--list", "listed", is_flag=True, help="Show the techniques of each framework.")
@latency_options
@json_option
@pass_state
def command(
    state: State,
    /,
    recipe: Path | None,
    out: Path | None,
    seeds: tuple[int, ...],
    devices: tuple[str, ...],
    no_bench: bool,
    listed: bool,
    **measuring: object,
) -> int:
    """Prune, quantise or distil a network by a RECIPE.

    Every step is trained, exported and measured on devices, beside the network as it was.

    The recipe names your own module and data. Training runs in a process of its own, for every seed; a run
    that was killed goes on from its last checkpoint when the same command is given again.
    """
    if listed or recipe is None:
        return _list(state) if listed else _usage()
    from farm import progress
    from farm.optimize.flow import Wish, optimize
    from farm.optimize.report import COLUMNS, rows
    from farm.plan import Request

    values = {**LATENCY, **measuring}
    base = Request(models=(), blocks=block_plan(values), measure=measure_of(values))
    wish = Wish(recipe, out, seeds, devices, not no_bench, base)
    done = optimize(wish, state.config, say, progress.choose(quiet=state.quiet))
    if state.json:
        print_json(done.document)
    else:
        print_table(COLUMNS, rows(done.recipe, done.steps), title=done.recipe.name)
        say(f"Everything is in {done.folder}: report.md, report.json, networks/")
    return exit_code(done.steps, bench=wish.bench)


def exit_code(steps: Sequence[StepReport], *, bench: bool) -> int:
    """Partial where a measurement failed, or a step has none although some were asked for."""
    failed = any(row["status"] != "ok" for step in steps for row in step.measured)
    unmeasured = bench and not all(step.measured for step in steps)
    return EXIT_PARTIAL if failed or unmeasured else EXIT_OK


def _usage() -> int:
    raise click.UsageError("Missing argument 'RECIPE'.")


def _list(state: State) -> int:
    from dataclasses import fields

    from farm_converters.training.recipe import FRAMEWORKS
    from farm_converters.training.steps import TECHNIQUES

    table = []
    for technique, kind in TECHNIQUES.items():
        known = [name for name, techniques in FRAMEWORKS.items() if technique in techniques]
        keys = [item.name for item in fields(kind)]
        about = (kind.__doc__ or "").partition("\n")[0]
        table.append((technique, ", ".join(known), ", ".join(keys), about))
    columns = ("technique", "frameworks", "keys", "what it does")
    if state.json:
        print_json({"techniques": [dict(zip(columns, row, strict=True)) for row in table]})
    else:
        print_table(columns, table, title="Techniques")
    return EXIT_OK
