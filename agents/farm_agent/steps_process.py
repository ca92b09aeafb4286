"""What the steps of a job share: the supervisor as they see it, and how a process of theirs ends."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, Optional, Protocol

from farm_agent import child, faults, files
from farm_agent.errors import FarmError
from farm_agent.wire import JobResult, JobSpec


class Keeper(Protocol):
    """What the steps need of the supervisor."""

    result: JobResult

    def emit(self, kind: str, data: Dict[str, Any]) -> None: ...

    def keep(self, result: JobResult) -> None: ...

    def note_versions(self, versions: Dict[str, str]) -> None: ...

    def log(self, text: str) -> None: ...


def raise_failure(keeper: Keeper, what: str, ended: child.Ended, spec: JobSpec, said: Any) -> None:  # noqa: ANN401
    """What the process said itself counts before how it ended."""
    if ended.stderr:
        keeper.log(f"--- {what}\n{ended.stderr}\n")
    error: Optional[FarmError] = child.failure(what, ended, spec.process_timeout_s)
    if said is not None and said.failure is not None:
        error = said.failure.to_error()
        if spec.memory_limit_bytes and faults.STARVED.search(ended.stderr):
            # numpy hides behind other errors that it could not be loaded for want of memory.
            error = child.out_of_memory(what, faults.shorten(ended.stderr[-300:]))
    if error is not None:
        raise error


def options(spec: JobSpec) -> Dict[str, Any]:
    """The runtime's options, threads among them."""
    return {**spec.options, "threads": spec.threads}


def golden_path(spec: JobSpec, folder: Path) -> Optional[str]:
    """The file of the fixed inputs."""
    return str(stored(folder, spec.golden.blob.sha256)) if spec.golden is not None else None


def stored(folder: Path, sha256: str) -> Path:
    """A file of the content store, from a job's folder."""
    return folder.parent.parent / "cas" / files.safe_sha256(sha256)
