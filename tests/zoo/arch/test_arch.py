"""Boards of other processors: enrolled by Ansible, measured, and marked as what they are."""

from __future__ import annotations

import platform
from pathlib import Path

import pytest

from tests.farm.runs import Farm
from tests.support import need
from tests.zoo.arch import recipe
from tests.zoo.arch.device import PROFILES, ArchDevice, shape
from tests.zoo.zoo import Zoo, missing

pytestmark = [pytest.mark.arch, pytest.mark.zoo, pytest.mark.toolchain]

BRIEFLY = ("--blocks", "1", "--min-time", "200ms", "--min-runs", "10", "--max-time", "20s", "--no-gate")
# What each processor's Python 3.11 with glibc 2.36 can have, and which package it is.
RUNTIMES = {
    "arm64": {"onnxruntime": "onnxruntime", "litert": "ai_edge_litert"},
    "armhf": {"litert": "tflite_runtime"},
}


@pytest.mark.parametrize("arch", list(RUNTIMES))
def test_an_emulated_board_is_enrolled_and_its_numbers_are_marked(arch: str, private_folders: Path) -> None:
    """Real wheels of that processor inside; outputs agree with the source model's; times are no numbers."""
    why = missing() or recipe.missing(arch)
    need(not why, f"no emulated {arch} here: {why}")
    farm = Farm(private_folders / "person", private_folders / "cache" / "farm")
    farm.folder.mkdir()
    with Zoo() as zoo:
        device = zoo.add(f"emu-{arch}", shape(arch), ArchDevice)
        words = ["enroll", f"root@{device.address}", "--name", device.name, "--profile", PROFILES[arch]]
        words += ["--host-key", device.host_key, "--identity", str(zoo.identity)]
        words += ["--runtime", ",".join(RUNTIMES[arch]), "--no-health", "--yes"]
        enrolled = farm.run(*words)
        assert enrolled.code == 0, enrolled.err
        assert "changed=" in enrolled.err
        opt = device.home.parent.parent / "opt"
        installed = (opt / "farm/runtimes.txt").read_text().replace("-", "_")
        for package in RUNTIMES[arch].values():
            assert f"\n{package}==" in installed
            assert list((opt / "farm/venv/lib").glob(f"python3.11/site-packages/{package}"))
        done = farm.run("--json", "bench", "-d", device.name, "-r", ",".join(RUNTIMES[arch]), *BRIEFLY)
        assert done.code == 0, done.err
        rows = {row["runtime"]: row for row in done.rows()}
        assert set(rows) == set(RUNTIMES[arch])
        for row in rows.values():
            assert row["status"] == "ok", row
            assert row["verdict"]["word"] == "invalid"
            worst = [each for each in row["verdict"]["caveats"] if each["severity"] == "invalid"]
            assert [each["code"] for each in worst] == ["device.emulated"]
            assert worst[0]["evidence"].startswith("EMULATED: a")
            assert f" on {platform.machine()}" in worst[0]["evidence"]
