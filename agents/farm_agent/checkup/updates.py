"""Package managers: those at work now, and those that systemd will start by itself in the middle of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Tuple

from farm_agent.observe_foreign import Scan

TIMERS = (
    "apt-daily.timer",
    "apt-daily-upgrade.timer",
    "dnf-automatic.timer",
    "dnf-automatic-install.timer",
    "dnf-makecache.timer",
    "fwupd-refresh.timer",
    "man-db.timer",
    "packagekit-offline-update.service",
    "snapd.snap-repair.timer",
    "unattended-upgrades.service",
    "updatedb.timer",
    "plocate-updatedb.timer",
)
WANTS = ("timers.target.wants", "multi-user.target.wants", "system-update.target.wants")


def jobs(root: Path) -> Tuple[str, ...]:
    """Names with process ids, as ``apt-get (812)``; other measurements of farm count, too."""
    return tuple((Scan("\0no folder\0", root / "proc").find() or [])[:8])


def timers(root: Path) -> Tuple[str, ...]:
    """Units that are enabled, where systemd runs at all."""
    if not (root / "run/systemd/system").is_dir():
        return ()
    found = []
    for name in TIMERS:
        places = [root / "etc/systemd/system" / wants / name for wants in WANTS]
        if any(place.is_symlink() or place.exists() for place in places):
            found.append(name)
    return tuple(found)
