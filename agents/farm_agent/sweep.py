"""Make room: acknowledged jobs, files long unused, agents of other versions.

Nothing that a living job needs ever goes.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from dataclasses import dataclass
from typing import List, Set, Tuple

from farm_agent import files, job, pack
from farm_agent.errors import InfrastructureError
from farm_agent.job import Job
from farm_agent.root import Root
from farm_agent.wire import blobs_of

STALE_PART_S = 24 * 3600.0
UNUSED_AGENT_S = 24 * 3600.0


@dataclass(frozen=True)
class Swept:
    """What went."""

    jobs: Tuple[str, ...]
    files: int
    agents: Tuple[str, ...]
    freed_bytes: int


def sweep(root: Root, max_bytes: int) -> Swept:
    """Remove what is not needed until the content store holds at most ``max_bytes``. Raises device.*."""
    with root.locked(), files.disk_errors(root.path):
        living = job.living(root)
        before = root.free_bytes()
        jobs = [name for name in root.job_ids() if name not in living and Job(root.jobs / name).acknowledged]
        for name in jobs:
            shutil.rmtree(str(root.jobs / name))
        count = _parts(root) + _least_used(root, max_bytes, _needed(root))
        agents = [] if living else _agents(root)
        return Swept(tuple(jobs), count, tuple(agents), max(0, root.free_bytes() - before))


def _needed(root: Root) -> Set[str]:
    """Hashes of every job that has not ended."""
    found: Set[str] = set()
    for name in root.job_ids():
        with contextlib.suppress(InfrastructureError):
            candidate = Job(root.jobs / name)
            record = candidate.record()
            if record is not None and record.living:
                found.update(blob.sha256 for blob in blobs_of(candidate.spec()))
    return found


def _parts(root: Root) -> int:
    """Uploads that nobody went on with for a day."""
    count = 0
    for path in root.cas.glob("*.part"):
        if time.time() - path.stat().st_mtime > STALE_PART_S:
            path.unlink()
            count += 1
    return count


def _least_used(root: Root, max_bytes: int, needed: Set[str]) -> int:
    entries = [(path.stat(), path) for path in root.cas.iterdir() if files.SHA256.fullmatch(path.name)]
    total = sum(info.st_size for info, _ in entries)
    count = 0
    for info, path in sorted(entries, key=lambda entry: (entry[0].st_mtime, entry[1].name)):
        if total <= max_bytes:
            break
        if path.name not in needed:
            path.unlink()
            total -= info.st_size
            count += 1
    return count


def _agents(root: Root) -> List[str]:
    """Agents that said no hello for a day: the coordinator that brought one touches it whenever it asks."""
    own = pack.file_name(pack.agent_sha256())
    removed = []
    for path in sorted(root.agents.glob("agent-*.pyz")):
        if path.name != own and time.time() - path.stat().st_mtime > UNUSED_AGENT_S:
            path.unlink()
            removed.append(path.name)
    return removed


def touch_own(root: Root) -> None:
    """Say that this version is in use."""
    with contextlib.suppress(OSError):
        os.utime(str(root.agents / pack.file_name(pack.agent_sha256())))
