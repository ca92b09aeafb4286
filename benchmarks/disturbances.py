"""Ways to disturb a run that goes on. Each is a context; leaving it undoes everything."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

BUSY = "while True: pass"
POLL_S = 0.02
# What one program in the group holds and touches without end, and what all of the group may have.
HOG_BYTES = 160 * 1024 * 1024
GROUP_BYTES = 96 * 1024 * 1024
SWAP_BYTES = 256 * 1024 * 1024
HOG = f"""
import mmap
block = mmap.mmap(-1, {HOG_BYTES})
while True:
    for at in range(0, {HOG_BYTES}, 4096):
        block[at] = 1
"""
VCGENCMD = """#!/bin/sh
case "$1" in
get_throttled) if [ -e "{flag}" ]; then echo throttled=0x50005; else echo throttled=0x0; fi ;;
*) echo 'error=1 error_msg="Command not registered"'; exit 1 ;;
esac
"""
# Loaded by every Python of the agent: OpenVINO itself takes bfloat16, whatever it was asked for.
SITE = """
import importlib.abc, importlib.util, sys

class Hook(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name != "openvino":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        run = spec.loader.exec_module
        def exec_module(module):
            run(module)
            compile_model = module.Core.compile_model
            def forced(self, model, device_name="CPU", config=None, **more):
                config = dict(config or {}, INFERENCE_PRECISION_HINT="bf16")
                return compile_model(self, model, device_name, config, **more)
            module.Core.compile_model = forced
        spec.loader.exec_module = exec_module
        return spec

sys.meta_path.insert(0, Hook())
"""


def measuring(folder: Path) -> list[int]:
    """Processes of the agent below ``folder`` that measure a block."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (entry / "cmdline").read_bytes().split(b"\0")
            if b"_block" in words and any(str(folder).encode() in word for word in words):
                found.append(int(entry.name))
    return found


def cpu_s(pid: int) -> float:
    """CPU time of a process so far; 0 when it is gone."""
    try:
        words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


@contextlib.contextmanager
def load(count: int) -> Iterator[None]:
    """So many programs that do nothing, as fast as they can."""
    with _programs([BUSY] * count):
        yield


@contextlib.contextmanager
def frozen(folder: Path, after_cpu_s: float, seconds: float = 1.0) -> Iterator[None]:
    """Stop the first process that measures for ``seconds``, once it has used so much CPU time."""

    def freeze(over: threading.Event) -> None:
        while not over.is_set():
            pids = [pid for pid in measuring(folder) if cpu_s(pid) >= after_cpu_s]
            if pids:
                with contextlib.suppress(OSError):
                    os.kill(pids[0], signal.SIGSTOP)
                    time.sleep(seconds)
                with contextlib.suppress(OSError):
                    os.kill(pids[0], signal.SIGCONT)
                return
            over.wait(POLL_S)

    with _beside(freeze):
        yield


@contextlib.contextmanager
def throttle_flag(folder: Path, flag: Path, after_s: float) -> Iterator[None]:
    """The board's tool reports under-voltage and throttling, ``after_s`` after a process began to measure."""
    flag.unlink(missing_ok=True)

    def rise(over: threading.Event) -> None:
        while not over.is_set():
            if measuring(folder):
                if not over.wait(after_s):
                    flag.touch()
                return
            over.wait(POLL_S)

    try:
        with _beside(rise):
            yield
    finally:
        flag.unlink(missing_ok=True)


@contextlib.contextmanager
def too_little_memory(folder: Path) -> Iterator[None]:
    """Each measuring process shares a memory group, and a swap file, with a program that wants all of it.

    The rest of the machine keeps its memory. Raises RuntimeError with the reason where that cannot be.
    """
    with _swap_file(), _memory_group() as group, _programs([HOG]) as pids:
        (group / "cgroup.procs").write_text(str(pids[0]))

        def adopt(over: threading.Event) -> None:
            while not over.wait(POLL_S):
                for pid in measuring(folder):
                    with contextlib.suppress(OSError):
                        (group / "cgroup.procs").write_text(str(pid))

        with _beside(adopt):
            yield


def write_vcgencmd(folder: Path, flag: Path) -> None:
    """A program in ``folder`` that answers as the Raspberry Pi's does."""
    folder.mkdir(exist_ok=True)
    path = folder / "vcgencmd"
    path.write_text(VCGENCMD.format(flag=flag))
    path.chmod(0o755)


def write_forced_bf16(folder: Path) -> None:
    """A ``sitecustomize`` in ``folder`` that forces OpenVINO into bfloat16."""
    folder.mkdir(exist_ok=True)
    (folder / "sitecustomize.py").write_text(SITE)


@contextlib.contextmanager
def _programs(sources: list[str]) -> Iterator[list[int]]:
    running = [subprocess.Popen([sys.executable, "-c", source]) for source in sources]
    try:
        yield [process.pid for process in running]
    finally:
        for process in running:
            process.kill()
            process.wait()


@contextlib.contextmanager
def _beside(work: Callable[[threading.Event], None]) -> Iterator[None]:
    over = threading.Event()
    thread = threading.Thread(target=work, args=(over,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@contextlib.contextmanager
def _memory_group() -> Iterator[Path]:
    """A group below our own with a limit, of cgroup version 1 or 2."""
    lines = [line.split(":", 2) for line in Path("/proc/self/cgroup").read_text().splitlines()]
    old = [path for _, kinds, path in lines if "memory" in kinds.split(",")]
    parent = Path("/sys/fs/cgroup/memory" + old[0]) if old else Path("/sys/fs/cgroup" + lines[0][2])
    group = parent / f"farm-trial-{os.getpid()}"
    try:
        group.mkdir()
    except OSError as error:
        raise RuntimeError(f"no memory group can be made below {parent}: {error.strerror}") from error
    try:
        try:
            (group / ("memory.limit_in_bytes" if old else "memory.max")).write_text(str(GROUP_BYTES))
        except OSError as error:
            raise RuntimeError(f"no memory limit can be set below {parent}: {error.strerror}") from error
        yield group
    finally:
        for _ in range(100):
            try:
                group.rmdir()
                break
            except OSError:
                time.sleep(0.1)  # the kernel still counts what has just ended


@contextlib.contextmanager
def _swap_file() -> Iterator[None]:
    if os.geteuid() != 0:
        raise RuntimeError("a swap file needs root")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "swap"
        with path.open("wb") as file:
            for _ in range(SWAP_BYTES // 2**20):
                file.write(bytes(2**20))
        path.chmod(0o600)
        for words in (["mkswap", str(path)], ["swapon", str(path)]):
            done = subprocess.run(words, capture_output=True, text=True, check=False)
            if done.returncode != 0:
                raise RuntimeError(f"{words[0]} failed: {done.stderr.strip()}")
        try:
            yield
        finally:
            subprocess.run(["swapoff", str(path)], check=False)
