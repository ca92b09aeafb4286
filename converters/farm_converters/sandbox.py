"""Run our own code on untrusted models in a process that may crash, hang or ask for a terabyte.

Each call gets its own session, address-space and file-size limits, a wall-clock limit, a private
directory of bounded size, no network, a reduced environment and bounded output. Whatever happens in there
comes back as one typed error; whatever it started is gone when the call returns, also after Ctrl-C (on Linux
in any session, by ``guard``; elsewhere in its process group).
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from farm_agent.errors import FarmError, InfrastructureError, JobError, from_blame
from farm_converters import cache, children, guard

GIB = 1 << 30
TAIL_BYTES = 64 * 1024
LEFTOVER_S = 24 * 3600.0
RESPONSE_BYTES = 64 * 1024 * 1024
_KEPT_VARIABLES = ("PATH", "LD_LIBRARY_PATH", "SYSTEMROOT", "TZ")
_PROXIES = ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
DEAD_PROXY = "http://127.0.0.1:9"  # port 9 discards; nothing listens there
LOOK_S = 0.5
_MEMORY_SIGNS = ("MemoryError", "bad_alloc", "Cannot allocate memory", "Failed to allocate memory")
_DISK_SIGNS = ("No space left on device", "Disk quota exceeded")


@dataclass(frozen=True)
class Limits:
    """Bounds of one call and of all that it starts: wall-clock time, address space of each process, size of
    any file that it writes, size of all files in its directory. ``network``: False takes it away, where the
    kernel lets a process leave it."""

    timeout_s: float = 300.0
    memory_bytes: int = 8 * GIB
    file_bytes: int = 8 * GIB
    folder_bytes: int = 32 * GIB
    network: bool = False


@dataclass(frozen=True)
class Ended:
    """How a process ended: ``returncode`` as subprocess tells it, and the end of what it printed.

    ``stopped``: why it was ended from outside, "time" or "folder" (its files grew too large), else "".
    """

    returncode: int
    stopped: str
    output: str


def call(
    function: str,
    request: Mapping[str, Any],
    *,
    workdir: Path,
    what: str,
    limits: Limits,
    python: str,
    packages: Mapping[str, Path] | None = None,
) -> dict[str, Any]:
    """Call ``module:name`` with (request, workdir) under ``python``; return its dict.

    The module lives in farm_converters, or in one of ``packages`` (name to folder).

    ``what`` opens every message ("convert model.onnx to tflite"). Raises the function's own FarmError,
    else JobError convert.crashed, .timeout, .out-of-memory, .too-much-disk, .failed, or
    InfrastructureError host.disk-full, host.cache-unwritable.
    """
    request_path, response_path = workdir / "request.json", workdir / "response.json"
    folders = {**_own_packages(), **(packages or {})}
    work = {
        "function": function,
        "packages": {name: str(folder) for name, folder in folders.items()},
        "request": dict(request),
    }
    with cache.writable(workdir):
        workdir.mkdir(parents=True, exist_ok=True)
        response_path.unlink(missing_ok=True)
        request_path.write_text(json.dumps(work))
    argv = ["--call", str(request_path), str(response_path)]
    ended = execute(argv, workdir=workdir, limits=limits, python=python)
    return read_response(response_path, ended, what=what, limits=limits)


def execute(argv: Sequence[str], *, workdir: Path, limits: Limits, python: str) -> Ended:
    """Run ``worker.py ARGV`` under the limits; see there for what it takes.

    Raises InfrastructureError host.disk-full, host.cache-unwritable, run.interrupted.
    """
    worker = Path(__file__).with_name("worker.py")
    bounds = [str(limits.memory_bytes), str(limits.file_bytes), str(int(limits.network))]
    process = subprocess.Popen(
        guard.command([python, "-I", str(worker), *bounds, *argv]),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd=workdir,
        env=_environment(workdir, network=limits.network),
        start_new_session=True,
    )
    with children.owned(process):
        output, stopped = _drain(process, workdir, limits)
    return Ended(process.returncode, stopped, output)


def read_response(path: Path, ended: Ended, *, what: str, limits: Limits) -> dict[str, Any]:
    """The answer that a process wrote, or the typed error of how it ended."""
    answer = None if ended.stopped else _parse(path)
    if answer is None:
        raise _died(ended, what, limits)
    if answer.get("ok") is True:
        return answer
    failure = answer.get("failure")
    if not isinstance(failure, dict):
        raise JobError(f"{what}: the answer cannot be read", code="convert.failed")
    words = {key: str(failure.get(key, "")) for key in ("blame", "message", "code", "fix")}
    if words["code"] == "convert.failed":
        raise _classify(words["message"], what, limits) or JobError(
            f"{what}: {words['message']}", code="convert.failed", fix=words["fix"]
        )
    raise from_blame(words["blame"], words["message"], code=words["code"], fix=words["fix"])


def _own_packages() -> dict[str, Path]:
    import farm_agent

    return {"farm_agent": Path(farm_agent.__path__[0]), "farm_converters": Path(__file__).parent}


def _parse(path: Path) -> dict[str, Any] | None:
    try:
        if path.stat().st_size > RESPONSE_BYTES:
            return None
        answer = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    return answer if isinstance(answer, dict) else None


def _drain(process: subprocess.Popen[bytes], workdir: Path, limits: Limits) -> tuple[str, str]:
    """Read output, keeping its end, until the process ends or exceeds a limit; (output, stopped)."""
    assert process.stdout is not None  # noqa: S101 - Popen was given PIPE
    deadline = time.monotonic() + limits.timeout_s
    look_at = time.monotonic() + LOOK_S
    tail, stopped = b"", ""
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while not stopped:
            if selector.select(max(0.0, min(deadline - time.monotonic(), LOOK_S))):
                chunk = os.read(process.stdout.fileno(), TAIL_BYTES)
                if not chunk:
                    break
                tail = (tail + chunk)[-TAIL_BYTES:]
            elif process.poll() is not None:
                break
            if time.monotonic() >= deadline:
                stopped = "time"
            elif time.monotonic() >= look_at:
                stopped = "folder" if _size(workdir) > limits.folder_bytes else ""
                look_at = time.monotonic() + LOOK_S
    if not stopped:
        try:
            process.wait(timeout=max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            stopped = "time"
    return tail.decode(errors="replace"), stopped


def _size(folder: Path) -> int:
    """Bytes that the files below ``folder`` take on the disk; what vanishes meanwhile counts nothing."""
    total = 0
    for root, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                total += os.lstat(os.path.join(root, name)).st_blocks * 512  # noqa: PTH118
    return total


def _died(ended: Ended, what: str, limits: Limits) -> FarmError:
    if ended.stopped == "folder":
        return JobError(
            f"{what}: wrote more than the limit of {limits.folder_bytes / GIB:.3g} GiB to its folder",
            code="convert.too-much-disk",
            fix="try a smaller model or smaller shapes with --shape",
        )
    if ended.stopped:
        return JobError(
            f"{what}: stopped after {limits.timeout_s:.0f} s",
            code="convert.timeout",
            fix="allow more with --timeout, or try a smaller model",
        )
    known = _classify(ended.output, what, limits)
    if known is not None:
        return known
    if ended.returncode == -signal.SIGKILL:
        return _out_of_memory(what, limits)
    if ended.returncode < 0:
        name = _signal_name(-ended.returncode)
        return JobError(f"{what}: the process crashed ({name})", code="convert.crashed")
    return JobError(f"{what}: {last_line(ended.output) or 'ended without an answer'}", code="convert.failed")


def _classify(text: str, what: str, limits: Limits) -> FarmError | None:
    if any(sign in text for sign in _DISK_SIGNS):
        return InfrastructureError(
            f"{what}: no space left on this machine",
            code="host.disk-full",
            fix="free space, or move the cache with FARM_CACHE_DIR",
        )
    if any(sign in text for sign in _MEMORY_SIGNS):
        return _out_of_memory(what, limits)
    return None


def _out_of_memory(what: str, limits: Limits) -> JobError:
    return JobError(
        f"{what}: needed more memory than the limit of {limits.memory_bytes / GIB:.3g} GiB",
        code="convert.out-of-memory",
        fix="give smaller shapes with --shape, or convert on a machine with more memory",
    )


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def last_line(text: str) -> str:
    """The last line that says something, at most 300 characters."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:300] if lines else ""


def network_is_left(python: str = sys.executable) -> bool:
    """Whether processes here really run without a network: the kernel may forbid a process to leave it."""
    argv = [python, "-I", str(Path(__file__).with_name("worker.py")), str(GIB), str(GIB), "0", "--probe"]
    return subprocess.run(argv, capture_output=True, timeout=60, check=False).returncode == 0


def _environment(workdir: Path, *, network: bool) -> dict[str, str]:
    temporary = workdir / "tmp"
    with cache.writable(workdir):
        temporary.mkdir(exist_ok=True)
    names = (*_KEPT_VARIABLES, *_PROXIES) if network else _KEPT_VARIABLES
    kept = {name: os.environ[name] for name in names if name in os.environ}
    if not network:  # for kernels that forbid to leave it: at least no polite toolchain gets out
        kept |= dict.fromkeys(_PROXIES, DEAD_PROXY)
    threads = str(min(4, os.cpu_count() or 1))
    return {
        **kept,
        "HOME": str(temporary),
        "TMPDIR": str(temporary),
        "LANG": "C.UTF-8",
        "PYTHONHASHSEED": "0",
        "OMP_NUM_THREADS": threads,
        "OPENBLAS_NUM_THREADS": threads,
        "MALLOC_ARENA_MAX": "4",
        "ORT_DISABLE_TELEMETRY": "1",
    }


@contextlib.contextmanager
def private_directory(parent: Path) -> Iterator[Path]:
    """A fresh directory below ``parent`` (absolute), removed afterwards."""
    import shutil
    import tempfile

    parent.mkdir(parents=True, exist_ok=True)
    for left in parent.glob("work-*"):  # of a farm that was killed
        with contextlib.suppress(OSError):
            if time.time() - left.stat().st_mtime > LEFTOVER_S:
                shutil.rmtree(left, ignore_errors=True)
    path = Path(tempfile.mkdtemp(prefix="work-", dir=parent)).resolve()
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
