"""The content store on the device, and a root that cannot be used."""

from __future__ import annotations

import errno
import hashlib
import os
import subprocess
import time
from pathlib import Path

import pytest

from farm_agent import arriving, cas, files, root
from farm_agent.errors import InfrastructureError
from tests.support import need

from .parts import Agent, local_agent

DATA = b"weights" * 1000
SHA = hashlib.sha256(DATA).hexdigest()


@pytest.fixture
def agent(tmp_path: Path) -> Agent:
    agent = local_agent(tmp_path)
    agent.ask("hello")
    return agent


def test_an_upload_becomes_complete_by_its_hash(agent: Agent) -> None:
    part = agent.root / "cas" / f"{SHA}.part"
    part.write_bytes(DATA[:100])
    assert agent.ask("stock", SHA)["stock"] == [{"sha256": SHA, "complete": False, "partial_bytes": 100}]
    assert agent.fail("commit", SHA, str(len(DATA)))["code"] == "link.incomplete"
    assert part.exists(), "what has arrived is kept, to go on from there"
    part.write_bytes(DATA)
    assert agent.ask("commit", SHA, str(len(DATA)))["stock"]["complete"]
    assert agent.ask("commit", SHA, str(len(DATA)))["stock"]["complete"]
    assert sorted(path.name for path in (agent.root / "cas").iterdir()) == [SHA]


@pytest.mark.parametrize("damaged", [DATA[:-1] + b"X", DATA + b"more"])
def test_wrong_bytes_are_dropped_and_never_become_complete(agent: Agent, damaged: bytes) -> None:
    (agent.root / "cas" / f"{SHA}.part").write_bytes(damaged)
    failure = agent.fail("commit", SHA, str(len(DATA)))
    assert (failure["blame"], failure["code"]) == ("infrastructure", "link.corrupt")
    assert list((agent.root / "cas").iterdir()) == []


def test_an_upload_is_hashed_while_it_arrives_and_again_when_it_changed(agent: Agent) -> None:
    part = agent.root / "cas" / f"{SHA}.part"
    argv = [agent.python, str(agent.zipapp), "follow", SHA, str(len(DATA)), "--root", str(agent.root)]
    follower = subprocess.Popen(argv, stdout=subprocess.PIPE)
    with part.open("wb", buffering=0) as file:
        for start in range(0, len(DATA), 1000):
            file.write(DATA[start : start + 1000])
    assert b'"whole":true' in follower.communicate(timeout=60)[0]
    info = part.stat()
    assert arriving.noted(part) == SHA
    part.write_bytes(DATA[:-1] + b"X")
    os.utime(part, ns=(info.st_atime_ns, info.st_mtime_ns + 1))
    assert arriving.noted(part) == ""
    assert agent.fail("commit", SHA, str(len(DATA)))["code"] == "link.corrupt"
    assert list((agent.root / "cas").iterdir()) == []


def test_what_was_hashed_on_arrival_is_not_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    where = root.open_root(str(tmp_path / "root"))
    part = cas.part_path(where, SHA)
    part.write_bytes(DATA)
    assert arriving.follow(part, len(DATA))
    monkeypatch.setattr(cas, "digest", lambda _: pytest.fail("read again"))
    assert cas.commit(where, SHA, len(DATA)).complete
    assert [path.name for path in where.cas.iterdir()] == [SHA]


def test_an_upload_that_stops_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arriving, "PATIENCE_S", 0.0)
    assert not arriving.follow(tmp_path / "none.part", 10)
    (tmp_path / "some.part").write_bytes(b"12345")
    assert not arriving.follow(tmp_path / "some.part", 10)
    assert arriving.noted(tmp_path / "some.part") == ""


@pytest.mark.parametrize("sha", ["../../etc/passwd", "0" * 63, "G" * 64, "A" * 64])
def test_only_hashes_name_files(agent: Agent, sha: str) -> None:
    assert agent.fail("stock", sha)["code"] == "agent.bad-hash"
    assert agent.fail("commit", sha, "1")["code"] == "agent.bad-hash"


def test_least_used_files_go_first(agent: Agent, tmp_path: Path) -> None:
    for age, name in enumerate(("old", "middle", "new")):
        (tmp_path / name).write_bytes(name.encode() * 100)
        blob = agent.put(tmp_path / name)
        os.utime(agent.root / "cas" / blob.sha256, (1000 + age, 1000 + age))
    swept = agent.ask("gc", "--max-bytes", "900")
    left = {path.read_bytes()[:3] for path in (agent.root / "cas").iterdir()}
    assert (swept["files"], left) == (1, {b"mid", b"new"})


def test_agents_that_said_no_hello_for_a_day_go_and_those_in_use_stay(agent: Agent) -> None:
    folder = agent.root / "agents"
    own, fresh, old = folder / agent.zipapp.name, folder / "agent-00.pyz", folder / "agent-01.pyz"
    own.write_bytes(agent.zipapp.read_bytes())
    for path in (fresh, old):
        path.write_bytes(b"")
    long_ago = int(time.time()) - 2 * 24 * 3600
    for path in (own, old):
        os.utime(path, (long_ago, long_ago))
    agent.ask("hello")
    assert own.stat().st_mtime > long_ago
    assert agent.ask("gc", "--max-bytes", "0")["agents"] == [old.name]
    assert sorted(path.name for path in folder.iterdir()) == sorted([own.name, fresh.name])


def test_a_root_that_cannot_be_made_is_a_readable_failure(agent: Agent, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    for place in (tmp_path / "file" / "root", Path("/proc/none")):
        blocked = Agent(agent.python, agent.zipapp, place)
        for verb in (("hello",), ("stock", SHA), ("gc",), ("result", "job-1")):
            failure = blocked.fail(*verb)
            assert failure["code"] == "device.not-writable"
            assert failure["fix"]


def test_a_read_only_root_is_a_readable_failure(tmp_path: Path) -> None:
    need(os.geteuid() == 0, "mounting a read-only file system needs root")
    agent = local_agent(tmp_path)
    agent.root.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "ro,size=1m", "tmpfs", str(agent.root)]
    need(subprocess.run(mount, capture_output=True, check=False).returncode == 0, "tmpfs cannot be mounted")
    try:
        assert agent.fail("hello")["code"] == "device.not-writable"
    finally:
        subprocess.run(["umount", str(agent.root)], check=True)


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (errno.ENOSPC, "device.disk-full"),
        (errno.EDQUOT, "device.disk-full"),
        (errno.EROFS, "device.not-writable"),
        (errno.EACCES, "device.not-writable"),
        (errno.EIO, "device.disk-error"),
    ],
)
def test_every_error_of_the_disk_has_a_code(number: int, code: str) -> None:
    with pytest.raises(InfrastructureError) as caught, files.disk_errors(Path("/x")):
        raise OSError(number, os.strerror(number))
    assert caught.value.code == code


def test_a_write_that_fails_leaves_the_old_file_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "state.json"
    files.write_atomic(path, b"old")

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InfrastructureError, match="disk is full"):
        files.write_atomic(path, b"new", durable=True)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_damaged_fence_is_no_licence_to_forget_it(tmp_path: Path) -> None:
    opened = root.open_root(str(tmp_path / "root"))
    (opened.path / "fence").write_text("nonsense")
    with pytest.raises(InfrastructureError) as caught:
        opened.raise_fence(1)
    assert caught.value.code == "device.bad-fence"


@pytest.mark.parametrize(
    "words",
    [("nonsense",), ("attach", "j", "--wait", "soon"), ("commit", SHA, "big"), ("result",), ("start",)],
)
def test_words_it_does_not_know_are_a_readable_failure(agent: Agent, words: tuple[str, ...]) -> None:
    failure = agent.fail(*words)
    assert failure["code"] in ("agent.usage", "agent.bad-spec")


@pytest.mark.parametrize("text", [b"", b"{}", b"[" * 100_000, b'{"job_id": 1}', b"\xff\xfe"])
def test_a_spec_that_is_none_is_a_readable_failure(agent: Agent, text: bytes) -> None:
    assert agent.fail("start", stdin=text)["code"] == "agent.bad-spec"


def test_a_spec_beyond_the_bound_is_refused(agent: Agent) -> None:
    assert (
        agent.fail("start", stdin=b" " * (files.MESSAGE_LIMIT_BYTES + 1))["code"] == "agent.message-too-large"
    )
