"""What a URL asks for, bounded: no query string makes a page read more than its limits."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any
from urllib.parse import quote, urlencode

from farm_results.text import printable

TEXT_LIMIT = 300
ROWS = 200
ROWS_MOST = 2000
PAGES_MOST = 10_000
_PLAIN = "/:@!$()*+,;=~%"


@dataclass
class Query:
    """The parameters of one request. ``path``: as an address spells it. ``notices``: what was asked for and
    not given, for the page to say."""

    path: str
    values: Mapping[str, Sequence[str]]
    notices: list[str] = field(default_factory=list)

    def text(self, name: str, limit: int = TEXT_LIMIT) -> str:
        """The first value of a parameter, cut; "" without one."""
        found = self.values.get(name, ())
        return found[0].strip()[:limit] if found else ""

    def texts(self, name: str, most: int = 20) -> tuple[str, ...]:
        """Every value of a parameter that may be given several times, or with commas."""
        parts = [
            part.strip()[:TEXT_LIMIT] for value in self.values.get(name, ()) for part in value.split(",")
        ]
        return tuple(dict.fromkeys(part for part in parts if part))[:most]

    def choice(self, name: str, choices: Iterable[str], default: str = "") -> str:
        """One of some words, as forms spell them; anything else is told and left out."""
        text, known = self.text(name), {printable(choice, TEXT_LIMIT): choice for choice in choices}
        if text and text not in known:
            words = ", ".join(filter(None, known))
            why = f"is none of {words}" if words else "is left out: here is nothing of it to choose from"
            self.notices.append(f"{name}={text} {why}")
            return default
        return known[text] if text else default

    def integer(self, name: str, default: int, least: int, most: int) -> int:
        """A whole number within bounds; one outside is told and cut to them."""
        text = self.text(name, 40)
        if not text:
            return default
        try:
            value = int(text)
        except ValueError:
            self.notices.append(f"{name}={text} is not a whole number; {default} is used")
            return default
        if not least <= value <= most:
            bounded = min(max(value, least), most)
            self.notices.append(f"{name}={text} is outside {least} to {most}; {bounded} is used")
            return bounded
        return value

    def number(self, name: str) -> float | None:
        """A finite number of zero or more, None without one."""
        text = self.text(name, 40)
        if not text:
            return None
        try:
            value = float(text.replace(",", "."))
        except ValueError:
            value = math.nan
        if not math.isfinite(value) or value < 0:
            self.notices.append(f"{name}={text} is not a number that can be a limit")
            return None
        return value

    def rows(self, default: int = ROWS) -> int:
        """How many rows a table shows at most (``limit``)."""
        return self.integer("limit", default, 1, ROWS_MOST)

    def page(self) -> int:
        """Which page of a long table (``page``), from 1."""
        return self.integer("page", 1, 1, PAGES_MOST)

    def url(self, **changes: str | int | None) -> str:
        """This very page with some parameters changed (None: without), the others as they are."""
        kept = {name: list(values) for name, values in self.values.items() if name not in changes}
        added = {name: [str(value)] for name, value in changes.items() if value not in (None, "")}
        both = kept | added
        return link(self.path, **both)

    def csv(self, name: str) -> str:
        """Where the rows of one of this page's tables are, as CSV."""
        return self.url(csv=name)


def address_of(scope: Mapping[str, Any]) -> str:
    """The path of a request as it was sent: in a decoded one, a name's own "/" and "?" would be others."""
    raw: bytes = scope.get("raw_path") or str(scope["path"]).encode("utf-8", "backslashreplace")
    return quote(raw, safe=_PLAIN)


def quoted(text: str) -> str:
    """A part of a path: nothing in it ends the part, whatever a store calls its things."""
    return _quoted(text) if len(text) <= TEXT_LIMIT else quote(text, safe="", errors="backslashreplace")


@lru_cache(maxsize=2000)
def _quoted(text: str) -> str:
    """Pages link to the same names again and again."""
    return quote(text, safe="", errors="backslashreplace")


def link(path: str, **values: str | int | Sequence[str] | None) -> str:
    """A URL of this server; parameters sorted, so that one view has one address."""
    found = {name: value for name, value in sorted(values.items()) if value not in (None, "", [], ())}
    text = urlencode(found, doseq=True, errors="backslashreplace")
    return f"{path}?{text}" if text else path
