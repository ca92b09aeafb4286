"""What a person may call results by, in a real store and a real git repository."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from farm_agent.errors import UsageError
from farm_results import git, refs
from farm_results.compare.stored import compare_refs
from farm_results.history import baselines
from farm_results.series import key_of, series_id
from farm_results.store import Store, open_store
from tests.postgres import Server
from tests.results.made import result, run

A, B, C = "20261101-030000-aaaa", "20261102-030000-bbbb", "20261103-030000-cccc"
COMMIT, OTHER = "1234567890" * 4, "12345abcde" * 4


def filled(address: str | Path) -> Store:
    """Three runs, each with two results, of two commits; the last with uncommitted changes."""
    opened = open_store(address)
    labels = [
        {"git.commit": COMMIT, "git.dirty": "false", "who": "ann"},
        {"git.commit": OTHER, "git.dirty": "false", "who": "ann"},
        {"git.commit": OTHER, "git.dirty": "true", "who": "a=b"},
    ]
    for number, (name, label) in enumerate(zip((A, B, C), labels, strict=True)):
        opened.add_run(replace(run(name, 1000.0 + number), labels=label))
        for index, runtime in enumerate(("onnxruntime", "openvino")):
            job = f"{name}-{index:03d}"
            at = 1000.0 + number + index / 10
            opened.add_result(result(job, run_id=name, created_unix_s=at, runtime=runtime))
    return opened


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = filled(tmp_path / "store")
    yield opened
    opened.close()


NAMES: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("last", "run", (C,)),
    ("last~0", "run", (C,)),
    ("last~2", "run", (A,)),
    (B, "run", (B,)),
    ("20261102", "run", (B,)),
    ("who=ann", "label", (B, A)),
    ("who=a=b", "label", (C,)),
    (COMMIT, "commit", (A,)),
    ("12345abc", "commit", (B,)),  # the clean run of that commit, not the newer one
    (f"{A}-001", "job", ()),
)


def test_a_last_run_of_a_clock_that_was_ahead_is_told(store: Store) -> None:
    """It stays the last one until the clock gets there; whatever it says, it is printed."""
    assert refs.resolve(store, "last").note == ""
    for name, unix_s, day in (("20991101-030000-dddd", 4.1e9, "2099-12-03"), ("zzz", 1e300, "9999-12-30")):
        store.add_run(run(name, unix_s))
        note = refs.resolve(store, "last").note
        assert f"run {name} is dated {day}" in note
    assert refs.resolve(store, "last~2").note == ""


@pytest.mark.parametrize(("text", "kind", "runs"), NAMES)
def test_a_reference_names_runs(store: Store, tmp_path: Path, text: str, kind: str, runs: object) -> None:
    found = refs.resolve(store, text, folder=tmp_path)
    assert (found.kind, found.run_ids) == (kind, runs)
    assert [one.run_id for one in refs.results_of(store, found)] == (
        [name for name in reversed(found.run_ids) for _ in range(2)] or [A]
    )


def test_last_of_what_was_measured_is_no_run_in_turns(store: Store) -> None:
    """A run of comparisons alone has no result to hold anything against."""
    store.add_run(run("20261105-000000-ab", 2000.0))
    assert refs.resolve(store, "last").run_ids == ("20261105-000000-ab",)
    assert refs.resolve(store, "last", measured=True).run_ids == (C,)
    assert refs.resolve(store, "last~2", measured=True).run_ids == (A,)
    with pytest.raises(UsageError) as caught:
        refs.resolve(store, "last~3", measured=True)
    assert "3 runs with results" in caught.value.message


UNKNOWN = (
    ("", "results.unknown-ref"),
    ("nosuch", "results.unknown-ref"),
    ("last~3", "results.unknown-ref"),
    ("last~99999999", "results.unknown-ref"),
    ("2026", "results.ambiguous-run"),
    ("who=nobody", "results.unknown-label"),
    ("12345", "results.ambiguous-run"),
    ("'; DROP TABLE run; --", "results.unknown-ref"),
    ("%", "results.unknown-ref"),
    ("--help", "results.unknown-ref"),
    ("x\x00y\udc80", "results.unknown-ref"),
)


@pytest.mark.parametrize(("text", "code"), UNKNOWN)
def test_what_nothing_is_called_is_an_error(store: Store, tmp_path: Path, text: str, code: str) -> None:
    with pytest.raises(UsageError) as caught:
        refs.resolve(store, text, folder=tmp_path)
    assert caught.value.code == code
    assert caught.value.fix


def test_postgresql_finds_the_same(postgres: Server, tmp_path: Path) -> None:
    opened = filled(postgres.create())
    for text, kind, runs in NAMES:
        found = refs.resolve(opened, text, folder=tmp_path)
        assert (found.kind, found.run_ids) == (kind, runs), text
    for text, code in UNKNOWN:
        with pytest.raises(UsageError) as caught:
            refs.resolve(opened, text, folder=tmp_path)
        assert caught.value.code == code, text
    series = series_id(key_of(result()))
    baselines.put(opened, series=series, job_id=f"{A}-000", artifact_sha256="", actor="me")
    base, last = refs.resolve(opened, "@baseline"), refs.resolve(opened, "last")
    compared = compare_refs(opened, base, last)
    assert [(row.key.runtime, row.section) for row in compared.rows] == [
        ("openvino", "only in one"),
        ("onnxruntime", "unchanged"),
    ]
    opened.close()


def test_an_empty_store_says_so(tmp_path: Path) -> None:
    empty = open_store(tmp_path / "empty")
    for text in ("last", "abc"):
        with pytest.raises(UsageError) as caught:
            refs.resolve(empty, text, folder=tmp_path)
        assert (caught.value.code, caught.value.fix) == ("results.unknown-ref", "farm bench")
    empty.close()


def test_the_baseline_is_each_series_own(store: Store) -> None:
    """The newest move of each series; a result that is gone (gc, another store) is no baseline."""
    ref = refs.resolve(store, "@baseline")
    assert refs.results_of(store, ref) == []
    first = series_id(key_of(result()))
    for job in (f"{A}-000", f"{B}-000"):
        baselines.put(store, series=first, job_id=job, artifact_sha256="", actor="me")
    baselines.put(store, series="0" * 16, job_id="gone", artifact_sha256="", actor="me")
    assert [one.job_id for one in refs.results_of(store, ref)] == [f"{B}-000"]
    assert refs.results_of(store, ref, series=("0" * 16,)) == []
    found = refs.of_series(store, ref, first)
    assert found is not None
    assert found.job_id == f"{B}-000"
    assert refs.of_series(store, refs.resolve(store, "last"), "0" * 16) is None


def test_git_s_own_names_lead_to_the_runs_of_a_commit(store: Store, tmp_path: Path) -> None:
    """A real repository: HEAD, a branch and a hash name the commit that a run was labelled with; a change of
    a tracked file makes the next run dirty, another file does not."""
    folder = tmp_path / "project"
    folder.mkdir()
    assert git.facts(folder) == {}
    (folder / "model.txt").write_text("one")
    identity = ("-c", "user.name=n", "-c", "user.email=n@example.org", "-c", "commit.gpgsign=false")
    for words in (("init", "-q", "-b", "trunk"), ("add", "."), (*identity, "commit", "-qm", "one")):
        subprocess.run(["git", *words], cwd=folder, check=True, capture_output=True)
    (folder / "untracked.txt").write_text("x")
    facts = git.facts(folder)
    assert facts == {"git.commit": facts["git.commit"], "git.branch": "trunk", "git.dirty": "false"}
    name = "20261104-030000-dddd"
    store.add_run(replace(run(name, 5000.0), labels=facts))
    for text in ("HEAD", "trunk", facts["git.commit"][:9]):
        assert refs.resolve(store, text, folder=folder).run_ids == (name,)
    (folder / "model.txt").write_text("two")
    assert git.facts(folder)["git.dirty"] == "true"
    subprocess.run(["git", *identity, "commit", "-qam", "two"], cwd=folder, check=True, capture_output=True)
    with pytest.raises(UsageError) as caught:
        refs.resolve(store, "HEAD", folder=folder)
    assert caught.value.code == "results.unknown-commit"
    assert refs.resolve(store, "HEAD~1", folder=folder).run_ids == (name,)
