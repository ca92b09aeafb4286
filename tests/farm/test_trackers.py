"""Results in real trackers: MLflow with a database, Weights & Biases offline."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest

import farm.cli
from farm import trackers
from farm.config import load_config
from farm.errors import FarmError
from farm_results.model import Caveat, Verdict
from farm_results.store import open_store
from tests.results.made import HOSTILE, result, run

NOISY = Verdict("noisy", (Caveat("load", "noisy", "load 4.7 on 2 cores", "stop other work"),))
RESULTS = [
    result("good", options={"batch": "4"}),
    result("noisy", runtime="openvino", verdict=NOISY, origin="simulated"),
    result("wrong", model="third", verdict=Verdict("invalid")),
    result("failed", status="failed", latency=None, error_code="device.gone", error_message="away"),
    result("skipped", status="skipped", latency=None, error_message="no such runtime"),
]


def filled() -> None:
    """The store of the test's own folders, with the results above."""
    store = open_store(load_config().store)
    try:
        store.add_run(run())
        for one in RESULTS:
            store.add_result(one)
    finally:
        store.close()


def test_mlflow_takes_a_run_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Through the command: numbers with units and intervals, what they were measured on, and the verdict."""
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.chdir(tmp_path)
    filled()
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    words = ["--json", "results", "push", "last", "--to", "mlflow", "--uri", uri, "--project", "edge"]
    assert farm.cli.main(words) == 0
    first = json.loads(capsys.readouterr().out)
    assert (first["new"], first["known"]) == (4, 0)
    assert farm.cli.main(words) == 0
    second = json.loads(capsys.readouterr().out)
    assert (second["new"], second["known"]) == (0, 4)

    client = mlflow.MlflowClient(tracking_uri=uri)
    experiment = client.get_experiment_by_name("edge").experiment_id
    runs = {one.data.tags["farm.job_id"]: one for one in client.search_runs([experiment])}
    assert set(runs) == {"good", "noisy", "wrong", "failed"}
    good = runs["good"].data
    assert good.metrics["p50_ms"] == 4.91
    assert (good.metrics["p50_low_ms"], good.metrics["p50_high_ms"]) == (4.87, 4.96)
    assert good.metrics["peak_memory_MB"] == 148.0
    assert (good.params["device"], good.params["option.batch"]) == ("pi", "4")
    assert runs["noisy"].data.tags["farm.verdict"] == "SIMULATED NOISY"
    assert runs["noisy"].data.tags["farm.reasons"] == "load 4.7 on 2 cores"
    assert runs["wrong"].data.metrics == {}
    assert runs["wrong"].data.tags["farm.verdict"] == "INVALID"
    assert runs["failed"].info.status == "FAILED"
    assert runs["failed"].data.tags["farm.error"] == "device.gone: away"
    text = Path(client.download_artifacts(runs["good"].info.run_id, "result.json", str(tmp_path))).read_text()
    assert json.loads(text)["results"][0]["job_id"] == "good"

    # What a folder is told, which MLflow no longer writes to; and text that no tracker expects.
    with pytest.raises(FarmError) as caught:
        trackers.push("mlflow", RESULTS, uri=f"file://{tmp_path}/mlruns")
    assert caught.value.code == "tracker.failed"
    hostile = [result(text, model=text, device=text, options={text: text}) for text in HOSTILE if text]
    assert trackers.push("mlflow", hostile, uri=uri, project="edge").new == len(hostile)


def test_wandb_stays_offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run per result in a folder, which `wandb sync` may send later; nothing of this machine goes along."""
    pytest.importorskip("wandb")
    for name in ("WANDB_MODE", "WANDB_DIR", "WANDB_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    pushed = trackers.push("wandb", [RESULTS[1]], uri=str(tmp_path))
    assert (pushed.new, "wandb sync" in pushed.where) == (1, True)
    (folder,) = (tmp_path / "wandb").glob("offline-run-*")
    (record,) = folder.glob("run-*.wandb")
    assert folder.name.endswith(trackers.key_of(RESULTS[1]))
    held = record.read_bytes()
    for word in (b"p50_low_ms", b"SIMULATED NOISY", b"openvino", b"load 4.7 on 2 cores"):
        assert word in held, word
    assert not re.search(rb"/usr/bin/\w+ .*git", held)
    with pytest.raises(FarmError) as caught:
        trackers.push("wandb", RESULTS, uri="/proc/nowhere")
    assert caught.value.code == "tracker.failed"


def test_what_is_missing_names_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in trackers.names():
        monkeypatch.setitem(sys.modules, name, None)
        with pytest.raises(FarmError) as caught:
            trackers.push(name, RESULTS)
        assert (caught.value.code, caught.value.fix) == (
            "tracker.missing",
            f"pip install 'edgefarm[{name}]'",
        )
    with pytest.raises(FarmError) as caught:
        trackers.push("comet", RESULTS)
    assert caught.value.code == "tracker.unknown"
    assert trackers.names() == ("mlflow", "wandb")


def test_names_and_keys_are_what_every_tracker_takes() -> None:
    for text in HOSTILE:
        one = result(text, model=text, options={text: text}, metrics={text: 1.0})
        assert re.fullmatch(r"[0-9a-f]{24}", trackers.key_of(one))
        for name, value in {**trackers.parameters(one), **trackers.tags(one)}.items():
            assert re.fullmatch(r"[A-Za-z0-9_./ -]{1,120}", name)
            assert len(value) <= trackers.VALUE_LIMIT
            value.encode("utf-8")
