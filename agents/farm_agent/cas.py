"""Files by content: complete under their hash, incomplete as HASH[.SENDER].part that a put goes on with.

Each coordinator has a part of its own, so that two that send the same file at once do not write into
each other's.
"""

from __future__ import annotations

import contextlib
import hashlib
from pathlib import Path

from farm_agent import arriving, files
from farm_agent.errors import InfrastructureError
from farm_agent.root import Root
from farm_agent.wire import Blob, Stock


def part_path(root: Root, sha256: str, sender: str = "") -> Path:
    """Where ``sender`` (a word of hex digits, or nobody in particular) uploads a file to."""
    files.safe_name(f"{sha256}{sender}")
    return root.cas / (f"{sha256}.{sender}.part" if sender else f"{sha256}.part")


def stock(root: Root, sha256: str, sender: str = "") -> Stock:
    """What is here of one hash. A complete file counts as used now."""
    sha256 = files.safe_sha256(sha256)
    complete, partial = root.cas / sha256, part_path(root, sha256, sender)
    if complete.is_file():
        with contextlib.suppress(OSError):
            complete.touch()
        return Stock(sha256, complete=True, partial_bytes=0)
    try:
        size = partial.stat().st_size
    except OSError:
        size = 0
    return Stock(sha256, complete=False, partial_bytes=size)


def commit(root: Root, sha256: str, size_bytes: int, sender: str = "") -> Stock:
    """Make the sender's part complete if its bytes are right. Committing twice changes nothing.

    Raises InfrastructureError ``link.incomplete`` (nothing was lost: send the rest) and ``link.corrupt``
    (the part is dropped: send it again).
    """
    sha256 = files.safe_sha256(sha256)
    complete, partial = root.cas / sha256, part_path(root, sha256, sender)
    if complete.is_file():
        with contextlib.suppress(OSError):
            partial.unlink()
        return stock(root, sha256)
    size = stock(root, sha256, sender).partial_bytes
    if size < size_bytes or not partial.exists():
        raise InfrastructureError(
            f"{sha256[:12]}: {size} of {size_bytes} bytes have arrived",
            code="link.incomplete",
            fix="send the rest",
        )
    with files.disk_errors(partial):
        right = size == size_bytes and (arriving.noted(partial) == sha256 or digest(partial) == sha256)
        arriving.forget(partial)
        if not right:
            partial.unlink()
            raise InfrastructureError(
                f"{sha256[:12]}: the bytes that arrived are not those that were sent",
                code="link.corrupt",
                fix="send the file again; if this repeats, check the link and the device's disk",
            )
        partial.replace(complete)
    return stock(root, sha256)


def digest(path: Path) -> str:
    """sha256 of a file's content."""
    total = hashlib.sha256()
    with open(path, "rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            total.update(block)
    return total.hexdigest()


def require(root: Root, blob: Blob) -> Path:
    """The complete file of ``blob``. Raises InfrastructureError ``device.blob-missing``."""
    path = root.cas / files.safe_sha256(blob.sha256)
    if not path.is_file():
        raise InfrastructureError(
            f"{blob.name} ({blob.sha256[:12]}) is not on the device",
            code="device.blob-missing",
            fix="ship it first",
        )
    with contextlib.suppress(OSError):
        path.touch()
    return path
