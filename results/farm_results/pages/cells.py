"""Cells and rows of tables as markup, in plain Python: a page may have twenty thousand cells, for which macros
of a template take ten times as long. Whatever is foreign goes through ``_text``."""

from __future__ import annotations

from functools import lru_cache
from numbers import Number
from typing import TYPE_CHECKING, Any

from farm_results.pages.filters import Shown, cell, foreign
from farm_results.pages.grid import Column, Grid
from farm_results.pages.marks import Mark, Marks

if TYPE_CHECKING:
    from collections.abc import Iterator

    from markupsafe import Markup

SHORT, SHORT_LINK, LONG = 16, 30, 40
"""Characters: up to so many stay on one line, and with more a cell gets room."""


def cell_html(value: Any, kind: str = "text") -> Markup:  # noqa: ANN401 - any cell of a grid
    """A cell as it reads, escaped: text, a number, None, a link, a mark or marks."""
    from markupsafe import Markup

    return Markup(_inner(value, kind))  # noqa: S704 - escaped there


def rows_html(grid: Grid, most: int) -> Markup:
    """The first rows with what sorts them and lays them out: numbers right, short words on one line, room for
    long ones; nothing takes no room on a phone, where each row is a card."""
    from markupsafe import Markup

    heads = [(column, _label(column)) for column in grid.columns]
    rows = (
        "".join(
            f'<td class="{_style(value, column)}"{label}{_sorted_by(value)}>{_inner(value, column.kind)}</td>'
            for value, (column, label) in zip(row, heads, strict=False)
        )
        for row in grid.rows[:most]
    )
    return Markup("".join(f"<tr>{row}</tr>\n" for row in rows))  # noqa: S704 - escaped in its parts


def bare_rows_html(grid: Grid, most: int) -> Markup:
    """The first rows and nothing else, so that a page with dozens of tables stays small."""
    from markupsafe import Markup

    def cells(row: tuple[Any, ...]) -> Iterator[str]:
        for value, column in zip(row, grid.columns, strict=False):
            yield f"<td>{_inner(value, column.kind)}"

    return Markup("".join(f"<tr>{''.join(cells(row))}\n" for row in grid.rows[:most]))  # noqa: S704 - as above


def _inner(value: Any, kind: str) -> str:  # noqa: ANN401
    if isinstance(value, (str, float, int)) or value is None:
        shown = _text(cell(value, kind))
    elif isinstance(value, Marks):
        return " ".join(map(_mark, value.marks)) or '<span class="dim">–</span>'
    elif isinstance(value, Mark):
        return _mark(value)
    elif hasattr(value, "href"):
        return f'<a href="{_text(value.href)}">{_text(foreign(value.text))}</a>'
    else:
        shown = _text(cell(value, kind))
    return f"<code>{shown}</code>" if kind == "code" else shown


def _text(value: str) -> str:
    """What may stand between tags and in quoted attributes."""
    from markupsafe import escape

    return escape(value)


@lru_cache(maxsize=1000)
def _mark(one: Mark) -> str:
    title = f' title="{_text(one.title)}"' if one.title else ""
    shape = f'<span aria-hidden="true">{_text(one.shape)}</span>'
    return f'<span class="mark mark-{_text(one.kind)}"{title}>{shape} {_text(one.text)}</span>'


def _label(column: Column) -> str:
    return f' data-l="{_text(foreign(column.name, 60))}"' if column.name else ""


def _sorted_by(value: Any) -> str:  # noqa: ANN401
    number = value.value if isinstance(value, Shown) else value
    return f' data-v="{number:.6g}"' if isinstance(number, Number) else ""


def _style(value: Any, column: Column) -> str:  # noqa: ANN401
    words = str(value)
    size = len(words)
    empty = "e " if size == 0 or value is None else ""
    if column.align == "right":
        return f"{empty}r w" if column.kind == "shown" and size > SHORT else f"{empty}r"
    if size <= SHORT or (size <= SHORT_LINK and hasattr(value, "href") and " " not in words):
        return f"{empty}n"
    return f"{empty}l" if size > LONG else empty
