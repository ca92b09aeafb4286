"""A cable with weather for kernels without netem: carries frames between a TAP here and one in a device.

``python -m tests.zoo.relay --pid PID --name TAP --socket PATH`` until its stdin ends. Each line sent to the
unix socket PATH is a JSON object like {"delay_ms": 20, "jitter_ms": 5, "loss_pct": 1}, answered with "ok".
Delay and loss are per direction. Frames never overtake each other.
"""

from __future__ import annotations

import argparse
import collections
import ctypes
import fcntl
import json
import os
import random
import selectors
import socket
import struct
import sys
import time
from dataclasses import dataclass, field

TUNSETIFF = 0x400454CA
TAP_WITHOUT_HEADER = 0x0002 | 0x1000  # IFF_TAP | IFF_NO_PI
NETWORK_NAMESPACE = 0x40000000
LONGEST_FRAME = 65_536
QUEUE_FRAMES = 10_000


@dataclass
class Weather:
    """What happens to a frame."""

    delay_ms: float = 0.0
    jitter_ms: float = 0.0
    loss_pct: float = 0.0

    def hold_s(self, dice: random.Random) -> float | None:
        """How long to keep the next frame; None to lose it."""
        if dice.uniform(0.0, 100.0) < self.loss_pct:
            return None
        return max(0.0, self.delay_ms + dice.uniform(-self.jitter_ms, self.jitter_ms)) / 1000


@dataclass
class Way:
    """One direction: what was read from ``source`` goes to ``target`` when it is due."""

    source: int
    target: int
    waiting: collections.deque[tuple[float, bytes]] = field(default_factory=collections.deque)

    def take(self, weather: Weather, dice: random.Random, now: float) -> None:
        """Read what is there."""
        for _ in range(64):
            try:
                frame = os.read(self.source, LONGEST_FRAME)
            except BlockingIOError:
                return
            hold_s = weather.hold_s(dice)
            if hold_s is None or len(self.waiting) >= QUEUE_FRAMES:
                continue
            due = now + hold_s
            if self.waiting:
                due = max(due, self.waiting[-1][0])
            self.waiting.append((due, frame))

    def give(self, now: float) -> None:
        """Pass on what is due."""
        while self.waiting and self.waiting[0][0] <= now:
            frame = self.waiting.popleft()[1]
            try:
                os.write(self.target, frame)
            except OSError:  # the interface is down or its queue full: a network loses such frames
                continue


def tap(name: str) -> int:
    """A TAP of this name in the network namespace of this thread; it lasts as long as its file."""
    handle = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    fcntl.ioctl(handle, TUNSETIFF, struct.pack("16sH22x", name.encode(), TAP_WITHOUT_HEADER))
    return handle


def tap_within(pid: int, name: str) -> int:
    """A TAP in the network namespace of a process; this process comes back to its own."""
    libc = ctypes.CDLL(None, use_errno=True)
    with open("/proc/self/ns/net") as home, open(f"/proc/{pid}/ns/net") as there:
        for place in (there, home):
            if libc.setns(place.fileno(), NETWORK_NAMESPACE):
                raise OSError(ctypes.get_errno(), "setns")
            if place is there:
                handle = tap(name)
    return handle


def carry(here: int, there: int, steering: socket.socket) -> None:
    """Until stdin ends."""
    weather, dice = Weather(), random.Random(0)
    ways = {here: Way(here, there), there: Way(there, here)}
    with selectors.DefaultSelector() as selector:
        for handle in (0, here, there, steering):
            selector.register(handle, selectors.EVENT_READ)
        while True:
            due = min((way.waiting[0][0] for way in ways.values() if way.waiting), default=None)
            ready = selector.select(None if due is None else max(0.0, due - time.monotonic()))
            now = time.monotonic()
            for key, _ in ready:
                if key.fd == 0:
                    return
                if key.fd in ways:
                    ways[key.fd].take(weather, dice, now)
                else:
                    weather = _told(steering) or weather
            for way in ways.values():
                way.give(now)


def _told(steering: socket.socket) -> Weather | None:
    with steering.accept()[0] as link:
        try:
            weather = Weather(**json.loads(link.recv(4096)))
        except (TypeError, ValueError) as error:
            link.sendall(f"{error}\n".encode())
            return None
        link.sendall(b"ok\n")
        return weather


def main() -> int:
    """Run the relay."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pid", type=int, required=True)
    parser.add_argument("--name", required=True)
    parser.add_argument("--socket", required=True)
    options = parser.parse_args()
    with socket.socket(socket.AF_UNIX) as steering:
        steering.bind(options.socket)
        steering.listen()
        try:
            here, there = tap(options.name), tap_within(options.pid, "eth0")
        except OSError as error:
            print(f"failed: {error}", flush=True)
            return 1
        print("ready", flush=True)
        carry(here, there, steering)
    return 0


if __name__ == "__main__":
    sys.exit(main())
