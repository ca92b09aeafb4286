"""The front as a picture: a self-contained SVG, one point per configuration, the first two objectives."""

from __future__ import annotations

import math
from collections.abc import Sequence
from xml.sax.saxutils import escape

from farm.tune.goals import Constraint, Metric, shown
from farm.tune.report import Row
from farm_results import text

WIDTH, HEIGHT = 760, 480
LEFT, RIGHT, TOP, BOTTOM = 90, 20, 40, 60
COLOURS = {
    "best": "#b5179e",
    "front": "#1d6fb8",
    "dominated": "#6b7280",
    "infeasible": "#c2410c",
    "screened out": "#b6bcc6",
}


def svg(title: str, every: Sequence[Row], goals: Sequence[Metric], constraints: Sequence[Constraint]) -> str:
    """Draw the configurations that have numbers; the front is a line, bounds are dashed.

    With one objective the size is the second axis.
    """
    names = [goal.name for goal in goals][:2]
    if len(names) < 2:
        names.append("size" if names != ["size"] else "latency")
    rows = [
        row
        for row in every
        if row.place in COLOURS and row.score and all(name in row.score.values for name in names)
    ]
    if not rows:
        return _page([_text(WIDTH / 2, HEIGHT / 2, "no configuration has both numbers", "middle")], title)
    across, up = (_Scale([_value(row, name) for row in rows], name) for name in names)
    parts = [*_axes(across, up, names)]
    for one in constraints:
        parts += _bound(one, names, across, up)
    line = sorted(
        (row for row in rows if row.place in ("best", "front")), key=lambda row: _value(row, names[0])
    )
    if len(line) > 1:
        points = " ".join(f"{_x(across, row, names):.1f},{_y(up, row, names):.1f}" for row in line)
        parts.append(
            f'<polyline points="{points}" fill="none" stroke="{COLOURS["front"]}" stroke-width="1.5"/>'
        )
    for row in reversed(rows):
        parts += _mark(row, names, across, up)
    return _page([*parts, *_legend(rows)], title)


class _Scale:
    """A logarithmic axis where the values differ tenfold and are all positive, else a linear one."""

    def __init__(self, values: Sequence[float], name: str) -> None:
        low, high = min(values), max(values)
        self.name = name
        self.log = low > 0 and high > 8 * low
        low, high = self._to(low), self._to(high)
        pad = (high - low) * 0.08 or abs(high) * 0.1 or 1.0
        self.low, self.high = low - pad, high + pad

    def share(self, value: float) -> float:
        """Where a value lies, 0 to 1."""
        return (self._to(value) - self.low) / (self.high - self.low)

    def ticks(self) -> list[float]:
        """Values for about five marks."""
        if self.log:
            decades = range(math.floor(self.low), math.ceil(self.high) + 1)
            found = [factor * 10.0**power for power in decades for factor in (1, 2, 5)]
            inside = [value for value in found if self.low <= math.log10(value) <= self.high]
            return inside if len(inside) <= 7 else inside[:: math.ceil(len(inside) / 7)]
        step = 10.0 ** math.floor(math.log10((self.high - self.low) / 4))
        step *= next(factor for factor in (1, 2, 5, 10) if (self.high - self.low) / (step * factor) <= 6)
        first = math.ceil(self.low / step)
        return [k * step for k in range(first, math.floor(self.high / step) + 1)]

    def _to(self, value: float) -> float:
        return math.log10(value) if self.log else value


def _value(row: Row, name: str) -> float:
    assert row.score is not None  # noqa: S101 - rows were chosen so
    return row.score.values[name].value


def _x(scale: _Scale, row: Row, names: Sequence[str]) -> float:
    return _across(scale.share(_value(row, names[0])))


def _y(scale: _Scale, row: Row, names: Sequence[str]) -> float:
    return _up(scale.share(_value(row, names[1])))


def _across(share: float) -> float:
    return LEFT + share * (WIDTH - LEFT - RIGHT)


def _up(share: float) -> float:
    return HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)


def _axes(across: _Scale, up: _Scale, names: Sequence[str]) -> list[str]:
    bottom, right = HEIGHT - BOTTOM, WIDTH - RIGHT
    parts = [f'<path d="M{LEFT},{TOP} V{bottom} H{right}" fill="none" stroke="#374151"/>']
    for value in across.ticks():
        x = _across(across.share(value))
        parts.append(f'<line x1="{x:.1f}" y1="{TOP}" x2="{x:.1f}" y2="{bottom}" stroke="#e5e7eb"/>')
        parts.append(_text(x, bottom + 18, shown(across.name, value), "middle"))
    for value in up.ticks():
        y = _up(up.share(value))
        parts.append(f'<line x1="{LEFT}" y1="{y:.1f}" x2="{right}" y2="{y:.1f}" stroke="#e5e7eb"/>')
        parts.append(_text(LEFT - 8, y + 4, shown(up.name, value), "end"))
    kinds = [" (log)" if scale.log else "" for scale in (across, up)]
    parts.append(_text((LEFT + right) / 2, HEIGHT - 12, names[0] + kinds[0], "middle"))
    middle = (TOP + bottom) / 2
    turned = f' transform="rotate(-90 16 {middle})"'
    return [*parts, _text(16, middle, names[1] + kinds[1], "middle", turned)]


def _bound(one: Constraint, names: Sequence[str], across: _Scale, up: _Scale) -> list[str]:
    style = f'stroke="{COLOURS["infeasible"]}" stroke-dasharray="5 4"'
    if one.metric not in names or one.bound <= 0:
        return []
    scale = across if one.metric == names[0] else up
    share = scale.share(one.bound)
    if not 0 <= share <= 1:
        return []
    if scale is across:
        x = _across(share)
        return [
            f'<line x1="{x:.1f}" y1="{TOP}" x2="{x:.1f}" y2="{HEIGHT - BOTTOM}" {style}/>',
            _text(x, TOP - 4, one.text, "middle"),
        ]
    y = _up(share)
    return [
        f'<line x1="{LEFT}" y1="{y:.1f}" x2="{WIDTH - RIGHT}" y2="{y:.1f}" {style}/>',
        _text(WIDTH - RIGHT, y - 4, one.text, "end"),
    ]


def _mark(row: Row, names: Sequence[str], across: _Scale, up: _Scale) -> list[str]:
    x, y, colour = _x(across, row, names), _y(up, row, names), COLOURS[row.place]
    assert row.score is not None  # noqa: S101 - rows were chosen so
    value = row.score.values[names[0]]
    low, high = (min(max(across.share(max(end, 1e-300)), 0.0), 1.0) for end in (value.low, value.high))
    title = escape(
        text.printable(f"{row.key}: " + ", ".join(f"{n} {shown(n, _value(row, n))}" for n in names))
    )
    ends = f'x1="{_across(low):.1f}" y1="{y:.1f}" x2="{_across(high):.1f}" y2="{y:.1f}"'
    radius = 6 if row.place == "best" else 4
    circle = f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius}" fill="{colour}">'
    parts = [f'<line {ends} stroke="{colour}"/>', f"{circle}<title>{title}</title></circle>"]
    if row.place == "best":
        parts.append(_text(x + 9, y - 8, row.key, "start" if x < WIDTH / 2 else "end"))
    return parts


def _legend(rows: Sequence[Row]) -> list[str]:
    places = [place for place in COLOURS if any(row.place == place for row in rows)]
    parts = []
    for index, place in enumerate(places):
        x = LEFT + index * 110
        parts.append(f'<circle cx="{x}" cy="14" r="4" fill="{COLOURS[place]}"/>')
        parts.append(_text(x + 9, 18, place))
    return parts


def _text(x: float, y: float, words: str, anchor: str = "start", extra: str = "") -> str:
    clean = escape(text.printable(words, 120))
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{extra}>{clean}</text>'


def _page(parts: Sequence[str], words: str) -> str:
    title = escape(text.printable(words))
    box = f'viewBox="0 0 {WIDTH} {HEIGHT}"'
    look = 'font-family="sans-serif" font-size="12" fill="#111827"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {box} {look}>'
    return "\n".join(
        [
            head,
            f"<title>{title}</title>",
            f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
            *parts,
            "</svg>",
            "",
        ]
    )
