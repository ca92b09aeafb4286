"""Quarantine that doubles: 10 minutes after the first strike, then 20, 40 and so on up to a day."""

from __future__ import annotations

from typing import TYPE_CHECKING

from farm.health import rows
from farm.health.states import QUARANTINED, RETIRED, Clock, Standing, moved

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from farm.errors import FarmError

FIRST_S = 600.0
LONGEST_S = 24 * 3600.0
MOST_STRIKES = 16


def length_s(strikes: int) -> float:
    """How long a quarantine lasts after so many strikes, at least one."""
    return min(LONGEST_S, FIRST_S * 2.0 ** (min(max(1, strikes), MOST_STRIKES) - 1))


def put(engine: Engine, device: str, actor: str, reason: str, *, clock: Clock | None = None) -> Standing:
    """One strike more, and out for as long as that means. A retired device stays retired."""

    def how(standing: Standing, now: float) -> Standing:
        if standing.health == RETIRED:
            return standing
        strikes = min(standing.strikes + 1, MOST_STRIKES)
        until = now + length_s(strikes)
        return moved(standing, QUARANTINED, reason, now, strikes=strikes, until_unix_s=until)

    return rows.change(engine, device, actor, how, clock=clock)[1]


def why(error: FarmError) -> str:
    """An error as a reason: its code first, so that reasons can be counted."""
    return f"{error.code}: {error.message}"[:500]
