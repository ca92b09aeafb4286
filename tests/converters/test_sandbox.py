"""Whatever happens inside a sandboxed process comes back as one typed error, and nothing stays behind."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
import venv
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from farm_agent.errors import FarmError, InfrastructureError, JobError, UsageError
from farm_converters import children, sandbox
from tests.support import is_alive, need, wait_for

SCRIPT = """
import os, signal, subprocess, sys, time
from farm_agent.errors import UsageError

def fine(request, workdir):
    return {"got": request["x"], "cwd": os.getcwd(), "tmp": os.environ["TMPDIR"], "home": os.environ["HOME"],
            "secret": os.environ.get("A_SECRET", "none"), "path": sys.path}

def segfault(request, workdir):
    os.kill(os.getpid(), signal.SIGSEGV)

def killed(request, workdir):
    os.kill(os.getpid(), signal.SIGKILL)

def typed(request, workdir):
    raise UsageError("no such thing", code="thing.missing", fix="make one")

def untyped(request, workdir):
    raise ValueError("seven is not six")

def memory(request, workdir):
    return {"size": len(bytearray(40 << 30))}

def native_memory(request, workdir):
    raise RuntimeError("std::bad_alloc")

def disk(request, workdir):
    raise OSError(28, "No space left on device")

def silent(request, workdir):
    os._exit(3)

def loud(request, workdir):
    for _ in range(4000):
        print("x" * 1000)
    raise ValueError("after four megabytes")

def big_file(request, workdir):
    with open(workdir / "big", "wb") as file:
        file.write(b"x" * 4_000_000)

def many_files(request, workdir):
    for number in range(400):
        (workdir / str(number)).write_bytes(b"x" * 1_000_000)
        time.sleep(0.02)

def call_home(request, workdir):
    import socket, urllib.request
    try:
        socket.create_connection(("127.0.0.1", int((workdir.parent / "port").read_text())), timeout=5).close()
        return {"reached": True, "proxy": urllib.request.getproxies().get("https", "")}
    except OSError as error:
        return {"reached": False, "proxy": urllib.request.getproxies().get("https", "")}

def start(workdir):
    sleep = [sys.executable, "-c", "import time; time.sleep(600)"]
    child = subprocess.Popen(sleep)
    # One that left the session and the group, and closed what its parent could wait for
    away = subprocess.Popen(sleep, start_new_session=True, stdout=-3, stderr=-3)  # DEVNULL
    (workdir / "some").write_text(f"{os.getpid()} {child.pid} {away.pid}")
    os.rename(workdir / "some", workdir / "pids")

def hang(request, workdir):
    start(workdir)
    time.sleep(600)

def leave(request, workdir):
    start(workdir)
    return {}
"""


@pytest.fixture
def package(tmp_path: Path) -> Path:
    folder = tmp_path / "package"
    folder.mkdir()
    (folder / "work.py").write_text(SCRIPT)
    return folder


def run(package: Path, name: str, **limits: Any) -> dict[str, Any]:
    return sandbox.call(
        f"tested.work:{name}",
        {"x": 7},
        workdir=package.parent / "work",
        what="do the work",
        limits=sandbox.Limits(**limits),
        python=sys.executable,
        packages={"tested": package},
    )


def failure(package: Path, name: str, **limits: Any) -> FarmError:
    with pytest.raises(FarmError) as caught:
        run(package, name, **limits)
    return caught.value


def gone(pid: int) -> bool:
    """Whether a process ended, within a generous time."""
    for _ in range(200):
        if not is_alive(pid):
            return True
        time.sleep(0.05)
    return False


def test_an_answer_comes_back_and_the_surroundings_are_private(
    package: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("A_SECRET", "hunter2")
    answer = run(package, "fine")
    work = str((package.parent / "work").resolve())
    assert answer["got"] == 7
    assert answer["cwd"] == work
    assert answer["tmp"].startswith(work)
    assert answer["home"].startswith(work)
    assert answer["secret"] == "none"  # noqa: S105


def test_our_packages_come_in_alone(package: Path) -> None:
    """Under another Python, the folders that hold our packages (and all else) are not importable."""
    venv.create(package.parent / "bare", with_pip=False)
    answer = sandbox.call(
        "tested.work:fine",
        {"x": 1},
        workdir=package.parent / "work",
        what="do the work",
        limits=sandbox.Limits(),
        python=str(package.parent / "bare" / "bin" / "python"),
        packages={"tested": package},
    )
    assert not [path for path in answer["path"] if path.endswith(("converters", "agents", "main"))]


def test_stop_all_ends_the_work_of_other_threads(package: Path) -> None:
    """What Ctrl-C does: the thread that waits gets run.interrupted, the processes are gone."""
    pids = package.parent / "work" / "pids"
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(failure, package, "hang")
        wait_for(pids)
        children.stop_all()
        error = future.result(timeout=60)
    assert error.code == "run.interrupted"
    assert all(gone(int(pid)) for pid in pids.read_text().split())


def test_a_crash_names_its_signal(package: Path) -> None:
    error = failure(package, "segfault")
    assert isinstance(error, JobError)
    assert error.code == "convert.crashed"
    assert "SIGSEGV" in error.message


@pytest.mark.parametrize("name", ["memory", "native_memory", "killed"])
def test_asking_for_too_much_memory_is_told_as_such(package: Path, name: str) -> None:
    error = failure(package, name, memory_bytes=2 << 30)
    assert error.code == "convert.out-of-memory"
    assert "2 GiB" in error.message


def test_a_full_disk_is_the_machine_s_fault(package: Path) -> None:
    error = failure(package, "disk")
    assert isinstance(error, InfrastructureError)
    assert error.code == "host.disk-full"


def test_our_own_errors_pass_through(package: Path) -> None:
    error = failure(package, "typed")
    assert isinstance(error, UsageError)
    assert (error.code, error.message, error.fix) == ("thing.missing", "no such thing", "make one")


def test_any_other_exception_is_one_line(package: Path) -> None:
    error = failure(package, "untyped")
    assert error.code == "convert.failed"
    assert error.message == "do the work: ValueError: seven is not six"


def test_an_end_without_an_answer_is_a_failure(package: Path) -> None:
    assert failure(package, "silent").code == "convert.failed"


def test_endless_output_is_bounded(package: Path) -> None:
    assert "after four megabytes" in failure(package, "loud").message


def test_a_file_cannot_grow_without_bound(package: Path) -> None:
    failure(package, "big_file", file_bytes=1_000_000)
    assert (package.parent / "work" / "big").stat().st_size <= 1_000_000


def test_all_files_together_cannot_grow_without_bound(package: Path) -> None:
    error = failure(package, "many_files", folder_bytes=5_000_000)
    assert error.code == "convert.too-much-disk"
    assert len(list((package.parent / "work").glob("[0-9]*"))) < 400


@pytest.mark.parametrize("network", [False, True])
def test_nothing_outside_can_be_reached_unless_it_was_allowed(package: Path, network: bool) -> None:
    """Not even this machine itself: the process has a network of its own, with nothing in it."""
    need(sandbox.network_is_left(), "this kernel lets no process leave the network")
    with socket.create_server(("127.0.0.1", 0)) as server:
        (package.parent / "port").write_text(str(server.getsockname()[1]))
        answer = run(package, "call_home", network=network)
    assert answer["reached"] is network
    assert (answer["proxy"] == sandbox.DEAD_PROXY) is not network


def test_a_hang_is_stopped_with_all_its_children(package: Path) -> None:
    error = failure(package, "hang", timeout_s=10.0)
    assert error.code == "convert.timeout"
    pids = (package.parent / "work" / "pids").read_text().split()
    assert all(gone(int(pid)) for pid in pids)


def test_what_an_ended_process_left_behind_is_ended_too(package: Path) -> None:
    assert run(package, "leave")["ok"] is True
    assert all(gone(int(pid)) for pid in (package.parent / "work" / "pids").read_text().split())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_the_work_ends_with_its_parent(package: Path, number: int) -> None:
    """After Ctrl-C and after a kill, nothing is left, not even what left the session."""
    code = (
        "import sys\nfrom pathlib import Path\nfrom farm_converters import sandbox\n"
        "sandbox.call('tested.work:hang', {}, workdir=Path(sys.argv[1]), what='w', limits=sandbox.Limits(),"
        " python=sys.executable, packages={'tested': Path(sys.argv[2])})"
    )
    work = package.parent / "work"
    parent = subprocess.Popen(
        [sys.executable, "-c", code, str(work), str(package)],
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        wait_for(work / "pids")
        pids = [int(pid) for pid in (work / "pids").read_text().split()]
        parent.send_signal(number)
        parent.wait(timeout=30)
        assert all(gone(pid) for pid in pids)
    finally:
        parent.kill()
        parent.wait()
