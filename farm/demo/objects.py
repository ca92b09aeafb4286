"""Sample files of a store that can be made again: put away without waiting for the disk."""

from __future__ import annotations

import hashlib
from pathlib import Path

from farm_results.storage.objects import Objects


class Unsynced(Objects):
    """As ``Objects``, but a power cut may cost a file: each wait for the disk takes some milliseconds, and a
    demo has thousands of files."""

    def put_file(self, source: Path, expected: str = "") -> str:  # noqa: ARG002 - our own files
        """Copy a file in and return its sha256."""
        return self.put_bytes(source.read_bytes())

    def put_bytes(self, data: bytes) -> str:
        """Store ``data``; returns its sha256."""
        name = hashlib.sha256(data).hexdigest()
        path = self.path_of(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return name
