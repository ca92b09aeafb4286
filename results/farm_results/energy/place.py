"""Where an energy was measured: what two numbers must share before one can be called the smaller."""

from __future__ import annotations

from collections.abc import Iterable

from farm_results.model import Energy

WHOLE = ("wall", "input", "battery", "platform", "module_input", "package")
"""Scopes that mean the same on every board. What a part, or a sum of parts, covers depends on which ones a
board's sensor sees: it is the same place only for one channel of one sensor on one kind of board."""
UNKNOWN = "unknown"


def place(scope: str, sensor: str, channel: str, profile: str) -> str:
    """``package``, ``wall``; ``rail_sum (pmic total, rpi5)``."""
    if scope in WHOLE:
        return scope
    parts = (f"{sensor} {channel}".strip(), profile)
    return f"{scope} ({', '.join(part for part in parts if part)})"


def width(place: str) -> int:
    """Places in order: 0 is the widest."""
    from farm_results.energy.energy import SCOPES

    scope = place.partition(" ")[0]
    return SCOPES.index(scope) if scope in SCOPES else len(SCOPES)


def by_place(energies: Iterable[Energy], profile: str) -> dict[str, float]:
    """Joules per inference at each place that has a number, the widest first; of several, the first: a sum
    stands before its parts. A rail that may be part of another one is no place."""
    from farm_results.energy.energy import widest_first

    found: dict[str, float] = {}
    for one in widest_first(tuple(energies)):
        if one.gross_j is not None and one.scope != UNKNOWN:
            found.setdefault(place(one.scope, one.sensor, one.channel, profile), one.gross_j)
    return found
