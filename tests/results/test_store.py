"""Runs and results: stored once, found again, exactly as they were."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from farm_agent.errors import FarmBug, InfrastructureError, UsageError
from farm_results.storage.schema import escape, unescape
from farm_results.store import Store, open_store
from tests.results.made import HOSTILE, latency, packed, quiet_pairs, result, run


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(tmp_path / "store")
    yield opened
    opened.close()


def test_what_is_stored_comes_back_equal(store: Store) -> None:
    """Also through another process's eyes: the store is opened again."""
    sha = store.objects.put_bytes(packed(quiet_pairs(1)))
    wanted = result(sample_hashes=(sha,), document={"deep": [{"nan": None, "n": 2**60}], "inf": float("inf")})
    assert store.add_run(run())
    assert store.add_result(wanted)
    again = open_store(Path(store.name))
    assert again.results() == [wanted]
    assert again.result("job-1") == wanted
    assert again.runs() == [run()]
    again.close()


def test_a_job_is_stored_once(store: Store) -> None:
    """A second delivery changes nothing, whatever it says."""
    store.add_run(run())
    assert store.add_result(result())
    assert not store.add_result(replace(result(), latency=latency(p50_ns=1.0)))
    assert not store.add_run(replace(run(), host="other"))
    assert store.results() == [result()]
    assert store.runs()[0].host == "desk"


def test_a_run_ends(store: Store) -> None:
    store.add_run(run())
    store.end_run(run().run_id, "interrupted", 2000.5)
    assert (store.runs()[0].state, store.runs()[0].ended_unix_s) == ("interrupted", 2000.5)
    with pytest.raises(UsageError) as caught:
        store.end_run("nobody", "done")
    assert caught.value.code == "results.unknown-run"


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_strings_come_back_verbatim(store: Store, text: str) -> None:
    """In every field that a device, a model or a person can fill, and as a filter."""
    store.add_run(replace(run(f"run{text}"), labels={text or "empty": text}, command=(text,)))
    wanted = result(
        f"job{text}",
        run_id=f"run{text}",
        model=text,
        device=text,
        runtime=text,
        status="failed",
        error_code=text,
        error_message=text,
        document={"log": text, text: [text]},
    )
    store.add_result(wanted)
    assert store.results(f"run{text}", device=text, model=text, runtime=text) == [wanted]
    assert store.runs()[0].labels == {text or "empty": text}


@settings(max_examples=300, deadline=None)
@given(st.text(st.characters(codec=None)))
def test_escaping_is_reversible_and_encodable(text: str) -> None:
    """Any string at all, lone surrogates and NUL included."""
    escaped = escape(text)
    assert unescape(escaped) == text
    assert "\x00" not in escaped
    escaped.encode("utf-8")


def test_escaping_keeps_different_strings_apart() -> None:
    assert len({escape(text) for text in ("\x00", "\\u0000", "\\\\u0000", "\\", "\\\\")}) == 5


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(st.text(), st.one_of(st.text(), st.integers(), st.floats(allow_nan=False), st.none())))
def test_any_document_survives(store: Store, document: dict[str, object]) -> None:
    store.add_run(run())
    job_id = f"job-{store.count()}"
    store.add_result(result(job_id, document=document))
    assert store.result(job_id).document == document


def test_results_are_filtered_and_sorted(store: Store) -> None:
    """Older runs first; within a run by model, device, runtime and precision."""
    store.add_run(run("run-b", 2000.0))
    store.add_run(run("run-a", 3000.0))
    store.add_result(result("j1", run_id="run-a", model="a", device="x", created_unix_s=9.0))
    store.add_result(result("j2", run_id="run-b", model="b", device="x", runtime="openvino"))
    store.add_result(result("j3", run_id="run-b", model="a", device="y", status="failed", latency=None))
    store.add_result(result("j4", run_id="run-b", model="a", device="x", precision="fp16"))
    store.add_result(result("j5", run_id="run-b", model="a", device="x", precision="fp32"))

    def jobs(**filters: object) -> list[str]:
        return [one.job_id for one in store.results(**filters)]  # type: ignore[arg-type]

    assert jobs() == ["j4", "j5", "j3", "j2", "j1"]
    assert jobs(device="y") == ["j3"]
    assert jobs(model="b", runtime="openvino") == ["j2"]
    assert jobs(status="failed") == ["j3"]
    assert jobs(last=True) == jobs(run_id="last") == ["j1"]
    assert jobs(limit=0) == []
    assert len(jobs(limit=2)) == 2
    assert jobs(run_id="run-b", device="nowhere") == []
    assert [one.run_id for one in store.runs()] == ["run-a", "run-b"]
    assert [one.run_id for one in store.runs(limit=1)] == ["run-a"]
    assert [store.find_run(name) for name in ("last", "last~0", "last~1")] == ["run-a", "run-a", "run-b"]
    with pytest.raises(UsageError, match="last~2"):
        store.find_run("last~2")


def test_a_prefix_finds_a_run_or_says_what_is_near(store: Store) -> None:
    with pytest.raises(UsageError) as empty:
        store.find_run("last")
    assert (empty.value.code, empty.value.fix) == ("results.unknown-run", "farm bench")
    store.add_run(run("20261121-0600-aaaa"))
    store.add_run(run("20261121-0700-bbbb"))
    assert store.find_run("20261121-07") == "20261121-0700-bbbb"
    with pytest.raises(UsageError) as several:
        store.find_run("20261121")
    assert several.value.code == "results.ambiguous-run"
    for wrong in ("20261121-0600-aaab", "", "%", "_"):
        with pytest.raises(UsageError) as unknown:
            store.results(wrong)
        assert unknown.value.code == "results.unknown-run"
        assert "20261121-0" in unknown.value.fix
    with pytest.raises(UsageError) as job:
        store.result("nothing")
    assert job.value.code == "results.unknown-job"


def test_a_result_needs_its_samples_and_its_run(store: Store) -> None:
    """Objects first, then the row: a row never points at nothing."""
    with pytest.raises(FarmBug):
        store.add_result(result())
    store.add_run(run())
    with pytest.raises(InfrastructureError) as caught:
        store.add_result(result(sample_hashes=("e" * 64,)))
    assert caught.value.code == "store.object-missing"
    assert store.count() == 0


def test_threads_share_a_store(store: Store) -> None:
    """Devices are measured in parallel, and each thread stores what its device gave."""
    store.add_run(run())
    errors: list[BaseException] = []

    def work(thread: int) -> None:
        try:
            for index in range(10):
                store.add_result(result(f"job-{thread}-{index}"))
        except BaseException as error:  # noqa: BLE001
            errors.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert len(store.results()) == 80
