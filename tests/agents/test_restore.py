"""What was pinned is set back after a crash: by the next agent, from the journal on the disk."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farm_agent import codec, identity, pins, restore
from farm_agent.pins_knobs import Device
from farm_agent.restore import Entry, Journal

from .board import POLICIES, Board


@pytest.fixture
def board(tmp_path: Path) -> Board:
    return Board(tmp_path)


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


def test_the_journal_crosses_versions_as_plain_json(board: Board) -> None:
    journal(board, Entry("clocks", "dynamic", "max"))
    assert codec.loads(Journal, (board.root / restore.NAME).read_bytes()).entries[0].name == "clocks"


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_in_the_journal_s_place_end_nothing(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    root = tmp_path_factory.mktemp("root")
    (root / restore.NAME).write_bytes(data)
    assert restore.leftover(root, Device(root, root)) == ()
