"""Two artifacts measured in turns on one device: ``farm bench --ab`` and the nightly's second look."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from farm.config import Config
    from farm.progress import Reporter
    from farm_agent.wire import BlockPlan
    from farm_results.comparison import Comparison

PAIRS = 20


@dataclass(frozen=True)
class Terms:
    """How the turns are taken. ``plan``: of each process, None for what the candidate was measured with.
    ``seed``: of the order and of the bootstrap, None for one drawn from the ids. ``run_id``: under which the
    comparison is stored, "" for none. ``gate``: wait for a quiet device before every process."""

    plan: BlockPlan | None = None
    seed: int | None = None
    run_id: str = ""
    wait_s: float = 600.0
    priority: int = 0
    anyway: bool = False
    gate: bool = True


def confirm(
    config: Config,
    device_name: str,
    reference: str,
    candidate: str,
    *,
    pairs: int = PAIRS,
    reporter: Reporter | None = None,
    terms: Terms | None = None,
    stop: threading.Event | None = None,
) -> Comparison:
    """Measure two stored results again, in turns, on one device; the comparison is stored and returned.

    ``reference``, ``candidate``: job ids of ok results whose artifacts are kept (see
    ``farm_results.storage.kept``); the same id twice is an A/A. Raises FarmError: ab.not-kept, ab.scenario,
    ab.pairs, and all that keeps a job from its end.
    """
    from farm.ab.confirmation import confirmed

    return confirmed(
        config,
        device_name,
        (reference, candidate),
        pairs=pairs,
        reporter=reporter,
        terms=terms or Terms(),
        stop=stop or threading.Event(),
    )
