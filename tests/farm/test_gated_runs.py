"""Gates end to end: two real runs on this machine, started in a git repository."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from farm.cli import main
from farm.config import load_config
from farm_results.store import open_store
from tests.farm.networks import conv_net

QUICK = ("--blocks", "1", "--min-time", "50ms", "--min-runs", "10", "--no-gate", "-r", "onnxruntime")


def test_a_run_is_held_against_its_budget_and_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its commit is a name for it; what it says of the other run is said beside the results."""
    project = tmp_path / "project"
    project.mkdir()
    monkeypatch.chdir(project)
    conv_net(project / "net.onnx")
    identity = ("-c", "user.name=n", "-c", "user.email=n@example.org", "-c", "commit.gpgsign=false")
    for words in (("init", "-q", "-b", "trunk"), ("add", "."), (*identity, "commit", "-qm", "one")):
        subprocess.run(["git", *words], cwd=project, check=True, capture_output=True)

    def farm(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "farm", *words]
        return subprocess.run(command, cwd=project, capture_output=True, text=True, timeout=600, check=False)

    bench = ("bench", "net.onnx", *QUICK)
    refused = (("--baseline", "last"), "results.unknown-ref"), (("--budget", "energy<=5mJ"), "gate.energy")
    for words, code in refused:
        assert main([*bench, *words]) == 2
        assert f"error[{code}]" in capsys.readouterr().err

    first = farm(*bench, "--budget", "p50<=60s,size<=1B", "--json")
    assert first.returncode == 1, first.stderr
    document = json.loads(first.stdout)
    (row,) = document["results"]
    gates = document["gates"]
    assert (gates["held"], gates["exit_code"], gates["baseline"]) == (False, 1, None)
    assert [(one["limit"], one["state"]) for one in gates["budget"]] == [
        ("p50<=60s", "met"),
        ("size<=1B", "broken"),
    ]
    assert list(gates["failures"]) == [row["job_id"]]
    assert "BUDGET BROKEN" in first.stderr
    assert "budget: 1 of 2 limits met" in first.stderr
    store = open_store(load_config().store)
    (run,) = store.runs()
    assert (run.labels["git.branch"], run.labels["git.dirty"]) == ("trunk", "false")

    second = farm(*bench, "--baseline", "trunk", "--budget", "size<=1B", "--fail-on", "never", "--json")
    gates = json.loads(second.stdout)["gates"]
    assert (gates["held"], gates["exit_code"], gates["fail_on"]) == (True, 0, ["never"])
    assert (gates["baseline"]["schema"], gates["budget"][0]["state"]) == ("farm.compare/1", "broken")
    assert second.returncode == 0, second.stderr
    assert "against trunk:" in second.stderr
    assert "budget: 0 of 1 limits met" in second.stderr
    newest = store.runs()[0].run_id
    store.close()
    found = farm("compare", row["run_id"], newest, "--all", "--json", "--metric", "size,own")
    sections = {row["metric"]: row["section"] for row in json.loads(found.stdout)["rows"]}
    assert found.returncode == 0
    assert sections["size"] == "unchanged"
