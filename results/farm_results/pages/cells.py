"""Cells and rows of tables as markup, in plain Python: a page may have twenty thousand cells, for which a
template's macros take ten times as long. Whatever is foreign is escaped, for text and for quoted attributes
alike."""

from __future__ import annotations

from functools import lru_cache
from html import escape
from typing import TYPE_CHECKING, Any

from farm_results.pages.filters import Shown, cell, foreign
from farm_results.pages.grid import Column, Grid
from farm_results.pages.marks import Mark, Marks

if TYPE_CHECKING:
    from markupsafe import Markup

SHORT, SHORT_LINK, LONG = 16, 30, 40
"""Characters: up to so many stay on one line, and with more a cell gets room."""
KEPT_CHARACTERS = 100


def cell_html(value: Any, kind: str = "text") -> Markup:  # noqa: ANN401 - any cell of a grid
    """A cell as it reads, escaped: text, a number, None, a link, a mark or marks."""
    from markupsafe import Markup

    return Markup(_inner(value, kind))  # noqa: S704 - escaped there


def rows_html(grid: Grid, most: int) -> Markup:
    """The first rows with what sorts them and lays them out: numbers right, short words on one line, room for
    long ones; nothing takes no room on a phone, where each row is a card."""
    from markupsafe import Markup

    heads = [(column.kind, column.align == "right", _label(column)) for column in grid.columns]
    rows = (
        "".join(
            [
                _whole(value, kind, label, right=right)
                for value, (kind, right, label) in zip(row, heads, strict=False)
            ]
        )
        for row in grid.rows[:most]
    )
    return Markup("".join([f"<tr>{row}</tr>\n" for row in rows]))  # noqa: S704 - escaped in its parts


def bare_rows_html(grid: Grid, most: int) -> Markup:
    """The first rows and nothing else, so that a page with dozens of tables stays small."""
    from markupsafe import Markup

    kinds = [column.kind for column in grid.columns]
    rows = (
        "".join([f"<td>{_inner(value, kind)}" for value, kind in zip(row, kinds, strict=False)])
        for row in grid.rows[:most]
    )
    return Markup("".join([f"<tr>{row}\n" for row in rows]))  # noqa: S704 - as above


def _whole(value: Any, kind: str, label: str, *, right: bool) -> str:  # noqa: ANN401
    if isinstance(value, (float, int)):
        style = "r" if right else _style(str(value), kind, right=right)
        return f'<td class="{style}"{label}{_sorted_by(value, kind)}>{_plain(value, kind)}</td>'
    if isinstance(value, Marks):
        inner, style = _marks(value)
        return f'<td class="{"r" if right else style}"{label}>{inner}</td>'
    empty = "e " if value is None else ""
    own = _sorted_by(value.value, kind) if isinstance(value, Shown) else ""
    style = _style(str(value), kind, right=right, is_link=hasattr(value, "href"))
    return f'<td class="{empty}{style}"{label}{own}>{_inner(value, kind)}</td>'


def _inner(value: Any, kind: str) -> str:  # noqa: ANN401
    if isinstance(value, Marks):
        return _marks(value)[0]
    if isinstance(value, Mark):
        return _mark(value)
    if hasattr(value, "href"):
        return f'<a href="{escape(value.href)}">{_words(value.text)}</a>'
    return _plain(value, kind)


def _plain(value: Any, kind: str) -> str:  # noqa: ANN401
    shown = _words(value) if value and isinstance(value, str) else escape(cell(value, kind))
    return f"<code>{shown}</code>" if kind == "code" else shown


def _words(text: str) -> str:
    return _kept(text) if len(text) <= KEPT_CHARACTERS else escape(foreign(text))


@lru_cache(maxsize=2000)
def _kept(text: str) -> str:
    """Tables say the same names again and again."""
    return escape(foreign(text))


@lru_cache(maxsize=1000)
def _marks(value: Marks) -> tuple[str, str]:
    """As markup, and the style of its cell."""
    inner = " ".join(map(_mark, value.marks)) or '<span class="dim">–</span>'
    return inner, _style(str(value), "marks", right=False)


def _mark(one: Mark) -> str:
    title = f' title="{escape(one.title)}"' if one.title else ""
    shape = f'<span aria-hidden="true">{escape(one.shape)}</span>'
    return f'<span class="mark mark-{escape(one.kind)}"{title}>{shape} {escape(one.text)}</span>'


def _label(column: Column) -> str:
    return f' data-l="{escape(foreign(column.name, 60))}"' if column.name else ""


def _sorted_by(value: float | None, kind: str) -> str:
    if value is None:
        return ""
    return f' data-v="{value:.0f}"' if kind == "time" else f' data-v="{value:.6g}"'


def _style(words: str, kind: str, *, right: bool, is_link: bool = False) -> str:
    size = len(words)
    empty = "e " if size == 0 else ""
    if right:
        return f"{empty}r w" if kind == "shown" and size > SHORT else f"{empty}r"
    if size <= SHORT or (is_link and size <= SHORT_LINK and " " not in words):
        return f"{empty}n"
    return "l" if size > LONG else ""
