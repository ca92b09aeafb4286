"""ONNX Runtime's wheels and pip's in a folder, for a Python of this machine: what a site without network has.

Fetched once and kept in the user's cache, because forty megabytes per test are too many.
"""

from __future__ import annotations

import os
import platform
import subprocess
import tempfile
from pathlib import Path

from farm import wheels
from farm.enroll.proposal import PIP, PIP_WHEEL
from farm_converters.installer import find_uv
from tests.support import need

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "farm-test-wheels"
PYTHONS = ("/usr/bin/python3", "/usr/local/bin/python3")


def device_python() -> str:
    """The system's own Python, which zoo devices find as a board's user would."""
    found = next((path for path in PYTHONS if Path(path).exists()), "")
    need(found, f"no {' or '.join(PYTHONS)} here")
    return found


def folder() -> Path:
    """The wheels, fetched on first use."""
    asked = subprocess.run(
        [device_python(), "-c", "import platform; print(platform.python_version())"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    libc = platform.libc_ver()[1].split(".")
    box = wheels.Box(platform.machine(), asked.stdout.strip(), "glibc", (int(libc[0]), int(libc[1])))
    plan = wheels.plan_box(box, ["onnxruntime"])
    place = CACHE / box.word
    if plan.refused:  # a Python that this release has no list for
        _download(place)
    else:
        wheels.fetch(plan, place)
    pip = wheels.WheelPlan(plan.python, plan.tags, {"pip": (PIP,)}, wheels={PIP: wheels.Wheel(*PIP_WHEEL)})
    wheels.fetch(pip, place)
    return place


def _download(place: Path) -> None:
    """The newest that fits, unless something lies there already."""
    if list(place.glob("onnxruntime-*.whl")):
        return
    with tempfile.TemporaryDirectory() as scratch:
        venv = [find_uv() or "uv", "venv", "-q", "--seed", "--python", device_python(), scratch]
        subprocess.run(venv, check=True, timeout=120)
        fetch = [f"{scratch}/bin/python", "-m", "pip", "download", "-q", "--only-binary=:all:"]
        subprocess.run([*fetch, "-d", str(place), "onnxruntime"], check=True, timeout=600)
