"""What must work on any board: the zoo's, and with ``pytest --devices NAME`` one's own."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from farm.devices.session import Session
from farm.ship import ship
from farm_agent import pack
from farm_agent.wire import Blob
from farm_profiles.load import load_profile
from tests.farm.networks import wide_net
from tests.farm.runs import QUICK, Done, Farm, finish
from tests.zoo import own, processes
from tests.zoo.own import Board

pytestmark = [pytest.mark.zoo, pytest.mark.timeout(900)]


@pytest.fixture(autouse=True)
def keys(private_folders: Path) -> None:
    """Tests log in as the caller does."""
    own.link_keys(private_folders)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for this module: what was converted is converted once."""
    folder = tmp_path_factory.mktemp("board")
    wide_net(folder / "net.onnx")
    return folder


@pytest.fixture
def board(any_board: Board) -> Board:
    """The board."""
    return any_board


@pytest.fixture
def user(board: Board, place: Path) -> Farm:
    """Somebody who has the board."""
    return board.user(place / "user", place / "cache")


def _command(board: Board, place: Path, block: str = "50ms", device: str = "") -> list[str]:
    quick = [block if word == "50ms" else word for word in QUICK]
    return ["--json", "bench", str(place / "net.onnx"), "-d", device or board.entry.name, *quick]


def _row(done: Done, board: Board) -> dict[str, Any]:
    row = done.row(board.entry.name)
    if row["error_code"] in ("runtime.missing", "runtime.unavailable") and not board.zoo:
        pytest.skip(f"{board.entry.name}: {row['error_message']}")
    return row


@pytest.fixture
def session(board: Board, tmp_path: Path) -> Iterator[Session]:
    """A connection to the board's agent."""
    profile = load_profile(board.entry.profile)
    made = Session(board.entry, profile, pack.build(tmp_path), stop=threading.Event())
    yield made
    made.close()


def test_facts_are_those_that_the_board_itself_tells(board: Board, session: Session) -> None:
    facts = session.facts()
    with board.link() as link:
        said = link.run(["sh", "-c", "uname -m; uname -r; nproc --all"], timeout_s=30).stdout.decode().split()
    assert [facts.machine, facts.kernel] == said[:2]
    assert 0 < facts.cores <= int(said[2])
    assert (facts.memory_bytes or 0) > 64 * 1024**2
    assert facts.python.startswith("3.")


def test_upload_arrives_whole_and_only_once(session: Session, tmp_path: Path) -> None:
    path = tmp_path / "data"
    path.write_bytes(os.urandom(3_000_000))
    blob = Blob(hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_size, path.name)

    def sent_bytes() -> int:
        done = session.call(lambda client, link: ship(client, link, [(blob, path)], timeout_s=120))
        return done.sent_bytes

    assert [sent_bytes(), sent_bytes()] == [blob.size_bytes, 0]


def test_bench_measures_and_ships_nothing_twice(board: Board, user: Farm, place: Path) -> None:
    first = user.run(*_command(board, place))
    row = _row(first, board)
    again = user.run(*_command(board, place))

    assert (first.code, row["status"]) == (0, "ok"), first.err
    assert row["latency"]["p50_ns"] > 0
    assert row["verdict"]
    assert again.row(board.entry.name)["document"]["sent_bytes"] == 0
    shown = json.loads(user.run("--json", "results", "list").out)
    assert str(row["job_id"]) in json.dumps(shown)


def _begin(board: Board, user: Farm, place: Path, block: str) -> subprocess.Popen[str]:
    """Start a command and return once the board measures its job."""
    before = time.time()
    process = user.start(*_command(board, place, block))
    pattern = time.strftime("%Y%m%d-*", time.gmtime(before))
    with board.link() as link:
        root = board.entry.root or ".farm"
        look = f"cd; find {root}/jobs/{pattern} -name 'block-0.request.json' -newermt @{int(before)}"

        def measures() -> bool:
            assert process.poll() is None, finish(process)
            return bool(link.run(["sh", "-c", look], timeout_s=30).stdout)

        processes.until(measures, "the board to measure", 300)
    return process


@pytest.mark.destructive
def test_job_goes_on_while_the_board_is_silent_and_is_attached_again(
    board: Board, user: Farm, place: Path
) -> None:
    process = _begin(board, user, place, "10s")
    broke_unix_s = time.time()
    board.cut_for(20)
    done = finish(process)

    assert done.code == 0, done.err
    row = _row(done, board)
    assert (row["status"], row["latency"]["blocks"]) == ("ok", 1)
    job = row["document"]["job"]
    assert job["started_unix_s"] < broke_unix_s < job["ended_unix_s"]


@pytest.mark.destructive
def test_board_that_reboots_fails_its_job_and_takes_the_next(board: Board, user: Farm, place: Path) -> None:
    process = _begin(board, user, place, "10s")
    board.reboot()
    done = finish(process)
    again = user.run(*_command(board, place))

    assert done.code == 3, done.err
    row = _row(done, board)
    if board.zoo:  # another may be away for longer than a driver waits
        assert row["error_code"] == "job.interrupted"
        assert "the device rebooted" in row["error_message"]
    else:
        assert row["error_code"] in ("job.interrupted", "device.unreachable"), row["error_message"]
    assert (again.code, _row(again, board)["status"]) == (0, "ok"), again.err
