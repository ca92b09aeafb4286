"""The inside of a sandboxed process: sets its own limits, then does one thing and writes the answer.

    worker.py MEMORY_BYTES FILE_BYTES NETWORK --call REQUEST.json RESPONSE.json
    worker.py MEMORY_BYTES FILE_BYTES NETWORK --exec ARG...       (this interpreter with ARG...)
    worker.py MEMORY_BYTES FILE_BYTES NETWORK --probe             (0: without a network, 1: with one)

NETWORK is 0 (none, where the kernel lets a process leave it) or 1.

It runs under the Python of any converter environment: only the standard library may be imported here,
and our own packages come in as bare folders, so that no other environment's site-packages leaks in.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import importlib
import json
import os
import resource
import signal
import sys
import traceback
import types
from pathlib import Path
from typing import Any

_PR_SET_PDEATHSIG = 1
_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000


def main(argv: list[str]) -> int:
    """Entry point; returns 0 whenever an answer was written."""
    _limit(resource.RLIMIT_AS, int(argv[0]))
    _limit(resource.RLIMIT_FSIZE, int(argv[1]))
    _limit(resource.RLIMIT_CORE, 0)
    die_with_parent()
    alone = argv[2] == "0" and leave_network()
    if argv[3] == "--probe":
        return 0 if alone else 1
    if argv[3] == "--exec":
        os.execv(sys.executable, [sys.executable, "-I", *argv[4:]])  # noqa: S606 - no shell
    request_path, response_path = Path(argv[4]), Path(argv[5])
    response_path.write_text(json.dumps(_answer(request_path)))
    return 0


def leave_network() -> bool:
    """Move into a network namespace of our own, with no interface up; False where the kernel forbids it.

    Root may do so as it is; others through a user namespace in which they keep their own ids.
    """
    if sys.platform != "linux":
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWNET) == 0:
        return True
    uid, gid = os.getuid(), os.getgid()
    if libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET) != 0:
        return False
    maps = {"setgroups": "deny", "uid_map": f"{uid} {uid} 1", "gid_map": f"{gid} {gid} 1"}
    for name, text in maps.items():
        with contextlib.suppress(OSError):
            Path("/proc/self", name).write_text(text)
    return True


def die_with_parent() -> None:
    """Have the kernel kill this process when the one that started it is gone."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def add_package(name: str, folder: Path) -> None:
    """Make ``name`` importable from ``folder`` alone, without running its __init__."""
    module = types.ModuleType(name)
    module.__path__ = [str(folder)]
    sys.modules[name] = module


def _answer(request_path: Path) -> dict[str, Any]:
    try:
        work = json.loads(request_path.read_bytes())
        for package, folder in work["packages"].items():
            add_package(package, Path(folder))
        module, name = work["function"].split(":")
        answer = getattr(importlib.import_module(module), name)(work["request"], request_path.parent)
    except BaseException as error:  # noqa: BLE001 - everything becomes one typed failure
        traceback.print_exc()
        return {"ok": False, "failure": _failure(error)}
    return {"ok": True, **answer}


def _failure(error: BaseException) -> dict[str, str]:
    errors = importlib.import_module("farm_agent.errors")
    if isinstance(error, errors.FarmError):
        words = {"blame": error.blame, "code": error.code, "message": error.message, "fix": error.fix}
        return {key: str(value) for key, value in words.items()}
    text = " ".join(str(error).split())[:600]
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        text = "No space left on device"
    message = f"{type(error).__name__}: {text}" if text else type(error).__name__
    return {"blame": "job", "code": "convert.failed", "message": message, "fix": ""}


def _limit(kind: int, value: int) -> None:
    _, hard = resource.getrlimit(kind)
    wanted = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(kind, (wanted, wanted))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
