"""Download a plan's wheels for whatever machine they are, with pip, checked against the plan's hashes."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from farm.errors import InfrastructureError, UsageError
from farm.wheels.folder import sha256
from farm.wheels.plan import Wheel, WheelPlan

TIMEOUT_S = 1800.0


def fetch(plan: WheelPlan, folder: Path) -> tuple[Path, ...]:
    """See ``farm.wheels.fetch``."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        absent = {pin: wheel for pin, wheel in plan.wheels.items() if not _is_there(folder, wheel)}
        if plan.source is not None:
            for wheel in absent.values():
                _copy(plan.source / wheel.file, folder / wheel.file)
        elif absent:
            _download(plan, absent, folder)
    except OSError as error:
        raise InfrastructureError(
            f"{folder}: {error.strerror or error}",
            code="wheels.folder",
            fix="name a folder that can be written",
        ) from error
    for wheel in plan.wheels.values():
        if not _is_there(folder, wheel):
            raise InfrastructureError(
                f"{folder / wheel.file} is not what it should be, though the installer said it came",
                code="wheels.fetch-failed",
                fix="remove it and try again",
            )
    return tuple(folder / wheel.file for wheel in plan.wheels.values())


def _is_there(folder: Path, wheel: Wheel) -> bool:
    path = folder / wheel.file
    return path.is_file() and sha256(path) == wheel.sha256


def _copy(source: Path, target: Path) -> None:
    part = target.with_name(f"{target.name}.part")
    shutil.copyfile(source, part)
    part.replace(target)


def _download(plan: WheelPlan, absent: Mapping[str, Wheel], folder: Path) -> None:
    """With pip: uv has no command for it."""
    if os.environ.get("FARM_OFFLINE", "") not in ("", "0"):
        raise UsageError(
            f"farm is offline, and {len(absent)} wheels are missing ({', '.join(sorted(absent)[:3])} ...)",
            code="wheels.offline",
            fix=f"where there is a network: farm wheels fetch --out {folder}, then take the folder here",
        )
    with tempfile.TemporaryDirectory(prefix="farm-wheels-") as scratch:
        listed, got = Path(scratch) / "list.txt", Path(scratch) / "wheels"
        listed.write_text("".join(f"{pin} --hash=sha256:{wheel.sha256}\n" for pin, wheel in absent.items()))
        argv = [_pip_python(Path(scratch)), "-m", "pip", "download", "-q", "--progress-bar", "off"]
        argv += ["--no-deps", "--require-hashes", "--only-binary=:all:", "-r", str(listed), "-d", str(got)]
        argv += _target(plan)
        try:
            done = subprocess.run(
                argv,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=TIMEOUT_S,
                check=False,
                env={**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INPUT": "1"},
            )
            problem = "" if done.returncode == 0 else _last_words(done.stderr or done.stdout)
        except subprocess.TimeoutExpired:
            problem = f"it took longer than {TIMEOUT_S:.0f} s"
        if problem:
            raise InfrastructureError(
                f"the wheels could not be downloaded: {problem}",
                code="wheels.fetch-failed",
                fix="check the network and pip's settings (pip config list), then try again",
            )
        for path in got.glob("*.whl"):
            _copy(path, folder / path.name)


def _target(plan: WheelPlan) -> list[str]:
    """pip's words for another machine's Python."""
    abi = "cp" + "".join(plan.python.split(".")[:2])
    platforms = dict.fromkeys(tag.rpartition("-")[2] for tag in plan.tags)
    argv = ["--python-version", ".".join(plan.python.split(".")[:2]), "--implementation", "cp"]
    for name in (abi, "abi3", "none"):
        argv += ["--abi", name]
    for name in platforms:
        argv += ["--platform", name] if name != "any" else []
    return argv


def _pip_python(scratch: Path) -> str:
    """A Python with pip: ours, or a fresh environment's where uv made ours without."""
    if importlib.util.find_spec("pip") is not None:
        return sys.executable
    from farm_converters.installer import Installer

    Installer(lambda _: None, uv="").create(scratch / "pip")
    return str(scratch / "pip" / "bin" / "python")


def _last_words(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR")]
    return "; ".join((errors or lines)[-2:])[:600] or "pip gave no reason"
