"""Managed converter environments: built on first use from pinned lists, shared by every run.

``environments/NAME.txt`` is whole and hash-locked; ``NAME.nodeps.txt``, where it exists, lists pure-Python
packages that are installed last, without what they declare. An environment whose pins this interpreter
meets exactly is not built: this interpreter serves, in a subprocess like any other. The environment
``onnx`` is always this interpreter, because the farm itself depends on those packages.
"""

from __future__ import annotations

import hashlib
import os
import platform
import re
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from farm_agent.errors import FarmBug, InfrastructureError
from farm_converters.installer import Installer, is_offline
from farm_converters.lock import held

LISTS = Path(__file__).with_name("environments")
HOST_PACKAGES = {"onnx": ("onnx", "onnxruntime", "onnxslim", "numpy")}
_PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^\s\\;]+)", re.MULTILINE)


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
    for path in _lists(name):
        found.update(_PIN.findall(path.read_text()))
    return found


def fingerprint(name: str) -> str:
    """What the environment's results may depend on, as 12 hex digits: pins, Python and platform."""
    text = repr((sorted(pins(name).items()), sys.version_info[:2], platform.system(), platform.machine()))
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def ready(name: str, cache_dir: Path) -> bool:
    """Whether ``prepare`` has nothing to build."""
    return _is_met(name) or _marker(_folder(name, cache_dir)).is_file()


def prepare(name: str, cache_dir: Path, report: Callable[[str], None]) -> Environment:
    """The environment, built below ``cache_dir`` when it is not there yet.

    Raises InfrastructureError env.build-failed with the installer's last lines, or env.offline.
    """
    if _is_met(name):
        return Environment(name, sys.executable, pins(name))
    folder = _folder(name, cache_dir)
    python = folder / "bin" / "python"
    if not _marker(folder).is_file():
        with held(folder.with_suffix(".lock"), report=report, what=f"building the {name} environment"):
            if not _marker(folder).is_file():
                _build(name, folder, report)
    return Environment(name, str(python), pins(name))


def installed(package: str) -> str | None:
    """Version of a package of this interpreter."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _build(name: str, folder: Path, report: Callable[[str], None]) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    installer = Installer(report)
    report(f"building the {name} environment (once, some hundred MB)")
    try:
        installer.create(folder)
        whole, *rest = _lists(name)
        installer.install(folder, whole)
        for path in rest:
            installer.install_loosely(folder, path)
    except InfrastructureError as error:
        shutil.rmtree(folder, ignore_errors=True)
        if is_offline() and error.code == "env.build-failed":
            raise InfrastructureError(
                f"the {name} environment is not made yet, and farm is offline",
                code="env.offline",
                fix="run once without --offline, or name a folder of wheels: FARM_WHEELS=FOLDER",
            ) from error
        raise
    except OSError as error:
        raise InfrastructureError(
            f"the {name} environment could not be built: {error}",
            code="env.build-failed",
            fix=f"make {folder.parent} writable and free space there",
        ) from error
    _marker(folder).write_text("complete\n")
    report(f"built the {name} environment")


def _lists(name: str) -> list[Path]:
    whole = LISTS / f"{name}.txt"
    if not whole.is_file():
        raise FarmBug(f"no environment is called {name!r}", code="env.unknown")
    loose = LISTS / f"{name}.nodeps.txt"
    return [whole, loose] if loose.is_file() else [whole]


def _is_met(name: str) -> bool:
    if name in HOST_PACKAGES:
        return True
    return all(installed(package) == version for package, version in pins(name).items())


def _folder(name: str, cache_dir: Path) -> Path:
    return Path(os.path.abspath(cache_dir)) / "environments" / f"{name}-{fingerprint(name)}"  # noqa: PTH100


def _marker(folder: Path) -> Path:
    return folder / "farm-complete"
