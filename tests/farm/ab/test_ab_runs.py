"""Two networks in turns on this machine, of which one does hundreds of times the work of the other."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator

import pytest

from farm import cli
from farm.ab import Terms, confirm
from farm.config import load_config
from farm.errors import FarmError
from farm_agent.wire import BlockPlan
from farm_results.history import comparisons
from farm_results.statistics.paired import effect_of, word_of
from farm_results.storage.kept import kept_of
from farm_results.store import open_store
from tests.farm.networks import heavy_net
from tests.farm.runs import QUICK, Farm

SHORT = ("-r", "onnxruntime", "--pairs", "8", "--min-time", "20ms", "--min-runs", "5", "--no-gate")
PLAN = BlockPlan(
    min_time_ns=5_000_000,
    min_runs=5,
    max_time_ns=500_000_000,
    warmup_min_ns=1_000_000,
    warmup_min_runs=2,
    warmup_max_ns=20_000_000,
)


@pytest.fixture(scope="module")
def farm(tmp_path_factory: pytest.TempPathFactory) -> Farm:
    folder = tmp_path_factory.mktemp("ab")
    heavy_net(folder / "small.onnx", 16, 1)
    heavy_net(folder / "big.onnx", 256, 2)
    return Farm(folder / "home", folder / "cache")


@pytest.fixture(scope="module")
def stored(farm: Farm) -> str:
    """The job id of the small network's result."""
    done = farm.run("--json", "bench", str(farm.folder.parent / "small.onnx"), *QUICK)
    return str(done.rows()[0]["job_id"])


@contextlib.contextmanager
def swept(farm: Farm, stored: str) -> Iterator[str]:
    """The name of the result's artifact, which is not among the store's objects meanwhile."""
    with contextlib.closing(open_store(farm.store)) as store:
        blob, path = kept_of(store.objects, store.result(stored)).parts[0]
    away = path.rename(farm.folder.parent / "away")
    try:
        yield blob.name
    finally:
        away.rename(path)


def test_more_work_is_slower(farm: Farm, stored: str) -> None:
    big = str(farm.folder.parent / "big.onnx")
    done = farm.run("--json", "bench", big, "--ab", stored, *SHORT)
    assert done.code == 1, done.err
    document = json.loads(done.out)
    (made,) = document["comparisons"]
    assert (document["schema"], document["errors"]) == ("farm.ab/1", [])
    assert (made["kind"], made["word"], made["pairs"]) == ("ab", "slower", 8)
    assert made["effect"]["low"] > 1.0
    assert (made["reference"]["job_id"], made["candidate"]["label"]) == (stored, "big.onnx")
    assert made["reference"]["artifact_sha256"] != made["candidate"]["artifact_sha256"]
    assert sorted(set(made["order"])) == ["cr", "rc"]
    with contextlib.closing(open_store(farm.store)) as store:
        found = comparisons.get(store, made["comparison_id"])
        assert found.run_id == document["run_id"]
        assert all(store.objects.has(each) for each in found.sample_hashes)
        assert len(found.sample_hashes) == 16
        # The result of the run that was there before is untouched, and no half of a comparison stands by it.
        assert [result.job_id for result in store.results()] == [stored]
    again = effect_of(found.reference.medians_ns, found.candidate.medians_ns)
    assert again.ratio == pytest.approx(made["effect"]["ratio"])
    shown = farm.run("show", document["run_id"])
    assert (shown.code, "slower than" in shown.out, "candidate first" in shown.out) == (0, True, True)
    assert made["comparison_id"] in shown.out
    assert farm.run("show", made["comparison_id"]).code == 0


def test_an_artifact_against_itself(farm: Farm, stored: str, monkeypatch: pytest.MonkeyPatch) -> None:
    at(farm, monkeypatch)
    config = load_config()
    terms = Terms(plan=PLAN, gate=False, seed=3, run_id=stored.rpartition("-")[0])
    found = confirm(config, "local", stored, stored, pairs=8, terms=terms)
    assert (found.kind, found.run_id, found.pairs) == ("aa", terms.run_id, 8)
    assert found.reference.artifact_sha256 == found.candidate.artifact_sha256
    assert found.effect is not None
    hopeless = any(each.severity in ("invalid", "throttled") for each in found.caveats)
    assert found.word == ("inconclusive" if hopeless else word_of(found.effect))
    with contextlib.closing(open_store(farm.store)) as store:
        assert comparisons.of_run(store, terms.run_id) == [found]
        result = store.result(stored)
        assert found.environment["onnxruntime"] == result.runtime_version
    with swept(farm, stored) as name, pytest.raises(FarmError) as caught:
        confirm(config, "local", stored, stored, pairs=8, terms=terms)
    assert (caught.value.code, name in caught.value.message) == ("ab.not-kept", True)


@pytest.mark.parametrize("kind", ["ab", "aa"])
def test_one_that_cannot_be_taken_is_stored_as_that(
    farm: Farm, stored: str, kind: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its series knows nothing of it."""
    at(farm, monkeypatch)
    models = [str(farm.folder.parent / "big.onnx")] if kind == "ab" else []
    with swept(farm, stored):
        assert cli.main(["bench", *models, "--ab", stored, *SHORT]) == 3
    out, err = capsys.readouterr()
    assert out.splitlines()[-1].split("\t")[-1].startswith("FAILED")
    assert "[ab.not-kept]" in err
    with contextlib.closing(open_store(farm.store)) as store:
        run_id = store.runs(limit=1)[0].run_id
        (lost,) = comparisons.of_run(store, run_id)
        assert (lost.word, lost.kind, lost.pairs, lost.effect) == ("failed", kind, 0, None)
        assert (lost.error_code, lost.reference.job_id) == ("ab.not-kept", stored)
        assert lost not in comparisons.recent(store)
        assert lost not in comparisons.of_series(store, lost.series)
        assert [result.job_id for result in store.results()] == [stored]
    for words, text in (
        (("show", run_id), "FAILED"),
        (("results", "show", run_id, "--format", "md"), "| FAILED"),
        (("results", "export", run_id, "--format", "junit"), "<error"),
        (("results", "export", run_id, "--format", "bmf"), "{}"),
    ):
        assert cli.main([*words]) == 0
        assert text in capsys.readouterr().out
    assert cli.main(["results", "export", run_id, "--format", "otava"]) == 2
    assert "report.not-for-ab" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("--ab", "nothing-of-the-kind"), "results.unknown-ref"),
        (("--ab", "nothing.onnx"), "there is no such file"),
        (("--ab", "JOB", "--energy"), "ab.option"),
        (("--ab", "JOB", "--budget", "p50<=1ms"), "ab.option"),
        (("--ab", "JOB", "--scenario", "throughput"), "ab.scenario"),
        (("--ab", "JOB", "--scenario", "throughput", "--streams", "1,2"), "ab.scenario"),
        (("--ab", "JOB", "--scenario", "sustained"), "ab.scenario"),
        (("--ab", "JOB", "--export", "otava.csv"), "report.not-for-ab"),
        (("--pairs", "9"), "ab.option"),
        (("--ab", "JOB", "-r", "openvino"), "ab.reference"),
        (("--ab", "JOB", "--pairs", "3"), "cli.usage"),
        (("--ab", "JOB", "--pairs", "21"), "ab.pairs"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_runs(
    farm: Farm,
    stored: str,
    words: tuple[str, ...],
    error: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    at(farm, monkeypatch)
    big = str(farm.folder.parent / "big.onnx")
    assert cli.main(["bench", big, *(stored if word == "JOB" else word for word in words)]) == 2
    assert error in capsys.readouterr().err


def test_the_plan_of_two_files(
    farm: Farm, stored: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    at(farm, monkeypatch)
    files = [str(farm.folder.parent / name) for name in ("big.onnx", "small.onnx")]
    words = ["bench", files[0], "--ab", files[1], "-r", "onnxruntime", "--dry-run", "--smoke"]
    assert cli.main(words) == 0
    assert "20 fresh processes" in capsys.readouterr().err
    assert cli.main(["bench", "--ab", "@baseline"]) == 2
    assert "fix: farm baseline set last" in capsys.readouterr().err


def at(farm: Farm, monkeypatch: pytest.MonkeyPatch) -> None:
    """This process as the user of that farm."""
    for name, path in (("STORE", farm.store), ("CACHE_DIR", farm.cache), ("STATE_DIR", farm.folder / "s")):
        monkeypatch.setenv(f"FARM_{name}", str(path))
    monkeypatch.setenv("FARM_INVENTORY_PATH", str(farm.inventory))
