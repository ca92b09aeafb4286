"""Where an energy was measured: which of several is a result's own number, and what two numbers must share
before one can be called the smaller."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from farm_results.model import Energy

# From the widest to the narrowest: the first that was measured is the headline.
SCOPES = (
    "wall",
    "input",
    "battery",
    "platform",
    "module_input",
    "rail_sum",
    "package",
    "soc_rails",
    "gpu",
    "rail",
    "core",
    "dram",
)
WHOLE = ("wall", "input", "battery", "platform", "module_input", "package")
"""Scopes that mean the same on every board. What a part, or a sum of parts, covers depends on which ones a
board's sensor sees: it is the same place only for one channel of one sensor on one kind of board."""
UNKNOWN = "unknown"
"""A rail that may be part of another one: it is shown, and heads nothing."""


def headline(energies: Sequence[Energy]) -> Energy | None:
    """The entry with the widest scope that has a value: what the device as a whole drew comes first.

    Of several with the same scope, the first: a sum stands before its parts.
    """
    valued = [one for one in energies if one.gross_j is not None and one.scope != UNKNOWN]
    return min(valued, key=lambda one: width(one.scope), default=None)


def widest_first(energies: Iterable[Energy]) -> tuple[Energy, ...]:
    """The same with the headline in front of all others that have a place."""
    return tuple(sorted(energies, key=lambda one: width(one.scope)))


def place(scope: str, sensor: str, channel: str, profile: str) -> str:
    """``package``, ``wall``; ``rail_sum (pmic total, rpi5)``."""
    if scope in WHOLE:
        return scope
    parts = (f"{sensor} {channel}".strip(), profile)
    return f"{scope} ({', '.join(part for part in parts if part)})"


def width(place: str) -> int:
    """Places, or their scopes, in order: 0 is the widest."""
    scope = place.partition(" ")[0]
    return SCOPES.index(scope) if scope in SCOPES else len(SCOPES)


def by_place(energies: Iterable[Energy], profile: str) -> dict[str, float]:
    """Joules per inference at each place that has a number, the widest first; of several, the first: a sum
    stands before its parts. A rail that may be part of another one is no place."""
    found: dict[str, float] = {}
    for one in widest_first(energies):
        if one.gross_j is not None and one.scope != UNKNOWN:
            found.setdefault(place(one.scope, one.sensor, one.channel, profile), one.gross_j)
    return found
