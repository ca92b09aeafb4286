"""What every test may use."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
REQUIRE_ALL = os.environ.get("FARM_REQUIRE_ALL") == "1"


def need(condition: object, reason: str) -> None:
    """Go on only if the real part that a test needs is there.

    Without it the test is skipped with the reason; where ``FARM_REQUIRE_ALL=1`` says that every part
    must be there, it fails instead, so that a skip cannot hide a hole.
    """
    if condition:
        return
    if REQUIRE_ALL:
        pytest.fail(f"FARM_REQUIRE_ALL=1, but {reason}", pytrace=False)
    pytest.skip(reason)


MODELS = Path(os.environ.get("FARM_MODELS", ROOT.parent / "shared" / "models"))


def models_folder() -> Path:
    """The folder of real models beside the checkout (or ``FARM_MODELS``); skips where there is none."""
    if not MODELS.is_dir():
        # The collection is not part of the project, so its absence is never a failure.
        pytest.skip(f"no folder of real models at {MODELS} (set FARM_MODELS)")
    return MODELS


def models(part: str, pattern: str) -> list[Path]:
    """Its files of one part, relative to it, for one test each; where there is none, one that will skip."""
    found = sorted(path.relative_to(MODELS) for path in (MODELS / part).glob(pattern) if path.is_file())
    return found or [Path(part) / "none"]


def share_environments(factory: pytest.TempPathFactory, cache_dir: Path) -> Path:
    """Have the farm cache ``cache_dir`` use the converter environments that the whole test run shares.

    A gigabyte of toolchain is then built once, not once per test module. Returns ``cache_dir``.
    """
    return _share(factory, cache_dir, "environments")


def share_conversions(factory: pytest.TempPathFactory, cache_dir: Path) -> Path:
    """Have the farm cache ``cache_dir`` use what any test of the run converted: for tests of what comes after
    a conversion. Entries are named by their content and locked while they are made."""
    return _share(factory, cache_dir, "artifacts", "sources")


def share_loops(factory: pytest.TempPathFactory, cache_dir: Path) -> Path:
    """Have the farm cache ``cache_dir`` use the agent's native loops that the test run compiled once."""
    return _share(factory, cache_dir, "native")


def _share(factory: pytest.TempPathFactory, cache_dir: Path, *names: str) -> Path:
    base = factory.getbasetemp()
    if os.environ.get("PYTEST_XDIST_WORKER"):
        base = base.parent
    cache_dir.mkdir(parents=True, exist_ok=True)
    for name in names:
        (base / name).mkdir(exist_ok=True)
        (cache_dir / name).symlink_to(base / name)
    return cache_dir


@contextmanager
def disk_of(folder: Path, mib: int) -> Iterator[Path]:
    """``folder`` (made here) on a small file system of its own, which a test may fill up."""
    need(os.geteuid() == 0, "mounting a small file system needs root")
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={mib}m", "tmpfs", str(folder)]
    need(subprocess.run(mount, capture_output=True, check=False).returncode == 0, "tmpfs cannot be mounted")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def is_alive(pid: int) -> bool:
    """Whether a process still runs (a zombie does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def wait_for(path: Path) -> None:
    """Until a file is there; a minute at most."""
    for _ in range(1200):
        if path.exists():
            return
        time.sleep(0.05)
    pytest.fail(f"no {path.name}")
