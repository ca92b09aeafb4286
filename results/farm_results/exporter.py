"""What ``/metrics`` says of a store: the newest measurement of each series, findings, nights, devices."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from farm_results.history.points import options_of_row
from farm_results.report.exposed import LABEL_LIMIT, MEASURED, Exposed, headline
from farm_results.report.openmetrics import Gauge, families, label_text, text_of
from farm_results.series import SeriesKey
from farm_results.text import printable

if TYPE_CHECKING:
    from farm_results.store import Store

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
MOST_SERIES = 2_000
MOST_DEVICES = 1_000
_KEY = ("model", "device", "profile", "format", "runtime", "precision", "threads", "scenario", "origin")
_NUMBERS = ("energy_j", "peak_memory_bytes", "artifact_bytes", "accuracy")


def metrics_of(store: Store, *, most_series: int = MOST_SERIES) -> str:
    """The page, bounded: of many series those with the newest results, and how many there are in all.

    Raises as ``Store`` does.
    """
    return text_of([*families(newest(store, most_series)), *_counts(store), _nights(store), *_devices(store)])


def newest(store: Store, most: int) -> list[Exposed]:
    """The newest ok measurement of each series, from the small columns alone."""
    from sqlalchemy import select

    from farm_results.storage.schema import RESULT, SERIES
    from farm_results.storage.session import reading

    columns = [SERIES.c[name] for name in (*_KEY, "options", "series", "metric")]
    columns += [RESULT.c[name] for name in ("verdict", "value", "low", "high", *_NUMBERS, "created_unix_s")]
    query = (
        select(*columns)
        .join(RESULT, RESULT.c.job_id == SERIES.c.last_ok_job_id)
        .order_by(SERIES.c.last_unix_s.desc(), SERIES.c.series)
        .limit(most)
    )
    with reading(store) as connection:
        return [_exposed(tuple(row)) for row in connection.execute(query)]


def _exposed(row: tuple[Any, ...]) -> Exposed:
    end = len(_KEY)
    options, series, metric, verdict, value, low, high = row[end : end + 7]
    key = SeriesKey(*(*row[:end], options_of_row(options)))
    values = headline(metric, value, low, high)
    values.update(zip((*_NUMBERS, "at_unix_s"), row[end + 7 :], strict=True))
    return Exposed(key, series, verdict, values)


def _labels(**words: str) -> str:
    """Foreign words as labels: on one line, without what drives a terminal, cut."""
    return label_text({name: printable(word, LABEL_LIMIT) for name, word in words.items()})


def _counts(store: Store) -> Iterator[Gauge]:
    from sqlalchemy import func, select

    from farm_results.history.findings import OPEN
    from farm_results.storage.schema import FINDING, RUN, SERIES
    from farm_results.storage.session import reading

    words = (
        select(FINDING.c.word, FINDING.c.origin, func.count())
        .where(FINDING.c.state.in_(OPEN))
        .group_by(FINDING.c.word, FINDING.c.origin)
        .order_by(FINDING.c.word, FINDING.c.origin)
    )
    with reading(store) as connection:
        series = connection.execute(select(func.count()).select_from(SERIES)).scalar_one()
        running = connection.execute(
            select(func.count()).select_from(RUN).where(RUN.c.state == "running")
        ).scalar_one()
        found = connection.execute(words).all()
    yield Gauge("farm_series", "Series in the store, also those not shown here.", [("", series)])
    yield Gauge("farm_runs_running", "Runs that have not ended.", [("", running)])
    samples = [(_labels(word=word, origin=origin or MEASURED), count) for word, origin, count in found]
    yield Gauge("farm_findings_open", "Findings that wait for somebody.", samples)


def _nights(store: Store) -> Gauge:
    from farm_results.history import nights

    found = [nights.newest(store, time.time(), origin=origin) for origin in ("", "simulated")]
    samples = [
        (_labels(state=night.state, origin=night.origin or MEASURED), night.started_unix_s)
        for night in found
        if night is not None
    ]
    return Gauge("farm_night_started_timestamp_seconds", "Begin of the newest night.", samples)


def _devices(store: Store) -> Iterator[Gauge]:
    from sqlalchemy import select

    from farm_results.storage.schema import DEVICE_HEALTH
    from farm_results.storage.session import reading

    columns = DEVICE_HEALTH.c
    query = select(columns.device, columns.health, columns.seen_unix_s).order_by(columns.device)
    with reading(store) as connection:
        rows = connection.execute(query.limit(MOST_DEVICES)).all()
    health = [(_labels(device=device, health=word), 1.0) for device, word, _ in rows]
    seen = [(_labels(device=device), seen_unix_s) for device, _, seen_unix_s in rows]
    yield Gauge("farm_device_health", "1 for the state a device is in.", health)
    yield Gauge("farm_device_seen_timestamp_seconds", "A device's last answer.", seen)
