"""What was measured comes home before anything that a night decides."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from farm.config import Config
    from farm_results.store import Store

WAIT_S = 60.0
"""For a device that somebody else has."""


def bring_home(config: Config, store: Store, say: Callable[[str], None]) -> None:
    """Store what waits on this machine because the store was away, and what is left on devices because the
    process that drove them died. A device that does not answer keeps what it has for later.

    Call it only while this process drives no device: leases that it could not give back are given back now.
    Raises as ``Store`` does.
    """
    from farm.devices import inventory
    from farm.jobs import collecting, runs, spooling
    from farm_results.storage.spool import Spool

    known = inventory.load(config.inventory_path)
    runs.close_dead(store)
    spooling.flush(store, Spool(config.state_dir, store.name), say)
    release_mine(store, tuple(known))
    left = {job.device for job in collecting.listed(store) if not job.driver}
    if not left:
        return
    devices = [each for name, each in known.items() if name in left]
    say(f"bringing home what a run that broke off left on {', '.join(sorted(left))}")
    wait_s = min(WAIT_S, config.nightly.wait_s)
    for done in collecting.collect(store, config, devices, wait_s=wait_s, tell=say):
        if done.error is not None:
            say(f"{done.device}: {done.error.message}; what it has comes later")


def release_mine(store: Store, devices: Sequence[str]) -> None:
    """Give back what this process still holds of these devices: the store was away when it wanted to."""
    from farm.devices import leases
    from farm.devices.holder import holder_text

    head, _, tail = holder_text("nightly").partition(" nightly")
    for device in devices:
        lease = leases.holder_of(store.engine, device)
        if lease is not None and lease.holder.startswith(f"{head} ") and lease.holder.endswith(tail):
            leases.release(store.engine, lease)
