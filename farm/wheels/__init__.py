"""Which Python wheels of which runtime fit a device: processor, Python and C library decide."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from farm.wheels import box as boxes
from farm.wheels import known
from farm.wheels.box import Box
from farm.wheels.fetching import fetch as _fetch
from farm.wheels.plan import Refused, Wheel, WheelPlan
from farm_agent.wire import Facts
from farm_profiles import Profile

__all__ = ["Box", "Refused", "Wheel", "WheelPlan", "fetch", "plan", "plan_box", "runtimes_of"]


def plan(
    facts: Facts, profile: Profile, *, folder: Path | None = None, runtimes: Sequence[str] = ()
) -> WheelPlan:
    """What to install for the profile's runtimes (or for ``runtimes``) on the device with these facts.

    ``folder``: choose among the wheels that lie there alone (a site without a network, or wheels of your
    own). A runtime for which no wheel fits is in ``refused`` with the reason and the way out; only a folder
    that is none, or holds broken wheels, raises: UsageError wheels.folder, wheels.broken.
    """
    return plan_box(boxes.of_facts(facts), tuple(runtimes) or runtimes_of(profile), folder=folder)


def plan_box(box: Box, runtimes: Sequence[str], *, folder: Path | None = None) -> WheelPlan:
    """As ``plan``, for a box that nobody needs to have reached yet (``farm.wheels.box.parse``)."""
    if folder is None:
        return known.choose(box, tuple(runtimes))
    from farm.wheels import folder as folders

    return folders.choose(box, tuple(runtimes), folder)


def runtimes_of(profile: Profile) -> tuple[str, ...]:
    """The runtimes that a device kind names, the preferred first."""
    return tuple(dict.fromkeys(target.runtime for target in profile.targets))


def fetch(plan: WheelPlan, folder: Path) -> tuple[Path, ...]:
    """Have the plan's wheels in ``folder``, whatever machine this is; their paths.

    Each is checked against the plan's hash; one that lies there already is not fetched again. Raises
    InfrastructureError wheels.fetch-failed, wheels.folder; UsageError wheels.offline.
    """
    return _fetch(plan, folder)
