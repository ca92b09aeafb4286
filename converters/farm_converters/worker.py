"""The inside of a sandboxed process: sets its own limits, then does one thing and writes the answer.

    worker.py MEMORY_BYTES FILE_BYTES --call REQUEST.json RESPONSE.json
    worker.py MEMORY_BYTES FILE_BYTES --exec ARG...       (this interpreter with ARG...)

It runs under the Python of any converter environment: only the standard library may be imported here,
and our own packages come in as bare folders, so that no other environment's site-packages leaks in.
"""

from __future__ import annotations

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


def main(argv: list[str]) -> int:
    """Entry point; returns 0 whenever an answer was written."""
    _limit(resource.RLIMIT_AS, int(argv[0]))
    _limit(resource.RLIMIT_FSIZE, int(argv[1]))
    _limit(resource.RLIMIT_CORE, 0)
    die_with_parent()
    if argv[2] == "--exec":
        os.execv(sys.executable, [sys.executable, "-I", *argv[3:]])  # noqa: S606 - no shell
    request_path, response_path = Path(argv[3]), Path(argv[4])
    response_path.write_text(json.dumps(_answer(request_path)))
    return 0


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
