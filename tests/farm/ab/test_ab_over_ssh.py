"""A comparison on a device behind a real sshd: a driver that is killed, a link that breaks in the middle."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from farm_results.history import comparisons
from farm_results.store import open_store
from tests.farm.networks import heavy_net
from tests.farm.runs import Farm, finish
from tests.support import need
from tests.zoo.device import ZooDevice
from tests.zoo.zoo import Zoo, missing

pytestmark = pytest.mark.zoo
SHORT = ("-r", "onnxruntime", "--pairs", "8", "--min-time", "20ms", "--min-runs", "5", "--no-gate")


@pytest.fixture
def device() -> Iterator[tuple[Zoo, ZooDevice]]:
    why = missing()
    need(not why, f"no zoo here: {why}")
    with Zoo() as zoo:
        yield zoo, zoo.add("board")


def test_it_outlives_its_link_and_dies_with_its_driver(device: tuple[Zoo, ZooDevice], tmp_path: Path) -> None:
    """The first one's driver is killed: nothing is left of it, and the next one stops it. The second one's
    link breaks: its job goes on without it, and is followed again."""
    zoo, board = device
    user = Farm(tmp_path / "user", tmp_path / "cache")
    user.folder.mkdir()
    zoo.write_inventory(user.inventory)
    small, big = (
        heavy_net(tmp_path / f"{name}.onnx", size, 1) for name, size in (("small", 16), ("big", 256))
    )
    words = ("--json", "bench", str(big), "--ab", str(small), "-d", "board", *SHORT)

    killed = user.start(*words, "--pairs", "100")
    _until(lambda: _of(board, b"_block") or killed.poll() is not None, "the first to measure")
    assert killed.poll() is None, finish(killed)
    killed.kill()
    finish(killed)
    (orphan,), (left,) = _of(board, b"_supervise"), _jobs(board)

    process = user.start(*words, "--junit", str(tmp_path / "tests.xml"))
    _until(lambda: _measured(board, left) > 2 or process.poll() is not None, "the second to measure")
    assert orphan not in _of(board, b"_supervise")
    board.stop_sshd()
    before = _measured(board, left)
    _until(lambda: _measured(board, left) > before, "it to go on without its driver")
    board.start_sshd()
    done = finish(process)

    assert done.code == 1, done.err
    (made,) = json.loads(done.out)["comparisons"]
    assert (made["word"], made["pairs"], made["device"]) == ("slower", 8, "board")
    assert made["effect"]["low"] > 0.5
    assert not [each for each in made["caveats"] if each["code"].startswith("check.")]
    assert sorted(set(made["order"])) == ["cr", "rc"]
    assert (tmp_path / "tests.xml").read_text().count("<failure") == 1
    with contextlib.closing(open_store(user.store)) as store:
        (found,) = comparisons.recent(store)
        assert found.comparison_id == made["comparison_id"]
        assert len(found.sample_hashes) == 16
        assert store.results() == []
    _until(lambda: not _of(board, b"_supervise") and not _of(board, b"_block"), "every process to end")


def _of(board: ZooDevice, word: bytes) -> list[int]:
    """The device's processes whose command holds a word."""
    found = []
    for pid in board.pids():
        with contextlib.suppress(OSError):
            if word in Path(f"/proc/{pid}/cmdline").read_bytes():
                found.append(pid)
    return found


def _jobs(board: ZooDevice) -> list[str]:
    return [path.name for path in (board.home / ".farm" / "jobs").glob("*-*")]


def _measured(board: ZooDevice, left: str) -> int:
    """How many processes of the job beside ``left`` have ended."""
    jobs = board.home / ".farm" / "jobs"
    return sum(len(list((jobs / name).glob("block-*.samples.gz"))) for name in _jobs(board) if name != left)


def _until(true: Callable[[], object], what: str) -> None:
    for _ in range(2400):
        if true():
            return
        time.sleep(0.05)
    pytest.fail(f"waited in vain for {what}")
