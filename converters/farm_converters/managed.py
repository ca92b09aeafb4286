"""The environments that were built below a cache folder: list, repair, remove, fetch wheels for."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from farm_agent.errors import InfrastructureError, UsageError
from farm_converters import cache, environment
from farm_converters.installer import Installer
from farm_converters.lock import held

READY, MET, ABSENT, OLD, TORN = "ready", "this Python", "not built", "old", "unfinished"
ONNX_IS_FOR = "ONNX in and out, and the reference run"
EXTRA = "-extra"
_BUILT = re.compile(r"(?P<name>[a-z0-9_-]+)-[0-9a-f]{12}")


@dataclass(frozen=True)
class Managed:
    """One environment. ``state``: ready, this Python (it serves itself), not built, old (of pins that are no
    longer ours) or unfinished (a build was killed). ``path`` and ``unused_days`` are None where none is."""

    name: str
    about: str
    state: str
    size_bytes: int = 0
    path: Path | None = None
    in_use: bool = False
    unused_days: float | None = None


def survey(cache_dir: Path) -> list[Managed]:
    """Every environment of today's lists, then what older ones left behind. Builds nothing."""
    found = [_of_list(name, cache_dir) for name in environment.names()]
    known = {each.path for each in found}
    folder = Path(os.path.abspath(cache_dir)) / "environments"  # noqa: PTH100
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        match = _BUILT.fullmatch(path.name)
        if match and path.is_dir() and path not in known:
            found.append(_stray(match["name"], path))
    return found


def select(names: Sequence[str]) -> tuple[str, ...]:
    """The names, or all. Raises UsageError env.no-such."""
    known = environment.names()
    strange = [name for name in names if name not in known]
    if strange:
        raise UsageError(
            f"no environment is called {strange[0]!r}; there are {', '.join(known)}",
            code="env.no-such",
            fix="farm env list",
        )
    return tuple(names) or known


def sync(name: str, cache_dir: Path, report: Callable[[str], None]) -> Managed:
    """Build what is absent, import what is there, build anew what cannot be imported.

    Raises InfrastructureError env.* (env.in-use: broken, but another process works in it).
    """
    folder = environment.folder_of(name, cache_dir) if name not in environment.HOST_PACKAGES else None
    if folder is not None and environment.is_complete(folder) and not environment.is_met(name):
        try:
            environment.verify(name, folder)
        except InfrastructureError as error:
            report(f"{name}: {error.message}; it is built anew")
            remove(folder, report)
    environment.prepare(name, cache_dir, report)
    return _of_list(name, cache_dir)


def disposable(found: Sequence[Managed], *, everything: bool, unused_days: float) -> list[Managed]:
    """What ``prune`` removes: old ones, unfinished ones, those not used for so long; or all of them."""
    return [
        each
        for each in found
        if each.path is not None
        and not each.in_use
        and (everything or each.state in (OLD, TORN) or (each.unused_days or 0.0) >= unused_days)
    ]


def remove(folder: Path, report: Callable[[str], None]) -> int:
    """Delete an environment that nobody uses; the bytes freed.

    Raises InfrastructureError env.in-use, host.cache-unwritable.
    """
    building = folder.with_suffix(".lock")
    with (
        cache.writable(folder.parent),
        held(building, report=report, what=f"building {folder.name}"),
        _alone(folder),
    ):
        size = size_of(folder)
        # The marker goes first: what is left of a removal that was killed counts as unfinished
        environment.marker(folder).unlink(missing_ok=True)
        if folder.exists():
            shutil.rmtree(folder)
    return size


def fetch_wheels(names: Sequence[str], folder: Path, report: Callable[[str], None]) -> int:
    """Download every wheel of the lists, for FARM_WHEELS on a machine without a network; their count.

    Raises InfrastructureError env.build-failed, host.disk-full, host.cache-unwritable.
    """
    with cache.writable(folder), tempfile.TemporaryDirectory(prefix="farm-pip-") as scratch:
        folder.mkdir(parents=True, exist_ok=True)
        # uv cannot download; this interpreter may have no pip
        installer = Installer(report, uv="")
        installer.create(Path(scratch))
        for name in names:
            for listed in environment.lists(name) if name not in environment.HOST_PACKAGES else ():
                report(f"fetching {listed.name}")
                installer.download(str(Path(scratch) / "bin" / "python"), listed, folder)
    return len(list(folder.glob("*.whl")))


def size_of(folder: Path) -> int:
    """Bytes on the disk; files that are shared with the installer's cache count here as well."""
    total = 0
    for root, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                total += os.lstat(os.path.join(root, name)).st_blocks * 512  # noqa: PTH118
    return total


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    path = environment.use_lock(folder)
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InfrastructureError(
                f"{folder.name} is in use", code="env.in-use", fix="wait until the run that uses it has ended"
            ) from None
        yield


def _of_list(name: str, cache_dir: Path) -> Managed:
    about = ONNX_IS_FOR if name in environment.HOST_PACKAGES else _about(environment.lists(name)[0])
    if environment.is_met(name):
        return Managed(name, about, MET, path=None)
    folder = environment.folder_of(name, cache_dir)
    if not folder.is_dir():
        return Managed(name, about, ABSENT)
    return _built(name, folder, READY if environment.is_complete(folder) else TORN, about)


def _stray(name: str, path: Path) -> Managed:
    """Of no list of ours: made for a recipe's own packages, or left by another release."""
    if not environment.is_complete(path):
        return _built(name, path, TORN)
    base, extra, _ = name.partition(EXTRA)
    return (
        _built(name, path, READY, f"{base} with a recipe's own packages")
        if extra
        else _built(name, path, OLD)
    )


def _built(name: str, path: Path, state: str, about: str = "") -> Managed:
    lock = environment.use_lock(path)
    days = None
    with contextlib.suppress(OSError):
        newest = lock if lock.exists() else environment.marker(path)
        days = max(0.0, (time.time() - newest.stat().st_mtime) / 86400)
    return Managed(name, about, state, size_of(path), path, _is_locked(lock, path), days)


def _is_locked(*candidates: Path) -> bool:
    use, folder = candidates
    for path in (use, folder.with_suffix(".lock")):
        with contextlib.suppress(FileNotFoundError), path.open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
    return False


def _about(listed: Path) -> str:
    """The first sentence of the comment that a list begins with."""
    first = listed.read_text().partition("\n")[0]
    return first.lstrip("# ").partition(". ")[0].rstrip(".") if first.startswith("#") else ""
