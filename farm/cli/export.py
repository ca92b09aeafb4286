"""``farm export``: a folder ready to deploy, or an entry of a Triton model repository."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from farm.cli.output import print_json, print_table, say
from farm.cli.state import State, json_option, pass_state
from farm.cli.types import CommaInts, examples, list_option
from farm.errors import UsageError

if TYPE_CHECKING:
    from farm.export.bundle import Bundle


@click.command(
    "export",
    epilog=examples(
        "farm export best.toml --out deploy",
        "farm export --run 20261121-123851-0ee0-000 --out deploy",
        "farm export best.toml --triton models --batch 1,2,4,8",
    ),
)
@click.argument("plan", required=False, type=click.Path(path_type=Path), metavar="[best.toml]")
@click.option("--run", "job", metavar="JOB", help="A measured job instead, by its id.")
@click.option(
    "--out", type=click.Path(path_type=Path), help="The folder to make: file, run.py, golden samples."
)
@click.option(
    "--triton", type=click.Path(path_type=Path), help="A Triton model repository to add an entry to."
)
@list_option(
    "--batch",
    kind=CommaInts(),
    metavar="N,M",
    text="Batches of Triton's throughput curve; default 1,2,4,8,16.",
)
@click.option("--smoke", is_flag=True, help="Measure that curve with 3 s per point instead of 10 s.")
@click.option("--gate/--no-gate", default=True, help="Wait for a quiet, cool device; default: yes.")
@json_option
@pass_state
def command(
    state: State,
    plan: Path | None,
    job: str | None,
    out: Path | None,
    triton: Path | None,
    batch: tuple[int, ...],
    smoke: bool,
    gate: bool,
) -> None:
    """Write a measured configuration as a folder to deploy.

    The folder holds the file that was measured, a plain run.py for its runtime with the same threads and
    precision, samples that check it on the target, and a README with the measured numbers. --triton writes
    an entry of a model repository, with dynamic batching chosen from a throughput curve measured now.
    """
    from farm.export import bundle, folder

    if (plan is None) == (job is None):
        raise UsageError("name a best.toml or --run JOB", code="cli.usage", fix="farm export --help")
    if out is None and triton is None:
        raise UsageError(
            "say where to: --out DIR or --triton DIR", code="cli.usage", fix="farm export --help"
        )
    if triton is not None and plan is None:
        raise UsageError(
            "--triton measures a throughput curve, which needs a best.toml",
            code="export.triton-plan",
            fix="give the best.toml that farm tune wrote",
        )
    written: list[Path] = []
    if out is not None:
        made = bundle.from_job(job, state.config) if job is not None else _from(plan, state)
        written += folder.write(made, out)
    if triton is not None and plan is not None:
        from farm import progress
        from farm.export.curve import Asked
        from farm.export.triton import write as write_entry

        asked = Asked(batches=batch, smoke=smoke, gate=gate)
        entry = write_entry(plan, triton, asked, state.config, progress.choose(quiet=state.quiet), say)
        written += entry
    if state.json:
        print_json({"schema": "farm.exported/1", "files": [str(path) for path in written]})
    else:
        print_table(("file",), [(str(path),) for path in written])


def _from(plan: Path | None, state: State) -> Bundle:
    from farm.export import bundle

    assert plan is not None  # noqa: S101 - one of the two was given
    made, _ = bundle.from_best(plan, state.config, say)
    return made
