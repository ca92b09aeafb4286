"""What ``/metrics`` says of a store: the newest measurement of each series, findings, nights, devices."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from farm_results.report.exposed import MEASURED, Exposed, clean_labels, headline
from farm_results.report.openmetrics import families, gauge_family, text_of
from farm_results.series import SeriesKey

if TYPE_CHECKING:
    from farm_results.store import Store

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
MOST_SERIES = 2_000
MOST_DEVICES = 1_000


def metrics_of(store: Store, *, most_series: int = MOST_SERIES) -> str:
    """The page, bounded: of many series those with the newest results, and how many there are in all.

    Raises UsageError ``report.needs-prometheus``, and as ``Store`` does.
    """
    return text_of(
        [*families(newest(store, most_series)), *_counts(store), *_nights(store), *_devices(store)]
    )


def newest(store: Store, most: int) -> list[Exposed]:
    """The newest ok measurement of each series, from the small columns alone."""
    import json

    from sqlalchemy import select

    from farm_results.storage.schema import RESULT, SERIES
    from farm_results.storage.session import reading

    numbers = [RESULT.c[name] for name in ("value", "low", "high", "energy_j", "peak_memory_bytes")]
    numbers += [RESULT.c[name] for name in ("artifact_bytes", "accuracy", "created_unix_s", "verdict")]
    query = (
        select(SERIES, *numbers)
        .join(RESULT, RESULT.c.job_id == SERIES.c.last_ok_job_id)
        .order_by(SERIES.c.last_unix_s.desc(), SERIES.c.series)
        .limit(most)
    )
    found = []
    with reading(store) as connection:
        rows = connection.execute(query).mappings().all()
    for row in rows:
        names = ("model", "device", "profile", "format", "runtime", "precision", "threads", "scenario")
        key = SeriesKey(
            **{name: row[name] for name in names}, origin=row["origin"], options=json.loads(row["options"])
        )
        values = headline(row["metric"], row["value"], row["low"], row["high"])
        values["at_unix_s"] = row["created_unix_s"]
        values |= {
            name: row[name] for name in ("energy_j", "peak_memory_bytes", "artifact_bytes", "accuracy")
        }
        found.append(Exposed(key, row["series"], row["verdict"], values))
    return found


def _counts(store: Store) -> Iterator[Any]:
    from sqlalchemy import func, select

    from farm_results.history.findings import OPEN
    from farm_results.storage.schema import FINDING, RUN, SERIES
    from farm_results.storage.session import reading

    words = (
        select(FINDING.c.word, FINDING.c.origin, func.count())
        .where(FINDING.c.state.in_(OPEN))
        .group_by(FINDING.c.word, FINDING.c.origin)
    )
    with reading(store) as connection:
        series = connection.execute(select(func.count()).select_from(SERIES)).scalar_one()
        running = connection.execute(
            select(func.count()).select_from(RUN).where(RUN.c.state == "running")
        ).scalar_one()
        found = connection.execute(words).all()
    yield gauge_family()("farm_series", "Series in the store, also those not shown here.", value=series)
    yield gauge_family()("farm_runs_running", "Runs that have not ended.", value=running)
    family = gauge_family()(
        "farm_findings_open", "Findings that wait for somebody.", labels=("word", "origin")
    )
    for word, origin, count in found:
        family.add_metric(clean_labels((word, origin or MEASURED)), count)
    yield family


def _nights(store: Store) -> Iterator[Any]:
    from farm_results.history.nights import recent

    labels = ("state", "origin")
    started = gauge_family()(
        "farm_night_started_timestamp_seconds", "Begin of the newest night.", labels=labels
    )
    for night in [*recent(store, origin="", limit=1), *recent(store, origin="simulated", limit=1)]:
        started.add_metric(clean_labels((night.state, night.origin or MEASURED)), night.started_unix_s)
    yield started


def _devices(store: Store) -> Iterator[Any]:
    from sqlalchemy import select

    from farm_results.storage.schema import DEVICE_HEALTH
    from farm_results.storage.session import reading

    columns = DEVICE_HEALTH.c
    query = select(columns.device, columns.health, columns.seen_unix_s).order_by(columns.device)
    with reading(store) as connection:
        rows = connection.execute(query.limit(MOST_DEVICES)).all()
    health = gauge_family()(
        "farm_device_health", "1 for the state a device is in.", labels=("device", "health")
    )
    seen = gauge_family()("farm_device_seen_timestamp_seconds", "A device's last answer.", labels=("device",))
    for device, word, seen_unix_s in rows:
        health.add_metric(clean_labels((device, word)), 1.0)
        seen.add_metric(clean_labels((device,)), seen_unix_s)
    yield health
    yield seen
