"""Run a program so that nothing that it starts outlives it: ``guard.py PROGRAM ARG...``

A process group can be left, and what left it survives its end. This process adopts what its descendants leave
behind, in whatever session; once the program has ended, or this process is asked to (SIGTERM), or whoever
started it is gone, it kills them all and ends as the program did. Linux; elsewhere it only waits.

Standard library only: it runs as a bare file.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import signal
import sys
import time
from collections.abc import Sequence

PATIENCE_S = 5.0
LOOK_S = 0.005
NOT_FOUND = 127  # what a shell says when there is no such program
_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36


def command(argv: Sequence[str]) -> list[str]:
    """The command line that runs ``argv`` under a guard; its process is to lead a session."""
    return [sys.executable, "-I", "-S", os.path.abspath(__file__), *argv]  # noqa: PTH100


def main(argv: Sequence[str]) -> int:
    """Entry point; the program's exit status, or death by its signal."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGTERM, _end)
    if sys.platform == "linux":
        libc = ctypes.CDLL(None)
        libc.prctl(_PR_SET_CHILD_SUBREAPER, 1)
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    try:
        program = os.posix_spawnp(argv[0], list(argv), os.environ)
        _, status = os.waitpid(program, 0)
    except OSError as error:
        sys.stdout.write(f"{argv[0]}: {error.strerror}\n")
        return NOT_FOUND
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        sweep()
    code = os.waitstatus_to_exitcode(status)
    if code < 0:
        if code != -signal.SIGKILL:
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    return code


def sweep() -> None:
    """Kill all descendants. Orphans become children of this process, so the last one is found as well."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        for pid in descendants(os.getpid()):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return
        time.sleep(LOOK_S)


def descendants(pid: int) -> list[int]:
    """Every living process below ``pid``, as the kernel's table tells it; nothing where there is none."""
    below: dict[int, list[int]] = {}
    for name in os.listdir("/proc") if os.path.isdir("/proc") else ():  # noqa: PTH112, PTH208
        if name.isdigit():
            with contextlib.suppress(OSError, ValueError, IndexError), open(f"/proc/{name}/stat") as file:
                # the name in parentheses may hold anything
                below.setdefault(int(file.read().rpartition(")")[2].split()[1]), []).append(int(name))
    found = below.get(pid, [])
    for child in found:  # grows meanwhile
        found += below.get(child, [])
    return found


def _end(_number: int, _frame: object) -> None:
    sys.exit(128 + signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
