"""What one store remembers arrives in another: whole, once, from a store or from a file."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import text

from farm_agent.errors import FarmError, UsageError
from farm_results.comparison import Comparison, Side
from farm_results.finding import ACKNOWLEDGED, Finding
from farm_results.history import baselines, comparisons, findings, nights
from farm_results.history.points import points, series_rows
from farm_results.night import Night
from farm_results.storage.batch import insert_results
from farm_results.storage.session import changing
from farm_results.store import Store, open_store
from farm_results.transfer import bundle as bundle_module
from farm_results.transfer import cargo as cargo_module
from farm_results.transfer import merge as merge_module
from farm_results.transfer.bundle import BundleCargo, write_bundle
from farm_results.transfer.cargo import KINDS, AuditRow, StoreCargo
from farm_results.transfer.merge import Merged, merge
from tests.results.made import HOSTILE, packed, quiet_pairs, result, run

SIDE = Side("old", "mobilenet", "", "", "onnxruntime", "1.23.0")
COUNT = 25


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a few rows are several batches."""
    monkeypatch.setattr(cargo_module, "BATCH", 10)
    monkeypatch.setattr(merge_module, "BATCH", 10)


@pytest.fixture
def open_one(tmp_path: Path) -> Iterator[Callable[[str], Store]]:
    """Opens stores and closes them at the end."""
    opened: list[Store] = []

    def made(where: str) -> Store:
        opened.append(open_store(tmp_path / where if "://" not in where else where))
        return opened[-1]

    yield made
    for store in opened:
        store.close()


def fill(store: Store, tag: str = "a") -> list[str]:
    """Something of every kind; the hashes of its files."""
    store.add_run(replace(run(), labels={"why": "'; DROP"}))
    samples = [store.objects.put_bytes(packed(quiet_pairs(seed, count=20))) for seed in range(3)]
    kept = store.objects.put_bytes(b"an artifact")
    store.objects.put_bytes(b"nothing names this")
    results = [
        result(
            f"job-{tag}-{number:04}",
            created_unix_s=1000.0 + number,
            sample_hashes=(samples[number % 3],),
            document={"spec": {"blob": kept}, "log": HOSTILE[number % len(HOSTILE)]},
        )
        for number in range(COUNT)
    ]
    with changing(store) as connection:
        assert len(insert_results(connection, results)) == COUNT
    series = series_rows(store)[0].series
    comparisons.add(
        store,
        Comparison(
            "c1", 1.0, "ab", series, "pi", run().run_id, SIDE, SIDE, "same", 9, sample_hashes=(samples[0],)
        ),
    )
    nights.begin(store, Night("n1", 5.0))
    nights.end(store, "n1", ended_unix_s=6.0)
    findings.add(store, Finding("f1", "n1", series, "pi", "mobilenet", 5.5, "regression"))
    findings.triage(store, "f1", ACKNOWLEDGED, "ann@desk", "looking")
    baselines.put(store, series=series, job_id=f"job-{tag}-0000", artifact_sha256="", actor="ann@desk")
    return [*samples, kept]


def memory(store: Store) -> dict[str, list[object]]:
    """All that is carried, by kind, in one order."""
    return {kind: sorted(StoreCargo(store).rows(kind), key=repr) for kind in KINDS}


def test_a_merge_brings_everything_and_a_second_nothing(
    store_address: str, open_one: Callable[[str], Store]
) -> None:
    """Into either database, from SQLite; and from there by a bundle into a third store."""
    source, target, third = open_one("source"), open_one(store_address), open_one("third")
    target.objects.folder = Path(source.name).parent / "target-objects"
    hashes = fill(source)
    done = merge(target, StoreCargo(source))
    assert done.added == {
        "runs": 1,
        "results": COUNT,
        "comparisons": 1,
        "nights": 1,
        "findings": 1,
        "baselines": 1,
        "audit": 2,
    }
    assert (done.objects, done.conflicts, done.left_out) == (4, (), ())
    assert memory(target) == memory(source)
    for sha256 in hashes:
        target.objects.open(sha256).close()
    row = series_rows(target)[0]
    assert row == series_rows(source)[0]
    assert points(target, row.series) == points(source, row.series)
    again = merge(target, StoreCargo(source))
    assert (sum(again.added.values()), again.objects, sum(again.already.values())) == (0, 0, COUNT + 7)
    path = Path(source.name).parent / "all.zip"
    assert write_bundle(StoreCargo(target), path).objects == 4
    for expected in (COUNT + 7, 0):
        cargo = BundleCargo(path)
        assert sum(merge(third, cargo).added.values()) == expected
        cargo.close()
    assert memory(third) == memory(source)
    assert not list(path.parent.glob(".all.zip-*"))


def test_two_farms_in_one_store(open_one: Callable[[str], Store]) -> None:
    """Each other's results come together; where one name means two things, ours stays and it is told."""
    ours, theirs = open_one("ours"), open_one("theirs")
    fill(ours)
    fill(theirs, "b")
    lost = Comparison("c2", 2.0, "ab", "s", "pi", run().run_id, SIDE, SIDE, "failed", 0)
    comparisons.add(ours, lost)
    comparisons.add(theirs, replace(lost, word="same", pairs=9))
    comparisons.add(ours, replace(lost, comparison_id="c3", word="slower"))
    comparisons.add(theirs, replace(lost, comparison_id="c3", word="faster"))
    unreached = result("job-c", status="failed", error_code="device.unreachable", latency=None)
    ours.add_result(unreached)
    theirs.add_result(result("job-c"))
    ours.add_result(result("job-d"))
    theirs.add_result(result("job-d", model="another"))
    theirs.end_run(run().run_id, "done", 2000.0)
    findings.triage(theirs, "f1", "invalid", "bob@lab")
    done = merge(ours, StoreCargo(theirs))
    assert done.added["results"] == COUNT
    assert done.replaced == 1
    assert ours.result("job-c") == result("job-c")
    assert ours.result("job-d").model == "mobilenet"
    assert done.conflicts == ("result job-d", "comparison c3", "finding f1")
    assert [comparisons.get(ours, name).word for name in ("c2", "c3")] == ["same", "slower"]
    # Theirs was set later: from now on it counts here, too, and that is told and written down, once.
    (held,) = baselines.currents(ours).values()
    assert held.job_id == "job-b-0000"
    assert [line.partition(": ")[2] for line in done.moved] == [
        "job-a-0000 -> job-b-0000, set later by ann@desk"
    ]
    trail = [row for row in memory(ours)["audit"] if isinstance(row, AuditRow) and row.actor == "merge"]
    assert [(row.event, row.device) for row in trail] == [("baseline merged", "pi")]
    assert ours.count() == 2 * COUNT + 2
    assert ours.runs()[0].state == "done"
    again = merge(ours, StoreCargo(theirs))
    assert (again.replaced, again.moved, sum(again.added.values())) == (0, (), 0)
    back = merge(theirs, StoreCargo(ours))
    assert (back.moved, baselines.currents(theirs)) == ((), baselines.currents(ours))


def test_what_cannot_come_along_is_named(open_one: Callable[[str], Store]) -> None:
    """A lost or damaged file keeps out what needs it; a row that cannot be read keeps out itself alone."""
    source, target = open_one("source"), open_one("target")
    samples = fill(source)
    source.objects.path_of(samples[0]).unlink()
    damaged = source.objects.path_of(samples[1])
    damaged.chmod(0o644)
    damaged.write_bytes(b"rot")
    with source.engine.begin() as connection:
        connection.execute(text("UPDATE result SET record = '{' WHERE job_id = 'job-a-0002'"))
    with pytest.raises(UsageError) as caught:
        merge(target, StoreCargo(source))
    assert caught.value.code == "store.corrupt"
    done = merge(target, StoreCargo(source, strict=False))
    assert target.count() == sum(number % 3 == 2 for number in range(COUNT)) - 1
    assert any(line.startswith("job-a-0002: ") for line in done.left_out)
    assert any("job-a-0000" in line and "lost" in line for line in done.left_out)
    assert any("job-a-0001" in line and "damaged" in line for line in done.left_out)
    assert any(line.startswith("c1: ") for line in done.left_out)
    with pytest.raises(UsageError) as caught:
        merge(source, StoreCargo(source))
    assert caught.value.code == "results.same-store"


def test_runs_alone(open_one: Callable[[str], Store], tmp_path: Path) -> None:
    """A bundle of one run holds it, its results and comparisons and their files, and nothing else."""
    source, target = open_one("source"), open_one("target")
    fill(source)
    source.add_run(run("other"))
    source.add_result(result("job-other", run_id="other"))
    done = write_bundle(StoreCargo(source, ["other"]), tmp_path / "one.zip")
    assert (done.rows, done.objects) == ({"runs": 1, "results": 1}, 0)
    merge(target, BundleCargo(tmp_path / "one.zip"))
    assert [one.job_id for one in target.results()] == ["job-other"]


def spoiled(path: Path, entry: str, data: bytes) -> Path:
    """The bundle with one entry replaced."""
    out = path.with_name("spoiled.zip")
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(out, "w") as target:
        for name in source.namelist():
            target.writestr(name, data if name.startswith(entry) else source.read(name))
    return out


@pytest.mark.parametrize(
    ("entry", "data", "code"),
    [
        ("manifest.json", b"[]", "results.bad-bundle"),
        ("manifest.json", b"[" * 100_000, "results.bad-bundle"),
        ("manifest.json", json.dumps({"schema": "farm.bundle/9"}).encode(), "results.newer-bundle"),
        ("runs.jsonl", b"{}\n", "results.bad-bundle"),
        ("runs.jsonl", b"\xff\n", "results.bad-bundle"),
        ("results.jsonl", b'{"job_id": 3}\n', "results.bad-bundle"),
        ("results.jsonl", b"[" * 100_000, "results.bad-bundle"),
    ],
)
def test_a_bad_bundle_is_refused(
    open_one: Callable[[str], Store], tmp_path: Path, entry: str, data: bytes, code: str
) -> None:
    """Whatever is in it: a typed error, and the store stays sound."""
    source, target = open_one("source"), open_one("target")
    source.add_run(run())
    source.add_result(result())
    write_bundle(StoreCargo(source), tmp_path / "good.zip")
    with pytest.raises(FarmError) as caught:
        merge(target, BundleCargo(spoiled(tmp_path / "good.zip", entry, data)))
    assert caught.value.code == code
    assert target.count() == 0


def test_a_cut_or_lying_bundle(
    open_one: Callable[[str], Store], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cut short it is no bundle; a file that is not what its name says keeps its result out."""
    source, target = open_one("source"), open_one("target")
    source.add_run(run())
    sha256 = source.objects.put_bytes(b"samples")
    source.add_result(result(sample_hashes=(sha256,)))
    good = tmp_path / "good.zip"
    write_bundle(StoreCargo(source), good)
    for length in (0, 10, good.stat().st_size - 30):
        (tmp_path / "cut.zip").write_bytes(good.read_bytes()[:length])
        with pytest.raises(UsageError) as caught:
            BundleCargo(tmp_path / "cut.zip")
        assert caught.value.code == "results.bad-bundle"
    for path, fix in ((tmp_path / "none.zip", "farm results export"), (tmp_path, "farm results merge")):
        with pytest.raises(UsageError) as caught:
            BundleCargo(path)
        assert caught.value.code == "results.no-bundle"
        assert fix in caught.value.fix
    monkeypatch.setattr(bundle_module, "LONGEST_LINE", 100)
    with pytest.raises(UsageError, match="more than 0 MiB"):  # no row is so long: it is not read to its end
        merge(target, BundleCargo(good))
    monkeypatch.undo()
    done: Merged = merge(target, BundleCargo(spoiled(good, "objects/", b"lies")))
    assert len(done.left_out) == 1
    assert (target.count(), target.objects.has(sha256)) == (0, False)
    without_runs = spoiled(good, "runs.jsonl", b"")
    assert "run" in merge(open_one("third"), BundleCargo(without_runs)).left_out[0]
