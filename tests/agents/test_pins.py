"""Pinning on a folder that looks like /sys, with commands that print a real board's text."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farm_agent import codec, identity, pins, pins_affinity, pins_knobs, restore
from farm_agent.errors import FarmError, JobError
from farm_agent.job import blank
from farm_agent.messages.gate import Pin, PinPlan
from farm_agent.pins_knobs import Device
from farm_agent.restore import Entry, Journal
from farm_agent.wire import ArtifactSpec, BlockPlan, JobResult, JobSpec

# nvpmodel -q and jetson_clocks --show of a Jetson Nano (jetson_stats' test data), shortened.
NVPMODEL = """#!/bin/sh
case "$1" in
-q) echo "NV Power Mode: MAXN"; cat "{state}/mode";;
-m) echo "$2" > "{state}/mode";;
esac
"""
JETSON_CLOCKS = """#!/bin/sh
show() {{
  echo "SOC family:tegra210  Machine:jetson-nano"
  echo "cpu0: Online=1 Governor=schedutil MinFreq=$1 MaxFreq=1428000 CurrentFreq=1428000 IdleStates: WFI=1"
  echo "GPU MinFreq=$2 MaxFreq=921600000 CurrentFreq=153600000"
  echo "EMC MinFreq=204000000 MaxFreq=1600000000 CurrentFreq=1600000000 FreqOverride=0"
}}
case "$1" in
--show) if [ -e "{state}/fixed" ]; then show 1428000 921600000; else show 102000 76800000; fi;;
--store) [ -e "$2" ] && exit 1; echo saved > "$2";;
--restore) [ -e "$2" ] || exit 1; rm -f "{state}/fixed";;
"") touch "{state}/fixed";;
esac
"""


class Board:
    """A board's files and commands, and the agent's folder."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "root"
        self.sys = folder / "sys"
        self.root.mkdir()
        self.device = Device(self.root, self.sys, f"{folder / 'bin'}:{os.environ['PATH']}")
        self.folder = folder
        self.keeper = Keeper()

    def put(self, path: str, text: str) -> Path:
        file = self.sys / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text + "\n")
        return file

    def get(self, path: str) -> str:
        return (self.sys / path).read_text().strip()

    def policies(self, *governors: str) -> None:
        for number, governor in enumerate(governors):
            self.put(f"{POLICIES}/policy{number}/scaling_governor", governor)

    def jetson(self) -> None:
        (self.folder / "bin").mkdir()
        (self.folder / "mode").write_text("0\n")
        for name, script in (("nvpmodel", NVPMODEL), ("jetson_clocks", JETSON_CLOCKS)):
            path = self.folder / "bin" / name
            path.write_text(script.format(state=self.folder))
            path.chmod(0o755)

    def pinned(self, **plan: str) -> Any:
        return pins.pinned(self.keeper, PinPlan(**plan), self.root, self.device)

    def pin(self, name: str) -> Pin:
        return next(pin for pin in self.keeper.result.pins if pin.name == name)


POLICIES = "sys/devices/system/cpu/cpufreq"
SPEC = JobSpec("job-1", 1, ArtifactSpec("onnx", "fp32", (), (), ()), "onnxruntime", BlockPlan())


class Keeper:
    """Keeps the result."""

    def __init__(self) -> None:
        self.result: JobResult = blank(SPEC, "")

    def keep(self, result: JobResult) -> None:
        self.result = result

    def emit(self, kind: str, data: dict[str, Any]) -> None: ...

    def note_versions(self, versions: dict[str, str]) -> None: ...

    def log(self, text: str) -> None: ...


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


def journal(board: Board, *entries: Entry, boot: str = "", owner: identity.ProcessId | None = None) -> None:
    restore.write(board.root, Journal(boot or identity.boot_id(), owner, entries))


def test_a_killed_supervisor_leaves_a_journal_from_which_the_next_agent_restores(board: Board) -> None:
    board.policies("schedutil")
    board.put("sys/devices/system/cpu/intel_pstate/no_turbo", "0")
    code = (
        "import sys, time; from pathlib import Path; from farm_agent import pins\n"
        "from farm_agent.pins_knobs import Device; root, tree = map(Path, sys.argv[1:])\n"
        "device = Device(root, tree)\n"
        "pins.apply({'governor:policy0': 'performance', 'turbo:intel_pstate': '1'}, root, device)\n"
        "print('pinned', flush=True); time.sleep(60)\n"
    )
    agents = str(Path(pins.__file__).parent.parent)
    argv = [sys.executable, "-c", code, str(board.root), str(board.sys)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": agents}) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"pinned\n"
        assert restore.leftover(board.root, board.device) == ()  # its owner lives
        assert board.get(f"{POLICIES}/policy0/scaling_governor") == "performance"
        child.send_signal(signal.SIGKILL)
        child.wait()
    back = restore.leftover(board.root, board.device)
    assert [pin.restored for pin in back] == [True, True]
    assert board.get(f"{POLICIES}/policy0/scaling_governor") == "schedutil"
    assert board.get("sys/devices/system/cpu/intel_pstate/no_turbo") == "0"
    assert not restore.pending(board.root)


def test_after_a_reboot_only_the_power_mode_is_set_back(board: Board) -> None:
    board.policies("performance")
    board.jetson()
    (board.folder / "mode").write_text("2\n")
    entries = (Entry("power-mode", "0", "2"), Entry("governor:policy0", "schedutil", "performance"))
    journal(board, *entries, boot="another")
    assert [pin.name for pin in restore.leftover(board.root, board.device)] == ["power-mode"]
    assert (board.folder / "mode").read_text() == "0\n"
    assert board.get(f"{POLICIES}/policy0/scaling_governor") == "performance"


def test_what_somebody_else_set_meanwhile_is_left_alone(board: Board) -> None:
    board.policies("powersave")
    journal(board, Entry("governor:policy0", "schedutil", "performance"))
    (pin,) = restore.leftover(board.root, board.device)
    assert (pin.restored, board.get(f"{POLICIES}/policy0/scaling_governor")) == (False, "powersave")
    assert "powersave" in pin.problem
    assert not restore.pending(board.root)


def test_what_cannot_be_set_back_stays_in_the_journal_for_the_next_time(board: Board) -> None:
    journal(board, Entry("governor:policy0", "schedutil", "performance"))
    (pin,) = restore.leftover(board.root, board.device)
    assert pin.restored is False
    assert restore.pending(board.root)
    board.policies("performance")
    (pin,) = restore.leftover(board.root, board.device)
    assert pin.restored is True
    assert not restore.pending(board.root)


def test_a_second_job_keeps_the_first_one_s_true_old_value(board: Board) -> None:
    board.policies("performance")
    (board.sys / POLICIES / "policy0/scaling_governor").write_text("powersave\n")
    journal(board, Entry("governor:policy0", "schedutil", "powersave"), owner=identity.identify(os.getpid()))
    pins.apply({"governor:policy0": "performance"}, board.root, board.device)
    kept = restore.read(board.root)
    assert kept is not None
    assert [entry.old for entry in kept.entries] == ["schedutil"]


@pytest.mark.parametrize("name", ["/etc/passwd", "governor:../../x", "turbo:/x", "power-mode "])
def test_a_journal_cannot_name_other_files(board: Board, name: str) -> None:
    journal(board, Entry(name, "x", "y"))
    (pin,) = restore.leftover(board.root, board.device)
    assert pin.restored is False


def test_a_journal_cannot_hold_other_values(board: Board) -> None:
    board.policies("performance")
    journal(board, Entry("governor:policy0", "x; rm", "performance"))
    assert restore.leftover(board.root, board.device)[0].restored is False
    assert board.get(f"{POLICIES}/policy0/scaling_governor") == "performance"


def test_a_broken_journal_is_put_aside(board: Board) -> None:
    (board.root / restore.NAME).write_text("{")
    assert restore.leftover(board.root, board.device) == ()
    assert (board.root / f"{restore.NAME}.broken").exists()


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


def test_the_journal_crosses_versions_as_plain_json(board: Board) -> None:
    journal(board, Entry("clocks", "dynamic", "max"))
    assert codec.loads(Journal, (board.root / restore.NAME).read_bytes()).entries[0].name == "clocks"


@settings(max_examples=150, deadline=None)
@given(st.text(alphabet="0123456789-, x", max_size=20) | st.text(max_size=20))
def test_any_text_is_a_list_of_cpus_or_refused(text: str) -> None:
    try:
        cpus = pins_affinity.parse(text)
    except JobError:
        return
    assert pins_affinity.parse(pins_affinity.listed(cpus)) == cpus


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_in_the_journal_s_place_end_nothing(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    root = tmp_path_factory.mktemp("root")
    (root / restore.NAME).write_bytes(data)
    assert restore.leftover(root, Device(root, root)) == ()
