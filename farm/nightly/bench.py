"""What a night needs of the world: what there is to measure, measuring it, and two artifacts in turns.

The real one drives devices (``farm.nightly.real``); a simulated one makes numbers and marks them so.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from farm_results.comparison import Comparison
    from farm_results.model import Result

AB, AA = "ab", "aa"
Say = Callable[[str], None]
Began = Callable[[Mapping[str, str]], None]


@dataclass(frozen=True)
class Wanted:
    """One cell of the matrix: a model on a device in a target and scenario.

    ``key``: the same every night. ``what``: for people. ``content``: what its number depends on, by name, as
    far as it is known before measuring; empty where it is not known. ``estimate_s``: how long it will take.
    ``problem``: why it cannot be measured tonight, with ``problem_code``.
    """

    key: str
    device: str
    model: str
    what: str
    series: str
    priority: int = 0
    canary: bool = False
    content: Mapping[str, str] = field(default_factory=dict)
    estimate_s: float = 60.0
    problem: str = ""
    problem_code: str = ""


class Bench(Protocol):
    """Safe to be called from several threads; ``confirm`` is called for several devices at once."""

    origin: str
    """"" for what devices measure, "simulated" for what none does."""

    stop: threading.Event
    """Set when a person interrupts: what runs ends soon."""

    def now_unix_s(self) -> float:
        """The night's clock."""

    def matrix(self, say: Say) -> Sequence[Wanted]:
        """Every cell of the nights, canaries first. Raises UsageError for settings that name nothing."""

    def measure(
        self, night_id: str, chosen: Sequence[Wanted], began: Began, ended: Callable[[Result], None]
    ) -> bool:
        """Measure the cells and store a result of each; False when a person interrupted it.

        ``began`` is told the job id of every cell by its key, before anything runs; ``ended`` each result.
        """

    def confirm(
        self, night_id: str, device: str, reference_job_id: str, candidate_job_id: str, *, pairs: int
    ) -> Comparison:
        """Measure two stored results' artifacts in turns on the device, store the comparison, return it.

        Raises FarmError where that cannot be done now.
        """
