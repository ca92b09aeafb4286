"""The temperature of the idle device, remembered over the jobs of one hour.

A job that starts on a device still warm from the last one must not take that warmth for idle.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Optional

from farm_agent import codec, files, identity
from farm_agent.errors import FarmError
from farm_agent.late import dataclass

NAME = "idle.json"
LASTS_S = 3600.0


@dataclass(frozen=True)
class Idle:
    """The lowest temperature at the start of a job, and when that was."""

    boot_id: str
    monotonic_s: float
    celsius: float


def reference(root: Path, celsius: Optional[float], now_s: Optional[float] = None) -> Optional[float]:
    """The lower of ``celsius`` and what was remembered within the last hour; None without a sensor."""
    if celsius is None:
        return None
    now_s = time.monotonic() if now_s is None else now_s
    known = _read(root / NAME)
    if known is not None and known.boot_id == identity.boot_id():
        age_s = now_s - known.monotonic_s
        if 0 <= age_s < LASTS_S and known.celsius < celsius:
            return known.celsius
    files.write_atomic(root / NAME, codec.dumps(Idle(identity.boot_id(), now_s, celsius)).encode())
    return celsius


def _read(path: Path) -> Optional[Idle]:
    if not path.exists():
        return None
    try:
        return codec.loads(Idle, files.read_bounded(path, 4096))
    except (codec.DecodeError, FarmError):
        return None
