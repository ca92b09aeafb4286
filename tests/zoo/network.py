"""A cable between this machine and one network namespace, and scissors for it."""

from __future__ import annotations

import itertools
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

_CUT = """
add table inet zoo
add chain inet zoo i { type filter hook input priority 0; policy drop; }
add chain inet zoo o { type filter hook output priority 0; policy drop; }
add rule inet zoo i iif lo accept
add rule inet zoo o oif lo accept
"""


@dataclass(frozen=True)
class Link:
    """Two interfaces; they vanish with the device's namespace."""

    interface: str
    host: str
    device: str


def join(pid: int, connect: Callable[[int, str], None]) -> Link:
    """Give the namespace of process ``pid`` an eth0 with a free /30 from 10.222.0.0/16.

    ``connect`` makes it and its other end, of the name given (see ``cable``).
    """
    link = _linked(pid, connect)
    run("ip", "addr", "add", f"{link.host}/30", "dev", link.interface)
    run("ip", "link", "set", link.interface, "up")
    inside = [f"addr add {link.device}/30 dev eth0", "link set lo up", "link set eth0 up"]
    inside.append(f"route add default via {link.host}")
    run(*enter(pid), "ip", "-batch", "-", stdin="\n".join(inside) + "\n")
    return link


def cable(pid: int, interface: str) -> None:
    """A veth pair."""
    run("ip", "link", "add", interface, "type", "veth", "peer", "name", "eth0", "netns", str(pid))


def _linked(pid: int, connect: Callable[[int, str], None]) -> Link:
    """The first pair whose name and address are free. Of two zoos at once, whatever their temporary folders,
    the kernel gives a name to one: the other takes the next."""
    taken = run("ip", "-4", "-o", "addr")
    for slot in itertools.count(0):
        link = Link(f"fz{slot}", f"10.222.{_host(slot)}", f"10.222.{_device(slot)}")
        if f" {link.host}/" in taken:
            continue
        try:
            connect(pid, link.interface)
        except RuntimeError:
            if not Path(f"/sys/class/net/{link.interface}").exists():
                raise
        else:
            return link
    raise AssertionError("itertools.count ended")


def cut(pid: int) -> None:
    """Drop everything both ways; nobody is told."""
    run(*enter(pid), "nft", "-f", "-", stdin=_CUT)


def heal(pid: int) -> None:
    """Undo ``cut``."""
    run(*enter(pid), "nft", "delete", "table", "inet", "zoo")


def reset(pid: int) -> None:
    """End every TCP connection of the namespace with RST to both ends."""
    run(*enter(pid), "ss", "--kill", "--tcp", "--no-header", "state", "connected")


def slow(link: Link, rate: str) -> None:
    """Let no more than ``rate`` (tc's words: 16mbit) through towards the device."""
    shape = f"root tbf rate {rate} burst 32kbit latency 400ms".split()
    run("tc", "qdisc", "replace", "dev", link.interface, *shape)


def _host(slot: int) -> str:
    return f"{slot // 64}.{slot % 64 * 4 + 1}"


def _device(slot: int) -> str:
    return f"{slot // 64}.{slot % 64 * 4 + 2}"


def enter(pid: int) -> list[str]:
    """How to begin a command that runs in the network namespace of a process."""
    return ["nsenter", f"--target={pid}", "--net", "--"]


def run(*argv: str, stdin: str = "") -> str:
    """What a command prints; RuntimeError when it fails."""
    done = subprocess.run(argv, input=stdin, capture_output=True, text=True, timeout=30, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(argv)}: {done.stderr.strip()}")
    return done.stdout
