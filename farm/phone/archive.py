"""A folder as one tar.gz that is the same wherever it is made: a phone's own tar and gzip unpack it."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

LEVEL = 1  # a tenth larger than 6, in a quarter of the time


@dataclass(frozen=True)
class Packed:
    """``tree_sha256`` names the content, whatever zlib made of it; ``sha256`` is the file's own."""

    path: Path
    tree_sha256: str
    sha256: str
    size_bytes: int
    unpacked_bytes: int


class _Hashing(io.RawIOBase):
    """Passes on what is written, and knows its hash."""

    def __init__(self, target: BinaryIO | gzip.GzipFile) -> None:
        self._target = target
        self.digest = hashlib.sha256()

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override] # of all buffers, tarfile hands over bytes
        self.digest.update(data)
        return self._target.write(data)


def pack(folder: Path, target: Path, *, last: str) -> Packed:
    """Every file below ``folder``; ``last`` comes last, so that its presence proves a whole unpacking."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    files.sort(key=lambda path: path == folder / last)
    total = 0
    with target.open("wb") as raw:
        outer = _Hashing(raw)
        with gzip.GzipFile(filename="", mode="wb", fileobj=outer, compresslevel=LEVEL, mtime=0) as squeezed:
            inner = _Hashing(squeezed)
            with tarfile.open(fileobj=inner, mode="w|", format=tarfile.USTAR_FORMAT) as archive:
                for path in files:
                    entry = tarfile.TarInfo(path.relative_to(folder).as_posix())
                    entry.size = path.stat().st_size
                    entry.mode = 0o755 if path.stat().st_mode & 0o100 else 0o644
                    total += entry.size
                    with path.open("rb") as file:
                        archive.addfile(entry, file)
    return Packed(target, inner.digest.hexdigest(), outer.digest.hexdigest(), target.stat().st_size, total)
