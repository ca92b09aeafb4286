"""Histories and comparisons in turns of many series at once, from a real store of either kind."""

from __future__ import annotations

from dataclasses import replace

from farm_results import refs
from farm_results.compare.stored import compare_refs
from farm_results.comparison import Comparison, Side
from farm_results.history import comparisons, pasts
from farm_results.history.comparisons import Pair
from farm_results.history.points import points
from farm_results.series import key_of, series_id
from farm_results.store import open_store
from tests.results.made import HOSTILE, latency, result, run

DEVICES = ("pi", "nano", HOSTILE[0])
JOBS = ("-0", "-1", '-2"\\é')
NIGHTS = 8


def test_one_question_for_all_series_tells_what_one_for_each_did(store_address: str) -> None:
    """The newest of each and no more, also where several came at one moment, and of nobody else."""
    store = open_store(store_address)
    for night in range(NIGHTS):
        store.add_run(run(f"run-{night}", float(night)))
        for place, device in enumerate(DEVICES):
            at = float(night - night % 3 if device == "nano" else night)
            status = "failed" if (night, device) == (5, "pi") else "ok"
            value = latency(p50_ns=1e6 + 100.0 * night + place) if status == "ok" else None
            job = f"job-{night}-{place}"
            made = result(job, run_id=f"run-{night}", created_unix_s=at, device=device, latency=value)
            store.add_result(replace(made, status=status))
    every = [series_id(key_of(result(device=device))) for device in DEVICES]
    for limit in (1, 4, 60):
        found = pasts.newest_of(store, [*every, every[0], "0" * 16, *HOSTILE], limit)
        assert list(found) == [one for one in found if one in every]
        assert set(found) == set(every)
        for one in every:
            assert {point.series for point in found[one]} == {one}
            names = ("usable", *pasts.PastPoint._fields[2:])
            known, old = (
                [[getattr(point, name) for name in names] for point in each]
                for each in (found[one], points(store, one, limit=limit))
            )
            assert known == old
    assert pasts.newest_of(store, [], 5) == {}
    store.close()


def test_rows_have_the_newest_measurement_in_turns_of_exactly_their_results(store_address: str) -> None:
    store = open_store(store_address)
    for number, name in enumerate(("run-a", "run-b")):
        store.add_run(run(name, float(number)))
        for place, device in enumerate(DEVICES):
            made = result(name + JOBS[place], run_id=name, created_unix_s=float(number), device=device)
            store.add_result(made)
    every = [series_id(key_of(result(device=device))) for device in DEVICES]
    pi, nano, odd = (
        Pair(series, f"run-a{job}", f"run-b{job}") for series, job in zip(every, JOBS, strict=True)
    )
    for at, (name, pair) in enumerate(
        [
            ("older", pi),
            ("turned round", pi._replace(reference_job=pi.candidate_job, candidate_job=pi.reference_job)),
            ("newer", pi),
            ("of a neighbour", pi._replace(candidate_job="run-b-00")),
            ("of an odd name", odd),
            *((f"since {number}", nano._replace(reference_job="else")) for number in range(3)),
        ]
    ):
        comparisons.add(store, turns(name, pair, float(at)))
    comparisons.add(store, turns("long ago", nano, -1.0))
    comparisons.add(store, replace(turns("failed", nano, 99.0), word="failed"))

    def names(among: int) -> dict[Pair, str]:
        found = comparisons.between(store, [pi, nano, odd, Pair(pi.series, "x", HOSTILE[1])], among=among)
        return {pair: one.comparison_id for pair, one in found.items()}

    assert names(50) == {pi: "newer", nano: "long ago", odd: "of an odd name"}
    assert names(3) == {pi: "newer", odd: "of an odd name"}
    assert comparisons.between(store, [], among=5) == {}
    ours, theirs = (refs.resolve(store, name) for name in ("run-a", "run-b"))
    rows = compare_refs(store, ours, theirs, metrics=("own", "size")).rows
    told = {(row.series, row.metric): row.confirmed for row in rows}
    assert {key: one.comparison_id for key, one in told.items() if one is not None} == {
        (pi.series, "p50"): "newer",
        (nano.series, "p50"): "long ago",
        (odd.series, "p50"): "of an odd name",
    }
    store.close()


def turns(name: str, pair: Pair, at: float) -> Comparison:
    """A comparison of two stored results."""
    ours, theirs = (Side("", "m", "", "", "r", "1", job_id=job) for job in pair[1:])
    return Comparison(name, at, "ab", pair.series, "d", "run-b", ours, theirs, "same", 20)
