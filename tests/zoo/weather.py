"""Delay, jitter and loss on a device's link: by netem where the kernel has it, else by a relay of our own."""

from __future__ import annotations

import contextlib
import functools
import json
import socket
import subprocess
import sys
from pathlib import Path

from tests.zoo.network import Link, enter, run

ROOT = Path(__file__).resolve().parents[2]


@functools.cache
def way() -> str:
    """How links get their weather on this machine: "netem" or "relay". Asked once."""
    command = ["unshare", "--net", "tc", "qdisc", "add", "dev", "lo", "root", "netem", "delay", "1ms"]
    try:
        done = subprocess.run(command, capture_output=True, timeout=30, check=False)
    except FileNotFoundError:
        return "relay"
    return "relay" if done.returncode else "netem"


class Relay:
    """The process that carries one device's frames."""

    def __init__(self, pid: int, interface: str, folder: Path) -> None:
        """Raises RuntimeError "... busy" when another has taken the interface's name."""
        self._path = folder / "weather"
        self._path.unlink(missing_ok=True)
        words = ["--pid", str(pid), "--name", interface, "--socket", str(self._path)]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.zoo.relay", *words],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        assert self._process.stdout
        said = self._process.stdout.readline().decode().strip()
        if said != "ready":
            self.close()
            raise RuntimeError(f"no relay for {interface}: {said}")

    def set(self, delay_ms: float, jitter_ms: float, loss_pct: float) -> None:
        """From the next frame on."""
        wanted = {"delay_ms": delay_ms, "jitter_ms": jitter_ms, "loss_pct": loss_pct}
        with socket.socket(socket.AF_UNIX) as link:
            link.settimeout(30)
            link.connect(str(self._path))
            link.sendall(json.dumps(wanted).encode())
            answer = link.recv(4096)
        if answer != b"ok\n":
            raise RuntimeError(f"the relay says {answer!r}")

    def close(self) -> None:
        """End it; both its interfaces go."""
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()
        self._process.wait(30)
        self._path.unlink(missing_ok=True)


def by_netem(pid: int, link: Link, delay_ms: float, jitter_ms: float, loss_pct: float) -> None:
    """Both directions: each end delays and loses what it sends. Frames may overtake each other."""
    words = f"root netem delay {delay_ms}ms {jitter_ms}ms loss {loss_pct}%".split()
    run("tc", "qdisc", "replace", "dev", link.interface, *words)
    run(*enter(pid), "tc", "qdisc", "replace", "dev", "eth0", *words)
