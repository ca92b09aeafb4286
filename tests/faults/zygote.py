"""Forks drivers from a process that has imported everything: a real process each, at the price of a fork."""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Self

from tests.faults.fault import Fault
from tests.faults.site import Site

ROOT = Path(__file__).resolve().parents[2]


class Drivers:
    """Starts drivers and knows how each ended. ``with Drivers() as drivers``."""

    def __init__(self) -> None:
        environment = {name: text for name, text in os.environ.items() if name != "SSH_AUTH_SOCK"}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.zygote"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
            env=environment,
        )
        assert self._process.stdout
        os.set_blocking(self._process.stdout.fileno(), False)
        self._waiting = b""
        self._born: list[int] = []
        self._ended: dict[int, int] = {}
        self._number = 0

    def start(self, site: Site, mode: str = "bench", armed: Sequence[tuple[int, Fault]] = ()) -> int:
        """The process id of a new driver."""
        self._number += 1
        words = {
            "folder": str(site.folder),
            "cache": str(site.cache),
            "store_url": site.store_url,
            "device": asdict(site.device) if site.device else None,
            "mode": mode,
            "armed": [[number, asdict(fault)] for number, fault in armed],
            "number": self._number,
        }
        assert self._process.stdin
        self._process.stdin.write((json.dumps(words) + "\n").encode())
        self._process.stdin.flush()
        while not self._born:
            self._read()
            time.sleep(0.002)
        return self._born.pop()

    @property
    def number(self) -> int:
        """Of the newest driver; its output is in ``driver-NUMBER.log``."""
        return self._number

    def status(self, pid: int) -> int | None:
        """The exit status of a driver (negative: the signal that ended it); None while it lives."""
        self._read()
        return self._ended.get(pid)

    def close(self) -> None:
        """End the zygote; drivers that still live are killed by it."""
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait(30)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _read(self) -> None:
        assert self._process.stdout
        data = self._process.stdout.read() or b""
        *lines, self._waiting = (self._waiting + data).split(b"\n")
        for line in lines:
            said = json.loads(line)
            if "born" in said:
                self._born.append(said["born"])
            else:
                self._ended[said["ended"]] = said["status"]
        if self._process.poll() is not None:
            raise RuntimeError("the process that forks drivers ended")


def serve() -> None:
    """Read requests from stdin until it ends."""
    _warm()
    out = os.dup(1)
    awake, wake = os.pipe()
    os.set_blocking(wake, False)
    os.set_blocking(awake, False)
    signal.set_wakeup_fd(wake)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    living: set[int] = set()
    waiting = b""
    with selectors.DefaultSelector() as selector:
        selector.register(0, selectors.EVENT_READ)
        selector.register(awake, selectors.EVENT_READ)
        while True:
            ready = {key.fd for key, _ in selector.select()}
            if awake in ready:
                os.read(awake, 4096)
                _reap(living, out)
            if 0 in ready:
                data = os.read(0, 65536)
                if not data:
                    break
                *lines, waiting = (waiting + data).split(b"\n")
                for line in lines:
                    living.add(_fork(json.loads(line), out))
    for pid in living:
        os.kill(pid, signal.SIGKILL)


def _reap(living: set[int], out: int) -> None:
    for pid in list(living):
        found, status = os.waitpid(pid, os.WNOHANG)
        if found:
            living.discard(pid)
            line = {"ended": pid, "status": os.waitstatus_to_exitcode(status)}
            os.write(out, (json.dumps(line) + "\n").encode())


def _fork(words: dict[str, Any], out: int) -> int:
    pid = os.fork()
    if pid:
        os.write(out, (json.dumps({"born": pid}) + "\n").encode())
        return pid
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.close(out)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    status = 1
    try:
        from farm.devices.device import Device
        from tests.faults import driver

        device = (
            Device(**{**words["device"], "tags": tuple(words["device"]["tags"])}) if words["device"] else None
        )
        site = Site(Path(words["folder"]), Path(words["cache"]), words["store_url"], device)
        armed = [(number, Fault(**fields)) for number, fields in words["armed"]]
        status = driver.main(site, words["mode"], armed, words["number"])
    finally:
        os._exit(status)


def _warm() -> None:
    """Import what every driver needs, and remember the model's inspection between drivers."""
    import pickle

    import farm.artifacts
    import farm.devices.hold
    import farm.drive
    import farm.worker  # noqa: F401
    import farm_results.store
    import farm_results.verdicts  # noqa: F401
    import tests.faults.driver  # noqa: F401
    from farm import benchmark
    from farm_converters.sources import open_model

    def inspect_in(config: Any, _report: Any = None) -> Any:
        def inspect(path: Path) -> Any:
            kept = config.cache_dir / f"inspected-{path.stat().st_size}.pickle"
            if not kept.exists():
                kept.parent.mkdir(parents=True, exist_ok=True)
                kept.write_bytes(pickle.dumps(open_model(path, config.cache_dir, lambda _text: None)))
            return pickle.loads(kept.read_bytes())  # noqa: S301 - written by this test

        return inspect

    vars(benchmark)["inspect_in"] = inspect_in


if __name__ == "__main__":
    serve()
