"""A comparison in words: what terminals, Markdown and pages show alike."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from farm_results import text
from farm_results.compare.row import (
    ALONE,
    DIFFERENCE,
    IMPROVED,
    INCOMPARABLE,
    REGRESSED,
    SECTIONS,
    UNCHANGED,
    Compared,
    Reading,
    Row,
)
from farm_results.environment import SURROUNDINGS
from farm_results.report.rows import NOTHING
from farm_results.text import printable, threads_text

WEAK = "higher and lower are what two runs show; slower and faster say only measurements in turns: "
CONFIRM = "farm bench --ab REF"


def value_text(row: Row, reading: Reading | None) -> str:
    """``4.91 ms``, with the mark of a verdict that is not valid; over several runs ``(3 runs)``."""
    if reading is None:
        return NOTHING
    found = number_text(row, reading.value)
    if reading.runs > 1:
        found += f" ({reading.runs} runs)"
    return found if reading.verdict in ("", "valid") else f"{found} {printable(reading.verdict).upper()}"


def number_text(row: Row, value: float) -> str:
    """A row's number in its own unit."""
    return in_unit(row.unit, value)


def in_unit(unit: str, value: float, digits: int = 3) -> str:
    """A number of a metric (``Metric.unit``) as people read it."""
    if unit == "ns":
        return text.duration(value, digits)
    if unit == "bytes":
        return text.size(value, digits)
    if unit == "per_s":
        return f"{text.number(value, digits)}/s"
    if unit == "J":
        return f"{text.number(value * 1e3, digits)} mJ" if value < 1 else f"{text.number(value, digits)} J"
    return f"{value * 100:.{digits - 2}f} %" if unit == "share" else text.number(value, digits + 1)


def beside(unit: str, value: float, other: float) -> str:
    """The same with as many digits as tell it from ``other``: what broke a limit must not read like it."""
    texts = [in_unit(unit, value, digits) for digits in range(3, 10)]
    others = [in_unit(unit, other, digits) for digits in range(3, 10)]
    return next((one for one, its in zip(texts, others, strict=True) if one != its), texts[0])


def effect_text(row: Row) -> str:
    """``+5.2 % higher``; in percentage points for shares."""
    if row.effect is None:
        return NOTHING
    found = share_text(row.effect, "pp" if row.scale == DIFFERENCE else "%")
    return f"{found} {row.word}" if row.word and not found.startswith("0") else found


def interval_text(row: Row) -> str:
    """``+3.1 to +7.4 %``, or why there is none."""
    if row.low is None or row.high is None:
        return NOTHING if row.effect is None or row.section in (INCOMPARABLE, ALONE) else "n/a"
    unit = "pp" if row.scale == DIFFERENCE else "%"
    if not math.isfinite(row.high):
        return "n/a"
    return f"{share_text(row.low, '').rstrip()} to {share_text(row.high, unit)}"


def share_text(share: float, unit: str) -> str:
    """``+5.2 %``; three digits at most, and a sign unless it reads as zero."""
    number = f"{abs(share) * 100:.{0 if abs(share) >= 1 else 1 if abs(share) >= 0.001 else 2}f}"
    sign = "" if float(number) == 0 else "−" if share < 0 else "+"
    return f"{sign}{number} {unit}"


def noise_text(row: Row) -> str:
    """How surely it is more than noise: ``q 0.003``; a chance without a history would say too much."""
    if row.q is None:
        return NOTHING
    if row.noise.endswith("no history"):
        return "no history"
    return "q <0.001" if row.q < 0.001 else f"q {row.q:.3f}"


def reason_text(row: Row) -> str:
    """Why a row is where it is: the difference that forbids it, what else changed, what an A/B said."""
    parts = [f"A/B: {confirmed_text(row)}"] if row.confirmed is not None else []
    if row.reason:
        parts.append(row.reason)
    if row.section not in (INCOMPARABLE, ALONE, UNCHANGED):
        parts += [str(one) for one in row.differences if one.kind != SURROUNDINGS][:3]
    return printable("; ".join(parts))


def confirmed_text(row: Row) -> str:
    """What the measurement in turns said: ``slower +4.9 % (20 pairs)``."""
    found = row.confirmed
    if found is None:
        return ""
    effect = f" {share_text(found.effect.ratio, '%')}" if found.effect is not None else ""
    return f"{printable(found.word)}{effect} ({found.pairs} pairs)"


def name_text(row: Row, rows: Sequence[Row]) -> str:
    """What the row is of: what tells it from the others, its axis, and whether it is simulated."""
    return namer(rows)(row)


def namer(rows: Sequence[Row]) -> Callable[[Row], str]:
    """``name_text`` for many rows of one comparison."""
    keys = [row.key for row in rows]
    threads = len({key.threads for key in keys}) > 1
    scenarios = len({key.scenario for key in keys}) > 1
    batches = len({key.options.get("batch") for key in keys}) > 1
    every = sorted({name for key in keys for name in key.options if name != "batch"})
    options = [name for name in every if len({key.options.get(name) for key in keys}) > 1]

    def name(row: Row) -> str:
        key = row.key
        parts = [key.model, key.device, *_runtime(row), key.precision]
        parts += [threads_text(key.threads)] if threads else []
        parts += [key.scenario] if scenarios else []
        parts += [f"batch {key.options.get('batch', 'unknown')}"] if batches else []
        parts += [f"{name}={key.options[name]}" for name in options if name in key.options]
        return " ".join(printable(part, 80) for part in (*parts, row.origin.upper()) if part)

    return name


def _runtime(row: Row) -> tuple[str, ...]:
    """Its runtime, and what differs on purpose, which may be that."""
    if not row.axis:
        return (row.key.runtime,)
    told = row.axis.partition(" → ")[2].split(" ")
    return (row.axis,) if row.key.runtime in told else (row.axis, row.key.runtime)


def title_of(section: str, compared: Compared) -> str:
    """A section's heading: what differs on purpose did not regress, it is worse."""
    along = any(row.axis for row in compared.rows)
    return {REGRESSED: "worse", IMPROVED: "better"}.get(section, section) if along else section


def verdict_line(compared: Compared) -> str:
    """``2 regressed, 1 improved, 14 unchanged``: every section that has rows."""
    counts = [(section, len(compared.of(section))) for section in SECTIONS]
    return (
        ", ".join(f"{count} {title_of(section, compared)}" for section, count in counts if count)
        or "nothing to compare"
    )


def closing_lines(compared: Compared) -> list[str]:
    """What to know and what to do next."""
    lines = list(compared.notes)
    changed = [row for row in compared.rows if row.section not in (UNCHANGED, INCOMPARABLE, ALONE)]
    if any(row.confirmed is None and row.metric == "p50" for row in changed):
        lines.append(WEAK + CONFIRM)
    if any(row.noise.endswith("no history") for row in compared.rows):
        lines.append(
            "no history: how far two runs of the same lie apart is not known yet; below 5 % tells nothing"
        )
    return lines
