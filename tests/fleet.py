"""Many devices for benchmarks, and one ``farm bench`` over them, watched from outside.

Devices are real sshd devices of the zoo (root needed) or this machine many times, each with a root of its own
(``local``). Their agents are real, or played from the record of a real one (``standin.py``).
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from farm.devices import inventory
from farm.devices.device import Device
from tests.farm.networks import conv_net
from tests.zoo import entries
from tests.zoo.device import Shape
from tests.zoo.zoo import Zoo

LOOK_S = 0.25
RECORDER = """#!{python}
import os, subprocess, sys
words = sys.argv[1:]
if not words or not words[0].endswith(".pyz"):
    os.execv("{python}", ["{python}", *words])
done = subprocess.run(["{python}", *words], stdout=subprocess.PIPE)
with open("{folder}/" + words[1] + ".out", "ab" if words[1] == "attach" else "wb") as file:
    file.write(done.stdout)
sys.stdout.buffer.write(done.stdout)
if words[1] == "result":
    import shutil
    shutil.copytree(words[-1] + "/jobs/" + words[2], "{folder}/job", dirs_exist_ok=True)
sys.exit(done.returncode)
"""


@dataclass
class Watched:
    """A run of ``farm`` as seen from outside. ``files``: most that were open; ``rows``: its results."""

    seconds: float = 0.0
    code: int = 0
    rows: list[dict[str, Any]] = field(default_factory=list)
    peak_rss_mib: float = 0.0
    cpu_s: float = 0.0
    threads: int = 0
    files: int = 0
    err: str = ""

    @property
    def ok(self) -> int:
        """Jobs that gave a result."""
        return sum(row["status"] == "ok" for row in self.rows)

    def times(self) -> list[tuple[str, float, float]]:
        """Device, begin and end of each job by its device's clock, which is this machine's."""
        return [
            (row["device"], row["document"]["job"]["started_unix_s"], row["document"]["job"]["ended_unix_s"])
            for row in self.rows
            if row["status"] == "ok"
        ]


@dataclass(frozen=True)
class Site:
    """A user with a home, a cache and a network of their own."""

    folder: Path

    @property
    def inventory(self) -> Path:
        """Where the devices stand."""
        return self.folder / "devices.toml"

    def models(self, count: int = 1) -> list[str]:
        """Networks of some microseconds."""
        paths = [self.folder / f"net-{number}.onnx" for number in range(count)]
        return [str(conv_net(path, seed=number)) for number, path in enumerate(paths)]

    def bench(self, *words: str, jobs: int = 1) -> Watched:
        """``farm bench`` of so many networks on all devices of the inventory, into a store of its own."""
        options = ("--devices", "d-*", "--no-gate", *words)
        return self.farm("--json", "bench", *self.models(jobs), *options, store=f"store-{time.time_ns()}")

    def farm(self, *words: str, store: str = "store") -> Watched:
        """Any command, watched."""
        own = {
            "HOME": self.folder,
            "XDG_CACHE_HOME": self.folder / "cache",
            "FARM_STORE": self.folder / store,
        }
        environment = {**os.environ, **{name: str(path) for name, path in own.items()}}
        environment["FARM_INVENTORY_PATH"] = str(self.inventory)
        out, err = self.folder / "out.json", self.folder / "err.txt"
        found, began = Watched(), time.monotonic()
        with out.open("wb") as stdout, err.open("wb") as stderr:
            process = subprocess.Popen(
                [sys.executable, "-m", "farm", *words],
                env=environment,
                stdout=stdout,
                stderr=stderr,
                stdin=subprocess.DEVNULL,
            )
            over = threading.Event()
            watcher = threading.Thread(target=_watch, args=(process.pid, found, over))
            watcher.start()
            try:
                found.code = process.wait()
            finally:
                over.set()
                watcher.join()
        found.seconds = time.monotonic() - began
        found.err = err.read_text(errors="replace")
        with contextlib.suppress(ValueError, KeyError):
            found.rows = json.loads(out.read_text())["results"]
        return found


def _watch(pid: int, found: Watched, over: threading.Event) -> None:
    ticks = os.sysconf("SC_CLK_TCK")
    while not over.wait(LOOK_S):
        with contextlib.suppress(OSError, ValueError, LookupError):  # it may be over
            status = dict(
                line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line
            )
            found.peak_rss_mib = int(status["VmHWM"].split()[0]) / 1024
            found.threads = max(found.threads, int(status["Threads"]))
            found.files = max(found.files, len(list(Path(f"/proc/{pid}/fd").iterdir())))
            # of the coordinator itself: what its children used is their devices' time
            times = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            found.cpu_s = (int(times[11]) + int(times[12])) / ticks


@contextlib.contextmanager
def site() -> Iterator[Site]:
    """A fresh one; nothing is left of it."""
    with tempfile.TemporaryDirectory(prefix="farm-fleet-") as name:
        yield Site(Path(name))


@contextlib.contextmanager
def sshd(place: Site, count: int, python: str = sys.executable, home_mb: int = 64) -> Iterator[None]:
    """``count`` devices d-1, d-2, ... in the inventory."""
    with Zoo() as zoo:
        shape = Shape(python=python, home_bytes=home_mb << 20, disk_bytes=64 << 20)
        devices = zoo.add_all(count, shape, "d")
        entries.write(place.inventory, [device.entry() for device in devices])
        try:
            yield
        finally:
            place.inventory.unlink()


@contextlib.contextmanager
def local(place: Site, count: int, python: str = "") -> Iterator[Path]:
    """``count`` devices that are all this machine, with roots of their own: in the folder that is given."""
    lines = []
    roots = Path(tempfile.mkdtemp(prefix="roots-", dir=place.folder))
    for number in range(1, count + 1):
        root = roots / str(number)
        lines.append(
            f'[devices.d-{number}]\nprofile = "x86-cpu"\naddress = "local"\nroot = "{root}"\n'
            + (f'python = "{python}"\n' if python else "")
        )
    place.inventory.write_text("\n".join(lines))
    try:
        yield roots
    finally:
        place.inventory.unlink()


def recorded(place: Site, seconds: float, words: Sequence[str]) -> str:
    """Record a real job with the options ``words``; the path of a "Python" that plays it in ``seconds``."""
    folder = place.folder / "standin"
    (folder / "bin").mkdir(parents=True)
    (folder / "raw").mkdir()
    recorder = folder / "bin" / "recorder"
    recorder.write_text(RECORDER.format(python=sys.executable, folder=folder / "raw"))
    recorder.chmod(0o755)
    inventory.add(
        place.inventory, Device("d-0", "x86-cpu", "local", python=str(recorder), root=str(folder / "root"))
    )
    done = place.bench(*words)
    place.inventory.unlink()
    if done.ok != 1:
        raise SystemExit(f"the job to record failed:\n{done.err}")
    raw = {path.stem: path.read_text() for path in (folder / "raw").glob("*.out")}
    bodies = [json.loads(line)["body"] for line in raw["attach"].splitlines() if line.startswith("{")]
    files = folder / "files"
    files.mkdir()
    named = json.dumps(done.rows[0]["document"]["job"])
    kept = [path for path in (folder / "raw" / "job").iterdir() if f'"{path.name}"' in named]
    for path in kept:
        path.rename(files / path.name).chmod(0o644)  # read by the devices' users
    record = {
        "job_id": done.rows[0]["job_id"],
        "seconds": seconds,
        "replies": raw,
        "events": [body["event"] for body in bodies if "event" in body],
        "state": "ok",
        "files": [path.name for path in kept],
    }
    (folder / "record.json").write_text(json.dumps(record))
    player = folder / "bin" / "python"
    code = Path(__file__).with_name("standin.py").read_text()
    player.write_text(f"#!/usr/bin/python3 -IS\n{code}")
    player.chmod(0o755)
    return str(player)
