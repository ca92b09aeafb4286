"""The agent as one file: a reproducible zipapp whose version is its sha256.

It carries the native timed loop of every architecture, or the reason why it has none.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import io
import os
import tempfile
from functools import lru_cache
from pathlib import Path
from typing import Iterator, Tuple

from farm_agent.errors import InfrastructureError
from farm_agent.late import dataclass

# The oldest date a zip file can hold; any fixed one would do.
EPOCH = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class Packed:
    """A packed agent on this machine. The file is named agent-<first 12 digits of sha256>.pyz."""

    path: Path
    sha256: str


def build(directory: Path) -> Packed:
    """Pack this package into ``directory``; the same sources give the same bytes on every machine.

    Raises InfrastructureError ``host.not-writable`` or ``host.disk-full``.
    """
    data = archive()
    sha256 = hashlib.sha256(data).hexdigest()
    path = directory / file_name(sha256)
    try:
        directory.mkdir(parents=True, exist_ok=True)
        if not path.exists() or path.read_bytes() != data:
            _write(path, data)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise InfrastructureError(
                f"no space left in {directory}", code="host.disk-full", fix="free space on this machine"
            ) from error
        raise InfrastructureError(
            f"cannot write the packed agent to {directory}: {error.strerror or error}",
            code="host.not-writable",
            fix=f"make {directory} writable or set another cache folder",
        ) from error
    return Packed(path, sha256)


def file_name(sha256: str) -> str:
    """The name an agent of this hash has on every device."""
    return f"agent-{sha256[:12]}.pyz"


@lru_cache(maxsize=1)
def archive() -> bytes:
    """The bytes of the zipapp, or of the one that this code already runs from."""
    root = Path(__file__).resolve().parent
    if root.parent.is_file():
        return root.parent.read_bytes()
    import zipfile

    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive_file:
        for name, data in sorted(_members(root)):
            info = zipfile.ZipInfo(name, EPOCH)
            info.create_system = 3
            info.external_attr = 0o644 << 16
            archive_file.writestr(info, data)
    return b"#!/usr/bin/env python3\n" + buffer.getvalue()


@lru_cache(maxsize=1)
def agent_sha256() -> str:
    """The version of the running agent: the hash of its zipapp."""
    return hashlib.sha256(archive()).hexdigest()


def _members(root: Path) -> Iterator[Tuple[str, bytes]]:
    from farm_agent import native_build  # for the packing machine alone: every verb on a device imports this
    from farm_agent.native import FOLDER, LEFT_OUT

    yield "__main__.py", (root / "__main__.py").read_bytes()
    for path in root.rglob("*.py"):
        if "__pycache__" not in path.parts:
            yield f"{root.name}/{path.relative_to(root).as_posix()}", path.read_bytes()
    try:
        for arch, data in native_build.binaries().items():
            yield f"{root.name}/{FOLDER}/{arch}.so", data
    except native_build.NotBuilt as reason:
        yield f"{root.name}/{LEFT_OUT}", str(reason).encode()


def _write(path: Path, data: bytes) -> None:
    handle, name = tempfile.mkstemp(dir=str(path.parent), prefix=f".{path.name}.")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        temporary.chmod(0o644)
        temporary.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
