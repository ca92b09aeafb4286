"""The cache of conversions: folders that appear whole or not at all, and are verified when read."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import secrets
import shutil
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from farm_agent.errors import InfrastructureError
from farm_agent.wire import Blob

INDEX = "index.json"
LEFTOVER_S = 24 * 3600.0


def blob_of(path: Path) -> Blob:
    """Hash and size of a file."""
    sha = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            sha.update(chunk)
    return Blob(sha.hexdigest(), path.stat().st_size, path.name)


def publish(entry: Path, files: Mapping[str, Path], index: Mapping[str, Any]) -> None:
    """Make ``entry`` hold ``files`` (name to source, moved) and the index, in one rename; else leave nothing.

    Raises InfrastructureError host.disk-full or host.cache-unwritable.
    """
    try:
        entry.parent.mkdir(parents=True, exist_ok=True)
        _remove_leftovers(entry)
        staged = entry.with_name(f".{entry.name}.{secrets.token_hex(4)}")
        staged.mkdir()
        try:
            blobs = []
            for name, source in files.items():
                shutil.move(source, staged / name)
                blob = blob_of(staged / name)
                blobs.append({"name": name, "sha256": blob.sha256, "size_bytes": blob.size_bytes})
            (staged / INDEX).write_text(json.dumps({"files": blobs, **index}, sort_keys=True))
            shutil.rmtree(entry, ignore_errors=True)
            staged.rename(entry)
        except BaseException:
            shutil.rmtree(staged, ignore_errors=True)
            raise
    except OSError as error:
        raise disk_error(error, entry.parent) from error


def _remove_leftovers(entry: Path) -> None:
    """What a farm that was killed while it published had staged."""
    for left in entry.parent.glob(f".{entry.name}.*"):
        with contextlib.suppress(OSError):
            if time.time() - left.stat().st_mtime > LEFTOVER_S:
                shutil.rmtree(left, ignore_errors=True)


def read(entry: Path, *, verify: bool = True) -> dict[str, Any] | None:
    """The entry's index when every file is there and (``verify``) has its hash; else None."""
    try:
        index = json.loads((entry / INDEX).read_bytes())
        for item in index["files"]:
            path = entry / item["name"]
            if path.stat().st_size != item["size_bytes"]:
                return None
            if verify and blob_of(path).sha256 != item["sha256"]:
                return None
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    return index if isinstance(index, dict) else None


@contextlib.contextmanager
def writable(folder: Path) -> Iterator[None]:
    """Turn errors of a full or unwritable disk into typed ones."""
    try:
        yield
    except OSError as error:
        raise disk_error(error, folder) from error


def disk_error(error: OSError, folder: Path) -> InfrastructureError:
    """host.disk-full, or host.cache-unwritable with the system's reason."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return InfrastructureError(
            f"no space left in {folder}",
            code="host.disk-full",
            fix="free space, or move the cache with FARM_CACHE_DIR",
        )
    return InfrastructureError(
        f"cannot write to {folder}: {error.strerror or error}",
        code="host.cache-unwritable",
        fix="make the cache folder writable, or move it with FARM_CACHE_DIR",
    )
