"""``farm nightly`` as a person has it: real nights on this machine, killed, gone on with, slowed down."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from farm.nightly.diary import recent
from farm.nightly.real import models_now
from farm_results.store import open_store
from tests.farm.networks import heavy_net
from tests.farm.runs import Done, Farm, finish
from tests.support import need

SETTINGS = """
[nightly]
models = ["{folder}/net.onnx"]
devices = ["local"]
runtimes = ["onnxruntime"]
threads = [1]
blocks = 1
min_time = "50ms"
max_time = "200ms"
min_runs = 10
trigger = 10
gate = false
canary = {canary}
pairs = 8
aa = "never"
"""


@pytest.fixture
def farm(tmp_path: Path, private_folders: Path, monkeypatch: pytest.MonkeyPatch) -> Farm:
    """A user whose project folder is the working directory of every command."""
    user = Farm(tmp_path / "user", private_folders / "cache" / "farm")
    user.folder.mkdir()
    monkeypatch.chdir(user.folder)
    return user


def _written(farm: Farm, *, layers: int = 4, canary: bool = False) -> None:
    heavy_net(farm.folder / "net.onnx", 192, layers)
    text = SETTINGS.format(folder=farm.folder, canary=str(canary).lower())
    (farm.folder / "farm.toml").write_text(text)


def _night(done: Done) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(done.out)
    return found


def test_a_slower_network_is_a_regression_with_its_canary_and_the_night_survives_a_kill(farm: Farm) -> None:
    """Night 1, killed by -9 while it measures, goes on and sets baselines; night 2 ships a network with
    twice the work: one regression, confirmed in turns on this machine, in the exit code, status and JSON.
    The trigger is set so high that a busy machine's noise does not cost the canary an A/B as well."""
    _written(farm, canary=True)
    first = farm.start("--json", "nightly", "run")
    _wait_until_it_measures(farm, first)
    os.kill(first.pid, signal.SIGKILL)
    finish(first)
    resumed = _night(farm.run("--json", "nightly", "run"))
    assert (resumed["attempts"], resumed["state"]) == (2, "done")
    outcomes = [(cell["model"], cell["outcome"]) for cell in resumed["cells"]]
    assert outcomes == [("digits", "new"), ("net", "new")]
    store = open_store(farm.store)
    assert store.count() == 2, "what the killed one left running was brought home, not measured again"
    store.close()

    _written(farm, layers=8, canary=True)
    plan = _night(farm.run("--json", "nightly", "plan"))
    why = {cell["model"]: cell["why"] for cell in plan["cells"]}
    assert why["net"] == "changed: model file, conversion"
    assert why["digits"].startswith("unchanged, measured 0 h ago")
    done = farm.run("--json", "nightly", "run")
    assert done.code == 1, done.err
    (finding,) = [each for each in _night(done)["findings"] if each["model"] == "net"]
    assert finding["word"] == "regression"
    assert finding["low"] > 0.3
    assert {"artifact", "model", "canary"} <= {cause["kind"] for cause in finding["causes"]}
    shown = farm.run("nightly", "status", "--alarm-after", "1ms")
    assert "REGRESSION\tlocal\tnet" in shown.out
    assert shown.code == 1
    assert "nightly.overdue" in shown.err


def _wait_until_it_measures(farm: Farm, process: subprocess.Popen[str]) -> None:
    """Until the night has written down which jobs it begins."""
    while process.poll() is None:
        time.sleep(0.3)
        if not list(farm.store.glob("*.db")):
            continue
        store = open_store(farm.store)
        try:
            if any(cell.job_ids for night in recent(store) for cell in night.cells):
                return
        finally:
            store.close()


def test_without_a_table_the_error_says_what_to_write(farm: Farm) -> None:
    """Nothing to measure, no night yet, no such night, two models of one name."""
    done = farm.run("nightly", "run")
    assert done.code == 2
    assert "nightly.nothing" in done.err
    assert farm.run("nightly").code == 4
    missing = farm.run("nightly", "status", "night-2020")
    assert "results.unknown-night" in missing.err
    (farm.folder / "other").mkdir()
    heavy_net(farm.folder / "net.onnx", 16, 2)
    heavy_net(farm.folder / "other" / "net.onnx", 16, 3)
    (farm.folder / "farm.toml").write_text(
        '[nightly]\nmodels = ["net.onnx", "other/net.onnx"]\ndevices = ["local"]'
    )
    twins = farm.run("nightly", "plan")
    assert "nightly.same-name" in twins.err
    (farm.folder / "farm.toml").write_text('[nightly]\nmodels = ["*/*.tflite"]\ndevices = ["local"]')
    assert "nightly.nothing" in farm.run("nightly", "run").err
    assert [path.name for path in models_now([farm.folder / "o*" / "*.onnx"])] == ["net.onnx"]


def test_units_and_workflow_are_written_again_the_same_and_removed(
    farm: Farm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A dry run writes nothing; installing twice changes nothing; a file of somebody else stays; systemd
    itself reads the units of a folder with blanks, quotes and percent signs in its name."""
    folder = farm.folder / 'a %h "b" $HOME'
    folder.mkdir()
    monkeypatch.chdir(folder)
    log = _stub(tmp_path, monkeypatch, "systemctl", 'echo "$@" >> "$LOG"')
    units = farm.folder / ".config" / "systemd" / "user"
    monkeypatch.setenv("XDG_CONFIG_HOME", str(farm.folder / ".config"))
    dry = farm.run("nightly", "install", "--systemd", "--github", "--at", "03:15", "--dry-run")
    assert "OnCalendar=*-*-* 03:15:00" in dry.out
    assert not units.exists()
    written = farm.run("nightly", "install", "--systemd", "--github", "--at", "03:15").err
    assert "moved farm's folders here and will not at night: write store" in written
    assert f"{folder} is in no git repository" in written
    files = {path: path.read_text() for path in units.iterdir()}
    assert len(files) == 2
    assert "enable farm-nightly-a-h-b-home-" in log.read_text()
    service = next(text for path, text in files.items() if path.suffix == ".service")
    assert f'Environment="PATH={Path(sys.executable).parent}:' in service
    assert '"-P" "-m" "farm"' in service, "a folder farm/ of the project is not the package"
    if shutil.which("systemd-analyze"):
        checked = subprocess.run(
            ["systemd-analyze", "verify", "--user", *map(str, files)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert "farm-nightly" not in checked.stderr, checked.stderr
    again = farm.run("nightly", "install", "--systemd", "--github", "--at", "03:15")
    assert "nothing to do" in again.err
    workflow = folder / ".github" / "workflows" / "farm-nightly.yml"
    read = _workflow(workflow)
    assert read["on"]["schedule"] == [{"cron": "15 3 * * *"}]
    assert "defaults" not in read["jobs"]["night"]
    (folder.parent / ".git").mkdir()
    assert "no git repository" not in farm.run("nightly", "install", "--github").err
    (inside,) = (folder.parent / ".github" / "workflows").iterdir()
    assert inside.name == "farm-nightly-a-h-b-home.yml", "GitHub reads the repository's top alone"
    assert _workflow(inside)["jobs"]["night"]["defaults"]["run"]["working-directory"] == folder.name
    (folder.parent / ".git").rmdir()
    workflow.write_text("name: mine\n")
    assert "nightly.not-ours" in farm.run("nightly", "uninstall", "--github").err
    farm.run("nightly", "uninstall", "--systemd")
    assert list(units.iterdir()) == []
    assert workflow.read_text() == "name: mine\n"
    assert "nightly.time" in farm.run("nightly", "install", "--cron", "--at", "2:5").err
    assert "nightly.kind" in farm.run("nightly", "install").err


def _workflow(path: Path) -> dict[str, Any]:
    """The file as GitHub reads it: only keys that it knows, every step a command or an action."""
    need(importlib.util.find_spec("yaml") is not None, "PyYAML")
    import yaml  # type: ignore[import-untyped]

    read: dict[Any, Any] = yaml.safe_load(path.read_text())
    read["on"] = read.pop(True)  # what YAML 1.1 makes of the word
    assert set(read) == {"name", "on", "permissions", "concurrency", "jobs"}
    assert set(read["on"]) == {"schedule", "workflow_dispatch"}
    (job,) = read["jobs"].values()
    assert set(job) <= {"runs-on", "timeout-minutes", "defaults", "steps"}
    for step in job["steps"]:
        assert len({"run", "uses"} & set(step)) == 1
        assert set(step) <= {"run", "uses", "if"}
    return read


def test_the_crontab_keeps_everything_else(
    farm: Farm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One block per folder, replaced where it was written before; a shell reads the line as it is meant."""
    folder = farm.folder / "it's 100%"
    folder.mkdir()
    monkeypatch.chdir(folder)
    table = tmp_path / "table"
    script = (
        'if [ "$1" = -l ]; then [ -e "$TABLE" ] && cat "$TABLE" || { echo "no crontab for me" >&2; exit 1; }'
    )
    monkeypatch.setenv("TABLE", str(table))
    _stub(tmp_path, monkeypatch, "crontab", f'{script}; else cat > "$TABLE"; fi')
    farm.run("nightly", "install", "--cron")
    table.write_text("# mine\n0 1 * * * mine\n" + table.read_text())
    farm.run("nightly", "install", "--cron", "--at", "04:05")
    lines = table.read_text().splitlines()
    assert lines[:2] == ["# mine", "0 1 * * * mine"]
    (line,) = [each for each in lines if "nightly run" in each]
    assert line.startswith("5 4 * * * cd ")
    assert "100\\%" in line
    command = line.removeprefix("5 4 * * * ").replace("\\%", "%").partition(" && ")[0]
    where = subprocess.run(["sh", "-c", f"{command} && pwd"], capture_output=True, text=True, check=True)
    assert where.stdout.strip() == str(folder)
    assert line.endswith(">/dev/null"), "cron mails what is printed: problems alone"
    whole = table.read_text()
    table.write_text(whole.replace("# end farm", "# my farm") + "0 2 * * * also mine\n")
    assert "nightly.not-ours" in farm.run("nightly", "uninstall", "--cron").err
    assert "also mine" in table.read_text()
    table.write_text(whole)
    farm.run("nightly", "uninstall", "--cron")
    assert table.read_text() == "# mine\n0 1 * * * mine\n"


def _stub(folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, script: str) -> Path:
    """A program of that name before all others; the log that it may write to."""
    need(shutil.which("sh") is not None, "sh")
    programs = folder / "programs"
    programs.mkdir(exist_ok=True)
    path = programs / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    monkeypatch.setenv("LOG", str(folder / "log"))
    return folder / "log"
