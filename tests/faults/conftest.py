"""A place where faults are injected, and drivers, for the tests of one worker."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.site import Site
from tests.faults.volley import Volley, settle
from tests.faults.zygote import Drivers
from tests.support import need


@pytest.fixture(scope="session")
def drivers() -> Iterator[Drivers]:
    """Forked from one process that has imported everything."""
    with Drivers() as started:
        yield started


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory, drivers: Drivers) -> Path:
    """The model is converted, and this machine's facts are asked, once for all workers."""
    need(os.geteuid() == 0, "disks that fill up and devices that reboot need root")
    base = tmp_path_factory.getbasetemp()
    shared = (base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base) / "faults-cache"
    shared.mkdir(exist_ok=True)
    with (shared / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (shared / "ready").exists():
            first = _made(tmp_path_factory.mktemp("first"), shared)
            volley = Volley(())
            settle(first, drivers, volley)
            first.close()
            assert not volley.troubles
            (shared / "ready").touch()
    return shared


@pytest.fixture
def site(tmp_path: Path, cache: Path) -> Iterator[Site]:
    """A device and a store of the test's own."""
    made = _made(tmp_path / "site", cache)
    yield made
    made.close()


def _made(folder: Path, cache: Path) -> Site:
    site = Site(folder, cache)
    site.make()
    return site
