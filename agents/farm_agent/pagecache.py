"""The kernel's page cache of some files: read them in, throw them out, and see what is in it.

Only Linux's own interfaces, and only these files: dropping every cache of the machine would slow down
everything else that runs there.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib.util
import mmap
import os
from pathlib import Path
from typing import Iterable, Iterator, List, Optional

# A package with more files than this is looked at in part.
MOST_FILES = 20_000
READ_BYTES = 1024 * 1024


def package_files(names: Iterable[str]) -> List[Path]:
    """Every file of the installed packages, without importing them; nothing for one that is not there."""
    found: List[Path] = []
    for name in names:
        with contextlib.suppress(ImportError, ValueError):
            spec = importlib.util.find_spec(name)
            for place in (spec.submodule_search_locations or ()) if spec is not None else ():
                found += _files_below(Path(place))
                # The shared libraries of many wheels lie beside the package.
                found += _files_below(Path(place).with_name(name + ".libs"))
    return found[:MOST_FILES]


def load(files: Iterable[Path]) -> None:
    """Read the files once, so that they lie in the cache as far as it has room."""
    for path in files:
        with contextlib.suppress(OSError), open(path, "rb", buffering=0) as file:
            while file.read(READ_BYTES):
                pass


def drop(files: Iterable[Path], *, flush: bool = False) -> str:
    """Ask the kernel to forget the files; why that is not possible here, or "". Pages stay that another
    process has mapped, or that are not yet on the disk (``flush`` writes them first): ``resident_share``
    tells."""
    advise = getattr(os, "posix_fadvise", None)
    if advise is None:
        return "this system has no posix_fadvise"
    for path in files:
        with contextlib.suppress(OSError), open(path, "rb", buffering=0) as file:
            if flush:
                os.fsync(file.fileno())
            advise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    return ""


def resident_share(files: Iterable[Path]) -> Optional[float]:
    """Share of the files' pages that lie in the cache; None when the kernel does not tell.

    mincore(2) tells only the owner of a file, or who may write to it; to others it says that all are there.
    """
    pages = resident = 0
    for path in files:
        try:
            if path.stat().st_size == 0:
                continue
            if not (os.access(path, os.W_OK) or path.stat().st_uid == os.geteuid()):
                return None
            found = _resident(path)
        except (OSError, ValueError, AttributeError):
            return None
        pages += len(found)
        resident += sum(byte & 1 for byte in found)
    return resident / pages if pages else None


def _resident(path: Path) -> bytes:
    """One byte per page of the file; bit 0: it is in the cache."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mmap.restype = ctypes.c_void_p
    number = ctypes.c_int
    libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, number, number, number, ctypes.c_long]
    libc.mincore.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_char_p]
    libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
    with open(path, "rb", buffering=0) as file:
        size = os.fstat(file.fileno()).st_size
        at = libc.mmap(None, size, mmap.PROT_READ, mmap.MAP_SHARED, file.fileno(), 0)
        if at in (None, ctypes.c_void_p(-1).value):
            raise OSError(ctypes.get_errno(), "mmap failed", str(path))
        try:
            answer = ctypes.create_string_buffer(-(-size // mmap.PAGESIZE))
            if libc.mincore(at, size, answer) != 0:
                raise OSError(ctypes.get_errno(), "mincore failed", str(path))
            return answer.raw
        finally:
            libc.munmap(at, size)


def _files_below(folder: Path) -> Iterator[Path]:
    for parent, _, names in os.walk(folder):
        for name in names:
            path = Path(parent) / name
            if path.is_file() and not path.is_symlink():
                yield path
