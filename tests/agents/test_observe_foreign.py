"""Which other processes spoil a measurement."""

from __future__ import annotations

from pathlib import Path

import pytest

from farm_agent.observe_foreign import FARM, Scan, farm_job, package_tool


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("apt-get upgrade -y", "apt-get"),
        ("/usr/bin/dpkg --configure -a", "dpkg"),
        ("/usr/bin/python3 /usr/bin/unattended-upgrade", "unattended-upgrade"),
        ("python3 -m pip install x", "pip"),
        ("/opt/venv/bin/python /opt/venv/bin/pip install x", "pip"),
        ("sh -c apt", "apt"),
        ("sudo apt update", "apt"),
        ("env LC_ALL=C apt update", "apt"),
        ("snap refresh", "snap"),
        ("uv pip install x", "uv"),
    ],
)
def test_package_tools_at_work_are_found(line: str, name: str) -> None:
    assert package_tool([word.encode() for word in line.split()]) == name


@pytest.mark.parametrize(
    "line",
    [
        "/usr/bin/python3 /usr/share/unattended-upgrades/unattended-upgrade-shutdown --wait-for-signal",
        "/usr/lib/snapd/snapd",
        "snap run firefox",
        "vim apt",
        "less /var/log/dpkg.log",
        "python3 train.py --name pip-boy",
        "",
    ],
)
def test_daemons_that_wait_and_names_that_only_look_like_tools_are_not(line: str) -> None:
    assert package_tool([word.encode() for word in line.split()]) == ""


def test_a_measuring_process_of_another_job_is_found_and_our_own_is_not() -> None:
    words = [
        b"/usr/bin/python3",
        b"/home/u/farm/agents/agent-9d5363cbaa53.pyz",
        b"_block",
        b"/r/jobs/a/x.json",
    ]
    assert farm_job(words, b"/r/jobs/b")
    assert not farm_job(words, b"/r/jobs/a")
    assert not farm_job([*words[:2], b"attach", b"job"], b"/r/jobs/b")
    assert not farm_job([b"vim", b"_block"], b"/r/jobs/b")


def put(proc: Path, pid: int, *words: str) -> None:
    (proc / str(pid)).mkdir(exist_ok=True)
    (proc / str(pid) / "cmdline").write_bytes(b"".join(word.encode() + b"\0" for word in words))


def test_a_scan_names_them_and_forgets_those_that_ended(tmp_path: Path) -> None:
    put(tmp_path, 7, "apt-get", "update")
    put(tmp_path, 8, "python3", "/x/farm_agent/__main__.py", "_block", "/other/job")
    (tmp_path / "9").mkdir()
    scan = Scan("/own/job", tmp_path)
    assert sorted(scan.find() or []) == [f"{FARM} (8)", "apt-get (7)"]
    (tmp_path / "7" / "cmdline").unlink()
    (tmp_path / "7").rmdir()
    assert scan.find() == [f"{FARM} (8)"]


def test_a_fork_that_becomes_a_package_tool_is_found_at_the_next_look(tmp_path: Path) -> None:
    put(tmp_path, 7, "bash")
    scan = Scan("/own/job", tmp_path)
    assert scan.find() == []
    put(tmp_path, 7, "dpkg", "-i", "x.deb")
    assert scan.find() == ["dpkg (7)"]


def test_without_proc_nothing_is_known(tmp_path: Path) -> None:
    assert Scan("/own/job", tmp_path / "none").find() is None
