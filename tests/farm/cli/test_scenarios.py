"""The scenarios' options on the command line: plans told before anything runs, and refusals with a fix."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from farm.cli import main
from tests.farm.networks import conv_net


@pytest.fixture
def net(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A network with a free batch, and a home of the test's own."""
    for name in ("STORE", "CACHE_DIR", "STATE_DIR"):
        monkeypatch.setenv(f"FARM_{name}", str(tmp_path / name))
    monkeypatch.setenv("FARM_INVENTORY_PATH", str(tmp_path / "devices.toml"))
    return conv_net(tmp_path / "net.onnx", batch="n")


def plan(capsys: pytest.CaptureFixture[str], net: Path, *words: str) -> dict[str, Any]:
    """What ``farm --json bench --dry-run`` says."""
    assert main(["--json", "bench", str(net), "-r", "onnxruntime", "--dry-run", *words]) == 0
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    return document


def refused(capsys: pytest.CaptureFixture[str], net: Path, *words: str) -> str:
    """What a command says that ends with the code of wrong usage."""
    assert main(["bench", str(net), "-r", "onnxruntime", "--batch", "1", "--dry-run", *words]) == 2
    return capsys.readouterr().err


def test_the_scenario_and_its_options_reach_the_plan(net: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("--batch", "1", "--scenario", "paced", "--period", "20ms", "--duration", "2s")
    document = plan(capsys, net, *words)

    assert document["measure"]["scenario"] == "paced"
    assert document["measure"]["options"] == {"period_ns": "20000000", "duration_ns": "2000000000"}
    assert document["measure"]["least_s_per_job"] > 5 * 2


def test_several_batches_are_several_jobs(net: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each with its own shapes, in any scenario."""
    document = plan(capsys, net, "--batch", "1,4", "--threads", "1,2", "--scenario", "throughput")

    assert [(job["batch"], job["threads"], job["shapes"]) for job in document["jobs"]] == [
        (1, 1, {"image": [1, 1, 8, 8]}),
        (1, 2, {"image": [1, 1, 8, 8]}),
        (4, 1, {"image": [4, 1, 8, 8]}),
        (4, 2, {"image": [4, 1, 8, 8]}),
    ]
    assert len({job["job_id"] for job in document["jobs"]}) == 4


def test_people_see_the_scenario_the_time_and_the_batch(
    net: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("--batch", "1,4", "--scenario", "sustained", "--duration", "2m", "--dry-run")
    assert main(["bench", str(net), "-r", "onnxruntime", *words]) == 0
    shown = capsys.readouterr()
    text = shown.out + shown.err

    assert "sustained: 1 fresh process per job, back to back from cold for 2 min" in text
    assert "about 2 min 6 s per job, 4 min 11 s in all" in text
    assert "batch" in text


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (("--period", "33ms"), "add --scenario paced"),
        (("--scenario", "paced", "--streams", "2"), "add --scenario throughput"),
        (("--scenario", "sustained", "--duration", "10s"), "give at least --duration 60s"),
        (("--scenario", "sustained", "--min-time", "10s"), "--duration 10m"),
        (("--scenario", "paced", "--period", "0"), "give at least --period 0.1ms"),
        (("--scenario", "paced", "--period", "soon"), "500ms"),
        (("--scenario", "poisson"), "paced"),
        (("--scenario", "cold-start", "--page-cache", "icy"), "warm"),
        (("--scenario", "throughput", "--streams", "1,x"), "whole number"),
    ],
)
def test_what_makes_no_sense_is_refused_with_what_to_type(
    net: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], hint: str
) -> None:
    text = refused(capsys, net, *words)

    assert hint in text
    assert "Traceback" not in text
