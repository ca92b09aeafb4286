"""Processes of a pid namespace, seen from the host."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path


def in_namespace(init: int, command: str = "") -> list[int]:
    """Host numbers of the living processes in ``init``'s pid namespace, without ``init`` itself.

    ``command``: only those whose name begins so ("sshd" has helpers: sshd-session, sshd-auth).
    """
    mine = Path(f"/proc/{init}/ns/pid").stat().st_ino
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and int(entry.name) != init:
            with contextlib.suppress(OSError):  # it may end while we look
                state = (entry / "stat").read_text().rpartition(")")[2].split()[0]
                named = (entry / "comm").read_text().startswith(command)
                if named and state != "Z" and (entry / "ns" / "pid").stat().st_ino == mine:
                    found.append(int(entry.name))
    return found


def send(pid: int, what: signal.Signals) -> None:
    """A signal; nothing happens where the process ended already."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, what)


def kill(pid: int) -> None:
    """SIGKILL; nothing happens where it ended already."""
    send(pid, signal.SIGKILL)


def stop_all(pids: Callable[[], list[int]]) -> None:
    """SIGSTOP to every process that ``pids`` finds, until it finds no new one."""
    stopped: set[int] = set()
    while new := set(pids()) - stopped:
        for pid in new:
            send(pid, signal.SIGSTOP)
        stopped |= new


def until(condition: Callable[[], bool], what: str, timeout_s: float = 60.0) -> None:
    """Wait for ``condition``; RuntimeError naming ``what`` when it does not come."""
    end = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > end:
            raise RuntimeError(f"waited {timeout_s} s for {what}")
        time.sleep(0.01)
