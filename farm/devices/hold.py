"""Hold a device's lease while something runs on it: wait for it, keep it alive, give it back."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from farm.errors import FarmError, InfrastructureError

if TYPE_CHECKING:
    from sqlalchemy.engine import Engine

    from farm.devices.leases import Lease

BEAT_S = 15.0
ASK_AGAIN_S = 0.5


class Hold:
    """A lease that a thread keeps alive. ``lost`` is set when another holder took over."""

    def __init__(self, lease: Lease) -> None:
        self.lease = lease
        self.lost = threading.Event()


@contextmanager
def hold(
    engine: Engine,
    device: str,
    job_id: str,
    holder: str,
    *,
    wait_s: float,
    stop: threading.Event,
    waiting: Callable[[str], None],
) -> Iterator[Hold]:
    """Take the lease within ``wait_s`` and beat until the block ends, then release.

    ``waiting`` is told who holds the device. Raises InfrastructureError lease.timeout, or lease.stopped
    when ``stop`` is set while waiting.
    """
    from farm.devices import leases

    held = Hold(_take(engine, device, job_id, holder, wait_s=wait_s, stop=stop, waiting=waiting))
    done = threading.Event()
    beat = threading.Thread(target=_beat, args=(engine, held, done), daemon=True, name=f"beat-{device}")
    beat.start()
    try:
        yield held
    finally:
        done.set()
        beat.join(BEAT_S)
        leases.release(engine, held.lease)


def _take(
    engine: Engine,
    device: str,
    job_id: str,
    holder: str,
    *,
    wait_s: float,
    stop: threading.Event,
    waiting: Callable[[str], None],
) -> Lease:
    from farm.devices import leases

    give_up = time.monotonic() + wait_s
    told = False
    while True:
        lease = leases.take(engine, device, job_id, holder)
        if lease is not None:
            return lease
        current = leases.holder_of(engine, device)
        who = f"{current.holder} ({current.job_id})" if current else "another run"
        if not told:
            waiting(who)
            told = True
        if time.monotonic() >= give_up:
            raise InfrastructureError(
                f"{device} is held by {who}; waited {wait_s:.0f} s",
                code="lease.timeout",
                fix="wait longer with --wait 30m, or run when the device is free",
            )
        if stop.wait(ASK_AGAIN_S):
            raise InfrastructureError(f"stopped while waiting for {device}", code="lease.stopped")


def _beat(engine: Engine, held: Hold, done: threading.Event) -> None:
    from farm.devices import leases

    while not done.wait(BEAT_S):
        try:
            if not leases.beat(engine, held.lease):
                held.lost.set()
                return
        except FarmError:
            continue  # the store may be busy or away for a while; the lease outlives several beats
