"""What was measured comes home before anything that a night decides."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from farm.config import Config
    from farm_results.store import Store

WAIT_S = 120.0
"""For a device; longer than a lease that could not be given back lasts."""


def bring_home(config: Config, store: Store, say: Callable[[str], None]) -> None:
    """Store what waits on this machine because the store was away, and what is left on devices because the
    process that drove them died. A device that does not answer keeps what it has for later.

    Call it only while this process drives no device. Raises as ``Store`` does.
    """
    from farm.devices import inventory
    from farm.jobs import collecting, runs, spooling
    from farm_results.storage.spool import Spool

    runs.close_dead(store)
    spooling.flush(store, Spool(config.state_dir, store.name), say)
    mine = f" pid {os.getpid()} "  # by a lease that could not be given back
    jobs = collecting.listed(store)
    left = {job.device for job in jobs if not job.driver or mine in f"{job.driver} "}
    if not left:
        return
    devices = [each for name, each in inventory.load(config.inventory_path).items() if name in left]
    say(f"bringing home what a run that broke off left on {', '.join(sorted(left))}")
    wait_s = min(WAIT_S, config.nightly.wait_s)
    for done in collecting.collect(store, config, devices, wait_s=wait_s, tell=say):
        if done.error is not None:
            say(f"{done.device}: {done.error.message}; what it has comes later")
