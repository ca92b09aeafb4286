"""Compile the native loop for every architecture that devices have, on the machine that packs the agent.

The compiler is zig from the ``ziglang`` wheel. The same source, zig and flags give the same bytes; they are
kept in farm's cache folder. No compiler or a failure is no error: the agent goes without, and says why.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import importlib.util
import os
import subprocess
import tempfile
from pathlib import Path
from typing import Dict, Iterator, Optional, Tuple

from farm_agent import faults

# Freestanding code: the C library in the target's name is never linked.
TARGETS: Dict[str, Tuple[str, ...]] = {
    "x86_64": ("-target", "x86_64-linux-musl"),
    "aarch64": ("-target", "aarch64-linux-musl"),
    "armv7": ("-target", "arm-linux-musleabihf", "-mcpu=cortex_a7"),
}
FLAGS = (
    *("-std=c11", "-O2", "-g0", "-s", "-shared", "-fPIC", "-ffreestanding", "-nostdlib"),
    *("-fno-unwind-tables", "-fno-asynchronous-unwind-tables", "-fno-stack-protector"),
)
TIMEOUT_S = 120
FIX = "pip install 'edgefarm[native]'"


class NotBuilt(Exception):
    """Why there is no native loop; one line for the reader of a result."""


def binaries() -> Dict[str, bytes]:
    """Architecture -> shared library, from the cache or compiled now. Raises NotBuilt."""
    source = _source()
    zig, version = _zig()
    key = hashlib.sha256(repr((source, version, FLAGS, sorted(TARGETS.items()))).encode()).hexdigest()
    folder = cache_folder() / key[:16]
    found = _read(folder)
    if found is not None:
        return found
    try:
        with _locked(cache_folder()):
            found = _read(folder)
            if found is None:
                found = _compile(zig, source)
                _keep(folder, found)
    except OSError:
        # A cache that cannot be written costs a fraction of a second each time, no more.
        found = _compile(zig, source)
    return found


def cache_folder() -> Path:
    """Where compiled loops are kept: below farm's own cache folder."""
    base = os.environ.get("XDG_CACHE_HOME") or ""
    root = Path(base) if Path(base).is_absolute() else Path("~/.cache").expanduser()
    return root / "farm" / "native"


def _source() -> bytes:
    """timeloop.c: beside this file in an installed farm, in ../native in a checkout."""
    here = Path(__file__).resolve().parent
    for path in (here / "timeloop.c", here.parent / "native" / "timeloop.c"):
        if path.is_file():
            return path.read_bytes()
    raise NotBuilt("the agent was packed without its native loop: its source is not installed")


def _zig() -> Tuple[str, str]:
    spec = importlib.util.find_spec("ziglang")
    places = [Path(place) / "zig" for place in spec.submodule_search_locations or ()] if spec else []
    program = next((str(place) for place in places if place.is_file()), "")
    if not program:
        raise NotBuilt(f"the agent was packed without its native loop: {FIX}")
    from importlib import metadata

    return program, metadata.version("ziglang")


def _compile(zig: str, source: bytes) -> Dict[str, bytes]:
    """Raises NotBuilt with what the compiler said."""
    try:
        with tempfile.TemporaryDirectory(prefix="farm-native-") as name:
            folder = Path(name)
            (folder / "timeloop.c").write_bytes(source)
            return {arch: _compile_one(zig, folder, arch) for arch in TARGETS}
    except (OSError, subprocess.SubprocessError) as error:
        said = getattr(error, "stderr", b"") or str(error).encode()
        text = faults.shorten(said.decode(errors="replace"), 200)
        raise NotBuilt(f"the agent was packed without its native loop: zig failed: {text}") from error


def _compile_one(zig: str, folder: Path, arch: str) -> bytes:
    name = f"{arch}.so"
    caches = {"ZIG_GLOBAL_CACHE_DIR": str(folder / "zig"), "ZIG_LOCAL_CACHE_DIR": str(folder / "zig")}
    argv = [zig, "cc", *TARGETS[arch], *FLAGS, f"-Wl,-soname,{name}", "-o", name, "timeloop.c"]
    environment = {**os.environ, **caches}
    subprocess.run(argv, cwd=str(folder), env=environment, capture_output=True, timeout=TIMEOUT_S, check=True)
    return (folder / name).read_bytes()


def _read(folder: Path) -> Optional[Dict[str, bytes]]:
    """All of them, whole, or None. Each lies beside its sha256."""
    found = {}
    for arch in TARGETS:
        try:
            data = (folder / f"{arch}.so").read_bytes()
            digest = (folder / f"{arch}.sha256").read_text()
        except (OSError, UnicodeDecodeError):
            return None
        if hashlib.sha256(data).hexdigest() != digest:
            return None
        found[arch] = data
    return found


def _keep(folder: Path, found: Dict[str, bytes]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for arch, data in found.items():
        (folder / f"{arch}.so").write_bytes(data)
        (folder / f"{arch}.sha256").write_text(hashlib.sha256(data).hexdigest())


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
