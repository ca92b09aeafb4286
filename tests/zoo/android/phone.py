"""A phone on one machine: Debian's real adbd in namespaces; getprop and dumpsys print real phones' texts."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.zoo import network, processes
from tests.zoo.android import root

HERE = Path(__file__).parent
PORT = 5555
TEXTS = HERE / "texts"
_ADBD = "/lib/android-sdk/platform-tools/adbd"
_SPACES = ("--mount", "--uts", "--ipc", "--net", "--pid")
_UNSHARE = ("unshare", *_SPACES, "--fork", "--kill-child", "--propagation", "private", "--")


def missing() -> str:
    """Why no phone can be made here; empty when one can."""
    from tests.zoo.zoo import missing as no_zoo

    if os.uname().machine != "x86_64":
        return "the phone's root is made for x86_64"
    absent = [name for name in ("adb", "ldconfig") if shutil.which(name) is None]
    return f"needs {', '.join(absent)} (apt-get install adb)" if absent else no_zoo()


class Phone:
    """One running phone. ``state``: the texts it shows, as files; ``close()`` ends all its processes."""

    def __init__(self, *, size: str = "700m") -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="farm-phone-"))
        self._daemons: list[subprocess.Popen[bytes]] = []
        argv = [*_UNSHARE, str(HERE / "boot.sh"), str(self._folder), str(root.ready()), str(TEXTS), size]
        self._init = subprocess.Popen(
            argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
        )
        try:
            self.pid = self._booted()
            self.link = network.join(self.pid, network.cable)
            self.serial = f"{self.link.device}:{PORT}"
            self.start_adbd()
        except BaseException:
            self.close()
            raise

    @property
    def root(self) -> Path:
        """The phone's file system as this process sees it."""
        return Path(f"/proc/{self.pid}/root{self._folder}/root")

    @property
    def state(self) -> Path:
        """What getprop and dumpsys show, and what ``cmd`` was told."""
        return self.root / "state"

    def start_adbd(self) -> None:
        """Let it listen."""
        enter = ["nsenter", f"--target={self.pid}", *_SPACES, "--"]
        inner = [sys.executable, "-I", str(HERE / "confine.py"), f"{self._folder}/root", _ADBD]
        daemon = subprocess.Popen(
            [*enter, *inner],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self._daemons.append(daemon)
        deadline = time.monotonic() + 20
        while True:
            try:
                socket.create_connection((self.link.device, PORT), timeout=2).close()
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
            else:
                return

    def cut(self) -> None:
        """Out of reach of the Wi-Fi: every packet is dropped, nobody is told."""
        network.cut(self.pid)

    def heal(self) -> None:
        """Back again."""
        network.heal(self.pid)

    def pids(self, command: str = "") -> list[int]:
        """The phone's processes (host numbers) without its init."""
        return processes.in_namespace(self.pid, command)

    def _booted(self) -> int:
        assert self._init.stdout
        words = self._init.stdout.readline().split()
        if len(words) != 2 or words[0] != b"ready":
            raise RuntimeError("the phone did not start: see the lines above")
        return int(words[1])

    def close(self) -> None:
        """End the phone; nothing of it stays."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._init.pid, signal.SIGKILL)
        self._init.wait()
        for pipe in (self._init.stdin, self._init.stdout):
            if pipe:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()
        if hasattr(self, "pid"):
            processes.until(lambda: not Path(f"/proc/{self.pid}/root").exists(), "the phone's init to end")
        for daemon in self._daemons:
            daemon.kill()  # nsenter stops with what it started, and would never hear of its end
            daemon.wait()
        with contextlib.suppress(OSError):
            self._folder.rmdir()


class AdbServer:
    """A real adb server on a port of its own, with keys of its own; ended with it."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        folder.mkdir(parents=True, exist_ok=True)
        environment = {**os.environ, "HOME": str(folder), "ANDROID_EMULATOR_NO": "1"}
        self._process = subprocess.Popen(
            ["adb", "-P", str(self.port), "server", "nodaemon"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=(folder / "adb.log").open("w"),
            env=environment,
            start_new_session=True,
        )
        deadline = time.monotonic() + 20
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=2).close()
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.02)
            else:
                return

    def address(self, serial: str) -> str:
        """Of a phone that this server sees."""
        return f"adb:{serial}@127.0.0.1:{self.port}"

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()
