"""Two nights never run at once on one store: a night holds a lease, by the database's clock."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from farm.errors import InfrastructureError

if TYPE_CHECKING:
    from farm_results.store import Store

NAME = "(nightly)"
"""No device can be called so."""


@dataclass(frozen=True)
class Driver:
    """This process. ``lost``: another one took the nights over, after the store was away for long."""

    text: str
    lost: threading.Event


@contextmanager
def alone(store: Store) -> Iterator[Driver]:
    """Hold the store's nights; what was held by a process that died is free.

    Raises InfrastructureError ``nightly.running`` while another night goes on.
    """
    from farm.devices.hold import Wish, hold
    from farm.devices.holder import holder_text

    me = holder_text("nightly")
    wish = Wish(NAME, "nightly", me)
    try:
        with hold(store.engine, wish, wait_s=0.0, stop=threading.Event(), waiting=lambda _text: None) as held:
            yield Driver(me, held.lost)
    except InfrastructureError as error:
        if error.code != "lease.timeout":
            raise
        raise InfrastructureError(
            f"another night goes on: {running(store) or 'its process just ended'}",
            code="nightly.running",
            fix="farm nightly status shows it; start this one when it has ended",
        ) from error


def running(store: Store) -> str:
    """Who drives a night of this store now; "" for nobody."""
    from farm.devices import leases
    from farm.devices.holder import provably_dead, shown

    lease = leases.holder_of(store.engine, NAME)
    return "" if lease is None or provably_dead(lease.holder) else shown(lease.holder)
