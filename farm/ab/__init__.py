"""Two artifacts measured in turns on one device: ``farm bench --ab`` and the nightly's second look."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from farm.config import Config
    from farm.progress import Reporter
    from farm_agent.wire import BlockPlan
    from farm_results.comparison import Comparison

PAIRS = 20


def confirm(
    config: Config,
    device_name: str,
    reference: str,
    candidate: str,
    *,
    pairs: int = PAIRS,
    reporter: Reporter | None = None,
    plan: BlockPlan | None = None,
    run_id: str = "",
    seed: int | None = None,
    wait_s: float = 600.0,
    anyway: bool = False,
    stop: threading.Event | None = None,
) -> Comparison:
    """Measure two stored results again, in turns, on one device; the comparison is stored and returned.

    ``reference``, ``candidate``: job ids of ok results whose artifacts are kept (``farm_results.kept``); the
    same id twice is an A/A. ``plan``: of each process, None for the candidate's own. ``seed``: of the order of
    the turns and the bootstrap, None for one from the ids. Raises FarmError: ab.not-kept, ab.scenario, and all
    that keeps a job from its end.
    """
    from farm.ab.confirm import confirmed

    return confirmed(
        config,
        device_name,
        reference,
        candidate,
        pairs=pairs,
        reporter=reporter,
        plan=plan,
        run_id=run_id,
        seed=seed,
        wait_s=wait_s,
        anyway=anyway,
        stop=stop or threading.Event(),
    )
