"""Files by content beside the database: ``objects/ab/cdef...`` is the file whose sha256 is abcdef..."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import re
import shutil
import tempfile
import time
from pathlib import Path
from typing import IO, BinaryIO

from farm_agent.errors import InfrastructureError, UsageError
from farm_results.storage.faults import store_faults

_SHA256 = re.compile(r"[0-9a-f]{64}")
_PART = ".part-"
_STALE_S = 86_400.0


class Objects:
    """A folder of immutable files. An object is whole or absent, also after a kill or a power cut."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path_of(self, sha256: str) -> Path:
        """Where the object lies or would lie. Raises UsageError ``store.object-name``."""
        if not _SHA256.fullmatch(sha256):
            raise UsageError(f"{sha256[:80]!r} is not a sha256", code="store.object-name")
        return self.folder / sha256[:2] / sha256[2:]

    def has(self, sha256: str) -> bool:
        """Whether the object is here."""
        return self.path_of(sha256).is_file()

    def claim(self, sha256: str) -> bool:
        """Whether the object is here; where it is, it is young from now on, so that no ``sweep`` takes it
        away before the row that is to name it is stored."""
        path = self.path_of(sha256)
        with contextlib.suppress(OSError):
            os.utime(path)
        return path.is_file()

    def put_file(self, source: Path, expected: str = "") -> str:
        """Copy a file in and return its sha256.

        Raises InfrastructureError ``store.object-corrupt`` when it is not ``expected``,
        ``host.disk-full``; UsageError ``store.not-writable``.
        """
        with store_faults(str(self.folder)), source.open("rb") as stream:
            return self._put(stream, expected)

    def put_bytes(self, data: bytes) -> str:
        """Store ``data``; returns its sha256. Raises as ``put_file``."""
        with store_faults(str(self.folder)):
            return self._put(io.BytesIO(data), "")

    def put_stream(self, stream: IO[bytes], expected: str) -> str:
        """Store what a stream holds; it is ``expected``, or nothing is stored. Raises as ``put_file``."""
        with store_faults(str(self.folder)):
            return self._put(stream, expected)

    def _put(self, stream: IO[bytes], expected: str) -> str:
        self.folder.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=self.folder, prefix=_PART)
        part = Path(name)
        try:
            with os.fdopen(handle, "w+b") as file:
                shutil.copyfileobj(stream, file)
                file.flush()
                os.fsync(file.fileno())
                file.seek(0)
                sha256 = hashlib.file_digest(file, "sha256").hexdigest()
            if expected and sha256 != expected:
                raise _corrupt("the file to be stored", expected, sha256)
            target = self.path_of(sha256)
            target.parent.mkdir(exist_ok=True)
            part.chmod(0o444)
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)
        for folder in (target.parent, self.folder):
            sync_folder(folder)
        return sha256

    def sweep(self) -> None:
        """Remove what writers that were killed over a day ago left behind."""
        with contextlib.suppress(OSError):
            for part in self.folder.glob(f"{_PART}*"):
                if time.time() - part.stat().st_mtime > _STALE_S:
                    part.unlink(missing_ok=True)

    def open(self, sha256: str) -> BinaryIO:
        """Open an object for reading, after its content was verified.

        Raises InfrastructureError ``store.object-missing``, ``store.object-corrupt``.
        """
        path = self.path_of(sha256)
        with store_faults(str(path)):
            try:
                stream = path.open("rb")
            except FileNotFoundError:
                raise InfrastructureError(
                    f"the store has lost the file {sha256}",
                    code="store.object-missing",
                    fix="restore the store's objects folder from a backup, or measure again",
                ) from None
            got = hashlib.file_digest(stream, "sha256").hexdigest()
            if got != sha256:
                stream.close()
                raise _corrupt(str(path), sha256, got)
            stream.seek(0)
            return stream


def sync_folder(folder: Path) -> None:
    """Make a new name survive a power cut."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _corrupt(what: str, expected: str, got: str) -> InfrastructureError:
    return InfrastructureError(
        f"{what} is damaged: its sha256 is {got[:12]}..., not {expected[:12]}...",
        code="store.object-corrupt",
        fix="check the disk, restore the file from a backup, or measure again",
    )
