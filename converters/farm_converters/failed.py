"""Conversions that failed for good: told again, not tried again.

Kept beside the artifact's place in the cache, under the same key, with the hash of the agent, whose runtimes
and comparison judged. What may end otherwise another time (time, memory, a full disk, a crash) is never kept.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import farm_agent
from farm_agent.errors import JobError

LASTING = frozenset(
    [
        "convert.mismatch",
        "convert.precision",
        "convert.unsupported-op",
        "convert.unsupported-precision",
        "convert.exclude-unknown",
        "convert.nothing-to-quantise",
        "convert.option",
    ]
)


class LastingError(JobError):
    """What the same conversion ends with every time."""


def lasting(failures: Sequence[JobError], told: JobError) -> JobError:
    """``told`` as a LastingError when all ``failures`` that led to it would come again, else itself."""
    if not all(failure.code in LASTING for failure in failures):
        return told
    made = LastingError(told.message, code=told.code, fix=told.fix)
    made.__cause__ = told
    return made


def raise_known(entry: Path, report: Callable[[str], None]) -> None:
    """Raises the LastingError that was kept for the artifact ``entry``, if one was."""
    path = _path(entry)
    try:
        kept = json.loads(path.read_bytes())
        words = {name: str(kept[name]) for name in ("agent", "message", "code", "fix")}
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return
    if words["agent"] == _agent() and words["code"] in LASTING:
        report(f"it failed before, and is not tried again; {path} remembers it")
        raise LastingError(words["message"], code=words["code"], fix=words["fix"])


def keep(entry: Path, error: LastingError) -> None:
    """For the next time; a disk that does not take it is no reason to hide ``error``."""
    kept = {"agent": _agent(), "message": error.message, "code": error.code, "fix": error.fix}
    staged = entry.with_name(f".{entry.name}.failed.{os.getpid()}")
    with contextlib.suppress(OSError):
        entry.parent.mkdir(parents=True, exist_ok=True)
        staged.write_text(json.dumps(kept))
        staged.replace(_path(entry))


def _path(entry: Path) -> Path:
    return entry.with_name(f"{entry.name}.failed.json")


def _agent() -> str:
    sha = hashlib.sha256()
    folder = Path(farm_agent.__path__[0])
    for path in sorted(folder.rglob("*.py")):
        sha.update(str(path.relative_to(folder)).encode() + b"\0" + path.read_bytes())
    return sha.hexdigest()
