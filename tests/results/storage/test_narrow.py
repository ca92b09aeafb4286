"""Filters on results: what they leave, by which index, and all of them run by run."""

from __future__ import annotations

from itertools import product
from pathlib import Path

from sqlalchemy import and_, select

from farm_results.storage.batch import insert_results
from farm_results.storage.many import Many
from farm_results.storage.narrow import conditions
from farm_results.storage.schema import RESULT
from farm_results.storage.session import changing, reading
from farm_results.store import Store, open_store
from tests.results.made import HOSTILE, result, run

NAMES = {
    "run_id": ("run-0", "run-1", "none"),
    "device": ("pi", HOSTILE[3]),
    "model": ("mobilenet",),
    "runtime": ("onnxruntime", ""),
    "status": ("ok", "failed"),
}


def filled(store: Store) -> None:
    """Every combination once, in two runs of which the newer one's id comes first."""
    for number in range(2):
        store.add_run(run(f"run-{number}", 1000.0 - number))
    with changing(store) as connection:
        made = [
            result(
                f"job-{number}",
                created_unix_s=2000.0 + number,
                run_id=run_id,
                device=device,
                runtime=runtime,
                status=status,
                metrics={f"m{number % 3}": 1.0},
            )
            for number, (run_id, device, runtime, status) in enumerate(
                product(NAMES["run_id"][:2], NAMES["device"], NAMES["runtime"], NAMES["status"])
            )
        ]
        assert len(insert_results(connection, made)) == 16


def test_every_combination_of_filters(store_address: str) -> None:
    """What is left is what matches all of them; run by run it is the same in the same order."""
    store = open_store(store_address)
    filled(store)
    everything = store.results()
    for values in product(*((None, *choices) for choices in NAMES.values())):
        wanted = dict(zip(NAMES, values, strict=True))
        if wanted["run_id"] == "none":
            continue
        found = store.results(**wanted)  # type: ignore[arg-type]
        assert found == [
            one
            for one in everything
            if all(value is None or getattr(one, name) == value for name, value in wanted.items())
        ]
        if wanted.pop("run_id") is None:
            many = Many(store, **wanted)
            assert [one for part in many for one in part] == found
            assert many.metrics() == sorted({name for one in found for name in one.metrics})
    store.close()


def test_which_index_is_taken(tmp_path: Path) -> None:
    """Whatever else is asked for, only the condition that leaves least goes by its index on SQLite, which
    knows nothing of the rows."""
    store = open_store(tmp_path / "store")
    filled(store)
    indexes = {
        "run_id": "result_run",
        "status=failed": "result_of_status",
        "device": "result_on_device",
        "model": "result_of_model",
        "runtime": "result_of_runtime",
        "status=ok": "result_of_status",
    }
    wanted: dict[str, str | None] = {}
    for name, index in reversed(indexes.items()):
        key, _, value = name.partition("=")
        wanted[key] = value or "x"
        query = select(RESULT.c.job_id).where(and_(*conditions(wanted)))
        with reading(store) as connection:
            text = str(query.compile(store.engine, compile_kwargs={"literal_binds": True}))
            rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}")
            plan = " ".join(str(row[-1]) for row in rows)
        assert f"USING INDEX {index} " in plan, (wanted, plan)
    store.close()
