"""Make room: acknowledged jobs, the oldest first, files long unused, agents of other versions.

Nothing that a living job needs ever goes, nor a result that nobody fetched, unless it is weeks old.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from pathlib import Path
from typing import List, Set, Tuple

from farm_agent import files, job, pack
from farm_agent.errors import InfrastructureError
from farm_agent.job import Job
from farm_agent.late import dataclass
from farm_agent.root import Root
from farm_agent.wire import blobs_of

STALE_PART_S = 24 * 3600.0
UNUSED_AGENT_S = 24 * 3600.0
UNFETCHED_S = 14 * 24 * 3600.0
NEVER_STARTED_S = 24 * 3600.0
# 2024: what seems older was written while the device had no clock yet.
NO_CLOCK_UNIX_S = 1704067200.0


@dataclass(frozen=True)
class Swept:
    """What went. ``freed_bytes``: disk space of these files; others may fill or free the disk meanwhile."""

    jobs: Tuple[str, ...]
    files: int
    agents: Tuple[str, ...]
    freed_bytes: int


def sweep(root: Root, max_bytes: int, fence: int = 0) -> Swept:
    """Remove what is not needed until the content store holds at most ``max_bytes``.

    Raises device.*; lease.fenced for the ``fence`` of a driver whose time is over (0: by hand).
    """
    with root.locked(), files.disk_errors(root.path):
        if fence:
            root.check_fence(fence)
        living = job.living(root)
        jobs = [name for name in _oldest_first(root) if name not in living and _done_with(root.jobs / name)]
        freed = sum(_remove(root.jobs / name) for name in jobs)
        # Only now: what a job has a link to is not freed before.
        stale = [_remove(path) for path in (*_parts(root), *_least_used(root, max_bytes, _needed(root)))]
        agents = [] if living else _agents(root)
        freed += sum(stale) + sum(map(_remove, agents))
        return Swept(tuple(jobs), len(stale), tuple(path.name for path in agents), freed)


def _oldest_first(root: Root) -> List[str]:
    """Should the disk fail halfway, the oldest went."""
    return sorted(root.job_ids(), key=lambda name: (root.jobs / name).stat().st_mtime)


def _done_with(folder: Path) -> bool:
    """Whether nobody will ask for the job: acknowledged, never started, or left for weeks."""
    found = Job(folder)
    if found.acknowledged:
        return True
    age_s = _age_s(folder)
    if not (folder / "state.json").exists():
        return age_s > NEVER_STARTED_S
    return age_s > UNFETCHED_S


def _remove(path: Path) -> int:
    """Remove a file or a folder; the bytes of disk that this frees. A file with another link frees none."""
    whole = [path]
    if path.is_dir():
        whole = [Path(folder) / name for folder, _, names in os.walk(str(path)) for name in names]
    found = [each.lstat() for each in whole]
    if path.is_dir():
        shutil.rmtree(str(path))
    else:
        path.unlink()
    return sum(512 * info.st_blocks for info in found if info.st_nlink == 1)


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


def _parts(root: Root) -> List[Path]:
    """Uploads that nobody went on with for a day, and what a killed agent left half written."""
    found = [path for folder in (root.cas, root.agents) for path in folder.glob("*.part")]
    found += [path for folder in (root.path, root.cas) for path in folder.glob(".tmp-*")]
    found += root.jobs.glob("*/.tmp-*")
    return [path for path in found if _age_s(path) > STALE_PART_S]


def _age_s(path: Path) -> float:
    """Seconds since a file was written. One from before the device's clock was set counts from now on."""
    written_unix_s = path.stat().st_mtime
    if written_unix_s < NO_CLOCK_UNIX_S < time.time():
        os.utime(str(path))
        return 0.0
    return time.time() - written_unix_s


def _least_used(root: Root, max_bytes: int, needed: Set[str]) -> List[Path]:
    """The content that was not used for longest, until the rest fits; never what is needed."""
    entries = [(path.stat(), path) for path in root.cas.iterdir() if files.SHA256.fullmatch(path.name)]
    total = sum(info.st_size for info, _ in entries)
    found = []
    for info, path in sorted(entries, key=lambda entry: (entry[0].st_mtime, entry[1].name)):
        if total <= max_bytes:
            break
        if path.name not in needed:
            found.append(path)
            total -= info.st_size
    return found


def _agents(root: Root) -> List[Path]:
    """Agents that said no hello for a day: the coordinator that brought one touches it whenever it asks."""
    own = pack.file_name(pack.agent_sha256())
    return [
        path
        for path in sorted(root.agents.glob("agent-*.pyz"))
        if path.name != own and _age_s(path) > UNUSED_AGENT_S
    ]


def touch_own(root: Root) -> None:
    """Say that this version is in use."""
    with contextlib.suppress(OSError):
        os.utime(str(root.agents / pack.file_name(pack.agent_sha256())))
