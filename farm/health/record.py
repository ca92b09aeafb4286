"""What is remembered of a device to compare it with: its facts, its canaries, what was flagged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

KEPT = 20


@dataclass(frozen=True)
class Canary:
    """One run of the canary network. ``series`` names what makes two of them comparable: the runtime, its
    version, precision and threads. ``slower``: by which share it was slower than usual, when it was flagged.
    """

    unix_s: float
    series: str
    p50_ns: float
    slower: float = 0.0


@dataclass(frozen=True)
class Record:
    """``accepted``: the facts that a person or the admission took as right; ``facts``: the latest.

    ``canaries``: the latest good ones, oldest first. ``told``: the last answer before the silence that an
    alarm told of, 0 when none did.
    """

    accepted: Mapping[str, str] = field(default_factory=dict)
    facts: Mapping[str, str] = field(default_factory=dict)
    canaries: tuple[Canary, ...] = ()
    told_unix_s: float = 0.0

    @property
    def last(self) -> Canary | None:
        """The latest canary."""
        return self.canaries[-1] if self.canaries else None
