"""Settings and where each came from.

Precedence: flag, then ``FARM_*`` in the environment, then ``farm.toml`` (or ``[tool.farm]`` in
``pyproject.toml``) in the working directory, then the user's ``config.toml``, then the default.
Relative paths in a file count from that file's folder, all others from the working directory.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import platformdirs

from farm.errors import UsageError
from farm.health.settings import HealthSettings, parse_health
from farm.meters import parse_meters
from farm.nightly.settings import NightlySettings, parse_nightly
from farm.notify_settings import NotifySettings, parse_notify
from farm.power import MeterSettings
from farm.switches import SwitchSettings, parse_switches

PATHS = ("cache_dir", "state_dir", "inventory_path")
METERS, SWITCHES, HEALTH, NOTIFY = "meters", "switches", "health", "notify"
NIGHTLY = "nightly"
NAMES = ("store", *PATHS, "offline")
_WORDS = {
    "1": True,
    "true": True,
    "yes": True,
    "on": True,
    "0": False,
    "false": False,
    "no": False,
    "off": False,
}


@dataclass(frozen=True)
class Config:
    """``store`` is a folder or a database URL; ``offline`` forbids every download; ``meters`` are the
    external power meters by name, ``switches`` the power switches: a nearer file's table replaces a farther
    one's of the same name. ``health``: how often devices are checked, and who hears of it; ``notify``: where
    messages go; ``nightly``: what is measured every night."""

    store: str
    cache_dir: Path
    state_dir: Path
    inventory_path: Path
    offline: bool
    meters: Mapping[str, MeterSettings] = field(default_factory=dict)
    switches: Mapping[str, SwitchSettings] = field(default_factory=dict)
    health: HealthSettings = field(default_factory=HealthSettings)
    notify: NotifySettings = field(default_factory=NotifySettings)
    nightly: NightlySettings = field(default_factory=NightlySettings)
    origins: Mapping[str, str] = field(default_factory=dict, compare=False, repr=False)

    def origin(self, name: str) -> str:
        """Where the value of ``name`` came from: ``flag``, ``FARM_STORE``, a file's path or ``default``."""
        return self.origins.get(name, "default")


def load_config(overrides: Mapping[str, str] | None = None) -> Config:
    """Gather every setting. ``overrides`` come from flags.

    Raises UsageError: config.unreadable, config.syntax, config.unknown-key, config.type.
    """
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    health: dict[str, Any] = {}
    nightly: dict[str, Any] = {}
    notify: dict[str, Any] = {}
    for origin, folder, layer in _layers(overrides or {}):
        for name, value in layer.items():
            if name == METERS:
                found = parse_meters(value, origin, folder)
                values[METERS] = {**found, **values.get(METERS, {})}
            elif name == SWITCHES:
                values[SWITCHES] = {**parse_switches(value, origin, folder), **values.get(SWITCHES, {})}
            elif name == HEALTH:
                health = {**parse_health(value, origin, folder), **health}
            elif name == NIGHTLY:
                nightly = {**parse_nightly(value, origin, folder), **nightly}
            elif name == NOTIFY:
                notify = {**parse_notify(value, origin, folder), **notify}
            elif name not in values:
                source = f"FARM_{name.upper()}" if origin == "environment" else origin
                values[name] = _checked(name, value, source, folder)
                origins[name] = source
    return Config(
        **{**_defaults(), **values},
        health=HealthSettings(**health),
        notify=NotifySettings(**notify),
        nightly=NightlySettings(**nightly),
        origins=origins,
    )


def masked(text: str) -> str:
    """``text`` with the password of every URL in it hidden; for everything that is shown or logged."""
    return re.sub(r"(://[^/\s:@]*:)[^/\s@]*@", r"\1***@", text)


def user_config_path() -> Path:
    """The user's own settings file; it need not exist."""
    return platformdirs.user_config_path("farm", appauthor=False) / "config.toml"


def _layers(overrides: Mapping[str, str]) -> list[tuple[str, Path, Mapping[str, Any]]]:
    here = Path.cwd()
    environment = {
        name: os.environ[f"FARM_{name.upper()}"] for name in NAMES if f"FARM_{name.upper()}" in os.environ
    }
    layers: list[tuple[str, Path, Mapping[str, Any]]] = [
        ("flag", here, overrides),
        ("environment", here, environment),
    ]
    project = here / "farm.toml"
    if project.exists():
        layers.append((str(project), here, _read(project)))
    elif (here / "pyproject.toml").exists():
        table = _read(here / "pyproject.toml").get("tool", {}).get("farm", {})
        layers.append((f"{here / 'pyproject.toml'} [tool.farm]", here, table))
    user = user_config_path()
    if user.exists():
        layers.append((str(user), user.parent, _read(user)))
    return layers


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"{path} cannot be read: {error}",
            code="config.unreadable",
            fix=f"make {path} a readable UTF-8 file",
        ) from error
    except tomllib.TOMLDecodeError as error:
        raise UsageError(
            f"{path} is not TOML: {error}", code="config.syntax", fix=f"correct {path}"
        ) from error


def _checked(name: str, value: object, origin: str, folder: Path) -> str | Path | bool:
    if name not in NAMES:
        raise UsageError(
            f"{origin}: there is no setting {name!r}",
            code="config.unknown-key",
            fix=f"use one of: {', '.join((*NAMES, METERS, SWITCHES, HEALTH, NOTIFY, NIGHTLY))}",
        )
    if name == "offline":
        word = _WORDS.get(value.lower()) if isinstance(value, str) else value
        if isinstance(word, bool):
            return word
    elif isinstance(value, str) and value:
        if name == "store" and "://" in value:
            return value
        path = folder / Path(value).expanduser()
        return str(path) if name == "store" else path
    expected = "true or false" if name == "offline" else "a non-empty text"
    raise UsageError(
        f"{origin}: {name} is {value!r}, expected {expected}",
        code="config.type",
        fix=f"set {name} to {expected} in {origin}",
    )


def _defaults() -> dict[str, Any]:
    return {
        "store": str(platformdirs.user_data_path("farm", appauthor=False)),
        "cache_dir": platformdirs.user_cache_path("farm", appauthor=False),
        "state_dir": platformdirs.user_state_path("farm", appauthor=False),
        "inventory_path": platformdirs.user_config_path("farm", appauthor=False) / "devices.toml",
        "offline": False,
    }
