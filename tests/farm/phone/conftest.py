"""A phone, the real adb server that sees it, and a user who has both."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.farm.runs import Farm
from tests.support import need
from tests.zoo.android import root
from tests.zoo.android.phone import AdbServer, Phone, missing


@dataclass(frozen=True)
class Place:
    """``address``: of the phone at that server."""

    phone: Phone
    server: AdbServer
    user: Farm

    @property
    def address(self) -> str:
        """As ``farm enroll`` takes it."""
        return self.server.address(self.phone.serial)

    @property
    def folder(self) -> Path:
        """farm's folder on the phone, seen from here."""
        return self.phone.root / "data/local/tmp/farm"

    def jobs(self) -> list[Path]:
        """The folders of its jobs."""
        return sorted((self.folder / "jobs").glob("*-*"))

    def processes(self, word: bytes) -> list[int]:
        """The phone's processes whose command holds a word."""
        found = []
        for pid in self.phone.pids():
            with contextlib.suppress(OSError):
                if word in Path(f"/proc/{pid}/cmdline").read_bytes():
                    found.append(pid)
        return found


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """One phone for the module."""
    why = missing()
    need(not why, f"no phone here: {why}")
    folder = tmp_path_factory.mktemp("phone")
    root.share_bundles(folder / "cache")
    user = Farm(folder / "user", folder / "cache")
    user.folder.mkdir()
    with contextlib.ExitStack() as stack:
        phone = stack.enter_context(contextlib.closing(Phone()))
        server = stack.enter_context(contextlib.closing(AdbServer(folder / "adb")))
        yield Place(phone, server, user)
