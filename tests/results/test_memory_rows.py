"""Series, comparisons, nights, findings and baselines: stored once, found again, on both databases."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from farm_agent.errors import UsageError
from farm_results.comparison import Comparison, Effect, Side
from farm_results.finding import ACKNOWLEDGED, EXPECTED, Cause, Finding
from farm_results.history import baselines, comparisons, findings, nights
from farm_results.history.points import points, series_row, series_rows, standings
from farm_results.night import INTERRUPTED, Night
from farm_results.series import key_of, series_id
from farm_results.storage.schema import AUDIT
from farm_results.storage.session import reading
from farm_results.store import Store, open_store
from tests.results.made import HOSTILE, latency, result, run

SIDE = Side("old", "mobilenet", "d" * 64, "e" * 64, "onnxruntime", "1.23.0", "job-1", (1.0, 2.0))


@pytest.fixture
def store(store_address: str) -> Iterator[Store]:
    opened = open_store(store_address)
    opened.add_run(run())
    yield opened
    opened.close()


def test_points_of_a_series(store: Store) -> None:
    """Oldest first, bounded by time and number; a failure has no value; other series stay out."""
    for day in (3, 1, 2):
        store.add_result(
            result(f"job-{day}", created_unix_s=float(day), latency=latency(p50_ns=1000.0 + day))
        )
    store.add_result(result("job-4", created_unix_s=4.0, status="failed", latency=None))
    store.add_result(result("other", device="nano", created_unix_s=9.0))
    store.add_result(result("made-up", origin="simulated", created_unix_s=9.0))
    series = series_id(key_of(result()))
    found = points(store, series)
    assert [(point.job_id, point.value) for point in found] == [
        ("job-1", 1001.0),
        ("job-2", 1002.0),
        ("job-3", 1003.0),
        ("job-4", None),
    ]
    assert [point.usable for point in found] == [True, True, True, False]
    assert [point.job_id for point in points(store, series, limit=2)] == ["job-3", "job-4"]
    assert [p.job_id for p in points(store.engine, series, since_unix_s=2, until_unix_s=3)] == [
        "job-2",
        "job-3",
    ]
    row = series_row(store, series)
    assert row is not None
    assert row.key == key_of(result())
    assert (row.first_unix_s, row.last_job_id, row.last_ok_job_id) == (1.0, "job-4", "job-3")
    assert {found.key.device for found in series_rows(store)} == {"pi", "nano"}
    assert [found.origin for found in series_rows(store, device="pi")] == ["simulated", ""]
    assert series_rows(store, origin="", limit=1)[0].key.device == "nano"
    assert series_rows(store, runtime="none") == []
    store.add_result(result("never-ok", model="new", created_unix_s=8.0, status="failed", latency=None))
    listed = standings(store, limit=9)
    assert [one.series for one in listed] == [one.series for one in series_rows(store)]
    assert {
        (one.device, one.model, one.origin, one.verdict, one.value, one.last_unix_s) for one in listed
    } == {
        ("nano", "mobilenet", "", "valid", latency().p50_ns, 9.0),
        ("pi", "mobilenet", "simulated", "valid", latency().p50_ns, 9.0),
        ("pi", "new", "", None, None, 8.0),
        ("pi", "mobilenet", "", "valid", 1003.0, 4.0),
    }
    assert [one.device for one in standings(store, model="mobilenet", runtime="onnxruntime", limit=1)] == [
        listed[0].device
    ]
    assert standings(store, device="none") == []
    for text in HOSTILE:
        assert series_row(store, text) is None
        assert points(store, text) == []
        assert series_rows(store, model=text, origin="real") == []


def test_comparisons(store: Store) -> None:
    """Found by id, series, run and kind; a second one of the same id changes nothing."""
    one = Comparison(
        "cmp-1",
        1.0,
        "ab",
        "s1",
        "pi",
        "run-1",
        SIDE,
        SIDE,
        "slower",
        20,
        Effect(0.05, 0.04, 0.06, 0.99, 0.01),
    )
    assert comparisons.add(store, one)
    assert not comparisons.add(store, replace(one, word="same"))
    comparisons.add(store, replace(one, comparison_id="cmp-2", created_unix_s=2.0, kind="aa", effect=None))
    assert comparisons.get(store, "cmp-1") == one
    assert [each.comparison_id for each in comparisons.of_series(store, "s1")] == ["cmp-2", "cmp-1"]
    assert comparisons.of_run(store, "run-1") == comparisons.of_series(store, "s1")
    assert [each.kind for each in comparisons.recent(store, kind="aa", device="pi")] == ["aa"]
    assert comparisons.recent(store, since_unix_s=3.0) == []
    comparisons.add(store, replace(one, comparison_id="lost", word="failed", created_unix_s=9.0))
    brief = comparisons.outcomes(store, limit=5)
    whole = comparisons.recent(store, limit=5)
    assert [each.comparison_id for each in brief] == ["cmp-2", "cmp-1"]
    for mine, real in zip(brief, whole, strict=True):
        assert (mine.kind, mine.word, mine.device, mine.origin) == (real.kind, real.word, real.device, "")
        assert (mine.effect is None) == (real.effect is None)
    assert brief[1].effect == comparisons.Ratio(0.05, 0.04, 0.06)
    assert comparisons.outcomes(store, kind="aa", device="none") == []
    for text in ("cmp", *HOSTILE):
        with pytest.raises(UsageError) as caught:
            comparisons.get(store, text)
        kind = "ambiguous" if text == "cmp" else "unknown"
        assert caught.value.code == f"results.{kind}-comparison"


def test_nights(store: Store) -> None:
    """Begun once, written on, ended; an unknown one is an error."""
    night = Night("night-1", 10.0, record={"planned": 3})
    assert nights.begin(store, night)
    assert not nights.begin(store, replace(night, started_unix_s=11.0))
    nights.put(store, replace(night, record={"done": 1}))
    nights.begin(store, Night("night-2", 20.0, origin="simulated"))
    assert [each.night_id for each in nights.recent(store, state="running", origin="")] == ["night-1"]
    ended = nights.end(store, "night-1", ended_unix_s=15.0, state=INTERRUPTED)
    assert ended == replace(night, state=INTERRUPTED, ended_unix_s=15.0, record={"done": 1})
    assert nights.get(store, "night-1") == ended
    assert [each.night_id for each in nights.recent(store)] == ["night-2", "night-1"]
    cells = [
        {"state": "measured", "outcome": "steady"},
        {"state": "failed"},
        "no cell",
        *[{"state": "x" * 99}] * 2,
    ]
    nights.put(store, Night("night-2", 20.0, record={"cells": cells}, origin="simulated"))
    second, first = nights.heads(store)
    assert second.states == {"x" * 40: 2, "measured": 1, "failed": 1}
    assert second.outcomes == {"steady": 1}
    assert first == nights.Head("night-1", 10.0, 15.0, INTERRUPTED, "")
    assert nights.heads(store, state="running", origin="simulated", limit=1) == [second]
    assert nights.newest(store, 30.0) == second
    assert nights.newest(store, 30.0, origin="") == first
    nights.begin(store, Night("night-3", 9e9))  # by a clock that was ahead
    assert nights.newest(store, 30.0) == second
    assert nights.newest(store, 9e9) == nights.Head("night-3", 9e9, None, "running", "")
    assert nights.newest(store, -1e3, origin="simulated") == second
    with pytest.raises(UsageError) as caught:
        nights.put(store, Night("night-9", 30.0))
    assert caught.value.code == "results.unknown-night"


@pytest.mark.parametrize("text", [HOSTILE[2], HOSTILE[3], "<script>", "x" * 100_000])
def test_findings_and_their_triage(store: Store, text: str) -> None:
    """What a person decides is in the row, in the record and in the audit trail at once."""
    one = Finding(f"f{text}", "n", "s1", text, text, 1.0, "regression", causes=(Cause("layer", text),))
    findings.add(store, one)
    findings.add(store, replace(one, finding_id="g", at_unix_s=2.0, origin="simulated"))
    assert [each.finding_id for each in findings.open_ones(store)] == ["g", one.finding_id]
    after = findings.triage(store, one.finding_id, EXPECTED, "ann@desk", text)
    assert findings.get(store, one.finding_id) == after == replace(one, state=EXPECTED, note=text)
    findings.triage(store, "g", ACKNOWLEDGED, "ann@desk")
    assert [each.finding_id for each in findings.open_ones(store)] == ["g"]
    assert findings.recent(store, states=(EXPECTED,), device=text) == [after]
    assert findings.of_series(store, "s1", limit=1)[0].finding_id == "g"
    assert len(findings.of_night(store, "n")) == 2
    assert findings.words_of(store, ["n", "none", *map(str, range(1000))]) == {"n": {"regression": 2}}
    with reading(store) as connection:
        row = connection.execute(AUDIT.select().order_by(AUDIT.c.number)).first()
    assert row is not None
    assert (row.device, row.actor, row.event) == (text, "ann@desk", "finding")
    assert row.reason == f"{one.finding_id}: new -> expected: {text}"
    with pytest.raises(UsageError) as caught:
        findings.triage(store, "g", "fixed", "ann@desk")
    assert caught.value.code == "results.finding-state"


def test_baselines_only_move_forward(store: Store) -> None:
    """The first night sets one once; a clock that stepped back cannot bury the newest."""
    store.add_result(result())
    series = series_id(key_of(result()))
    put: dict[str, Any] = {"series": series, "artifact_sha256": "a", "actor": "farm nightly"}
    assert baselines.current(store, series) is None
    first = baselines.put(store, job_id="job-1", event=baselines.INITIAL, **put)
    assert baselines.put(store, job_id="job-2", event=baselines.INITIAL, **put) == first
    later = baselines.put(store, job_id="job-3", reason="faster kernel", at_unix_s=5.0, **put)
    assert later.at_unix_s > first.at_unix_s
    assert baselines.current(store, series) == later
    assert baselines.history(store, series) == [later, first]
    baselines.put(store, job_id="job-9", **(put | {"series": "other"}))
    assert baselines.currents(store, [series]) == {series: later}
    assert set(baselines.currents(store)) == {series, "other"}
    with reading(store) as connection:
        rows = connection.execute(AUDIT.select().order_by(AUDIT.c.number)).all()
    assert [(row.device, row.event) for row in rows] == [
        ("pi", "baseline initial"),
        ("pi", "baseline set"),
        ("", "baseline set"),
    ]


def test_ids_are_found_by_their_beginning(store: Store) -> None:
    """With signs that a pattern or another language's order would take for something else."""
    names = ["a%b", "a_b", "a-1", "a\\1", "A-1", "ä-1", "a\U0001f600"]
    for name in names:
        store.add_result(result(name))
    for name in names:
        assert store.result(name).job_id == name
        if len(name) > 2:
            assert store.result(name[:2]).job_id == name
    for typed, code in (("a", "ambiguous"), ("", "unknown"), ("b", "unknown"), ("a-1-", "unknown")):
        with pytest.raises(UsageError) as caught:
            store.result(typed)
        assert caught.value.code == f"results.{code}-job"
