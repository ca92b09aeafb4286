"""Keeps every test away from the user's own settings, store, cache and inventory."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.postgres import postgres, store_address
from tests.support import share_environments, share_loops

__all__ = ["postgres", "store_address"]  # fixtures
from tests.zoo.own import (
    any_board,
    pytest_addoption,
    pytest_collection_modifyitems,
    pytest_configure,
    pytest_generate_tests,
)

__all__ = [
    "any_board",
    "pytest_addoption",
    "pytest_collection_modifyitems",
    "pytest_configure",
    "pytest_generate_tests",
]

# A shell starts what runs in its background with Ctrl-C ignored, and every process below inherits that: what
# the tests start must be stoppable all the same.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# What is drawn at random is the same in every run, and no example fails because the machine had other work.
settings.register_profile(
    "steady", deadline=None, derandomize=True, print_blob=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("steady")


@pytest.fixture(autouse=True)
def private_folders(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Point XDG folders into a temporary one and clear what changes the output,
    so that no test sees another's traces or the caller's taste."""
    folder = tmp_path_factory.mktemp("home")
    share_loops(tmp_path_factory, share_environments(tmp_path_factory, folder / "cache" / "farm"))
    # Converter environments are built anew per test; their packages need not be fetched anew.
    monkeypatch.setenv("UV_CACHE_DIR", UV_CACHE)
    monkeypatch.setenv("HOME", str(folder))  # the agent of this machine keeps its files below it
    for name in ("CONFIG", "DATA", "CACHE", "STATE"):
        monkeypatch.setenv(f"XDG_{name}_HOME", str(folder / name.lower()))
    for name in [name for name in os.environ if name.startswith("FARM_") and name not in KEPT]:
        monkeypatch.delenv(name)
    for name in CALLERS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    return folder


UV_CACHE = os.environ.get("UV_CACHE_DIR") or str(
    Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "uv"
)
KEPT = ("FARM_REQUIRE_ALL", "FARM_MODELS")
CALLERS = (
    "COLORTERM",
    "COLUMNS",
    "FORCE_COLOR",
    "LINES",
    "NO_COLOR",
    "PYTHONWARNINGS",
    "SSH_AUTH_SOCK",
    "TTY_COMPATIBLE",
    "TTY_INTERACTIVE",
)
"""What the caller's shell may say about terminals, warnings and keys."""


@pytest.fixture(autouse=True)
def same_folder() -> Iterator[None]:
    """Return to the folder the test started in (``farm -C`` changes it)."""
    before = Path.cwd()
    yield
    os.chdir(before)
