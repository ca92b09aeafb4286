"""A store says what is wrong with it, and removes only what nothing names."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from farm_agent.errors import UsageError
from farm_results.comparison import Comparison, Side
from farm_results.history import comparisons
from farm_results.series import key_of, series_id
from farm_results.storage.sweep import YOUNG_S, sweep
from farm_results.storage.verify import verify
from farm_results.store import open_store
from tests.results.made import HOSTILE, packed, quiet_pairs, result, run

SIDE = Side("old", "mobilenet", "", "", "onnxruntime", "1.23.0")


def test_every_kind_of_damage_is_named(store_address: str, tmp_path: Path) -> None:
    """A sound store has no problem; each thing that is spoilt is one."""
    store = open_store(store_address)
    store.objects.folder = tmp_path / "objects"
    store.add_run(run())
    samples = [store.objects.put_bytes(packed(quiet_pairs(seed, count=20))) for seed in range(2)]
    for number in range(8):
        odd: dict[str, Any] = {"accuracy": float("nan")} if number == 5 else {"accuracy": 1}
        odd |= {"runtime_version": "".join(HOSTILE)} if number == 7 else {}
        store.add_result(result(f"job-{number}", sample_hashes=(samples[number % 2],), **odd))
    sound = verify(store)
    assert (sound.rows, sound.objects, sound.problems) == (9, 2, ())
    store.objects.path_of(samples[0]).unlink()
    rotten = store.objects.path_of(samples[1])
    rotten.chmod(0o644)
    rotten.write_bytes(b"rot")
    with store.engine.begin() as connection:
        for statement in (
            "UPDATE result SET record = '{' WHERE job_id = 'job-0'",
            "UPDATE result_document SET packed = '' WHERE job_id = 'job-1'",
            "DELETE FROM result_document WHERE job_id = 'job-2'",
            "UPDATE result SET p50_ns = 1.0, device = 'x' WHERE job_id = 'job-3'",
            "UPDATE result SET series = 'lost' WHERE job_id = 'job-4'",
            "UPDATE series SET last_job_id = 'gone'",
            # A digit of a percentile, which no column repeats.
            "UPDATE result SET record = replace(record, '5600000.0', '5700000.0') WHERE job_id = 'job-6'",
        ):
            connection.execute(text(statement))
    found = {(problem.kind, problem.name): problem.text for problem in verify(store).problems}
    assert set(found) == {
        ("row", "job-0"),
        ("row", "job-1"),
        ("row", "job-2"),
        ("columns", "job-3"),
        ("columns", "job-4"),
        ("row", "job-6"),
        ("series", "lost"),
        ("series", series_id(key_of(result()))),
        ("missing file", samples[0]),
        ("object", samples[1]),
    }
    assert found["columns", "job-3"].endswith("device, p50_ns")
    assert "object" not in {problem.kind for problem in verify(store, contents=False).problems}
    with pytest.raises(UsageError) as caught:
        sweep(store)
    assert caught.value.code == "store.corrupt"
    store.close()


def test_only_what_nothing_names_is_swept(tmp_path: Path) -> None:
    """Samples, traces and whatever a document or a comparison mentions stay; so does what is young."""
    store = open_store(tmp_path)
    store.add_run(run())
    names = ("samples", "traces", "kept", "pair", "spooled", "orphan")
    sha = {name: store.objects.put_bytes(name.encode()) for name in names}
    document = {"spec": {"artifact": [{"sha256": sha["kept"]}]}}
    store.add_result(
        result(sample_hashes=(sha["samples"],), trace_hashes=(sha["traces"],), document=document)
    )
    pair = Comparison("c", 1.0, "ab", "s", "pi", "r", SIDE, SIDE, "same", 1, sample_hashes=(sha["pair"],))
    comparisons.add(store, pair)
    also = [f'{{"sample_hashes": ["{sha["spooled"]}"]}}']
    young = sweep(store, also=also)
    assert (young.swept, young.kept_young, young.objects) == ((), 1, 6)
    later = time.time() + YOUNG_S + 60
    assert sweep(store, now_unix_s=later, dry_run=True, also=also).swept == (sha["orphan"],)
    assert store.objects.has(sha["orphan"])
    done = sweep(store, now_unix_s=later, also=also)
    assert (done.swept, done.swept_bytes) == ((sha["orphan"],), len("orphan"))
    assert [name for name in names if store.objects.has(sha[name])] == list(names[:-1])
    assert sweep(store, now_unix_s=later).swept == (sha["spooled"],)
    store.close()
