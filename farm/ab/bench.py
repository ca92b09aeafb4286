"""``farm bench NEW --ab REF``: every cell of the plan against what REF has for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from farm.cell_series import series_of
from farm.errors import FarmBug, UsageError
from farm.jobspec import spec_of
from farm.plan import Cell, Plan

if TYPE_CHECKING:
    from farm.config import Config
    from farm.devices.session import Session
    from farm.worker import Work
    from farm_agent.wire import Facts
    from farm_converters.recipe import Artifact
    from farm_results.model import Result
    from farm_results.refs import Ref
    from farm_results.store import Store


@dataclass(frozen=True)
class Opponent:
    """What a cell is held against: another model's cell, or a stored result. ``labels``: what people call the
    two, the reference first; "" for a job's own id."""

    labels: tuple[str, str]
    turns: tuple[str, ...]
    seed: int
    cell: Cell | None = None
    result: Result | None = None


def against_file(plan: Plan, path: Path, config: Config, pairs: int) -> tuple[Plan, dict[str, Opponent]]:
    """Each cell against the same target of another model file. Raises as ``plan_for`` does."""
    from farm.benchmark import plan_for

    other = plan_for(replace(plan.request, models=(path,)), config)
    found: dict[str, Opponent] = {}
    cells = []
    for cell in plan.cells:
        same = next(each for each in other.cells if _place(each) == _place(cell))
        if cell.runs and not same.runs:
            cell = replace(cell, error=same.error, skip=same.skip)  # noqa: PLW2901
        elif cell.runs:
            twin = replace(same, job_id=f"{cell.job_id}-reference")
            found[cell.job_id] = _opponent(cell, _labels(path, cell), pairs, cell=twin)
        cells.append(cell)
    return replace(plan, cells=tuple(cells)), found


def against_stored(plan: Plan, store: Store, ref: Ref, pairs: int) -> tuple[Plan, dict[str, Opponent]]:
    """Each cell against the stored result that fits it best; a cell that none fits fails with the reason."""
    from farm_results import refs

    ids = tuple(series_of(cell, plan.request.measure) for cell in plan.cells)
    results = [result for result in refs.results_of(store, ref) if _measured(result)]
    found: dict[str, Opponent] = {}
    cells = []
    for cell, series in zip(plan.cells, ids, strict=True):
        if cell.runs:
            try:
                result = fitting(cell, series, results, ref)
                found[cell.job_id] = _opponent(cell, ("", _own(cell)), pairs, result=result)
            except UsageError as error:
                cell = replace(cell, error=error)  # noqa: PLW2901
        cells.append(cell)
    return replace(plan, cells=tuple(cells)), found


def fitting(cell: Cell, series: str, results: Sequence[Result], ref: Ref) -> Result:
    """The newest result of the cell's own series; else of the same target: on the same device rather than
    on another, of the same model rather than of another. Raises UsageError ab.reference."""
    from farm_results.series import key_of, series_id

    own = [result for result in results if series_id(key_of(result)) == series]
    if own:
        return own[-1]
    target = cell.target
    alike = [
        result
        for result in results
        if (result.format, result.runtime, result.precision, result.threads)
        == (target.format, target.runtime, target.precision, target.threads)
        and result.options.get("batch", "1") == str(cell.batch or 1)
    ]
    alike = [result for result in alike if result.device == cell.device.name] or alike
    alike = [result for result in alike if result.model == cell.model_name] or alike
    if not alike:
        raise UsageError(
            f"{ref.text} has no ok result of {target.runtime} {target.precision} with "
            f"{target.threads} threads, as {cell.device.name} would run it",
            code="ab.reference",
            fix="give the model file itself: farm bench NEW --ab OLD",
        )
    if len({result.model for result in alike}) > 1:
        names = ", ".join(sorted({result.model for result in alike})[:4])
        raise UsageError(
            f"{ref.text} has several models ({names}), none of them {cell.model_name}",
            code="ab.reference",
            fix=f"name one job: --ab {alike[-1].job_id}",
        )
    return alike[-1]


def measure(work: Work, session: Session, cell: Cell, artifact: Artifact, facts: Facts) -> None:
    """One cell against its opponent, in turns; the comparison is stored. Raises FarmError."""
    from farm import health
    from farm.ab.contender import of_cell, of_result
    from farm.ab.judge import Match
    from farm.ab.play import Table, play
    from farm.worker import driver_of
    from farm_results.view.versus import sentence

    opponent = (work.against or {})[cell.job_id]
    spec, shipment = spec_of(work, cell, artifact, facts, None)
    if opponent.cell is not None:
        other = work.desk.collect(opponent.cell, work.stop)
        job = spec_of(work, opponent.cell, other, facts, None)
        reference = of_cell(opponent.cell, other, job[0], job[1].blobs, opponent.labels[0])
    elif opponent.result is not None:
        reference = of_result(work.store, opponent.result)
    else:
        raise FarmBug(f"{cell.job_id} has no opponent", code="farm.bug")
    match = Match(
        match_id=cell.job_id,
        run_id=work.run_id,
        device=cell.device.name,
        profile=cell.profile.name,
        target=cell.target,
        series=series_of(cell, work.request.measure),
        reference=reference,
        candidate=of_cell(cell, artifact, spec, shipment.blobs, opponent.labels[1]),
        turns=opponent.turns,
        seed=opponent.seed,
        drift=health.seen(work.store.engine, cell.device.name, facts),
    )
    table = Table(driver_of(work, session), work.store, work.reporter, cell, work.spooling)
    comparison, half = play(table, match, facts, gate=spec.gate)
    work.reporter.end(cell, half)
    work.reporter.note(f"{cell.device.name}  {sentence(comparison)}")


def cells_of(against: Mapping[str, Opponent] | None) -> list[Cell]:
    """Those that have to be converted, too."""
    return [opponent.cell for opponent in (against or {}).values() if opponent.cell is not None]


def _opponent(
    of: Cell, labels: tuple[str, str], pairs: int, *, cell: Cell | None = None, result: Result | None = None
) -> Opponent:
    from farm.ab.turns import drawn, seed_of

    seed = seed_of(of.job_id)
    return Opponent(labels, drawn(pairs, seed), seed, cell, result)


def _labels(path: Path, cell: Cell) -> tuple[str, str]:
    """The files' names; with their folders where the names alone are the same."""
    own = cell.model.path if cell.model else Path(cell.model_name)
    return (path.name, own.name) if path.name != own.name else (str(path), str(own))


def _own(cell: Cell) -> str:
    return cell.model.path.name if cell.model else cell.model_name


def _measured(result: Result) -> bool:
    """In whatever scenario: it is the artifact that is taken from it."""
    return result.status == "ok" and not result.origin


def _place(cell: Cell) -> tuple[object, ...]:
    return cell.device.name, cell.target, cell.batch
