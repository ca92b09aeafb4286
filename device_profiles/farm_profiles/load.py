"""Reads device kinds from their TOML files, strictly: every fault names file, key and what was expected."""

from __future__ import annotations

import difflib
import re
import tomllib
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from farm_agent import codec, precisions, runtimes
from farm_agent.errors import UsageError
from farm_profiles.profile import Profile

SCHEMA = 1
STATES = ("supported", "planned", "unsupported")
_INDEX = re.compile(r"^targets\[(\d+)\]")


def profile_names() -> tuple[str, ...]:
    """Every device kind that ships with farm: the stems of the TOML files beside this module."""
    files = resources.files("farm_profiles").iterdir()
    return tuple(sorted(file.name[:-5] for file in files if file.name.endswith(".toml")))


def load_profile(name: str) -> Profile:
    """The device kind called ``name``. Raises UsageError profile.unknown, or what ``load_file`` raises."""
    if name not in profile_names():
        near = difflib.get_close_matches(name, profile_names(), n=1)
        raise UsageError(
            f"no profile is called {name!r}",
            code="profile.unknown",
            fix=f"did you mean {near[0]!r}?" if near else f"use one of: {', '.join(profile_names())}",
        )
    return load_file(resources.files("farm_profiles") / f"{name}.toml")


def load_file(path: Path | Traversable) -> Profile:
    """The device kind in a TOML file; its name is the file's stem.

    Raises UsageError: profile.unreadable, profile.syntax, profile.schema.
    """
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"{path} cannot be read: {error}", code="profile.unreadable", fix="make it a readable UTF-8 file"
        ) from error
    except tomllib.TOMLDecodeError as error:
        raise UsageError(
            f"{path} is not TOML: {error}", code="profile.syntax", fix=f"correct {path}"
        ) from error
    return _decode(path, path.name.removesuffix(".toml"), data)


def _decode(path: Path | Traversable, name: str, data: dict[str, Any]) -> Profile:
    if "name" in data:
        raise _fault(path, "name", "no such key (the file's name is the profile's name)", repr(data["name"]))
    if data.get("schema") != SCHEMA:
        raise _fault(path, "schema", str(SCHEMA), repr(data.get("schema")))
    places: list[int] = []
    if isinstance(data.get("targets"), list):
        data = {**data, "targets": _each_precision(path, data["targets"], places)}
    try:
        profile = codec.decode(Profile, {**data, "name": name}, unknown="refuse")
    except codec.DecodeError as error:
        key = _INDEX.sub(
            lambda found: f"targets[{places[int(found[1])]}]", error.path.removeprefix("Profile.")
        )
        raise _fault(path, key, error.expected, error.got) from error
    _check(path, profile, places)
    return profile


def _each_precision(path: Path | Traversable, targets: list[object], places: list[int]) -> list[object]:
    """Every table with ``precisions`` once per precision; ``places`` gets the number of each one's table."""
    found: list[object] = []
    for index, target in enumerate(targets):
        if not isinstance(target, dict) or "precisions" not in target:
            found.append(target)
            places.append(index)
            continue
        names = target["precisions"]
        if "precision" in target or not isinstance(names, list) or not names:
            raise _fault(path, f"targets[{index}].precisions", "a list, and no key precision", repr(names))
        rest = {key: value for key, value in target.items() if key != "precisions"}
        found += [{**rest, "precision": name} for name in names]
        places += [index] * len(names)
    return found


def _check(path: Path | Traversable, profile: Profile, places: list[int]) -> None:
    if not profile.targets:
        raise _fault(path, "targets", "at least one target", "an empty list")
    if not profile.reach.transports:
        raise _fault(path, "reach.transports", "at least one transport", "an empty list")
    if profile.support.state not in STATES:
        raise _fault(path, "support.state", f"one of {', '.join(STATES)}", repr(profile.support.state))
    known = runtimes.names()
    for index, target in zip(places, profile.targets, strict=True):
        if target.runtime not in known:
            raise _fault(
                path, f"targets[{index}].runtime", f"one of {', '.join(known)}", repr(target.runtime)
            )
        if target.precision not in precisions.NAMES:
            expected = f"one of {', '.join(precisions.NAMES)}"
            raise _fault(path, f"targets[{index}].precision", expected, repr(target.precision))
        if target.threads < 1:
            raise _fault(path, f"targets[{index}].threads", "at least 1", str(target.threads))


def _fault(path: Path | Traversable, key: str, expected: str, got: str) -> UsageError:
    return UsageError(
        f"{path}: key {key}: expected {expected}, got {got}",
        code="profile.schema",
        fix=f"correct {key} in {path}; docs/profiles.md describes every key",
    )
