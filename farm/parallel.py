"""How many devices one process drives at once: all of them, as far as it may open files."""

from __future__ import annotations

import resource

FILES_PER_DEVICE = 8
"""A connection, or the pipes of a program, an artifact and what comes back."""
FILES_BESIDES = 128
"""The store, conversions, modules."""


def at_once(devices: int, asked: int | None = None) -> tuple[int, str]:
    """How many of ``devices`` to drive at the same time, and what to tell where that is fewer than asked for.

    The soft limit of open files is lifted as far as this process may.
    """
    wanted = min(devices, asked or devices)
    room = (_files(FILES_BESIDES + wanted * FILES_PER_DEVICE) - FILES_BESIDES) // FILES_PER_DEVICE
    if wanted <= room:
        return wanted, ""
    room = max(1, room)
    return room, (
        f"{room} of {devices} devices at once: this process may open no more files; "
        f"raise `ulimit -Hn` for more, or give --parallel {room}"
    )


def _files(wanted: int) -> int:
    """How many files may be open, after lifting the soft limit to ``wanted`` or as near as it goes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    unlimited = resource.RLIM_INFINITY
    if soft == unlimited or soft >= wanted:
        return wanted
    lifted = wanted if hard == unlimited else min(wanted, hard)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (lifted, hard))
    except (OSError, ValueError):
        return soft
    return lifted
