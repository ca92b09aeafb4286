"""The example action for GitHub: what it runs is what the command line takes, whatever its inputs hold."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import click
import pytest

import farm.cli
from tests.commands import commands, parse
from tests.support import ROOT

EXAMPLES = ROOT / "docs" / "examples"
FAKE = '#!/bin/sh\nprintf "%s\\n" "$@" >"$RUNNER_TEMP/words"\n'


def read(path: str) -> Any:
    yaml = pytest.importorskip("yaml")
    return yaml.safe_load((EXAMPLES / path).read_text(encoding="utf-8"))


def words_of(folder: Path, **inputs: str) -> list[str]:
    """What the action's step hands to farm, run by a real bash with these inputs."""
    (step,) = [one for one in read("github/action.yml")["runs"]["steps"] if one.get("id") == "bench"]
    program = folder / "farm" / "bin" / "farm"
    program.parent.mkdir(parents=True, exist_ok=True)
    program.write_text(FAKE)
    program.chmod(0o755)
    given = {name: inputs.get(name.lower(), "") for name in step["env"]}
    subprocess.run(
        ["bash", "-e", "-o", "pipefail", "-c", step["run"]],
        env={**os.environ, **given, "RUNNER_TEMP": str(folder)},
        cwd=folder,
        check=True,
    )
    return (folder / "words").read_text().splitlines()


def test_the_action_hands_over_its_inputs_and_nothing_runs_them(tmp_path: Path) -> None:
    """An input is never text of the script, so a name cannot be a command."""
    words = words_of(tmp_path, models="a.onnx b.onnx", devices="tag:ci", budget="p50<=20ms")
    assert words[:4] == ["--quiet", "bench", "--devices", "tag:ci"]
    assert words[words.index("--budget") + 1] == "p50<=20ms"
    assert "--baseline" not in words
    assert words[-3:] == ["--", "a.onnx", "b.onnx"]
    known = farm.cli.group.get_command(click.Context(farm.cli.group), "bench")
    assert known is not None
    options = {option for parameter in known.params for option in parameter.opts}
    assert {word for word in words[2:-3] if word.startswith("--")} <= options

    evil = "$(touch pwned) `touch pwned`;touch pwned"
    words = words_of(tmp_path, models=evil, devices=evil, budget=evil, baseline=evil)
    assert words[3] == evil
    assert not (tmp_path / "pwned").exists()


def test_inputs_reach_scripts_as_variables_alone() -> None:
    action = read("github/action.yml")
    for step in action["runs"]["steps"]:
        assert "${{" not in step.get("run", "")
    (job,) = read("github/workflow.yml")["jobs"].values()
    (use,) = [one for one in job["steps"] if "farm-bench" in one["uses"]]
    assert set(use["with"]) <= set(action["inputs"])
    assert "fork" not in job["if"]
    assert "head.repo.full_name == github.repository" in job["if"]
    named = set(re.findall(r"inputs\.([\w-]+)", (EXAMPLES / "github/action.yml").read_text(encoding="utf-8")))
    assert named == set(action["inputs"])
    assert {name for name, one in action["inputs"].items() if one.get("required")} <= set(use["with"])


def test_the_job_for_gitlab_is_understood() -> None:
    """Its command line parses, and what it hands over is what that writes."""
    job = read("gitlab/gitlab-ci.yml")["edge"]
    (words,) = [words for line in job["script"] for words in commands(line)]
    parse(words)
    reports = job["artifacts"]["reports"]
    assert set(reports) == {"junit", "metrics"}
    assert {*reports.values(), *job["artifacts"]["paths"]} <= set(words)
