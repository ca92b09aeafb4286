"""A store that is away in the middle of a night: the night waits for it, and goes on where it was."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from farm.errors import FarmError

if TYPE_CHECKING:
    import threading

    from farm.nightly.bench import Say
    from farm.nightly.diary import Diary

AWAY = ("store.unreachable", "store.locked", "host.disk-full", "store.spooled")
"""Errors of a store that may answer later."""
PATIENCE_S, PAUSE_S = 600.0, 2.0
OFTEN = 10
"""A night waits so many times, then it ends: what comes back at once and fails again helps nobody."""


def is_back(diary: Diary, error: FarmError, stop: threading.Event, say: Say) -> bool:
    """Wait until the night's record can be written; False where it cannot for long or a person interrupts."""
    say(f"the store is away: {error.message}; the night waits up to {PATIENCE_S / 60:.0f} min for it")
    give_up = time.monotonic() + PATIENCE_S
    while not stop.wait(PAUSE_S):
        try:
            diary.change(lambda record: record)
        except FarmError as still:
            if still.code not in AWAY or time.monotonic() > give_up:
                return False
        else:
            say("the store answers again; the night goes on")
            return True
    return False
