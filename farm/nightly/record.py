"""What is written down of a night while it goes on, so that another process can end it."""

from __future__ import annotations

from dataclasses import dataclass, field

WAITING, MEASURED, FAILED, SKIPPED = "waiting", "measured", "failed", "skipped"
RUNNING, DONE, INTERRUPTED = "running", "done", "interrupted"
STEADY, NEW_SERIES, LEARNING, UNCONFIRMED = "steady", "new", "learning", "unconfirmed"


@dataclass(frozen=True)
class CellRecord:
    """One cell of a night. ``why``: what called for it, or why it was left out. ``job_ids``: of its attempts,
    the last one counts. ``outcome``: a word of ``finding``, or steady, new (first of its series), learning
    (too little history), "" while nothing is judged (with a ``comparison_id``: it waits for the night's other
    A/Bs); ``text``: the same for people."""

    key: str
    device: str
    model: str
    what: str
    series: str
    canary: bool = False
    state: str = WAITING
    why: str = ""
    estimate_s: float = 0.0
    job_ids: tuple[str, ...] = ()
    outcome: str = ""
    text: str = ""
    error_code: str = ""
    trigger_z: float | None = None
    comparison_id: str = ""
    finding_id: str = ""


@dataclass(frozen=True)
class NightRecord:
    """A whole night. ``driver``: the process that drives it. ``aa``: comparisons of an artifact with itself,
    by device; ``silent``: series that fell silent; ``notes``: what else somebody should know; ``closed``: it
    broke off, no process goes on with it any more, and what it had compared is judged."""

    night_id: str
    started_unix_s: float
    state: str = RUNNING
    ended_unix_s: float | None = None
    origin: str = ""
    driver: str = ""
    attempts: int = 1
    cells: tuple[CellRecord, ...] = ()
    aa: tuple[str, ...] = ()
    silent: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    told: bool = False
    closed: bool = False
    counts: dict[str, int] = field(default_factory=dict)
