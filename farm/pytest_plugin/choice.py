"""Which devices a test runs on: what its marker selects, narrowed by the command line."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from farm.errors import FarmError


@dataclass(frozen=True)
class Choice:
    """A device, or why there is none. ``left_out``: the command line left it out; nothing is wrong."""

    device: str
    problem: str = ""
    left_out: bool = False

    @property
    def id(self) -> str:
        """What stands in brackets behind the test's name."""
        return self.device or "no-device"


def choices(marker: Any, option: str | None) -> list[Choice]:  # noqa: ANN401 - pytest.Mark or None
    """The same in every process of a test run: from the inventory alone, no device is asked.

    A marker that says nothing and a ``--farm-devices`` that names nothing fail the collection, without a
    trace.
    """
    if marker is not None and (marker.kwargs or not marker.args or not all(map(_is_text, marker.args))):
        pytest.fail(
            '@pytest.mark.devices needs names, tags or profiles: devices("rpi4", "jetson-*")', pytrace=False
        )
    wanted = tuple(marker.args) if marker is not None else ()
    default = os.environ.get("FARM_DEVICES", "local")
    try:
        allowed = _names((option,)) if option else ()
    except FarmError as error:
        pytest.fail(f"--farm-devices: {error.message} ({error.fix})", pytrace=False)
    try:
        found = _names(wanted) if wanted else allowed or _names((default,))
    except FarmError as error:
        return [Choice("", f"{error.message} ({error.fix})")]
    kept = [name for name in found if not allowed or name in allowed]
    if not kept:
        return [Choice("", f"{', '.join(found)}: not among --farm-devices {option}", left_out=True)]
    return [Choice(name) for name in kept]


def _names(selectors: tuple[str, ...]) -> tuple[str, ...]:
    """Raises UsageError config.*, inventory.*, device.unknown, device.none-selected."""
    from farm.config import load_config

    return _selected(selectors, load_config().inventory_path)


@cache
def _selected(selectors: tuple[str, ...], path: Path) -> tuple[str, ...]:
    from farm.devices import inventory
    from farm.devices.select import select
    from farm_profiles.load import load_profile, profile_names

    devices = inventory.load(path)
    profiles = {name: load_profile(name) for name in profile_names()}
    return tuple(device.name for device in select(devices, profiles, selectors).matches)


def _is_text(word: object) -> bool:
    return isinstance(word, str) and bool(word.strip())
