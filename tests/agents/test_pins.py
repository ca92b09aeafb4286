"""Pinning on a folder that looks like /sys, with commands that print a real board's text."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farm_agent import pins, pins_affinity, pins_knobs, restore
from farm_agent.errors import FarmError, JobError
from farm_agent.messages.gate import Pin

from .board import POLICIES, Board


@pytest.fixture
def board(tmp_path: Path) -> Iterator[Board]:
    allowed = os.sched_getaffinity(0)
    yield Board(tmp_path)
    os.sched_setaffinity(0, allowed)


def test_every_policy_is_pinned_inside_and_set_back_outside(board: Board) -> None:
    board.policies("schedutil", "ondemand")
    with board.pinned(governor="performance"):
        assert [board.get(f"{POLICIES}/policy{n}/scaling_governor") for n in (0, 1)] == ["performance"] * 2
        assert (board.root / restore.NAME).stat().st_mode & 0o777 == 0o600
        assert board.pin("governor") == Pin("governor", "schedutil,ondemand", "performance")
    assert board.get(f"{POLICIES}/policy0/scaling_governor") == "schedutil"
    assert board.get(f"{POLICIES}/policy1/scaling_governor") == "ondemand"
    assert board.pin("governor").restored is True
    assert not (board.root / restore.NAME).exists()


class Boom(BaseException):
    """Like a signal's: no Exception."""


def test_a_job_that_fails_or_is_stopped_leaves_nothing_pinned(board: Board) -> None:
    board.policies("schedutil")
    with pytest.raises(Boom), board.pinned(governor="performance"):
        raise Boom
    assert board.get(f"{POLICIES}/policy0/scaling_governor") == "schedutil"


@pytest.mark.parametrize(
    ("path", "before", "off"),
    [
        ("sys/devices/system/cpu/intel_pstate/no_turbo", "0", "1"),
        ("sys/devices/system/cpu/cpufreq/boost", "1", "0"),
        ("sys/devices/system/cpu/cpufreq/policy0/boost", "1", "0"),
    ],
)
def test_turbo_is_off_inside(board: Board, path: str, before: str, off: str) -> None:
    board.put(path, before)
    with board.pinned(turbo="off"):
        assert board.get(path) == off
    assert board.get(path) == before
    assert board.pin("turbo").restored is True


def test_jetson_s_mode_and_clocks_are_set_and_set_back_in_reverse(board: Board) -> None:
    board.jetson()
    with board.pinned(power_mode="2", clocks="max"):
        assert (board.folder / "mode").read_text() == "2\n"
        assert (board.folder / "fixed").exists()
        assert (board.pin("power-mode").old, board.pin("clocks").old) == ("0", "dynamic")
    assert (board.folder / "mode").read_text() == "0\n"
    assert not (board.folder / "fixed").exists()
    assert board.pin("clocks").restored is True


def test_what_is_as_wished_already_is_not_touched(board: Board) -> None:
    board.policies("performance")
    with board.pinned(governor="performance"):
        assert not (board.root / restore.NAME).exists()
    assert board.pin("governor") == Pin("governor", "performance", "performance", restored=True)


def test_with_nothing_asked_things_are_recorded_and_left_alone(board: Board) -> None:
    board.policies("schedutil")
    board.jetson()
    with board.pinned():
        assert board.get(f"{POLICIES}/policy0/scaling_governor") == "schedutil"
    assert board.pin("governor") == Pin("governor", "schedutil", "")
    assert board.pin("power-mode") == Pin("power-mode", "0", "")
    assert board.pin("affinity").new == ""


def test_what_the_device_lacks_is_a_problem_and_no_failure(board: Board) -> None:
    with board.pinned(governor="performance", turbo="off", power_mode="1", clocks="max"):
        pass
    assert "has no" in board.pin("governor").problem
    assert "not installed" in board.pin("power-mode").problem
    assert board.pin("governor").restored is None


@pytest.mark.skipif(
    not Path("/proc/self/ns/user").exists() or os.geteuid() != 0, reason="needs root to give it up"
)
def test_without_permission_the_pin_tells_the_command_that_helps(board: Board) -> None:
    board.policies("schedutil")
    for path in (board.folder, *board.folder.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o444)
    file = board.sys / POLICIES / "policy0/scaling_governor"
    knob = pins_knobs.knob(board.device, "governor:policy0")
    os.seteuid(65534)
    try:
        with pytest.raises(FarmError) as caught:
            knob.write("performance")
    finally:
        os.seteuid(0)
    assert "permission denied" in caught.value.message
    assert f"sudo tee {file}" in caught.value.fix


def test_a_governor_that_the_kernel_refuses_names_the_choices(board: Board, tmp_path: Path) -> None:
    folder = board.sys / POLICIES / "policy0"
    folder.mkdir(parents=True)
    (folder / "scaling_governor").symlink_to("/proc/self/comm")  # takes what is written, cut to 15 letters
    (folder / "scaling_available_governors").write_text("performance powersave\n")
    name = Path("/proc/self/comm").read_text()
    with board.pinned(governor="performance_and_then_some"):
        pass
    Path("/proc/self/comm").write_text(name)
    assert "stays at" in board.pin("governor").problem
    assert "performance powersave" in board.pin("governor").problem


@pytest.mark.parametrize(
    "plan",
    [{"turbo": "on"}, {"governor": "../x"}, {"power_mode": "-1"}, {"clocks": "min"}, {"affinity": "a-b"}],
)
def test_a_plan_that_nobody_can_follow_is_refused_before_anything_is_changed(
    board: Board, plan: dict[str, str]
) -> None:
    board.policies("schedutil")
    with pytest.raises(JobError) as caught, board.pinned(**plan):
        raise AssertionError
    assert caught.value.code in ("pins.option", "pins.affinity")
    assert caught.value.fix


def test_the_measured_processes_inherit_the_cpus(board: Board) -> None:
    first = min(os.sched_getaffinity(0))
    with board.pinned(affinity=str(first)):
        asked = [sys.executable, "-c", "import os; print(sorted(os.sched_getaffinity(0)))"]
        assert subprocess.run(asked, capture_output=True, check=True).stdout.strip() == f"[{first}]".encode()
    assert board.pin("affinity").new == str(first)
    assert board.pin("affinity").restored is True
    assert first in os.sched_getaffinity(0)


def cluster(cpus: Path, file: str, *speeds: int) -> None:
    for number, speed in enumerate(speeds):
        path = cpus / f"cpu{number}" / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{speed}\n")


def test_the_fastest_cluster_is_chosen_by_capacity_then_by_frequency(tmp_path: Path) -> None:
    allowed = range(6)
    assert pins_affinity.choose("auto", allowed, tmp_path) == (0, 1, 2, 3, 4, 5)
    cluster(
        tmp_path, "cpufreq/cpuinfo_max_freq", 4_700_000, 4_800_000, 4_700_000, 3_600_000, 3_600_000, 3_600_000
    )
    assert pins_affinity.choose("auto", allowed, tmp_path) == (0, 1, 2)
    cluster(tmp_path, "cpu_capacity", 446, 446, 446, 446, 1024, 1024)
    assert pins_affinity.choose("auto", allowed, tmp_path) == (4, 5)
    assert pins_affinity.choose("auto", [0, 1], tmp_path) == (0, 1)


def test_lists_of_cpus_are_read_and_written_as_the_kernel_does() -> None:
    assert pins_affinity.choose("0-2,5", range(8)) == (0, 1, 2, 5)
    assert pins_affinity.listed([0, 1, 2, 5, 7, 8]) == "0-2,5,7-8"
    assert pins_affinity.choose("all", [3, 1]) == (1, 3)
    for text in ("", "x", "3-1", "9", "0-99999", "1,,2"):
        with pytest.raises(JobError):
            pins_affinity.choose(text, range(8))


def test_a_dead_job_s_pins_tell_what_was_set_back_after_it() -> None:
    told = (Pin("governor", "schedutil", "performance"), Pin("affinity", "0-1", ""))
    back = (Pin("governor:policy0", "schedutil", "performance", restored=True),)
    assert pins.with_restored(told, back) == (replace(told[0], restored=True), told[1])


def test_a_command_that_hangs_is_given_up(board: Board, monkeypatch: pytest.MonkeyPatch) -> None:
    board.jetson()
    (board.folder / "bin/nvpmodel").write_text("#!/bin/sh\nexec sleep 60\n")
    monkeypatch.setattr(pins_knobs, "COMMAND_S", 0.2)
    began = time.monotonic()
    with board.pinned(power_mode="1"):
        pass
    assert "timed out" in board.pin("power-mode").problem
    assert time.monotonic() - began < 50


@settings(max_examples=150, deadline=None)
@given(st.text(alphabet="0123456789-, x", max_size=20) | st.text(max_size=20))
def test_any_text_is_a_list_of_cpus_or_refused(text: str) -> None:
    try:
        cpus = pins_affinity.parse(text)
    except JobError:
        return
    assert pins_affinity.parse(pins_affinity.listed(cpus)) == cpus
