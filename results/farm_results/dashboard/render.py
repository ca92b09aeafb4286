"""Pages as HTML: the templates of this folder on top of those that the report uses, too."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from farm_results.dashboard.access import actor
from farm_results.dashboard.blocks import Block, Filters, Page, Triage
from farm_results.dashboard.query import Query, link, quoted
from farm_results.pages.marks import marks

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup

    from farm_agent.errors import FarmError

TEMPLATES = Path(__file__).resolve().parent / "templates"
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")
_WORDS = re.compile(r"([\s,;]+)")


@dataclass(frozen=True)
class Shell:
    """What stands around a page: the menu, whose session it is, and the secret of its forms."""

    path: str
    store: str
    nav: tuple[tuple[str, str], ...]
    session: str
    secret: str
    read_only: bool
    now_unix_s: float

    @property
    def who(self) -> str:
        """Who is logged in."""
        return actor(self.session).removesuffix("@dashboard") if self.session else ""

    @property
    def may_change(self) -> bool:
        """Whether forms that change something are worth showing."""
        return bool(self.session) and not self.read_only

    def is_here(self, path: str) -> bool:
        """Whether a place of the menu is the one that is shown."""
        return self.path == path if path == "/" else (self.path + "/").startswith(path + "/")


@cache
def templates() -> Environment:
    """The shared environment, with our own templates first."""
    from jinja2 import ChoiceLoader, FileSystemLoader

    from farm_results.pages.environment import environment

    shared = environment()
    loaders = [FileSystemLoader(TEMPLATES), *([shared.loader] if shared.loader else [])]
    made = shared.overlay(loader=ChoiceLoader(loaders))
    made.globals = {**shared.globals, "link": link}
    made.filters = {
        **shared.filters,
        "marked": lambda word, origin: marks(word, origin=origin),
        "quoted": quoted,
        "styled": styled,
        "linked": linked,
    }
    return made


def preload() -> None:
    """Read every template now."""
    for name in templates().list_templates(extensions=("html",)):
        templates().get_template(name)


def styled(word: str) -> str:
    """A word as the end of a style's name: nothing but letters, digits and hyphens."""
    return re.sub(r"[^a-z0-9]+", "-", word.lower())[:40].strip("-")


def linked(text: str, paths: Iterable[str]) -> Markup:
    """Text in which these paths of this server are links, everything else escaped."""
    from markupsafe import Markup, escape

    known = set(paths)
    parts = [
        Markup('<a href="{0}">{0}</a>').format(part) if part in known else escape(part)
        for part in _WORDS.split(text)
    ]
    return Markup("").join(parts)


def render_page(page: Page, query: Query, shell: Shell) -> str:
    """A whole page. What changes by itself stands apart from the forms that somebody may be filling in."""
    still: list[Block] = [block for block in page.blocks if isinstance(block, (Filters, Triage))]
    if page.live_s:
        first, moving = still, [block for block in page.blocks if block not in still]
    else:
        first, moving = list(page.blocks), []
    own = {"title": page.title, "simulated": page.simulated, "page": page, "query": query}
    return _render("page.html", shell=shell, first=first, moving=moving, **own)


def render_error(error: FarmError, shell: Shell, again: str = "") -> str:
    """What went wrong and what to do about it. ``again``: where to look at it once more."""
    return _render("error.html", title="Not possible", error=error, shell=shell, again=again)


def render_login(shell: Shell, there: str, problem: str = "", name: str = "") -> str:
    """The form that asks for the token."""
    return _render("login.html", title="Log in", shell=shell, there=there, problem=problem, name=name)


def file_name(text: str) -> str:
    """A name that any system can hold and no header breaks at."""
    return _UNSAFE.sub("-", text)[:120].strip(".-") or "farm"


def _render(template: str, **values: Any) -> str:  # noqa: ANN401 - what the template asks for
    return (
        templates().get_template(template).render(**{"simulated": False, "static_url": "/static", **values})
    )
