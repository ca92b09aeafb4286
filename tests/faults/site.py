"""Where faults are injected: a device, a store and a model in one folder, and what happened there."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import time
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from farm.config import Config, load_config
from farm.devices import inventory
from farm.devices.device import Device
from tests.farm.networks import conv_net
from tests.zoo.device import ZooDevice

if TYPE_CHECKING:
    from farm_results.store import Store

PROBE = Path(__file__).with_name("probe")
DISK_MIB = 96
DEVICE = "dev"


@dataclass
class Site:
    """``store_url``: PostgreSQL; empty: SQLite in the folder. ``zoo``: a device behind a real sshd
    in place of this machine; ``device``: its entry in the inventory."""

    folder: Path
    cache: Path
    store_url: str = ""
    device: Device | None = None
    zoo: ZooDevice | None = None
    mounted: list[Path] = field(default_factory=list)

    @property
    def root(self) -> Path:
        """The agent's folder, seen from here."""
        return self.zoo.home / ".farm" if self.zoo else self.folder / "dev"

    @property
    def there(self) -> Path:
        """Where the device's processes write what they did, seen from here."""
        return self.zoo.home / "faults" if self.zoo else self.folder

    @property
    def marker(self) -> bytes:
        """What every process of this site has in its environment."""
        place = f"/home/{self.zoo.user}/faults" if self.zoo else self.folder
        return f"FARM_FAULTS_SITE={place}".encode()

    @cached_property
    def config(self) -> Config:
        """As ``farm`` reads it, with everything in this folder."""
        return load_config(
            {
                "store": self.store_url or str(self.folder / "store"),
                "cache_dir": str(self.cache),
                "inventory_path": str(self.folder / "devices.toml"),
            }
        )

    def open_store(self) -> Store:
        """The results, with the samples of a database elsewhere kept in this folder."""
        from farm_results.storage.engine import locate, open_engine
        from farm_results.store import Store

        location = locate(self.config.store)
        if self.store_url:
            location = replace(location, folder=self.data_home / "farm")
        return Store(open_engine(location), location)

    @property
    def data_home(self) -> Path:
        """XDG_DATA_HOME of the site's drivers."""
        return self.folder / "data"

    @property
    def model(self) -> Path:
        """The network that is measured."""
        return self.folder / "net.onnx"

    def make(self) -> None:
        """Lay everything out; device and store each get a disk of their own that can be filled."""
        self.folder.mkdir(parents=True, exist_ok=True)
        conv_net(self.model)
        if self.zoo:
            self.device = self._probed(self.zoo)
        device = self.device or Device(DEVICE, "x86-cpu", "local", root=str(self.root))
        inventory.add(self.folder / "devices.toml", device, overwrite=True)
        for name in ("store",) if self.zoo else ("dev", "store"):
            place = self.folder / name
            place.mkdir(exist_ok=True)
            mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MIB}m", "tmpfs", str(place)]
            if os.geteuid() == 0 and subprocess.run(mount, capture_output=True, check=False).returncode == 0:
                self.mounted.append(place)
        self.open_store().close()

    def _probed(self, zoo: ZooDevice) -> Device:
        """Its entry, with a Python that keeps the ledger."""
        self.there.mkdir()
        self.there.chmod(0o777)
        shutil.copytree(PROBE, self.there / "probe", ignore=shutil.ignore_patterns("__pycache__"))
        home = f"/home/{zoo.user}/faults"
        script = f"#!/bin/sh\nexport FARM_FAULTS_SITE={home} PYTHONPATH={home}/probe\n"
        python = self.there / "python"
        python.write_text(script + f'exec {zoo.shape.python} "$@"\n')
        python.chmod(0o755)
        return replace(zoo.entry(), python=f"{home}/python")

    def close(self) -> None:
        """End what still runs here and remove everything."""
        for pid in self.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for place in self.mounted:
            subprocess.run(["umount", "--lazy", str(place)], check=False)
        shutil.rmtree(self.folder, ignore_errors=True)

    def cool(self) -> None:
        """Forget the model's files on the device, so that they are shipped again."""
        for path in self.root.glob("cas/*"):
            path.unlink()

    def weeks_later(self, torn: Collection[str]) -> None:
        """As if what nobody went on with had lain there for weeks; ``torn``: jobs that cannot be read."""
        written = time.time() - 15 * 24 * 3600
        left = [path for name in ("*.part", ".tmp-*") for path in self.root.rglob(name)]
        left += [
            path
            for path in self.root.glob("jobs/*")
            if path.name in torn or not (path / "state.json").exists()
        ]
        for path in left:
            with contextlib.suppress(FileNotFoundError):
                os.utime(path, (written, written))

    def fill(self, place: str) -> None:
        """Leave no byte on the disk of ``dev`` or ``store``."""
        folder = self.folder / place
        state = os.statvfs(folder)
        with (folder / ".filler").open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, max(1, (state.f_bavail - 1) * state.f_frsize))
        # Files that exist grow within their last block: fill until not even a byte goes.
        with contextlib.suppress(OSError), (folder / ".filler").open("ab") as file:
            while True:
                file.write(b"x" * 4096)
                file.flush()

    def drain(self) -> None:
        """Give the space back."""
        for place in ("dev", "store"):
            (self.folder / place / ".filler").unlink(missing_ok=True)

    def arm(self, number: int, rule: dict[str, Any]) -> None:
        """Let a process of the device meet the fault of this number, once."""
        temporary = self.folder / "rule.tmp"
        temporary.write_text(json.dumps({**rule, "number": number}))
        temporary.rename(self.folder / f"rule-{number}.json")

    def fire(self, number: int) -> None:
        """Say that a driver met the fault of this number."""
        temporary = self.folder / f"rule-{number}.tmp"
        temporary.write_text(json.dumps({"pid": os.getpid()}))
        temporary.rename(temporary.with_suffix(".fired"))

    def fired(self, number: int) -> int:
        """The process that met it; 0 as long as none has."""
        try:
            return int(json.loads((self.folder / f"rule-{number}.fired").read_text())["pid"])
        except (OSError, ValueError):
            return 0

    def disarm(self) -> None:
        """No fault waits any more, and none happened."""
        for path in self.folder.glob("rule-*"):
            path.unlink(missing_ok=True)

    def ledger(self) -> list[dict[str, Any]]:
        """What the device's processes did: told by themselves, whatever the product believes."""
        path = self.there / "ledger.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def processes(self, *roles: str) -> list[int]:
        """Living processes of the site but drivers; ``roles``: only those that run this word."""
        found = []
        inside = (
            self.zoo.pids()
            if self.zoo
            else [int(p.name) for p in Path("/proc").iterdir() if p.name.isdecimal()]
        )
        for pid in inside:
            entry = Path(f"/proc/{pid}")
            with contextlib.suppress(OSError):
                if self.marker not in (entry / "environ").read_bytes().split(b"\0"):
                    continue
                words = (entry / "cmdline").read_bytes().split(b"\0")
                if (not roles or any(role.encode() in words for role in roles)) and words != [b""]:
                    found.append(int(entry.name))
        return found

    def expire(self) -> bool:
        """As if ninety seconds had passed for every lease, and every waiting row. False where somebody stands
        still who holds SQLite's one lock: then nobody can take a lease, whatever the time."""
        try:
            self.sql("UPDATE lease SET expires_unix_s = 1.0 WHERE expires_unix_s > 1.0")
            self.sql("UPDATE waiting SET expires_unix_s = 1.0")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error):
                raise
            return False
        return True

    def sql(self, statement: str) -> list[tuple[Any, ...]]:
        """One statement on the site's database, past the product."""
        if self.store_url:
            from sqlalchemy import create_engine, text

            engine = create_engine(self.store_url)
            with engine.begin() as connection:
                done = connection.execute(text(statement))
                rows = [tuple(row) for row in done] if done.returns_rows else []
            engine.dispose()
            return rows
        with contextlib.closing(sqlite3.connect(self.folder / "store" / "farm.db", timeout=30)) as database:
            rows = list(database.execute(statement))
            database.commit()
            return rows


def stopped(pid: int) -> bool:
    """Whether a process stands still."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "Tt"
    except OSError:
        return False


def wait_until(condition: Any, limit_s: float) -> bool:
    """Whether it became true in time."""
    end = time.monotonic() + limit_s
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True
