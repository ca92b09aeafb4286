"""Hash an upload while it arrives, so that its end needs no second reading.

What was read is noted with the file's size, inode and time of its last change: any write after that makes the
note worthless, and the file is then read again.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
from pathlib import Path

PATIENCE_S = 20.0  # without a new byte
LOOK_S = 0.02


def follow(partial: Path, size_bytes: int) -> bool:
    """Read a part as it grows, and note its hash; False when it stopped growing before its end."""
    total, seen, heard = hashlib.sha256(), 0, time.monotonic()
    with contextlib.ExitStack() as stack:
        file = None
        while seen < size_bytes:
            if file is None and partial.exists():
                file = stack.enter_context(open(partial, "rb"))
            block = file.read(1 << 20) if file else b""
            if block:
                total.update(block)
                seen, heard = seen + len(block), time.monotonic()
            elif time.monotonic() - heard > PATIENCE_S:
                return False
            else:
                time.sleep(LOOK_S)
        if file is None:
            return False
        note = {"sha256": total.hexdigest(), "as": _identity(os.fstat(file.fileno()))}
    path = _note(partial)
    written = path.with_name(f".tmp-{os.getpid()}-{path.name}")
    with contextlib.suppress(OSError):  # a full disk: the file is read again
        written.write_text(json.dumps(note))
        written.replace(path)
    return True


def noted(partial: Path) -> str:
    """The hash of a part as it is now, where ``follow`` read all of it; else ""."""
    try:
        note = json.loads(_note(partial).read_text())
        return str(note["sha256"]) if note["as"] == _identity(partial.stat()) else ""
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def forget(partial: Path) -> None:
    """Drop the note."""
    with contextlib.suppress(OSError):
        _note(partial).unlink()


def _identity(info: os.stat_result) -> list:  # type: ignore[type-arg] # read by Python 3.8
    return [info.st_ino, info.st_size, info.st_mtime_ns]


def _note(partial: Path) -> Path:
    """A name that is swept with stale parts."""
    return partial.with_name(f"{partial.name[: -len('.part')]}.hash.part")
