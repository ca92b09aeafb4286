"""Parts of which a user names a kind, ``[SECTION.NAME]`` with ``kind = "..."``.

One file per kind in a package, found by its name without being imported.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from farm.errors import UsageError


@dataclass(frozen=True)
class Key:
    """One setting: the kinds of value it takes (bool is no int), and whether it must be there."""

    kinds: tuple[type, ...]
    required: bool = False
    choices: tuple[str, ...] = ()


@dataclass(frozen=True)
class Settings:
    """One table. ``device``: the one that it is about; ``options``: the table's values; ``folder``: relative
    paths count from it."""

    name: str
    kind: str
    device: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    folder: str = "."

    def number(self, key: str, default: float) -> float:
        """A number that must be above zero, checked when the settings were read."""
        return float(self.options.get(key, default))

    def text(self, key: str, default: str = "") -> str:
        """A text."""
        return str(self.options.get(key, default))

    def words(self, key: str) -> tuple[str, ...]:
        """A list of texts; empty where there is none."""
        return tuple(str(word) for word in self.options.get(key, ()))


def names(path: Iterable[str]) -> tuple[str, ...]:
    """Every kind in a package's folders; packages in it hold what kinds share."""
    return tuple(sorted(module.name for module in pkgutil.iter_modules(path) if not module.ispkg))


def load(package: str, path: Iterable[str], kind: str, *, what: str, code: str) -> Any:  # noqa: ANN401
    """The module of a kind. Raises UsageError with that code where there is none."""
    known = names(path)
    if kind not in known:
        raise UsageError(
            f"no kind of {what} is called {kind!r}", code=code, fix=f"use one of: {', '.join(known)}"
        )
    return importlib.import_module(f"{package}.{kind}")
