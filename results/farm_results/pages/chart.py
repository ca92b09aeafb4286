"""A chart as data: an ECharts option of plain JSON values, and the same data as a table."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from farm_results import text
from farm_results.pages.grid import Grid

# The script of the page replaces these words: colours by those of the reader's theme (light, dark, print),
# formatters and drawing functions by its own. An option stays plain JSON, and no page evaluates a string.
INK, DIM, LINE, ACCENT = "@color:ink", "@color:dim", "@color:line", "@color:accent"
BAND = "@color:band"
WORD_COLOURS = {
    "valid": "@color:good",
    "noisy": "@color:warn",
    "throttled": "@color:hot",
    "invalid": "@color:bad",
    "failed": "@color:bad",
    "skipped": DIM,
    "same": "@color:good",
    "faster": "@color:good",
    "slower": "@color:bad",
    "inconclusive": "@color:warn",
}
SYMBOLS = {"slower": "triangle", "inconclusive": "diamond"} | {
    "valid": "circle",
    "noisy": "diamond",
    "throttled": "triangle",
    "invalid": "rect",
}
DIGITS = 6
MOST_NAME_PX, NAME_CHARACTER_PX = 330, 7
# Where the name of a horizontal axis stands: below it, so that no narrow window cuts it off.
MIDDLE = {"nameLocation": "middle", "nameGap": 26}


@dataclass(frozen=True)
class Chart:
    """``name``: unique on its page, of letters, digits and hyphens. ``option``: see the words above.
    ``note``: what was left out or joined. ``log_axis``: the axis that may be logarithmic, "x", "y" or ""."""

    name: str
    title: str
    option: Mapping[str, Any]
    grid: Grid
    note: str = ""
    height_px: int = 300
    log_axis: str = ""


def series_colour(index: int) -> str:
    """The colour of the n-th series: eight that colour-blind readers tell apart."""
    return f"@color:s{index % 8}"


def on_series_colour(index: int) -> str:
    """Of text on the n-th series' colour: dark or light, whichever can be read there."""
    return f"@color:on-s{index % 8}"


def value_axis(name: str, **more: Any) -> dict[str, Any]:  # noqa: ANN401 - ECharts' own keys
    """An axis of numbers that need not begin at zero."""
    return {
        "type": "value",
        "name": name,
        "scale": True,
        "nameGap": 8,
        "axisLabel": {"hideOverlap": True},
        **more,
    }


def base(**parts: Any) -> dict[str, Any]:  # noqa: ANN401 - ECharts' own keys
    """What every option begins with. Tooltips are drawn, not HTML: nothing foreign ever is markup there."""
    return {
        "animation": False,
        "aria": {"enabled": True},
        "grid": {"left": 12, "right": 24, "top": 40, "bottom": 12, "containLabel": True},
        "tooltip": {"trigger": "axis", "renderMode": "richText", "confine": True},
        **parts,
    }


def name_axis(names: Sequence[str]) -> dict[str, Any]:
    """A row per name, the first on top. Names begin at the chart's left edge, so that what stands first in
    them (a mark) is never cut; page.js makes ``width`` and ``margin`` smaller in a narrow window."""
    width = min(MOST_NAME_PX, 16 + NAME_CHARACTER_PX * max(map(len, names), default=0))
    return {
        "type": "category",
        "inverse": True,
        "data": list(names),
        "axisLabel": {
            "align": "left",
            "margin": width,
            "width": width - 8,
            "overflow": "truncate",
            "interval": 0,
        },
    }


def beside_names(axis: Mapping[str, Any], **more: Any) -> dict[str, Any]:  # noqa: ANN401 - ECharts' own keys
    """The grid of a chart whose rows are named by ``name_axis``."""
    return {"left": axis["axisLabel"]["margin"] + 4, "right": 24, "top": 40, "bottom": 50, **more}


def short(value: float | None, digits: int = DIGITS) -> float | None:
    """A number with few digits, so that a page stays small; None for what JSON cannot hold."""
    if value is None or not math.isfinite(value):
        return None
    return float(f"{value:.{digits}g}")


def time_unit(values_ns: Sequence[float | None]) -> tuple[str, float]:
    """(name, nanoseconds) of the unit in which the middle of these times reads best."""
    known = sorted(value for value in values_ns if value is not None and math.isfinite(value))
    return text.unit_of(known[len(known) // 2]) if known else ("ms", 1e6)


def label(foreign: object, limit: int = 60) -> str:
    """Foreign text for a label of a chart; it cannot be one of the words above."""
    shown = text.printable(str(foreign), limit)
    return f" {shown}" if shown.startswith("@") else shown
