"""``clock``: this device's monotonic clock, once, and again for each line that comes in on stdin.

Where the link can hold a conversation, one process answers many pings, and a round trip costs no start of a
Python; where it cannot, an empty stdin gets one answer.
"""

from __future__ import annotations

import sys
import time

from farm_agent import identity, reply

MOST_PINGS = 1000


def answer() -> None:
    """One reply per ping, with the time at which it was written."""
    boot = identity.boot_id()
    reply.send({"monotonic_ns": time.monotonic_ns(), "boot_id": boot})
    for _ in range(MOST_PINGS):
        if not sys.stdin.buffer.readline(64):
            return
        reply.send({"monotonic_ns": time.monotonic_ns(), "boot_id": boot})
