"""Writes farm/wheels/known.json anew: what the package registry has for each processor, Python and glibc.

uv resolves each of them as if it were there. Run it when a new release of a runtime should be used, and look
at the difference before you commit it. Takes some minutes; needs the registry.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import tomllib
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

from packaging.tags import Tag
from packaging.utils import parse_wheel_filename

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from farm.wheels.box import Box
from farm.wheels.providers import PROVIDERS

TARGET = Path(__file__).resolve().parent.parent / "farm" / "wheels" / "known.json"
PYTHONS = ("3.8", "3.9", "3.10", "3.11", "3.12", "3.13", "3.14")
LEVELS = (28, 31, 34, 35, 36, 39)
MACHINES = ("aarch64", "x86_64")
# uv overlooks an upper bound in Requires-Python; pip on the device would refuse the wheel.
TOO_NEW = {f"cp3{minor}": ("backports-strenum<1.3",) for minor in range(11, 15)}
# Older ones are of no use to anybody, and uv would fetch them all to find out.
TOO_OLD = (
    "onnxruntime>=1.16",
    "openvino>=2024.0",
    "ai-edge-litert>=1.2",
    "tflite-runtime>=2.13",
    "numpy>=1.24",
)
# What was read once in a run need not be asked for again.
REGISTRY = """
[[index]]
url = "https://pypi.org/simple"
default = true
cache-control = { api = "max-age=3600", files = "max-age=31536000, immutable" }
"""
Lock = dict[str, dict[str, str]]


def main() -> None:
    """Resolve everything and write the file."""
    wheels: Lock = {}
    sets: dict[str, list[dict[str, Any]]] = {}
    kinds = [(machine, python) for machine in MACHINES for python in PYTHONS]
    with ThreadPoolExecutor(7) as pool:  # nearly all of it is waiting for the registry
        running = {pool.submit(_levels, kind): kind for kind in kinds}
        for done in as_completed(running):
            machine, python = running[done]
            levels, needed = done.result()
            sets[f"{machine}-cp{python.replace('.', '')}"] = levels
            for pin, files in needed.items():
                wheels.setdefault(pin, {}).update(files)
            print(f"{machine} {python}: {[level['glibc'] for level in levels]}", file=sys.stderr)
    sets |= _armv7(wheels)
    document = {"schema": "farm.known-wheels/1", "sets": sets, "wheels": wheels}
    TARGET.write_text(json.dumps(document, indent=1, sort_keys=True) + "\n")


def _levels(kind: tuple[str, str]) -> tuple[list[dict[str, Any]], Lock]:
    """The requirements from each glibc on that brings something new, and the wheels of all of them."""
    machine, python = kind
    levels: list[dict[str, Any]] = []
    wheels: Lock = {}
    before: Lock = {}
    for level in LEVELS:
        box = Box(machine, f"{python}.0", "glibc", (2, level))
        wanted, together = _together(box)
        if together in (before, {}):
            continue
        before = together
        for pin, files in together.items():
            wheels.setdefault(pin, {}).update(files)
        found = {name: sorted(_alone(words, box, together)) for name, words in wanted.items()}
        levels.append({"glibc": f"2.{level}", "requirements": found})
    return levels, wheels


def _together(box: Box) -> tuple[dict[str, tuple[str, ...]], Lock]:
    """What provides each runtime there, and one environment that holds all of them."""
    first = {runtime: providers[0] for runtime, providers in PROVIDERS.items()}
    solved = _compile(_words(first), box)
    if solved is not None:
        return first, solved
    wanted = {}
    for runtime, providers in PROVIDERS.items():
        chosen = next((each for each in providers if _compile(each, box) is not None), None)
        if chosen:
            wanted[runtime] = chosen
    solved = _compile(_words(wanted), box) if wanted else {}
    if solved is None:
        raise SystemExit(f"{box.word}: no common solution for {', '.join(wanted)}")
    return wanted, solved


def _words(wanted: dict[str, tuple[str, ...]]) -> list[str]:
    return [word for words in wanted.values() for word in words]


def _alone(words: tuple[str, ...], box: Box, together: Lock) -> Lock:
    """What of it one runtime needs."""
    solved = _compile(words, box, constraints=list(together))
    if solved is None or not set(solved) <= set(together):
        raise SystemExit(f"{box.word}: {words} alone does not fit what holds all")
    return solved


def _armv7(wheels: Lock) -> dict[str, list[dict[str, Any]]]:
    """32-bit Arm, which uv cannot resolve for: tflite-runtime alone, with the distribution's NumPy."""
    found: dict[str, list[dict[str, Any]]] = {}
    files = _universal("tflite-runtime==2.14.0", PYTHONS[0])
    for python in PYTHONS:
        box = Box("armv7l", f"{python}.0", "glibc", (2, max(LEVELS)))
        name = _best(files, box)
        if name is None:
            continue
        level = min(each for each in LEVELS if _best(files, Box("armv7l", f"{python}.0", "glibc", (2, each))))
        wheels.setdefault("tflite-runtime==2.14.0", {})[name] = files[name]
        pins = {"litert": ["tflite-runtime==2.14.0"]}
        found[f"armv7l-cp{python.replace('.', '')}"] = [{"glibc": f"2.{level}", "requirements": pins}]
    return found


def _compile(
    words: tuple[str, ...] | list[str], box: Box, constraints: list[str] | None = None
) -> Lock | None:
    """What uv would install there: wheel and hash by requirement; None where something does not exist."""
    arguments = ["--python-platform", f"{box.machine}-manylinux_2_{box.libc_version[1]}"]
    if box.libc_version[1] == 17:
        arguments[1] = f"{box.machine}-manylinux2014"
    limits = [*TOO_OLD, *TOO_NEW.get(box.abi, ()), *(constraints or ())]
    lock = _uv(words, [*arguments, "--python-version", box.python], limits)
    if lock is None:
        return None
    found: Lock = {}
    for pin, files in lock.items():
        name = _best(files, box)
        if name is None:
            return None
        found[pin] = {name: files[name]}
    return found


def _universal(word: str, python: str) -> dict[str, str]:
    lock = _uv([word], ["--universal", "--no-deps", "--python-version", python], [])
    return next(iter(lock.values())) if lock else {}


def _uv(words: tuple[str, ...] | list[str], arguments: list[str], constraints: list[str]) -> Lock | None:
    """Each requirement's wheels with their hashes."""
    with tempfile.TemporaryDirectory() as scratch:
        wanted, limits, lock = (Path(scratch) / name for name in ("wanted.in", "limits.txt", "pylock.toml"))
        wanted.write_text("\n".join(words) + "\n")
        limits.write_text("\n".join(constraints) + "\n")
        argv = ["uv", "pip", "compile", str(wanted), "-c", str(limits), "-o", str(lock), "-q"]
        argv += ["--python", sys.executable]  # it need not look for each of the versions
        argv += ["--format", "pylock.toml", "--only-binary", ":all:", *arguments]
        (Path(scratch) / "uv.toml").write_text(REGISTRY)
        argv += ["--config-file", str(Path(scratch) / "uv.toml")]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        if done.returncode:
            return None
        packages = tomllib.loads(lock.read_text())["packages"]
    return {f"{each['name']}=={each['version']}": _files(each["wheels"]) for each in packages}


def _files(wheels: list[dict[str, Any]]) -> dict[str, str]:
    return {unquote(Path(urlparse(each["url"]).path).name): each["hashes"]["sha256"] for each in wheels}


def _best(files: dict[str, str], box: Box) -> str | None:
    """The wheel that an installer there takes."""
    order: dict[Tag, int] = {tag: place for place, tag in enumerate(box.tags())}
    fitting = {
        name: min(order[tag] for tag in parse_wheel_filename(name)[3] if tag in order)
        for name in files
        if any(tag in order for tag in parse_wheel_filename(name)[3])
    }
    return min(fitting, key=lambda name: fitting[name]) if fitting else None


if __name__ == "__main__":
    main()
