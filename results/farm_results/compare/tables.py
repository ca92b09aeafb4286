"""The sections of a comparison as tables of strings, as Markdown, and as JSON values."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

from farm_results.compare import words
from farm_results.compare.row import SECTIONS, UNCHANGED, Compared, Reading, Row
from farm_results.comparison import Comparison
from farm_results.report.rows import NOTHING, Table

EMPTY = ("", NOTHING)
_RIGHT = ("reference", "candidate", "effect", "95 % interval")
_SPECIAL = re.compile(r"([\\`*_\[\]<>|~#!@$&])")


def shown(compared: Compared, *, everything: bool = False) -> tuple[str, ...]:
    """The sections to show: only what changed or could not be told, unless everything is wanted."""
    found = tuple(section for section in SECTIONS if compared.of(section))
    return found if everything else tuple(section for section in found if section != UNCHANGED)


def table_of(rows: Sequence[Row], among: Sequence[Row]) -> Table:
    """One section's rows; ``among``: all rows, for what tells a row from the others."""
    columns = ["what", "metric", "reference", "candidate", "effect", "95 % interval", "noise", "why"]
    name = words.namer(among)
    cells = [
        (
            name(row),
            row.metric,
            words.value_text(row, row.reference),
            words.value_text(row, row.candidate),
            words.effect_text(row),
            words.interval_text(row),
            words.noise_text(row),
            words.reason_text(row),
        )
        for row in rows
    ]
    kept = [
        k for k, name in enumerate(columns) if name == "what" or any(c[k] not in ("", "–") for c in cells)
    ]
    names = tuple(columns[k] for k in kept)
    align = tuple("right" if name in _RIGHT else "left" for name in names)
    return Table(names, tuple(tuple(row[k] for k in kept) for row in cells), align)


def flat_table(compared: Compared, *, everything: bool = False) -> Table:
    """Every shown row in one table, the section in front: for pipes."""
    wanted = shown(compared, everything=everything)
    rows = [row for section in wanted for row in compared.of(section)]
    columns = ("section", "what", "metric", "reference", "candidate", "effect", "low", "high", "q", "why")
    name = words.namer(compared.rows)
    cells = tuple(
        (
            row.section,
            name(row),
            row.metric,
            _whole(row.reference),
            _whole(row.candidate),
            *(_digits(value) for value in (row.effect, row.low, row.high, row.q)),
            words.reason_text(row),
        )
        for row in rows
    )
    return Table(columns, cells, ("left",) * len(columns))


def markdown(compared: Compared, *, everything: bool = False) -> str:
    """For issues and pull requests; foreign text can be neither a link, nor HTML, nor a mention."""
    head = (
        f"**{_escape(compared.reference)} → {_escape(compared.candidate)}**: {words.verdict_line(compared)}"
    )
    lines = [head, ""]
    for section in shown(compared, everything=everything):
        table = table_of(compared.of(section), compared.rows)
        rules = ["---:" if side == "right" else "---" for side in table.align]
        lines += [
            f"### {words.title_of(section, compared).capitalize()}",
            "",
            _line(table.columns),
            _line(rules),
        ]
        lines += [*(_line([_escape(cell) for cell in row]) for row in table.rows), ""]
    lines += [f"- {_escape(line)}" for line in words.closing_lines(compared)]
    return "\n".join(lines).rstrip() + "\n"


def document(compared: Compared) -> dict[str, Any]:
    """Every row with whole numbers: schema farm.compare/1."""
    return {
        "schema": "farm.compare/1",
        "reference": compared.reference,
        "candidate": compared.candidate,
        "alpha": compared.alpha,
        "counts": {section: len(compared.of(section)) for section in SECTIONS},
        "notes": list(compared.notes),
        "rows": [_row(row) for row in compared.rows],
    }


def _row(row: Row) -> dict[str, Any]:
    key = row.key
    names = ("model", "device", "profile", "format", "runtime", "precision", "threads", "scenario", "origin")
    found: dict[str, Any] = {
        "section": row.section,
        "metric": row.metric,
        "series": row.series,
        "axis": row.axis,
    }
    found |= {name: getattr(key, name) for name in names} | {"options": dict(key.options)}
    found |= {"reference": _reading(row.reference), "candidate": _reading(row.candidate)}
    numbers = {name: _finite(getattr(row, name)) for name in ("effect", "low", "high", "p", "q")}
    found |= {"scale": row.scale, "better": row.better, **numbers, "word": row.word}
    found |= {"noise": row.noise, "reason": row.reason}
    found["differences"] = [
        {"kind": one.kind, "name": one.name, "before": one.before, "after": one.after}
        for one in row.differences
    ]
    found["ab"] = None if row.confirmed is None else _confirmed(row.confirmed)
    return found


def _confirmed(found: Comparison) -> dict[str, Any]:
    effect = found.effect
    return {
        "comparison_id": found.comparison_id,
        "word": found.word,
        "pairs": found.pairs,
        "effect": None if effect is None else _finite(effect.ratio),
        "low": None if effect is None else _finite(effect.low),
        "high": None if effect is None else _finite(effect.high),
    }


def _reading(reading: Reading | None) -> dict[str, Any] | None:
    if reading is None:
        return None
    numbers = {name: _finite(getattr(reading, name)) for name in ("value", "low", "high")}
    texts = {name: getattr(reading, name) for name in ("job_id", "run_id", "verdict")}
    return {**numbers, "runs": reading.runs, **texts}


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _whole(reading: Reading | None) -> str:
    return "" if reading is None else repr(reading.value)


def _digits(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _escape(text: str) -> str:
    return _SPECIAL.sub(r"\\\1", text)
