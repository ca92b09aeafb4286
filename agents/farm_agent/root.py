"""The agent's folder on a device: content store, jobs, the highest fence seen, and the lock over them."""

from __future__ import annotations

import contextlib
import fcntl
import os
from pathlib import Path
from typing import Iterator, List

from farm_agent import files
from farm_agent.errors import InfrastructureError, UsageError
from farm_agent.late import dataclass


@dataclass(frozen=True)
class Root:
    """``path`` is absolute. Only names checked by ``files`` are ever put below it."""

    path: Path

    @property
    def agents(self) -> Path:
        return self.path / "agents"

    @property
    def cas(self) -> Path:
        return self.path / "cas"

    @property
    def jobs(self) -> Path:
        return self.path / "jobs"

    def job_path(self, job_id: str) -> Path:
        """Where a job lies, or would. Raises UsageError ``agent.bad-name``."""
        return self.jobs / files.safe_name(job_id)

    def job_ids(self) -> List[str]:
        """Every job that has a folder here."""
        with files.disk_errors(self.jobs):
            return sorted(path.name for path in self.jobs.iterdir() if files.NAME.fullmatch(path.name))

    def free_bytes(self) -> int:
        """Space that this user may still fill."""
        import shutil

        with files.disk_errors(self.path):
            return shutil.disk_usage(str(self.path)).free

    def fence(self) -> int:
        """The highest fence this device has seen; 0 when none."""
        path = self.path / "fence"
        if not path.exists():
            return 0
        try:
            return int(files.read_bounded(path, 64))
        except ValueError as error:
            raise InfrastructureError(
                f"{path} holds no number", code="device.bad-fence", fix=f"remove {path} when no job runs"
            ) from error

    def check_fence(self, fence: int) -> None:
        """Refuse a fence below the highest seen. Raises InfrastructureError ``lease.fenced``."""
        highest = self.fence()
        if fence < highest:
            raise InfrastructureError(
                f"the lease {fence} on this device is over: {highest} has taken it",
                code="lease.fenced",
                fix="another farm drives this device now; wait for it or choose another device",
            )

    def raise_fence(self, fence: int) -> None:
        """Refuse a fence below the highest seen, remember a higher one. Only under ``locked``.

        Raises InfrastructureError ``lease.fenced``.
        """
        self.check_fence(fence)
        if fence > self.fence():
            files.write_atomic(self.path / "fence", str(fence).encode(), durable=True)

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Nobody else changes jobs or the fence meanwhile. The kernel frees the lock of a dead process."""
        path = self.path / "lock"
        with files.disk_errors(path):
            handle = os.open(str(path), os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)


def open_root(text: str) -> Root:
    """Make the folders. Raises InfrastructureError device.not-writable, device.disk-full."""
    if not text:
        raise UsageError("--root is missing", code="agent.usage", fix="give --root FOLDER")
    path = Path(text).expanduser()
    with files.disk_errors(path, missing="device.not-writable"):
        root = Root(Path.cwd() / path)
        for folder in (root.agents, root.cas, root.jobs):
            folder.mkdir(mode=0o755, parents=True, exist_ok=True)
        if not os.access(str(root.path), os.W_OK | os.X_OK):
            raise PermissionError(13, "Permission denied", str(root.path))
    return root
