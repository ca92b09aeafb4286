"""Managed converter environments: built on first use from pinned lists, shared by every run.

``environments/NAME.txt`` is whole and hash-locked; ``NAME.nodeps.txt``, where it exists, lists pure-Python
packages that are installed last, without what they declare. An environment whose pins this interpreter
meets exactly is not built: this interpreter serves, in a subprocess like any other. The environment
``onnx`` is always this interpreter, because the farm itself depends on those packages.

``NAME.check``, where it exists, lists modules that a fresh environment must be able to import. The first
line of NAME.txt is a comment that says what it is for. Every process that prepared a built environment
holds a lock on it until its end, so that nobody removes it meanwhile (``managed`` lists and removes).
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TextIO

from farm_agent.errors import FarmBug, InfrastructureError
from farm_converters import cache, children, guard
from farm_converters.installer import Installer, is_offline
from farm_converters.lock import held

LISTS = Path(__file__).with_name("environments")
HOST_PACKAGES = {"onnx": ("onnx", "onnxruntime", "onnxslim", "numpy")}
CHECK_TIMEOUT_S = 300.0
_PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^\s\\;]+)", re.MULTILINE)
_held: dict[str, TextIO] = {}  # environments that this process uses, until it ends


@dataclass(frozen=True)
class Environment:
    """A Python that can run an edge. ``versions`` are the packages that the result may depend on."""

    name: str
    python: str
    versions: Mapping[str, str]


def names() -> tuple[str, ...]:
    """Every environment, without building any."""
    listed = {path.name.split(".")[0] for path in LISTS.glob("*.txt")}
    return tuple(sorted(listed | set(HOST_PACKAGES)))


def pins(name: str) -> dict[str, str]:
    """Package to exact version; for an environment of this interpreter, what is installed."""
    if name in HOST_PACKAGES:
        return {package: installed(package) or "missing" for package in HOST_PACKAGES[name]}
    found: dict[str, str] = {}
    for path in lists(name):
        found.update(_PIN.findall(path.read_text()))
    return found


def fingerprint(name: str) -> str:
    """What the environment's results may depend on, as 12 hex digits: pins, Python and platform."""
    text = repr((sorted(pins(name).items()), sys.version_info[:2], platform.system(), platform.machine()))
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def ready(name: str, cache_dir: Path) -> bool:
    """Whether ``prepare`` has nothing to build."""
    return is_met(name) or marker(folder_of(name, cache_dir)).is_file()


def prepare(name: str, cache_dir: Path, report: Callable[[str], None]) -> Environment:
    """The environment, built below ``cache_dir`` when it is not there yet.

    Raises InfrastructureError env.build-failed with the installer's last lines, env.broken, env.offline,
    host.disk-full or host.cache-unwritable.
    """
    if is_met(name):
        return Environment(name, sys.executable, pins(name))
    folder = folder_of(name, cache_dir)
    provide(name, folder, report)
    return Environment(name, str(folder / "bin" / "python"), pins(name))


def provide(name: str, folder: Path, report: Callable[[str], None], packages: Sequence[str] = ()) -> None:
    """Have the environment in ``folder``, with a user's own ``packages`` (``name==version``) on top, and hold
    it until this process ends. Raises what ``prepare`` raises.
    """
    what = f"building the {name} environment" + (f" with {', '.join(packages)}" if packages else "")
    with cache.writable(folder.parent):
        while not _hold(folder):
            with held(folder.with_suffix(".lock"), report=report, what=what) as lock:
                if not marker(folder).is_file():
                    report(f"{what} (once, some hundred MB)")
                    _build(name, folder, Installer(report, lock=lock), packages)
                    report(f"built the {name} environment")


def folder_of(name: str, cache_dir: Path) -> Path:
    """Where the environment of today's list lies, once it is built."""
    return Path(os.path.abspath(cache_dir)) / "environments" / f"{name}-{fingerprint(name)}"  # noqa: PTH100


def is_met(name: str) -> bool:
    """Whether this interpreter has exactly what the list names, so that it serves itself."""
    if name in HOST_PACKAGES:
        return True
    return all(installed(package) == version for package, version in pins(name).items())


def is_complete(folder: Path) -> bool:
    """Whether a build of this folder came to its end."""
    return marker(folder).is_file()


def lists(name: str) -> list[Path]:
    """The files of pins, in the order in which they are installed."""
    whole = LISTS / f"{name}.txt"
    if not whole.is_file():
        raise FarmBug(f"no environment is called {name!r}", code="env.unknown")
    loose = LISTS / f"{name}.nodeps.txt"
    return [whole, loose] if loose.is_file() else [whole]


def installed(package: str) -> str | None:
    """Version of a package of this interpreter."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _build(name: str, folder: Path, installer: Installer, packages: Sequence[str]) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    try:
        installer.create(folder)
        whole, *rest = lists(name)
        installer.install(folder, whole)
        for path in rest:
            installer.install_loosely(folder, path)
        if packages:
            installer.install_extra(folder, packages)
        verify(name, folder)
        marker(folder).write_text("complete\n")
    except (InfrastructureError, OSError) as error:
        shutil.rmtree(folder, ignore_errors=True)
        if _lacks_network(error):
            raise InfrastructureError(
                f"the {name} environment is not made yet, and farm is offline",
                code="env.offline",
                fix="run once without --offline, or name a folder of wheels: FARM_WHEELS=FOLDER",
            ) from error
        raise


def _lacks_network(error: Exception) -> bool:
    """Whether a build failed because it was offline, with no folder of wheels that was to do."""
    failed = isinstance(error, InfrastructureError) and error.code == "env.build-failed"
    return failed and is_offline() and not os.environ.get("FARM_WHEELS")


def verify(name: str, folder: Path) -> None:
    """Import what the environment is for.

    Raises InfrastructureError env.broken with Python's last line, run.interrupted.
    """
    path = LISTS / f"{name}.check"
    lines = path.read_text().splitlines() if path.is_file() else []
    modules = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    if not modules:
        return
    code = "".join(f"import {module}\n" for module in modules)
    try:
        process = subprocess.Popen(
            guard.command([str(folder / "bin" / "python"), "-I", "-c", code]),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            errors="replace", start_new_session=True,
        )  # fmt: skip
        with children.owned(process):
            said = process.communicate(timeout=CHECK_TIMEOUT_S)[0].strip().splitlines()
        if process.returncode == 0:
            return
        wrong = f"exit status {process.returncode}: {said[-1][:300] if said else 'no words'}"
    except subprocess.TimeoutExpired as error:
        wrong = str(error)[:300]
    raise InfrastructureError(
        f"the {name} environment is installed but {', '.join(modules)} cannot be imported: {wrong}",
        code="env.broken",
        fix=f"farm env sync {name}; if it stays so, this machine lacks what the packages need",
    )


def _hold(folder: Path) -> bool:
    """Hold an environment for this process until it ends, if it is complete; False when it is not there."""
    if not marker(folder).is_file():
        return False
    if str(folder) in _held:
        return True
    try:
        file = use_lock(folder).open("a")
    except OSError as error:
        if error.errno not in (errno.EROFS, errno.EACCES):
            raise
        return True  # ready made, in a folder that we cannot change
    os.utime(file.fileno())
    fcntl.flock(file, fcntl.LOCK_SH)
    if not marker(folder).is_file():  # removed while we waited
        file.close()
        return False
    _held[str(folder)] = file
    return True


def use_lock(folder: Path) -> Path:
    """Locked (shared) by whoever uses the environment; its time of change is that of the last use's begin."""
    return folder.with_suffix(".use")


def marker(folder: Path) -> Path:
    """Written last: a folder without it is what a killed build or removal left."""
    return folder / "farm-complete"
