"""A comparison of two artifacts in turns, in words, as a table and as a page for the terminal."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any

from farm_results.comparison import (
    FAILED,
    FASTER,
    INCONCLUSIVE,
    SAME,
    SKIPPED,
    SLOWER,
    Comparison,
    Effect,
    Side,
)
from farm_results.text import duration, printable
from farm_results.view import Line, pair, pairs, section

LEFT = ("device", "runtime", "reference", "candidate", "verdict")
STYLES = {SLOWER: "bad", FASTER: "good", SAME: "good", INCONCLUSIVE: "warn", FAILED: "bad", SKIPPED: "warn"}
_TIMES = {"latency": "p50", "paced": "paced p50", "cold-start": "cold start", "throughput": "time each"}
_LOUD = (SLOWER, INCONCLUSIVE, FAILED)
_SEVERE = {"invalid": "bad", "throttled": "warn", "noisy": "warn"}


def columns(found: Sequence[Comparison]) -> dict[str, str]:
    """The headings of ``row``, and on which side each stands."""
    scenarios = {each.scenario for each in found if each.played}
    time = _TIMES.get(scenarios.pop(), "time") if len(scenarios) == 1 else "time" if scenarios else "p50"
    names = (*LEFT[:4], f"ref {time}", time, "change", "99 % interval", "pairs", "verdict")
    return {name: "left" if name in LEFT else "right" for name in names}


def percent(share: float) -> str:
    """``+5.2 %``; a minus sign that is one."""
    text = f"{abs(share) * 100:.{0 if abs(share) >= 1 else 1}f} %"
    return text if float(text[:-2]) == 0 else f"{'−' if share < 0 else '+'}{text}"


def interval(effect: Effect) -> str:
    """``+4.1 to +6.3 %``."""
    return f"{percent(effect.low)[:-2]} to {percent(effect.high)}"


def p50_ns(side: Side) -> float | None:
    """The median of the processes' times."""
    return float(statistics.median(side.medians_ns)) if side.medians_ns else None


def sentence(comparison: Comparison) -> str:
    """What was found, in one line; only here and nowhere else does farm say slower or faster."""
    names = printable(comparison.candidate.label), printable(comparison.reference.label)
    effect = comparison.effect
    if not comparison.played:
        why = f"{comparison.error_message} [{comparison.error_code}]".removesuffix(" []")
        against = f" against {names[1]}" if names[1] else ""
        return f"{names[0]}{against}: {comparison.word.upper()}, {printable(why, 1_000)}"
    if effect is None:
        return f"nothing is known of {names[0]} against {names[1]}"
    measured = (
        f"{percent(effect.ratio)}, {effect.level:.0%} interval {interval(effect)}, {comparison.pairs} pairs"
    )
    if comparison.scenario != "latency":
        measured = f"{printable(comparison.scenario)}, {measured}"
    if comparison.kind == "aa":
        names = names[0], "itself"
    if comparison.word == SAME:
        text = f"{names[0]} takes as long as {names[1]}, within {effect.zone * 100:g} %"
    elif comparison.word in (SLOWER, FASTER):
        text = f"{names[0]} is {comparison.word} than {names[1]}"
    else:
        text = f"{names[0]} and {names[1]} cannot be told apart" + _why(comparison)
    simulated = " SIMULATED" if comparison.origin else ""
    return f"{text} ({measured}){simulated}"


def _why(comparison: Comparison) -> str:
    worst = next((each for each in comparison.caveats if each.severity in ("invalid", "throttled")), None)
    return f", for it was {worst.severity} [{printable(worst.code)}]" if worst else ""


def row(comparison: Comparison) -> list[str]:
    """Its cells in the order of ``columns``."""
    effect, reference, candidate = comparison.effect, comparison.reference, comparison.candidate
    verdict = comparison.word.upper() if comparison.word in _LOUD else comparison.word
    words = (f"{side.runtime} {side.runtime_version}".strip() for side in (reference, candidate))
    runtimes = dict.fromkeys(word for word in words if word)
    return [
        printable(comparison.device),
        printable(" → ".join(runtimes)),
        printable(reference.label),
        printable(candidate.label),
        *(duration(value) if (value := p50_ns(side)) else "–" for side in (reference, candidate)),
        percent(effect.ratio) if effect else "–",
        interval(effect) if effect else "–",
        str(comparison.pairs) if comparison.played else "–",
        f"{verdict}{' (A/A)' if comparison.kind == 'aa' else ''}{' SIMULATED' if comparison.origin else ''}",
    ]


def markdown(comparisons: Sequence[Comparison]) -> str:
    """A table for issues and pull requests; foreign text is escaped."""
    from farm_results.report.md import escape, line_of

    several = len({each.candidate.model for each in comparisons}) > 1
    headings = ({"model": "left"} if several else {}) | columns(comparisons)
    rules = ["---:" if side == "right" else "---" for side in headings.values()]
    lines = [line_of([*headings]), line_of(rules)]
    for each in comparisons:
        model = [printable(each.candidate.model)] if several else []
        lines.append(line_of([escape(cell) for cell in (*model, *row(each))]))
    told = [f"{printable(each.device)}: {line}" for each in comparisons for line in caveat_lines(each)]
    caveats = [f"- {escape(line)}" for line in told]
    return "\n".join([*lines, *([""] if caveats else []), *caveats]) + "\n"


def csv(comparisons: Sequence[Comparison]) -> str:
    """A row per comparison with whole numbers, for other programs."""
    import csv as writer
    import io

    text = io.StringIO()
    out = writer.writer(text, lineterminator="\n")
    sides = ("label", "model", "model_sha256", "artifact_sha256", "runtime", "runtime_version", "job_id")
    plain = (
        *("comparison_id", "run_id", "device", "kind", "origin", "series", "word", "pairs"),
        *("scenario", "error_code", "error_message"),
    )
    effects = ("ratio", "low", "high", "level", "zone")
    out.writerow(
        [*plain, *effects, *(f"{who}_{name}" for who in ("reference", "candidate") for name in sides)]
    )
    for each in comparisons:
        values = [getattr(each.effect, name) if each.effect else "" for name in effects]
        both = [getattr(side, name) for side in (each.reference, each.candidate) for name in sides]
        out.writerow([_guarded(value) for value in (*(getattr(each, n) for n in plain), *values, *both)])
    return text.getvalue()


def _guarded(value: object) -> object:
    """No text that a spreadsheet would take for a formula."""
    text = printable(value) if isinstance(value, str) else value
    return f"'{text}" if isinstance(text, str) and text[:1] in ("=", "+", "-", "@") else text


def caveat_lines(comparison: Comparison) -> list[str]:
    """A line per code: several processes tell the same of both sides."""
    found: dict[str, str] = {}
    if not comparison.played:
        fix = f" → {comparison.error_fix}" if comparison.error_fix else ""
        code = f" [{comparison.error_code}]" if comparison.error_code else ""
        return [printable(f"{comparison.word.upper()} {comparison.error_message}{fix}{code}", 2_000)]
    for each in comparison.caveats:
        found.setdefault(each.code, printable(f"{each.severity.upper()} {each.evidence} [{each.code}]"))
    return list(found.values())


def page(comparison: Comparison, width: int) -> list[Line]:
    """Everything that is known of it."""
    both = (("reference", comparison.reference), ("candidate", comparison.candidate))
    time = _TIMES.get(comparison.scenario, "time")
    found = [Line(printable(f"{comparison.comparison_id} · {comparison.device}"), "head")]
    found += pair("verdict", sentence(comparison), width, STYLES.get(comparison.word, ""))
    if comparison.error_fix:
        found += pair("", f"→ {comparison.error_fix}", width, "dim")
    for name, side in both:
        if side.label or side.model:
            found += section(name.capitalize(), pairs(_about(side, time), width))
    found += section("Pairs", pairs(_pairs(comparison), width))
    reasons: list[Line] = []
    for caveat in comparison.caveats:
        reasons += pair(
            printable(caveat.severity, 20), caveat.evidence, width, _SEVERE.get(caveat.severity, "")
        )
        reasons += (
            pair("", f"→ {caveat.next_step}  [{caveat.code}]", width, "dim") if caveat.next_step else []
        )
    found += section("Caveats", reasons)
    return found + section("Conditions", pairs(_conditions(comparison), width))


def _conditions(comparison: Comparison) -> list[tuple[str, str]]:
    return [(printable(name, 60), value) for name, value in sorted(comparison.environment.items())]


def _about(side: Side, time: str) -> list[tuple[str, str]]:
    value = p50_ns(side)
    found = f"{duration(value)}, the median of {len(side.medians_ns)} processes" if value else "–"
    stood = [("result", side.job_id)] if side.job_id else []
    return [
        ("what", f"{side.label} (model {side.model}, {side.model_sha256[:12]})"),
        ("artifact", side.artifact_sha256[:12]),
        ("runtime", f"{side.runtime} {side.runtime_version}".strip()),
        *stood,
        (time, found),
    ]


def _pairs(comparison: Comparison) -> list[tuple[str, str]]:
    """Each pair's two medians and their ratio, in the order in which they were measured."""
    times = zip(comparison.reference.medians_ns, comparison.candidate.medians_ns, strict=False)
    turns = [*comparison.order, *[""] * comparison.pairs]
    words = {"rc": "reference first", "cr": "candidate first"}
    found = []
    for number, (before, after) in enumerate(times):
        times_text = f"{duration(before)} → {duration(after)}"
        change = percent(after / before - 1) if before > 0 else "–"
        found.append((str(number + 1), f"{times_text}  {change}  {words.get(turns[number], '')}"))
    return found


def document(comparison: Comparison) -> dict[str, Any]:
    """The record, with its sentence."""
    from farm_agent import codec

    record: dict[str, Any] = codec.encode(comparison)
    return {**record, "says": sentence(comparison)}
