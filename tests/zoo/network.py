"""A cable between this machine and one network namespace, and scissors for it."""

from __future__ import annotations

import itertools
import subprocess
from dataclasses import dataclass

_CUT = """
add table inet zoo
add chain inet zoo i { type filter hook input priority 0; policy drop; }
add chain inet zoo o { type filter hook output priority 0; policy drop; }
add rule inet zoo i iif lo accept
add rule inet zoo o oif lo accept
"""


@dataclass(frozen=True)
class Link:
    """A veth pair; it vanishes with the device's namespace."""

    interface: str
    host: str
    device: str


def join(pid: int) -> Link:
    """Give the namespace of process ``pid`` an eth0 with a free /30 from 10.222.0.0/16."""
    link = _linked(pid)
    _run("ip", "addr", "add", f"{link.host}/30", "dev", link.interface)
    _run("ip", "link", "set", link.interface, "up")
    for command in (
        ["addr", "add", f"{link.device}/30", "dev", "eth0"],
        ["link", "set", "lo", "up"],
        ["link", "set", "eth0", "up"],
        ["route", "add", "default", "via", link.host],
    ):
        _run(*_enter(pid), "ip", *command)
    return link


def _linked(pid: int) -> Link:
    """The first pair whose name and address are free. Of two zoos at once, whatever their temporary folders,
    the kernel gives a name to one: the other takes the next."""
    taken = _run("ip", "-4", "-o", "addr")
    for slot in itertools.count(0):
        link = Link(f"fz{slot}", f"10.222.{_host(slot)}", f"10.222.{_device(slot)}")
        if f" {link.host}/" in taken:
            continue
        pair = f"{link.interface} type veth peer name eth0 netns {pid}"
        try:
            _run("ip", "link", "add", *pair.split())
        except RuntimeError as error:
            if "File exists" not in str(error):
                raise
        else:
            return link
    raise AssertionError("itertools.count ended")


def cut(pid: int) -> None:
    """Drop everything both ways; nobody is told."""
    _run(*_enter(pid), "nft", "-f", "-", stdin=_CUT)


def heal(pid: int) -> None:
    """Undo ``cut``."""
    _run(*_enter(pid), "nft", "delete", "table", "inet", "zoo")


def reset(pid: int) -> None:
    """End every TCP connection of the namespace with RST to both ends."""
    _run(*_enter(pid), "ss", "--kill", "--tcp", "--no-header", "state", "connected")


def slow(link: Link, rate: str) -> None:
    """Let no more than ``rate`` (tc's words: 16mbit) through towards the device."""
    shape = f"root tbf rate {rate} burst 32kbit latency 400ms".split()
    _run("tc", "qdisc", "replace", "dev", link.interface, *shape)


def _host(slot: int) -> str:
    return f"{slot // 64}.{slot % 64 * 4 + 1}"


def _device(slot: int) -> str:
    return f"{slot // 64}.{slot % 64 * 4 + 2}"


def _enter(pid: int) -> list[str]:
    return ["nsenter", f"--target={pid}", "--net", "--"]


def _run(*argv: str, stdin: str = "") -> str:
    done = subprocess.run(argv, input=stdin, capture_output=True, text=True, timeout=30, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(argv)}: {done.stderr.strip()}")
    return done.stdout
