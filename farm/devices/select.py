"""Choose devices by word: name, glob, tag, profile, family, ``all``, and ``!word`` to leave some out."""

from __future__ import annotations

import difflib
import fnmatch
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from farm.devices.device import Device
from farm.errors import UsageError
from farm_profiles.profile import Profile

_KINDS = ("name", "tag", "profile", "family")


@dataclass(frozen=True)
class Selection:
    """The devices in order without repeats, and what each word matched (for the run's header)."""

    matches: list[Device]
    explained: list[tuple[str, tuple[str, ...]]]


def select(
    devices: Mapping[str, Device], profiles: Mapping[str, Profile], tokens: Sequence[str]
) -> Selection:
    """Resolve words, which may also be comma-separated. Exclusions alone start from ``all``.

    A word may say what it is: ``tag:lab``, ``profile:rpi4``, ``family:jetson``, ``name:pi-*``.
    Raises UsageError device.unknown with the nearest known words, device.none-selected when a known
    profile has no device or everything was left out.
    """
    words = [word.strip() for token in tokens for word in token.split(",") if word.strip()]
    if words and all(word.startswith("!") for word in words):
        words = ["all", *words]
    chosen: dict[str, Device] = {}
    left_out: set[str] = set()
    explained = []
    for word in words:
        found = _match(devices, profiles, word.removeprefix("!"))
        explained.append((word, tuple(device.name for device in found)))
        if word.startswith("!"):
            left_out.update(device.name for device in found)
        else:
            chosen.update((device.name, device) for device in found)
    matches = [device for name, device in chosen.items() if name not in left_out]
    if not matches:
        raise UsageError(
            f"no device is selected by {' '.join(words) or 'nothing'}",
            code="device.none-selected",
            fix="name at least one device; `farm devices list` shows all",
        )
    return Selection(matches, explained)


def _match(devices: Mapping[str, Device], profiles: Mapping[str, Profile], word: str) -> list[Device]:
    if word == "all":
        return list(devices.values())
    kind, _, value = word.partition(":")
    kinds: Sequence[str] = _KINDS
    if kind in _KINDS and value:
        kinds = (kind,)
    else:
        value = word
    if kinds == _KINDS and value in devices:
        return [devices[value]]  # an exact name wins over a tag or profile spelled the same
    found = [device for device in devices.values() if _fits(device, profiles, kinds, value)]
    if found:
        return found
    raise _nothing(devices, profiles, kinds, word, value)


def _fits(device: Device, profiles: Mapping[str, Profile], kinds: Sequence[str], value: str) -> bool:
    profile = profiles.get(device.profile)
    words = {
        "name": (device.name,),
        "tag": device.tags,
        "profile": (device.profile,),
        "family": (profile.family,) if profile else (),
    }
    return any(fnmatch.fnmatchcase(text, value) for kind in kinds for text in words[kind])


def _nothing(
    devices: Mapping[str, Device],
    profiles: Mapping[str, Profile],
    kinds: Sequence[str],
    word: str,
    value: str,
) -> UsageError:
    """Say whether the word is known but matches no device, or is not known at all."""
    families = {profile.family: name for name, profile in reversed(list(profiles.items()))}
    kind_of_device = profiles.keys() if "profile" in kinds else ()
    known = value if value in kind_of_device else families.get(value) if "family" in kinds else None
    if known is not None:
        return UsageError(
            f"no device has profile or family {value}",
            code="device.none-selected",
            fix=f"add one: farm devices add NAME ssh://USER@HOST --profile {known}",
        )
    candidates = [
        *devices,
        *(tag for device in devices.values() for tag in device.tags),
        *profiles,
        *families,
    ]
    near = difflib.get_close_matches(value, list(dict.fromkeys(candidates)), n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}? " if near else ""
    return UsageError(
        f"no device, tag, profile or family matches {word!r}",
        code="device.unknown",
        fix=f"{hint}`farm devices list` shows what there is: {', '.join(list(devices)[:8])}",
    )
