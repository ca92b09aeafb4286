"""MLflow: an experiment per project, a run per result; needs the extra ``mlflow``.

``uri``: MLflow's tracking address, else MLFLOW_TRACKING_URI, else MLflow's own default.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from farm.config import masked
from farm.errors import InfrastructureError
from farm.trackers import Pushed, key_of, missing, numbers, parameters, tags
from farm_results.model import Result
from farm_results.report.figures import name_of

if TYPE_CHECKING:
    from mlflow import MlflowClient


def push(results: Sequence[Result], *, project: str, uri: str) -> Pushed:
    """Add what is not there yet. Raises UsageError tracker.missing; InfrastructureError tracker.failed."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    # MLflow's own patience with a server that is away is minutes, in silence.
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "30")
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
    try:
        import mlflow
        from mlflow.exceptions import MlflowException
    except ImportError as error:
        raise missing("mlflow", "mlflow") from error
    try:
        client = mlflow.MlflowClient(tracking_uri=uri or None)
        experiment = _experiment(client, project)
        new = [result for result in results if not _known(client, experiment, result)]
        for result in new:
            _add(client, experiment, result)
        where = masked(str(client.tracking_uri))
    except (MlflowException, OSError) as error:
        reason = masked(str(error).splitlines()[0][:300] if str(error) else type(error).__name__)
        raise InfrastructureError(
            f"MLflow did not take the results: {reason}",
            code="tracker.failed",
            fix="check --uri or MLFLOW_TRACKING_URI; what was pushed before stays, push again for the rest",
        ) from error
    return Pushed(len(new), len(results) - len(new), f"experiment {project} at {where}")


def _experiment(client: MlflowClient, project: str) -> str:
    found = client.get_experiment_by_name(project)
    return str(found.experiment_id if found is not None else client.create_experiment(project))


def _known(client: MlflowClient, experiment: str, result: Result) -> bool:
    query = f"tags.`farm.key` = '{key_of(result)}' and tags.`farm.whole` = 'yes'"
    return bool(client.search_runs([experiment], filter_string=query, max_results=1))


def _add(client: MlflowClient, experiment: str, result: Result) -> None:
    """The mark ``farm.whole`` comes last: a run that was cut short is pushed anew."""
    from mlflow.entities import Metric, Param, RunTag

    from farm_results.report import render

    at_ms = int(result.created_unix_s * 1000)
    run = client.create_run(experiment, start_time=at_ms, tags=tags(result), run_name=name_of(result))
    run_id = str(run.info.run_id)
    client.log_batch(
        run_id,
        metrics=[Metric(name, value, at_ms, 0) for name, value in numbers(result)],
        params=[Param(name, value) for name, value in parameters(result).items()][:100],
    )
    client.log_text(run_id, render("json", [result]), "result.json")
    client.log_batch(run_id, tags=[RunTag("farm.whole", "yes")])
    state = "FINISHED" if result.status == "ok" else "FAILED"
    client.set_terminated(run_id, state, end_time=max(at_ms, int(time.time() * 1000)))
