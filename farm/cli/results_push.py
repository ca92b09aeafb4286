"""``farm results push``: hand the summaries of results to an experiment tracker."""

from __future__ import annotations

import click

from farm.cli.output import print_json, say
from farm.cli.state import State, json_option, pass_state
from farm.cli.types import examples
from farm.errors import EXIT_NOTHING, EXIT_OK

TRACKERS = ("mlflow", "wandb")


@click.command(
    epilog=examples(
        "farm results push last --to mlflow",
        "farm results push last --to mlflow --uri sqlite:///mlflow.db --project edge",
        "farm results push 20261121 --to wandb --uri /tmp/runs",
    )
)
@click.argument("run", default="last", metavar="[RUN|JOB|last]")
@click.option("--to", "tracker", type=click.Choice(TRACKERS), required=True, help="The tracker.")
@click.option("--project", default="farm", show_default=True, help="Its experiment or project.")
@click.option("--uri", default="", help="MLflow's tracking address; for wandb the folder of offline runs.")
@json_option
@pass_state
def push(state: State, run: str, tracker: str, project: str, uri: str) -> int:
    """Push a run's summaries to MLflow or Weights & Biases.

    A run of the tracker for each result: its numbers with their intervals, what they were measured on, and
    the verdict. Raw samples stay here. A second time adds nothing. Weights & Biases stays offline unless
    WANDB_MODE says otherwise. RUN is whatever farm compare takes: a run or job, KEY=VALUE of a label, a git
    commit, @baseline, last, last~1. Exit code 4 when nothing was measured there.
    """
    from farm import trackers
    from farm_results import refs
    from farm_results.store import open_store

    store = open_store(state.config.store)
    try:
        results = [one for one in refs.results_of(store, refs.resolve(store, run)) if one.status != "skipped"]
    finally:
        store.close()
    if not results:
        say("nothing was measured there: farm results runs lists the runs")
        return EXIT_NOTHING
    say(f"pushing {len(results)} result{'s' * (len(results) != 1)} to {tracker} ...")
    done = trackers.push(tracker, results, project=project, uri=uri)
    if state.json:
        print_json(
            {
                "schema": "farm.push/1",
                "tracker": tracker,
                "new": done.new,
                "known": done.known,
                "where": done.where,
            }
        )
    else:
        say(f"{done.new} pushed, {done.known} already there: {done.where}")
    return EXIT_OK
