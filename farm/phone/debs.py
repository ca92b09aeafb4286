"""Debian packages read with the standard library: an ``ar`` archive that holds a tar of the files."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator
from pathlib import Path

from farm.errors import InfrastructureError

_MAGIC = b"!<arch>\n"
_HEADER_BYTES = 60


def contents(deb: Path) -> Iterator[tuple[tarfile.TarInfo, bytes]]:
    """Every file, link and folder of a package with its bytes; names as in the package: ``./usr/bin/x``.

    Raises InfrastructureError phone.bad-package.
    """
    name, data = _data_member(deb)
    if not name.endswith((".xz", ".gz", ".tar")):
        raise _bad(deb, f"its files are in {name!r}, which this Python cannot unpack")
    try:
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:*") as archive:
            for member in archive:
                file = archive.extractfile(member) if member.isreg() else None
                yield member, file.read() if file else b""
    except (tarfile.TarError, EOFError, OSError) as error:
        raise _bad(deb, error) from error


def _data_member(deb: Path) -> tuple[str, bytes]:
    """Name and bytes of ``data.tar.*``."""
    with deb.open("rb") as file:
        if file.read(len(_MAGIC)) != _MAGIC:
            raise _bad(deb, "it is no ar archive")
        while True:
            header = file.read(_HEADER_BYTES)
            if len(header) < _HEADER_BYTES or header[58:] != b"`\n":
                raise _bad(deb, "it ends before its files")
            name = header[:16].decode("ascii", "replace").strip().rstrip("/")
            try:
                size = int(header[48:58])
            except ValueError as error:
                raise _bad(deb, error) from error
            if name.startswith("data.tar"):
                return name, file.read(size)
            file.seek(size + size % 2, io.SEEK_CUR)


def _bad(deb: Path, why: object) -> InfrastructureError:
    return InfrastructureError(
        f"{deb.name} is no Debian package that can be read: {why}",
        code="phone.bad-package",
        fix=f"remove {deb} and run the command again",
    )
