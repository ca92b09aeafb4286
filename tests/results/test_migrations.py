"""Every revision up and down again, on both kinds of database."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Engine, create_engine, inspect

import farm_results.migrations
from farm_results.engine import locate, open_engine
from farm_results.store import open_store
from tests.results.made import result, run

FIRST = {"run", "result", "lease", "leased_job"}
SECOND = {"device_health", "reservation", "waiting", "job", "audit"}


def moved(engine: Engine, revision: str, way: str) -> set[str]:
    """Up or down to ``revision``; the tables that are there then."""
    config = Config()
    config.set_main_option("script_location", str(Path(farm_results.migrations.__file__).parent))
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
