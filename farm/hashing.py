"""Content hashes of files that a user names."""

from __future__ import annotations

import hashlib
from pathlib import Path

from farm.errors import UsageError


def inputs_sha256(path: Path | None) -> str:
    """The sha256 of an ``--inputs`` file; "" for none. Raises UsageError inputs.unreadable."""
    if path is None:
        return ""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise UsageError(
            f"cannot read the inputs file {path}: {error.strerror}",
            code="inputs.unreadable",
            fix="name a readable .npz file with one array per input",
        ) from error
