"""Every revision up and down again, on both kinds of database."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Engine, column, create_engine, event, inspect, table, text

import farm_results.storage.migrations
from farm_agent import codec
from farm_results.history import nights
from farm_results.history.points import points, series_rows
from farm_results.model import Energy, Verdict
from farm_results.night import Night
from farm_results.storage import upgrade
from farm_results.storage.columns import LONGEST
from farm_results.storage.engine import locate, open_engine
from farm_results.storage.schema import escape
from farm_results.storage.verify import verify
from farm_results.store import Store, open_store
from tests.results.made import HOSTILE, latency, result, run

FIRST = {"run", "result", "lease", "leased_job"}
SECOND = {"device_health", "reservation", "waiting", "job", "audit"}


def moved(engine: Engine, revision: str, way: str) -> set[str]:
    """Up or down to ``revision``; the tables that are there then."""
    config = Config()
    config.set_main_option("script_location", str(Path(farm_results.storage.migrations.__file__).parent))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        getattr(command, way)(config, revision)
    return set(inspect(engine).get_table_names()) - {"alembic_version"}


def test_up_down_and_up_again_keeps_results(store_address: str) -> None:
    """What older farms wrote is there after each step, and a farm of now opens what it finds."""
    locate(store_address).folder.mkdir(parents=True, exist_ok=True)
    engine = create_engine(locate(store_address).url)
    assert moved(engine, "0001", "upgrade") == FIRST
    assert moved(engine, "0002", "upgrade") == FIRST | SECOND
    store = open_store(store_address)
    store.add_run(run())
    store.add_result(result("job-1", sample_hashes=()))
    store.close()
    assert moved(engine, "0001", "downgrade") == FIRST
    open_engine(store_address).dispose()
    assert set(inspect(engine).get_table_names()) >= SECOND
    engine.dispose()
    store = open_store(store_address)
    assert [one.job_id for one in store.results()] == ["job-1"]
    store.close()


def written_before_series(engine: Engine, count: int) -> None:
    """Rows as farms of revision 0002 left them: the document in the row, no series, no labels apart."""
    texts = ("model", "model_sha256", "device", "profile", "format", "runtime", "precision", "status")
    columns = ["job_id", "run_id", "created_unix_s", *texts, "error_code", "verdict", "p50_ns", "record"]
    old = table("result", *(column(name) for name in (*columns, "document")))
    labelled = run()
    labels = {**labelled.labels, HOSTILE[3]: HOSTILE[4]}
    record = codec.encode(labelled) | {"labels": labels}
    with engine.begin() as connection:
        connection.execute(
            text("INSERT INTO run VALUES (:run_id, :created_unix_s, :state, :record)"),
            {**record, "record": codec.dumps(record)},
        )
        for number in range(count):
            made = result(
                f"job-{number}",
                created_unix_s=1000.0 + number,
                model=HOSTILE[3],
                latency=None if number == 1 else latency(p50_ns=5e6 + number),
                status="failed" if number == 1 else "ok",
                document={"log": HOSTILE[number % len(HOSTILE)], "facts": {"cpu": "Cortex"}},
            )
            row = codec.encode(made)
            document = row.pop("document")
            values = {name: escape(value) if isinstance(value, str) else value for name, value in row.items()}
            values |= {"p50_ns": None if made.latency is None else made.latency.p50_ns}
            values |= {"verdict": made.verdict.word, "record": codec.dumps(row)}
            values = {name: values[name] for name in columns} | {"document": codec.dumps(document)}
            connection.execute(old.insert().values(values))


def test_old_results_get_their_series_and_give_it_up_again(store_address: str) -> None:
    """0002 to 0003 and back on real rows: no result changes, its series and labels follow from it."""
    locate(store_address).folder.mkdir(parents=True, exist_ok=True)
    engine = create_engine(locate(store_address).url)
    moved(engine, "0002", "upgrade")
    written_before_series(engine, len(HOSTILE))
    documents = text("SELECT job_id, record, document FROM result ORDER BY job_id")
    with engine.connect() as connection:
        before = connection.execute(documents).all()
    for _ in range(2):
        store = open_store(store_address)
        found = store.results()
        assert [one.document["log"] for one in sorted(found, key=lambda one: one.created_unix_s)] == list(
            HOSTILE
        )
        (row,) = series_rows(store, model=HOSTILE[3])
        assert (row.first_unix_s, row.last_unix_s) == (1000.0, 1000.0 + len(HOSTILE) - 1)
        series = points(store, row.series)
        assert [point.value for point in series] == [
            None if number == 1 else 5e6 + number for number in range(len(HOSTILE))
        ]
        assert len({point.segment for point in series}) == 1
        with store.engine.connect() as connection:
            labels = connection.execute(text("SELECT key, value FROM run_label")).all()
        assert {tuple(label) for label in labels} == {
            ("why", "test"),
            (escape(HOSTILE[3]), escape(HOSTILE[4])),
        }
        store.close()
        assert "series" not in moved(engine, "0002", "downgrade")
        with engine.connect() as connection:
            assert connection.execute(documents).all() == before
    engine.dispose()


def test_nights_get_their_brief_and_give_it_up_again(store_address: str) -> None:
    """0004 to 0003 and back on real rows: no night changes, and what is listed of it follows from it."""
    locate(store_address).folder.mkdir(parents=True, exist_ok=True)
    engine = create_engine(locate(store_address).url)
    store = open_store(store_address)
    for number, word in enumerate(HOSTILE):
        cells = [{"state": "measured", "outcome": word}, {"state": "measured"}, {"state": "failed"}]
        nights.begin(store, Night(f"night-{number}", 10.0 + number, "done", 20.0, {"cells": cells}, word))
    before, heads = nights.recent(store, limit=None), nights.heads(store, limit=None)
    assert {tuple(head.states.items()) for head in heads} == {(("measured", 2), ("failed", 1))}
    store.close()
    for _ in range(2):
        moved(engine, "0003", "downgrade")
        assert "brief" not in {column["name"] for column in inspect(engine).get_columns("night")}
        store = open_store(store_address)
        assert nights.recent(store, limit=None) == before
        assert nights.heads(store, limit=None) == heads
        assert "night_started" in {index["name"] for index in inspect(store.engine).get_indexes("night")}
        store.close()
    engine.dispose()


def plan_of_points(store: Store, series: str) -> str:
    """By what the points of a series are read, where no table is read from end to end."""
    seen: list[tuple[str, Any]] = []

    def note(_c: object, _cursor: object, statement: str, parameters: Any, *_more: object) -> None:
        seen.append((statement, parameters))

    event.listen(store.engine, "before_cursor_execute", note)
    points(store, series)
    event.remove(store.engine, "before_cursor_execute", note)
    is_lite = store.engine.dialect.name == "sqlite"
    with store.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        if not is_lite:
            for statement in (
                "VACUUM ANALYZE result",
                "SET enable_seqscan = off",
                "SET enable_bitmapscan = off",
            ):
                connection.exec_driver_sql(statement)
        explain = "EXPLAIN QUERY PLAN " if is_lite else "EXPLAIN "
        rows = connection.exec_driver_sql(explain + seen[-1][0], seen[-1][1]).all()
        connection.invalidate()
    return " ".join(str(row[-1]) for row in rows)


def test_points_come_from_one_index_and_long_words_fit_into_it(
    store_address: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """0005 to 0004 and back on real rows: no row of the table is touched for a series, nothing is sorted.
    What no honest device says is cut in its column alone, and no rail of an unknown place is an energy.
    Who waits for a large store is told why."""
    locate(store_address).folder.mkdir(parents=True, exist_ok=True)
    engine = create_engine(locate(store_address).url)
    rng = random.Random(5)
    long = dict.fromkeys(LONGEST, "")
    long |= {name: "".join(rng.choices("\x00\\é\U0001f600", k=2000)) for name in LONGEST if name != "verdict"}
    long["verdict"] = "w" * 50 + long["origin"]
    verdict = Verdict(long.pop("verdict"))
    store = open_store(store_address)
    store.add_run(run())
    rails = (Energy("odpm", "VDD_A", "unknown", gross_j=7.0), Energy("odpm", "CORE", "core", gross_j=1.0))
    store.add_result(result("job-0", sample_hashes=(), energy=rails))
    store.add_result(result("job-1", verdict=verdict, **long, energy=rails[:1]))
    before = store.results()
    series = [points(store, row.series) for row in series_rows(store)]
    assert [one.runtime_version for one in before] == ["1.23.0", long["runtime_version"]]
    assert {point.energy_j for (point,) in series} == {1.0, None}
    assert {point.runtime_version for (point,) in series} == {"1.23.0", long["runtime_version"][:100]}
    store.close()
    for large in (2, 1):
        moved(engine, "0004", "downgrade")
        with engine.begin() as connection:
            for name, text_ in (long | {"verdict": verdict.word}).items():
                change = table("result", column(name), column("job_id")).update()
                connection.execute(change.where(column("job_id") == "job-1").values({name: escape(text_)}))
            connection.exec_driver_sql("UPDATE result SET energy_j = 7.0")  # as before 0005
        monkeypatch.setattr(upgrade, "LARGE", large)
        caplog.clear()
        store = open_store(store_address)
        assert ("about a minute" in caplog.text) == (large == 1)
        assert store.results() == before
        assert [points(store, row.series) for row in series_rows(store)] == series
        assert verify(store).problems == ()
        plan = plan_of_points(store, series[0][0].job_id)
        wanted = (
            "Index Only Scan Backward using result_points",
            "USING COVERING INDEX result_points (series=?)",
        )
        assert any(words in plan for words in wanted), plan
        assert "Sort" not in plan, plan
        assert "TEMP B-TREE" not in plan, plan
        store.close()
    engine.dispose()
