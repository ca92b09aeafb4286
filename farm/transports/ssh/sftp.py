"""Files over SFTP: pipelined, with every answer read, and given up when nothing moves."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import PurePosixPath
from typing import IO, TYPE_CHECKING

from farm.devices import faults
from farm.errors import FarmError, InfrastructureError

if TYPE_CHECKING:
    import paramiko

    from farm.transports.ssh import Ssh
    from farm.transports.ssh.watchdog import Watchdog

_STEP_BYTES = 32 * 1024  # the largest write that every server takes
_GROUP = 64  # writes in flight before all their answers are read


def put(
    ssh: Ssh,
    reader: IO[bytes],
    target: str,
    offset_bytes: int,
    timeout_s: float,
    progress: Callable[[int], None] | None,
) -> None:
    """Write the rest of ``reader`` at ``offset_bytes`` of ``target``; what lay behind it is cut off."""
    deadline = time.monotonic() + timeout_s
    try:
        with (
            _session(ssh, "put", target, timeout_s) as (client, watchdog),
            client.open(target, "r+" if offset_bytes else "w") as writer,
        ):
            if offset_bytes:
                writer.truncate(offset_bytes)
                writer.seek(offset_bytes)
            count = 0
            while data := reader.read(_STEP_BYTES):
                if time.monotonic() >= deadline:
                    raise faults.late(ssh.name, ["put", target], timeout_s)
                count += 1
                # paramiko loses the answers to pipelined writes at the end of a file; a write that is
                # not pipelined first reads all that are owed, and fails if one of them failed.
                writer.set_pipelined(len(data) == _STEP_BYTES and count % _GROUP != 0)
                writer.write(data)
                watchdog.progress()
                if progress:
                    progress(len(data))
            _settle(client, writer, target, reader.tell())
    except _Refused as refused:
        raise _why(ssh, target, refused.error, timeout_s) from refused.error


def get(ssh: Ssh, source: str, writer: IO[bytes], timeout_s: float, limit_bytes: int) -> None:
    """Copy ``source`` into ``writer``, at most ``limit_bytes``."""
    deadline = time.monotonic() + timeout_s
    left = limit_bytes
    try:
        with (
            _session(ssh, "get", source, timeout_s) as (client, watchdog),
            client.open(source, "rb") as reader,
        ):
            while data := reader.read(_STEP_BYTES):
                left -= len(data)
                if left < 0:
                    raise faults.too_large(ssh.name, source, limit_bytes)
                if time.monotonic() >= deadline:
                    raise faults.late(ssh.name, ["get", source], timeout_s)
                watchdog.progress()
                writer.write(data)
    except _Refused as refused:
        raise faults.no_file(ssh.name, source, refused.error.strerror or refused.error) from refused.error


class _Refused(Exception):
    """The server answered that it cannot; the link itself is fine."""

    def __init__(self, error: OSError) -> None:
        super().__init__(str(error))
        self.error = error


@contextmanager
def _session(
    ssh: Ssh, verb: str, path: str, timeout_s: float
) -> Iterator[tuple[paramiko.SFTPClient, Watchdog]]:
    """An SFTP client under a watchdog; the server's refusals leave as _Refused, the link's ends as link.*."""
    with (
        ssh.guard([verb, path], timeout_s, timeout_s, ssh.stall_s) as watchdog,
        ssh.sftp(timeout_s, watchdog) as client,
    ):
        try:
            yield client, watchdog
        except OSError as error:
            channel = client.get_channel()
            if isinstance(error, TimeoutError) or channel is None or channel.closed:
                raise
            raise _Refused(error) from error


def _settle(client: paramiko.SFTPClient, writer: paramiko.SFTPFile, target: str, size_bytes: int) -> None:
    """Read the last answers owed, and compare sizes: a server may say Failure only once."""
    writer.set_pipelined(pipelined=False)
    if (client.stat(target).st_size or 0) != size_bytes:
        raise OSError("the device wrote less than was sent")


def _why(ssh: Ssh, target: str, error: OSError, timeout_s: float) -> InfrastructureError:
    """SFTP says only Failure for a full disk: ask ``df``, which every device has."""
    if error.errno is not None:
        return faults.unwritten(ssh.name, target, error)
    folder = str(PurePosixPath(target).parent)
    try:
        done = ssh.run(["df", "-Pk", "--", folder], timeout_s=min(timeout_s, 10.0))
        free_kb = int(done.stdout.decode("ascii", "replace").splitlines()[-1].split()[3])
    except (FarmError, ValueError, IndexError):
        return faults.unwritten(ssh.name, target, error)
    # Reserved blocks and half-written steps: below one group of writes nothing more fits.
    if free_kb * 1024 < _STEP_BYTES * _GROUP:
        return faults.disk_full(ssh.name, target)
    return faults.unwritten(ssh.name, target, error)
