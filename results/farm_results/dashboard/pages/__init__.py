"""One file per page. A page offers ``PATHS``, a tuple of its routes, and ``page(view) -> Page | Download``.

``NAV`` is its name in the menu with its place there, where it has one.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from farm_results.dashboard.blocks import Download, Page
from farm_results.dashboard.fleet import Fleet
from farm_results.dashboard.query import Query

if TYPE_CHECKING:
    from farm_results.store import Store


@dataclass(frozen=True)
class View:
    """What a page may use. ``parts``: of its path, by name."""

    store: Store
    fleet: Fleet
    query: Query
    parts: Mapping[str, str]
    now_unix_s: float


@dataclass(frozen=True)
class Registered:
    """A page as its file offers it. ``nav``: (place, name) in the menu, or None."""

    name: str
    paths: tuple[str, ...]
    page: Callable[[View], Page | Download]
    nav: tuple[int, str] | None


def registered() -> tuple[Registered, ...]:
    """Every page, those of the menu in their order first."""
    found = []
    for part in sorted(pkgutil.iter_modules(__path__), key=lambda each: each.name):
        module = importlib.import_module(f"{__name__}.{part.name}")
        found.append(Registered(part.name, module.PATHS, module.page, getattr(module, "NAV", None)))
    return tuple(sorted(found, key=lambda each: (each.nav is None, each.nav or (0, ""))))
