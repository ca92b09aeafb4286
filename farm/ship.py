"""Bring files to a device's content store: only what is missing, from where it stopped, proved by hash."""

from __future__ import annotations

import contextlib
import hashlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from farm.errors import FarmError, InfrastructureError
from farm.transports import Transport
from farm_agent.wire import Blob, Stock

_STEP_BYTES = 1024 * 1024
_LARGE_BYTES = 8 * _STEP_BYTES


@dataclass(frozen=True)
class Shipped:
    """What one call moved; ``present_files`` were on the device already."""

    sent_bytes: int = 0
    sent_files: int = 0
    present_files: int = 0


class Store(Protocol):
    """The part of an AgentClient that shipping needs."""

    def part_path(self, sha256: str) -> str:
        """Where an upload of that hash goes until it is committed."""

    def stock(self, shas: Sequence[str]) -> Sequence[Stock]:
        """What the device holds of each hash."""

    def follow(self, blob: Blob) -> object:
        """Hash the part on the device while it arrives."""

    def commit(self, blob: Blob) -> object:
        """Hash the part on the device and give it its name. Raises link.corrupt when it differs."""


def ship(
    client: Store,
    transport: Transport,
    blobs_with_paths: Sequence[tuple[Blob, Path]],
    *,
    timeout_s: float,
    progress: Callable[[int], None] | None = None,
) -> Shipped:
    """Make every blob complete on the device. ``timeout_s`` covers all; ``progress`` gets bytes per step.

    Raises InfrastructureError link.corrupt when a file arrives wrong twice, device.disk-full,
    device.not-writable, link.lost, link.timeout, cache.changed when a file here is not what its blob says.
    """
    deadline = time.monotonic() + timeout_s
    wanted = {blob.sha256: (blob, path) for blob, path in blobs_with_paths}
    if not wanted:
        return Shipped()
    known = {stock.sha256: stock for stock in client.stock(tuple(wanted))}
    missing = [sha for sha in wanted if sha not in known or not known[sha].complete]
    sent_bytes = 0
    for sha in missing:
        blob, path = wanted[sha]
        partial = known[sha].partial_bytes if sha in known else 0
        with _verified(blob, path) as verify:
            sent_bytes += _send(client, transport, blob, path, partial, verify, deadline, progress)
    return Shipped(sent_bytes, len(missing), len(wanted) - len(missing))


def _send(
    client: Store,
    transport: Transport,
    blob: Blob,
    path: Path,
    partial_bytes: int,
    verify: Callable[[], None],
    deadline: float,
    progress: Callable[[int], None] | None,
) -> int:
    """Resume once; a file that then proves wrong is sent once more from its beginning."""
    offset = partial_bytes if 0 < partial_bytes <= blob.size_bytes else 0
    target = client.part_path(blob.sha256)
    sent = 0
    for start in (offset, 0):
        # A complete .part needs only its commit; an empty file still has to be created.
        if start < blob.size_bytes or start == 0:
            left = deadline - time.monotonic()
            if left <= 0:
                raise InfrastructureError(
                    f"{blob.name}: the time for sending files to the device is over",
                    code="link.timeout",
                    fix="run the command again: sending goes on where it stopped",
                )
            # What lies there from before is read as it is: where it is dropped, nobody may read it meanwhile.
            follower = _follow(client, blob) if start == partial_bytes else None
            transport.put(path, target, timeout_s=left, offset_bytes=start, progress=progress)
            sent += blob.size_bytes - start
            if follower is not None:
                follower.join()
        verify()
        try:
            client.commit(blob)
        except FarmError as error:
            if error.code not in ("link.corrupt", "link.incomplete"):
                raise
            continue
        return sent
    raise InfrastructureError(
        f"{blob.name} arrived on the device with another content twice",
        code="link.corrupt",
        fix="check the device's memory and disk (dmesg), and anything that rewrites traffic on the way",
    )


def _follow(client: Store, blob: Blob) -> threading.Thread | None:
    """Let the device hash a large file while it arrives: where that fails, the commit reads it once more."""
    if blob.size_bytes < _LARGE_BYTES:
        return None

    def follow() -> None:
        with contextlib.suppress(FarmError):
            client.follow(blob)

    thread = threading.Thread(target=follow, daemon=True, name="follow")
    thread.start()
    return thread


@contextmanager
def _verified(blob: Blob, path: Path) -> Iterator[Callable[[], None]]:
    """Give what waits until the file here is known to be what it claims: the cache may have been changed by
    hand. A large file is read for that while it is being sent; what is wrong is then never committed.

    Raises cache.changed, here or when called.
    """
    known = (blob.sha256, *_identity(path))
    if known in _VERIFIED:
        yield lambda: None
    elif blob.size_bytes < _LARGE_BYTES:
        _verify(blob, path)
        yield lambda: None
    else:
        with ThreadPoolExecutor(1, thread_name_prefix="verify") as pool:
            future = pool.submit(_verify, blob, path)
            yield future.result
    _VERIFIED.add(known)


_VERIFIED: set[tuple[str, int, int, int, int]] = set()
"""What was read by this process already: each of a hundred devices gets the same file."""


def _identity(path: Path) -> tuple[int, int, int, int]:
    stat = path.stat()
    return stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns


def _verify(blob: Blob, path: Path) -> None:
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while chunk := file.read(_STEP_BYTES):
            digest.update(chunk)
            size += len(chunk)
    if digest.hexdigest() != blob.sha256 or size != blob.size_bytes:
        raise InfrastructureError(
            f"{path} is not the file it was when it was made",
            code="cache.changed",
            fix=f"remove {path.parent} and run the command again",
        )
