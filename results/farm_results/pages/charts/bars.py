"""Numbers as bars, the unit in the axis: sizes, energies, counts by kind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from farm_results.pages.chart import (
    ACCENT,
    INK,
    WORD_COLOURS,
    Chart,
    base,
    beside_names,
    label,
    name_axis,
    short,
)
from farm_results.pages.filters import cell
from farm_results.pages.grid import grid
from farm_results.pages.marks import marks

MOST_BARS = 60
NUMBER = {"show": True, "position": "right", "color": INK}


@dataclass(frozen=True)
class Bar:
    """``word``: its verdict, "" for a number that has none."""

    label: str
    value: float
    word: str = ""
    origin: str = ""


def chart(bars: Sequence[Bar], *, kind: str, name: str = "bars", title: str = "") -> Chart:
    """Horizontal bars in their order, each with its number. ``kind``: what a column of a grid holds."""
    shown = list(bars[:MOST_BARS])
    names = name_axis([_label(bar) for bar in shown])
    option = base(
        xAxis={"type": "value", "axisLabel": {"show": False}, "splitLine": {"show": False}},
        yAxis=names,
        series=[
            {
                "type": "bar",
                "barMaxWidth": 20,
                "data": [
                    {
                        "value": short(bar.value),
                        "itemStyle": {
                            "color": ACCENT
                            if bar.word in ("", "valid")
                            else WORD_COLOURS.get(bar.word, ACCENT)
                        },
                        "label": {
                            "show": True,
                            "position": "right",
                            "color": INK,
                            "formatter": cell(bar.value, kind),
                        },
                    }
                    for bar in shown
                ],
            }
        ],
    )
    option["grid"] = beside_names(names, right=90, top=12, bottom=12)
    option["tooltip"] = {"show": False}
    rows = [(bar.label, bar.value, marks(bar.word, origin=bar.origin)) for bar in bars]
    table = grid({"what": "text", "value": kind, "verdict": "marks"}, rows)
    note = f"{len(bars) - len(shown)} more are in the table only" if len(bars) > len(shown) else ""
    return Chart(name, title, option, table, note, height_px=40 + 30 * len(shown))


def _label(bar: Bar) -> str:
    own = "" if bar.word in ("", "valid") else f"{bar.word.upper()} "
    made_up = "SIMULATED " if bar.origin else ""
    return made_up + label(own, 20) + label(bar.label, 70)
