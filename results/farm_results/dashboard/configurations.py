"""Stored results as configurations to choose from: what each costs, its energy with where it was measured."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from farm_results.dashboard.rows import Line, lines
from farm_results.energy.place import by_place
from farm_results.model import Energy
from farm_results.pages.charts.items import Item, item
from farm_results.storage.session import in_parts, reading

if TYPE_CHECKING:
    from farm_results.store import Store

MOST = 500
# A quote within a text of a record is written \", so that no text of a stranger reads like these.
_METRIC = re.compile(r'"accuracy_metric":\s*"([^"\\]*)"')
_ENERGY = re.compile(r'"energy":\s*(?=\[)')


@dataclass(frozen=True)
class Choices:
    """What there is to choose from; ``newest``: the model that was measured last."""

    models: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()
    newest: str = ""


def choices(store: Store) -> Choices:
    """Of the whole store, by name. Raises as ``Store`` does."""
    from sqlalchemy import select

    from farm_results.storage.schema import SERIES

    last = select(SERIES.c.model).order_by(SERIES.c.last_unix_s.desc(), SERIES.c.series).limit(1)
    with reading(store) as connection:
        models, devices = (
            tuple(sorted(connection.execute(select(column).distinct()).scalars()))
            for column in (SERIES.c.model, SERIES.c.device)
        )
        return Choices(models[:MOST], devices[:MOST], connection.execute(last).scalar() or "")


def of_run(found: Sequence[Line]) -> Choices:
    """Of one run's results."""
    models, devices = (tuple(sorted({getattr(one, name) for one in found})) for name in ("model", "device"))
    return Choices(models, devices, found[0].model if found else "")


def newest(store: Store, model: str, device: str) -> list[Line]:
    """The newest ok result of each configuration of a model, on one device or ("") on all, the newest first.
    Raises as ``Store`` does."""
    from sqlalchemy import select

    from farm_results.storage.schema import RESULT, SERIES

    own = [SERIES.c.model == model, *([SERIES.c.device == device] if device else [])]
    jobs = select(SERIES.c.last_ok_job_id).where(*own).order_by(SERIES.c.last_unix_s.desc(), SERIES.c.series)
    return lines(store, where=(RESULT.c.job_id.in_(jobs.limit(MOST)),), limit=MOST)


def items(store: Store, found: Sequence[Line]) -> list[Item]:
    """What each of these costs. Raises as ``Store`` does."""
    from sqlalchemy import select

    from farm_results.storage.schema import RESULT

    jobs = [line.job_id for line in found if line.energy_j is not None or line.accuracy is not None]
    told: dict[str, _Told] = {}
    with reading(store) as connection:
        for part in in_parts(jobs):
            query = select(RESULT.c.job_id, RESULT.c.record)
            rows = connection.execute(query.where(RESULT.c.job_id.in_(part)))
            told |= {str(row[0]): _told(str(row[1])) for row in rows}
    return [_item(line, told.get(line.job_id, _Told())) for line in found]


@dataclass(frozen=True)
class _Told:
    """What only a result's record says."""

    metric: str = ""
    energies: tuple[Energy, ...] = ()


def _told(record: str) -> _Told:
    """Without reading all else of it. Raises JSONDecodeError or DecodeError for what is no record of ours."""
    from farm_agent.codec import DecodeError

    metric, begin = _METRIC.search(record), _ENERGY.search(record)
    rows = json.JSONDecoder().raw_decode(record, begin.end())[0] if begin else []
    try:
        energies = tuple(
            Energy(row["sensor"], row["channel"], row["scope"], gross_j=row["gross_j"]) for row in rows
        )
    except (KeyError, TypeError) as error:
        raise DecodeError("result.energy", "its sensor and its joules", repr(error)) from error
    return _Told(metric[1] if metric else "", energies)


def _item(line: Line, told: _Told) -> Item:
    return item(
        f"{line.device} {line.target}",
        line.device,
        numbers={
            line.metric: line.value,
            "artifact_bytes": line.artifact_bytes,
            "peak_memory_bytes": line.peak_memory_bytes,
            "accuracy": line.accuracy,
        },
        energies=by_place(told.energies, line.profile),
        metric=told.metric,
        scenario=line.scenario,
        marks=line.marks,
        word=line.verdict or line.status,
        job_id=line.job_id,
    )
