"""``pytest --devices NAME[,NAME...]``: the tests that use ``any_board`` run on boards of one's own inventory.

Without the option ``any_board`` is one zoo device. With it nothing else runs, and what would break a board
for a while (marked ``destructive``) is skipped unless ``--destructive`` is given, too.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from farm.config import load_config
from farm.devices import inventory
from farm.devices.device import Device
from farm.errors import FarmError
from farm.transports import Transport, connect
from tests.farm.runs import Farm
from tests.support import need
from tests.zoo import processes
from tests.zoo.device import ZooDevice
from tests.zoo.zoo import Zoo, missing

HOME = Path.home()  # the caller's: each test gets another
AGENT = os.environ.get("SSH_AUTH_SOCK", "")
SILENT = "add table inet zoo; add chain inet zoo i {{ type filter hook input priority 0; policy drop; }}"
BACK_S = 300.0


@dataclass(frozen=True)
class Board:
    """A device that tests may measure on; ``zoo`` where it is one of the zoo's."""

    entry: Device
    zoo: ZooDevice | None

    @contextmanager
    def link(self) -> Iterator[Transport]:
        """A connection to it."""
        made = connect(self.entry, 20)
        try:
            yield made
        finally:
            made.close()

    def user(self, folder: Path, cache: Path) -> Farm:
        """Somebody whose inventory has it, who logs in as the caller does."""
        folder.mkdir(exist_ok=True)
        link_keys(folder)
        found = Farm(folder, cache, {"SSH_AUTH_SOCK": AGENT} if AGENT else {})
        inventory.add(found.inventory, self.entry, overwrite=True)
        return found

    def begun(self, job: str) -> bool:
        """Whether a job of that id (or pattern) measures or has measured there."""
        root = self.entry.root or ".farm"
        with self.link() as link:
            done = link.run(["sh", "-c", f"cd; ls -d {root}/jobs/{job}/block-*.request.json"], timeout_s=30)
        return done.returncode == 0

    def cut_for(self, seconds: int) -> None:
        """Let it be unreachable from now on, silently, for so long."""
        if self.zoo:
            self.zoo.cut()
            threading.Timer(seconds, self.zoo.heal).start()
            return
        script = f"nft '{SILENT}' && sleep {seconds}; nft delete table inet zoo"
        with self.link() as link:
            able = link.run(["sudo", "-n", "nft", "list", "tables"], timeout_s=30).returncode == 0
            if not able:
                pytest.skip(f"{self.entry.name}: its user may not `sudo -n nft`")
            line = f'sudo -n setsid sh -c "sleep 1; {script}" >/dev/null 2>&1 </dev/null &'
            link.run(["sh", "-c", line], timeout_s=30)

    def reboot(self) -> None:
        """Restart it and return when it answers again."""
        if self.zoo:
            self.zoo.reboot()
            return
        before = self._boot_id()
        line = "sudo -n /usr/local/sbin/farm-helper reboot || sudo -n reboot"
        with self.link() as link:
            done = link.run(["sh", "-c", line], timeout_s=60)
        if done.returncode == 1:
            pytest.skip(f"{self.entry.name}: its user may not `sudo -n reboot`")
        processes.until(lambda: self._boot_id() not in ("", before), "the board to come back", BACK_S)

    def _boot_id(self) -> str:
        try:
            with self.link() as link:
                return link.run(["cat", "/proc/sys/kernel/random/boot_id"], timeout_s=20).stdout.decode()
        except FarmError:
            return ""


def link_keys(home: Path) -> None:
    """Let a home have the caller's keys and settings of ssh."""
    if (HOME / ".ssh").is_dir() and not (home / ".ssh").exists():
        (home / ".ssh").symlink_to(HOME / ".ssh")


def pytest_addoption(parser: pytest.Parser) -> None:
    """The two options."""
    group = parser.getgroup("farm")
    group.addoption("--devices", default="", help="run the tests of boards on these of your inventory")
    group.addoption("--destructive", action="store_true", help="with --devices: also cut and reboot them")


def pytest_configure(config: pytest.Config) -> None:
    """The mark; and the caller's own inventory, before any test hides it."""
    config.addinivalue_line("markers", "destructive: makes its board unreachable or reboots it")
    wanted = [name for name in config.getoption("--devices").split(",") if name]
    if not wanted:
        return
    path = load_config().inventory_path
    try:
        known = inventory.load(path)
    except FarmError as error:
        raise pytest.UsageError(f"--devices: {error.message}") from error
    for name in wanted:
        if name not in known:
            raise pytest.UsageError(f"--devices {name}: {path} has only {', '.join(known)}")
        OWN[name] = known[name]


OWN: dict[str, Device] = {}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test per board."""
    if "any_board" in metafunc.fixturenames:
        metafunc.parametrize("any_board", list(OWN) or ["zoo"], indirect=True, scope="session")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """With --devices only what runs on a board."""
    if not OWN:
        return
    chosen = [item for item in items if "any_board" in getattr(item, "fixturenames", ())]
    config.hook.pytest_deselected(items=[item for item in items if item not in chosen])
    items[:] = chosen
    if not config.getoption("--destructive"):
        for item in items:
            if item.get_closest_marker("destructive"):
                item.add_marker(pytest.mark.skip(reason="breaks the board for a while: --destructive"))


@pytest.fixture(scope="session")
def any_board(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Board]:
    """A board of one's own, or a zoo device."""
    if request.param in OWN:
        entry = OWN[request.param]
        yield Board(entry, None)
        return
    why = missing()
    need(not why, f"no zoo here: {why}")
    with Zoo() as zoo:
        device = zoo.add("board")
        yield Board(device.entry(), device)
