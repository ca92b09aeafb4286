"""Tables as pages and as CSV: hostile cells stay text, numbers keep their units."""

from __future__ import annotations

import csv
import io
from html.parser import HTMLParser

import pytest

from farm_results.model import Verdict
from farm_results.pages import filters
from farm_results.pages.environment import data, environment
from farm_results.pages.grid import Link, bounded, csv_text, grid
from farm_results.pages.marks import SHAPES, Mark, marks, marks_of
from tests.results import made

TABLE = environment().from_string('{% from "_table.html" import table %}{{ table(found) }}')
BARE = environment().from_string('{% from "_table.html" import bare %}{{ bare(found) }}')


class Tags(HTMLParser):
    """Every element and attribute that a browser would see."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.attributes: set[str] = set()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """One element."""
        self.names.add(tag)
        self.attributes |= {name for name, _ in attrs}


@pytest.mark.parametrize(
    "foreign", [*made.HOSTILE, "<script>alert(1)</script>", "{{ 7 * 7 }}", '" onload="x']
)
def test_a_hostile_cell_is_text(foreign: str) -> None:
    """In the page nothing of it is markup; in the CSV no spreadsheet runs it, and it is one cell."""
    found = grid({"name": "text", "where": "text"}, [(foreign, Link(foreign, "/run/1"))])

    page = TABLE.render(found=found)
    assert "<script" not in page
    assert "49" not in page
    assert 'onload="x' not in page
    assert "\x1b" not in page
    assert len(page) < 6000

    kinds = {"name": "text", "code": "code", "marks": "marks", "mark": "text", "shown": "shown"}
    kinds[foreign] = "text"
    named = marks(foreign, title=foreign)
    cells = (foreign, foreign, named, Mark(foreign), filters.Shown(foreign), [foreign])
    for template in (TABLE, BARE):
        page = template.render(found=grid(kinds, [cells], note=foreign))
        tags = Tags(page)
        assert tags.names <= {"a", "code", "div", "p", "span", "table", "tbody", "td", "th", "thead", "tr"}
        assert tags.attributes <= {
            *("aria-hidden", "aria-label", "class", "data-l", "data-v", "role", "scope", "tabindex", "title")
        }
        assert "\x1b" not in page

    rows = list(csv.reader(io.StringIO(csv_text(found), newline="")))
    assert len(rows) == 2
    assert not rows[1][0].startswith(("=", "+", "-", "@"))


def test_a_table_says_what_it_leaves_out() -> None:
    """Rows beyond the limit are counted, on the page and in the data."""
    found = grid({"n": "count"}, [(i,) for i in range(50)])
    assert bounded(found, 10).note == "40 more rows are not shown"
    assert "1050 more rows are not shown" in TABLE.render(
        found=grid({"n": "count"}, [(i,) for i in range(2050)])
    )


def test_csv_is_in_base_units() -> None:
    """Numbers in full, the unit in the heading; marks as their words."""
    found = grid(
        {"p50": "ns5", "energy": "j", "verdict": "marks", "n": "count"},
        [(4_910_000.5, 0.031, marks("noisy", origin="simulated"), None)],
    )
    assert csv_text(found).splitlines() == [
        "p50 [ns],energy [j],verdict,n",
        "4910000.5,0.031,SIMULATED NOISY,",
    ]


@pytest.mark.parametrize(
    ("kind", "value", "text"),
    [
        ("ns", 4_910_000.0, "4.91 ms"),
        ("ns", -250.0, "−250 ns"),
        ("ns5", 4_912_345.0, "4.9123 ms"),
        ("us", 16.2, "16.2 µs"),
        ("bytes", 14_000_000, "14.0 MB"),
        ("j", 0.031, "31.0 mJ"),
        ("j", 0.0, "0 µJ"),
        ("w", 3.912, "3.91 W"),
        ("share", 0.0312, "3.12 %"),
        ("change", 0.0312, "+3.1 %"),
        ("change", -0.021, "−2.1 %"),
        ("change", -0.0004, "0.0 %"),
        ("change", 0.0, "0.0 %"),
        ("time", 1_795_000_000.0, "2026-11-18 11:06 UTC"),
        ("time", 1e300, "1e+300 s"),
        ("count", 12_345, "12345"),
        ("number", 0.123456, "0.1235"),
        ("ns", float("nan"), "–"),
        ("number", float("inf"), "–"),
        ("text", None, "–"),
    ],
)
def test_cells_read_with_their_unit(kind: str, value: float | None, text: str) -> None:
    """What people read, by the kind of the column."""
    assert filters.cell(value, kind) == text


def test_json_in_a_page_cannot_end_its_element() -> None:
    """Neither a closing tag nor a comment, and no NaN."""
    text = data({"a": "</script><!--", "b": [float("nan"), float("inf")], "c": "\u2028&"})
    assert text == '{"a":"\\u003c/script\\u003e\\u003c!--","b":[null,null],"c":"\\u2028\\u0026"}'


def test_marks_are_words_with_shapes() -> None:
    """Each word has its own shape or is read by its word; simulated comes first and is never left out."""
    assert str(marks_of(made.result(origin="simulated"))) == "SIMULATED valid"
    assert str(marks_of(made.result(status="failed"))) == "FAILED"
    assert str(marks_of(made.result(verdict=Verdict("")))) == "UNKNOWN"
    assert Mark("<b>").kind == "unknown"
    assert all(Mark(word).shape != "?" for word in SHAPES)
