"""Which Python wheels of which runtime fit a device: processor, Python and C library decide."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from farm.wheels.plan import Refused, WheelPlan
from farm_agent.wire import Facts
from farm_profiles.profile import Profile

__all__ = ["Refused", "WheelPlan", "fetch", "plan"]


def plan(
    facts: Facts, profile: Profile, *, folder: Path | None = None, runtimes: Sequence[str] = ()
) -> WheelPlan:
    """What to install for the profile's runtimes (or for ``runtimes``) on the device with these facts.

    ``folder``: choose among the wheels that lie there alone (a site without a network). A runtime for which
    no wheel fits is in ``refused`` with the reason and the way out; it raises nothing.
    """
    raise NotImplementedError


def fetch(plan: WheelPlan, folder: Path) -> tuple[Path, ...]:
    """Download the plan's wheels into ``folder``, whatever machine this is; their paths.

    Each is checked against the plan's hash; one that lies there already is not fetched again.
    Raises InfrastructureError wheels.fetch-failed, UsageError wheels.offline.
    """
    raise NotImplementedError
