"""Files on the device: names that cannot escape, writes that are whole or absent, errors that are ours."""

from __future__ import annotations

import contextlib
import errno
import os
import re
from pathlib import Path
from typing import Iterator

from farm_agent.errors import FarmError, InfrastructureError, UsageError
from farm_agent.wire import Failure

NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}")
SHA256 = re.compile(r"[0-9a-f]{64}")
MESSAGE_LIMIT_BYTES = 4 * 1024 * 1024
READ_ONLY = (errno.EROFS, errno.EACCES, errno.EPERM)
NO_LINKS = (errno.EACCES, errno.EPERM, errno.EXDEV, errno.EMLINK, errno.ENOTSUP, errno.ENOSYS)
FULL = (errno.ENOSPC, errno.EDQUOT)


def safe_name(name: str) -> str:
    """``name`` if it is one plain file name. Raises UsageError ``agent.bad-name``."""
    if not NAME.fullmatch(name):
        raise UsageError(
            f"{name[:140]!r} is no name for a job or file",
            code="agent.bad-name",
            fix="use up to 128 letters, digits, dots, dashes and underscores, with no dot in front",
        )
    return name


def safe_sha256(text: str) -> str:
    """``text`` if it is a sha256 in lower-case hex. Raises UsageError ``agent.bad-hash``."""
    if not SHA256.fullmatch(text):
        raise UsageError(f"{text[:80]!r} is no sha256", code="agent.bad-hash", fix="give 64 hex digits")
    return text


@contextlib.contextmanager
def disk_errors(path: Path, *, missing: str = "device.disk-error") -> Iterator[None]:
    """Turn the disk's errors into device.disk-full, device.not-writable or device.disk-error.

    ``missing``: the code where a folder on the way is not there.
    """
    try:
        yield
    except OSError as error:
        raise disk_error(error, path, missing) from error


def disk_error(error: OSError, path: Path, missing: str = "device.disk-error") -> InfrastructureError:
    """What an OSError on ``path`` means for the device."""
    place = error.filename or path
    if error.errno in FULL:
        return InfrastructureError(
            f"the disk is full: cannot write {place}",
            code="device.disk-full",
            fix="free space on the device, or run: farm agent gc",
        )
    absent = error.errno in (errno.ENOENT, errno.ENOTDIR, errno.EEXIST)
    if error.errno in READ_ONLY or (absent and missing == "device.not-writable"):
        return InfrastructureError(
            f"cannot write {place}: {error.strerror}",
            code="device.not-writable",
            fix="choose another root for this device, or make this one writable for its user",
        )
    return InfrastructureError(
        f"{place}: {error.strerror or error}", code="device.disk-error", fix="check the device's disk"
    )


def write_atomic(path: Path, data: bytes, *, durable: bool = False) -> None:
    """Replace ``path`` in one step; ``durable`` survives a power cut. Raises InfrastructureError device.*."""
    import tempfile  # here and below: half of what imports this module writes nothing

    with disk_errors(path):
        handle, name = tempfile.mkstemp(dir=str(path.parent), prefix=".tmp-")
        temporary = Path(name)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                if durable:
                    os.fsync(file.fileno())
            temporary.replace(path)
        except BaseException:
            with contextlib.suppress(OSError):
                temporary.unlink()
            raise


def place(source: Path, target: Path) -> None:
    """Give a file a second name; one that has it already stays. Raises OSError.

    A hard link: runtimes refuse data files that a symbolic link leads out of the folder. A copy where the
    system allows no links, as Android's does.
    """
    try:
        os.link(str(source), str(target))
    except FileExistsError:
        return
    except OSError as error:
        if error.errno not in NO_LINKS:
            raise
        import shutil

        part = target.with_name(target.name + ".copy")
        shutil.copyfile(str(source), str(part))
        part.replace(target)


def read_bounded(path: Path, limit_bytes: int = MESSAGE_LIMIT_BYTES) -> bytes:
    """A small file's bytes. Raises InfrastructureError ``device.file-too-large`` and disk errors."""
    with disk_errors(path), open(path, "rb") as file:
        data = file.read(limit_bytes + 1)
    if len(data) > limit_bytes:
        raise InfrastructureError(
            f"{path} is larger than {limit_bytes} bytes",
            code="device.file-too-large",
            fix="remove it on the device",
        )
    return data


def failure_of(error: FarmError) -> Failure:
    """An error as it crosses the link; its text is bounded."""
    return Failure(error.blame, error.code, error.message[:4000], error.fix[:1000])
