"""What a scenario was asked for: numbers of the same scenario may be numbers of different things."""

from __future__ import annotations

from collections.abc import Mapping

USUAL: Mapping[tuple[str, str], str] = {
    ("cold-start", "page_cache"): "warm",
    ("paced", "period_ns"): "33333333",
    ("sustained", "duration_ns"): "600000000000",
}
"""What an option is where nobody says it. Not read from the scenarios: were their defaults to change, old and
new numbers would share a series. The streams of ``throughput`` follow from the device's cores."""


def conditions(scenario: str, options: Mapping[str, str]) -> dict[str, str]:
    """The options that are not the usual ones, by ``throughput.streams``; the batch is the target's own."""
    return {
        f"{scenario}.{name}": _in_order(value) if name == "streams" else value
        for name, value in sorted(options.items())
        if name != "batch" and USUAL.get((scenario, name)) != value
    }


def _in_order(streams: str) -> str:
    """The same curve, in whatever order it was asked for."""
    parts = set(streams.split(","))
    return ",".join(sorted(parts, key=int)) if all(map(str.isdecimal, parts)) else streams
