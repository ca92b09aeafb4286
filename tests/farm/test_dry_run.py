"""``farm bench --dry-run``: the whole plan, and why some of it would not run."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from farm_results.store import open_store
from tests.farm.networks import conv_net


def dry_run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "farm", *arguments, "--dry-run"]
    return subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)


@pytest.mark.usefixtures("own_cache")
def test_every_job_and_its_fate_are_listed_and_nothing_is_measured(tmp_path: Path) -> None:
    good = conv_net(tmp_path / "good.onnx")
    free = conv_net(tmp_path / "free.onnx", batch="batch")
    arguments = ("--store", str(tmp_path / "store"), "--json", "bench", str(good), str(free))

    done = dry_run(*arguments, "-r", "onnxruntime", "-p", "fp32,fp16")

    assert done.returncode == 0, done.stderr
    jobs = json.loads(done.stdout)["jobs"]
    assert [(job["model"], job["precision"], job["fate"]) for job in jobs] == [
        ("good", "fp32", "runs"),
        ("good", "fp16", "runs"),
        ("free", "fp32", "fails"),
        ("free", "fp16", "fails"),
    ]
    assert "model.free-dimensions" in jobs[2]["why"]
    assert "converted" in jobs[0]["why"]
    store = open_store(tmp_path / "store")
    assert store.runs() == []
    store.close()


@pytest.mark.usefixtures("own_cache")
def test_what_is_cached_is_said_to_be(tmp_path: Path) -> None:
    good = str(conv_net(tmp_path / "good.onnx"))
    subprocess.run(
        [sys.executable, "-m", "farm", "convert", good, "--to", "onnx"],
        capture_output=True,
        check=True,
        timeout=600,
    )

    done = dry_run("--json", "bench", good, "-r", "onnxruntime")

    assert "cached" in json.loads(done.stdout)["jobs"][0]["why"]


def test_a_plan_without_any_job_is_exit_code_4(tmp_path: Path) -> None:
    """The profile of this machine has no such target."""
    done = dry_run("bench", str(conv_net(tmp_path / "good.onnx")), "-r", "tensorrt")

    assert done.returncode == 4, done.stderr
    assert "has no tensorrt target" in done.stdout


def test_an_unreachable_device_is_told_before_anything_is_measured(tmp_path: Path) -> None:
    inventory = tmp_path / "devices.toml"
    key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIk6cmPw/WqltEKCdtFkjcU7/17lM22eBsURxLfeRbpG"
    inventory.write_text(
        f'[devices.gone]\nprofile = "rpi4"\naddress = "ssh://pi@127.0.0.1:1"\nhost_key = "{key}"\n'
    )
    (tmp_path / "farm.toml").write_text('inventory_path = "devices.toml"\n')
    model = str(conv_net(tmp_path / "good.onnx"))

    done = dry_run("-C", str(tmp_path), "--json", "bench", model, "-d", "gone", "-r", "onnxruntime")

    (job,) = json.loads(done.stdout)["jobs"]
    assert job["fate"] == "fails"
    assert "device.unreachable" in job["why"]
