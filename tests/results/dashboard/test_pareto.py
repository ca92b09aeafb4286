"""The page that chooses: energies measured at different places are told apart and never held against each
other."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import replace

import pytest

from farm_results.dashboard.access import Access
from farm_results.dashboard.app import Dashboard
from farm_results.model import Energy, Result, Verdict
from farm_results.storage.batch import insert_results
from farm_results.storage.schema import RESULT
from farm_results.storage.session import changing
from farm_results.store import Store, open_store
from tests.results import made
from tests.results.dashboard.client import TOKEN, Client

NOW_S = 1_795_100_000.0


def result(name: str, p50_ns: float, *energy: tuple[str, str, float], **changes: object) -> Result:
    """One device's result; ``energy``: scope, sensor and joules of each entry, the widest first."""
    entries = tuple(Energy(sensor, "total", scope, gross_j=gross_j) for scope, sensor, gross_j in energy)
    base = made.result(
        f"job-{name}",
        created_unix_s=NOW_S - p50_ns / 1e6,
        device=name,
        profile=f"kind-{name}",
        model="net",
        latency=made.latency(p50_ns=p50_ns),
        energy=entries,
        artifact_bytes=14_000_000,
        verdict=Verdict("valid"),
    )
    return replace(base, **changes)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """Boards with meters, one with its processor's counter as well, some with that alone or with rails, and
    one without any."""
    found = open_store(tmp_path_factory.mktemp("store"))
    found.add_run(made.run("run-1", NOW_S - 60))
    results = [
        result("both", 1e6, ("wall", "desk", 0.9), ("package", "rapl", 0.3)),
        result("plug", 2e6, ("wall", "bench", 0.8)),
        result("chip", 3e6, ("package", "rapl", 0.1)),
        result("hot", 3.5e6, ("package", "rapl", 0.2)),
        result("rails", 4e6, ("rail_sum", "pmic", 0.01)),
        result("none", 5e6, options={"note": '"energy":[{"scope":"wall"}]', "energy": "[]"}),
        result("other", 1e3, model="another", created_unix_s=NOW_S - 100.0),
    ]
    with changing(found) as connection:
        insert_results(connection, [replace(one, run_id="run-1") for one in results])
    yield found
    found.close()


@pytest.fixture
def client(store: Store) -> Client:
    """Somebody who looks."""
    access = Access(TOKEN, open_reading=True, port=8787)
    return Client(Dashboard(store, access, now=lambda: NOW_S, complain=lambda error: pytest.fail(str(error))))


def rows(client: Client, query: str, name: str = "configurations") -> dict[str, dict[str, str]]:
    """The rows of a page's table by device."""
    answer = client.get(f"/pareto?{query}&csv={name}")
    assert answer.status_code == 200, answer.text
    return {row["device"]: row for row in csv.DictReader(answer.text.splitlines())}


def test_nothing_is_beaten_by_an_energy_of_another_place(client: Client) -> None:
    """Each says what its energy covers, and the best of each place are named."""
    found = rows(client, "model=net")
    assert {name: row["energy covers"] for name, row in found.items()} == {
        "both": "package",  # most have one of these, so the one with a meter stands among them
        "plug": "wall",
        "chip": "package",
        "hot": "package",
        "rails": "rail_sum (pmic total, kind-rails)",
        "none": "",
    }
    assert {name: row["energy [j]"] for name, row in found.items()}["both"] == "0.3"
    assert {name for name, row in found.items() if row["best"]} == {"both", "plug", "chip", "rails"}
    page = client.get("/pareto?model=net").text
    assert "none is held against another" in page
    assert "energy (package), mJ" in page


def test_a_limit_of_energy_is_of_one_place(client: Client) -> None:
    """Which can be chosen; what was measured elsewhere is not known to keep it."""
    page = client.get("/pareto?model=net").text
    assert "Energy at most (package)" in page
    assert 'name="place"' in page
    assert set(rows(client, "model=net&energy=250")) == {"chip", "hot"}
    wall = rows(client, "model=net&place=wall", "pareto")
    assert {name: row["energy [j]"] for name, row in wall.items() if row["energy covers"] == "wall"} == {
        "both": "0.9",
        "plug": "0.8",
    }
    assert set(rows(client, "model=net&place=wall&energy=850")) == {"plug"}
    rails = client.get("/pareto?model=net&place=rail_sum+(pmic+total,+kind-rails)").text
    assert "is none of" not in rails
    assert "selected>rail_sum (pmic total, kind-rails)</option>" in rails
    assert "place=moon is none of package, wall, rail_sum" in client.get("/pareto?model=net&place=moon").text


def test_what_was_measured_last_and_what_there_is_to_choose(client: Client) -> None:
    """Every model and device of the store can be chosen; without a choice it is the newest model."""
    page = client.get("/pareto").text
    assert "Model net" in page
    assert '<option value="another">' in page
    assert set(rows(client, "model=another")) == {"other"}
    assert set(rows(client, "model=net&device=hot")) == {"hot"}
    assert set(rows(client, "run=run-1&model=net&device=plug")) == {"plug"}


def test_a_record_that_is_none_of_ours_is_said_so(store: Store, client: Client) -> None:
    """An energy without its joules: a damaged store is named, no trace is shown."""
    own = RESULT.c.job_id == "job-hot"
    with changing(store) as connection:
        record = connection.execute(RESULT.select().where(own)).mappings().one()["record"]
        damaged = record.replace('"gross_j":', '"groß_j":')
        assert damaged != record
        connection.execute(RESULT.update().where(own).values(record=damaged))
    answer = client.get("/pareto?model=net")
    with changing(store) as connection:
        connection.execute(RESULT.update().where(own).values(record=record))
    assert "store.corrupt" in answer.text
