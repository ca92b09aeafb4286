"""Debian's packages into the cache: from the mirror, or from Debian's archive of everything, by hash."""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from farm.errors import FarmError, InfrastructureError, UsageError
from farm.phone.pins import Deb

MIRROR_VARIABLE = "FARM_DEBIAN_MIRROR"
MIRROR = "https://deb.debian.org/debian"
SNAPSHOT = "https://snapshot.debian.org/archive/debian"
TIMEOUT_S = 30.0
_AT_ONCE = 4


def mirror() -> str:
    """FARM_DEBIAN_MIRROR, else Debian's own."""
    return os.environ.get(MIRROR_VARIABLE, "").rstrip("/") or MIRROR


def fetch(debs: Iterable[Deb], folder: Path, *, snapshot: str, offline: bool) -> dict[str, Path]:
    """The packages' files by package name; what lies in ``folder`` already is not fetched again.

    Raises InfrastructureError phone.fetch-failed; UsageError phone.offline.
    """
    folder.mkdir(parents=True, exist_ok=True)

    def one(deb: Deb) -> tuple[str, Path]:
        path = folder / f"{deb.sha256[:16]}-{Path(deb.path).name}"
        if not (path.is_file() and _sha256(path) == deb.sha256):
            if offline:
                raise UsageError(
                    f"{Path(deb.path).name} is not in the cache, and farm is offline",
                    code="phone.offline",
                    fix="run it once without --offline, or copy the cache's folder `phone` of a machine "
                    "that has it",
                )
            _download(deb, path, [mirror(), f"{SNAPSHOT}/{snapshot}"])
        return deb.package, path

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return dict(pool.map(one, debs))


def _download(deb: Deb, path: Path, places: list[str]) -> None:
    said: list[str] = []
    for place in places:
        url = f"{place}/{deb.path}"
        try:
            data = read(url, limit_bytes=deb.size_bytes)
        except FarmError as error:
            said.append(error.message)
            continue
        if hashlib.sha256(data).hexdigest() == deb.sha256:
            write_atomic(path, data)
            return
        said.append(f"{url} is another file than {deb.version}")
    raise InfrastructureError(
        f"{deb.package} {deb.version} cannot be fetched: {'; '.join(said)}",
        code="phone.fetch-failed",
        fix=f"check the network, or name a mirror that has it: {MIRROR_VARIABLE}=https://HOST/debian; "
        "a newer farm may name newer packages",
    )


def read(url: str, *, limit_bytes: int) -> bytes:
    """What is there, at most ``limit_bytes``. Raises InfrastructureError phone.fetch-failed."""
    if not url.startswith(("http://", "https://")):
        raise InfrastructureError(f"{url!r} is no web address", code="phone.fetch-failed", fix="")
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT_S) as answer:  # noqa: S310 - checked above
            data: bytes = answer.read(limit_bytes + 1)
    except (OSError, ValueError) as error:
        why = error.reason if isinstance(error, urllib.error.URLError) else error
        raise InfrastructureError(f"{url}: {why}", code="phone.fetch-failed", fix="") from error
    if len(data) > limit_bytes:
        raise InfrastructureError(f"{url} is too long", code="phone.fetch-failed", fix="")
    return data


def write_atomic(path: Path, data: bytes) -> None:
    """The whole file, or none of it."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    os.close(handle)
    try:
        Path(name).write_bytes(data)
        Path(name).replace(path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            Path(name).unlink()


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
