"""Comparisons that came to nothing, stored as what they are: no result of any series."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from farm.errors import FarmBug, FarmError, InfrastructureError

if TYPE_CHECKING:
    from farm.ab.bench import Opponent
    from farm.plan import Cell
    from farm.worker import Work
    from farm_results.comparison import Comparison, Side
    from farm_results.model import Result


def keep(work: Work, cell: Cell, result: Result) -> None:
    """Store why a cell of a run in turns has no comparison. ``result``: failed or skipped, as an ordinary run
    would keep it. Raises InfrastructureError where it cannot be stored."""
    from farm.jobs.spooling import keep_comparison

    try:
        keep_comparison(work.store, work.spooling, _of_cell(work, cell, result), work.reporter.note)
    except FarmError as error:
        work.reporter.note(f"{cell.job_id}: why it has no comparison could not be stored: {error.message}")
        raise InfrastructureError(error.message, code=error.code, fix=error.fix) from error
    work.reporter.end(cell, result)


def of_result(result: Result, comparison_id: str, run_id: str, error: FarmError) -> Comparison:
    """An artifact against itself that could not be taken."""
    from farm_results.comparison import FAILED, Comparison, Side
    from farm_results.series import key_of, series_id

    side = Side(
        label=result.job_id,
        model=result.model,
        model_sha256=result.model_sha256,
        artifact_sha256=result.artifact_sha256,
        runtime=result.runtime,
        runtime_version="",
        job_id=result.job_id,
        precision=result.precision,
        threads=result.threads,
    )
    return Comparison(
        comparison_id=comparison_id,
        created_unix_s=time.time(),
        kind="aa",
        series=series_id(key_of(result)),
        device=result.device,
        run_id=run_id,
        reference=side,
        candidate=side,
        word=FAILED,
        pairs=0,
        scenario=result.scenario,
        error_code=error.code,
        error_message=error.message,
        error_fix=error.fix,
    )


def _of_cell(work: Work, cell: Cell, result: Result) -> Comparison:
    from farm.cell_series import series_of
    from farm_results.comparison import FAILED, SKIPPED, Comparison

    opponent = (work.against or {}).get(cell.job_id)
    reference, candidate = _sides(cell, opponent)
    return Comparison(
        comparison_id=cell.job_id,
        created_unix_s=result.created_unix_s,
        kind="ab",
        series=series_of(cell, work.request.measure),
        device=cell.device.name,
        run_id=work.run_id,
        reference=reference,
        candidate=candidate,
        word=SKIPPED if result.status == "skipped" else FAILED,
        pairs=0,
        scenario=work.request.measure.scenario,
        error_code=result.error_code,
        error_message=result.error_message,
        error_fix=result.error_fix,
    )


def _sides(cell: Cell, opponent: Opponent | None) -> tuple[Side, Side]:
    """What is known of the two; the reference of a cell that found none is empty."""
    from farm_results.comparison import Side

    own = cell.model.path.name if cell.model else cell.model_name
    candidate = _side(cell, own)
    if opponent is None:
        return Side("", "", "", "", "", ""), candidate
    label, other = opponent.labels[0], opponent.cell
    if opponent.result is not None:
        stored = opponent.result
        reference = Side(
            label or stored.job_id,
            stored.model,
            stored.model_sha256,
            stored.artifact_sha256,
            stored.runtime,
            stored.runtime_version,
            stored.job_id,
            precision=stored.precision,
            threads=stored.threads,
        )
    elif other is not None:
        reference = _side(other, label)
    else:
        raise FarmBug(f"{cell.job_id} has no opponent", code="farm.bug")
    return reference, replace(candidate, label=opponent.labels[1])


def _side(cell: Cell, label: str) -> Side:
    from farm_results.comparison import Side

    target, sha256 = cell.target, cell.model.sha256 if cell.model else ""
    return Side(
        label,
        cell.model_name,
        sha256,
        "",
        target.runtime,
        "",
        precision=target.precision,
        threads=target.threads,
    )
