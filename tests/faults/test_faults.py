"""Real jobs under faults at every step: nothing is lost, doubled, wrong, stuck or left behind.

``python -m tests.faults`` injects more of them; see ``tests/faults/fault.py`` for what there is.
"""

from __future__ import annotations

import json

import pytest

from tests.faults import campaign, plan
from tests.faults.fault import STEPS, every
from tests.faults.site import Site
from tests.faults.zygote import Drivers

PARTS = 10
EACH = 30


def test_the_catalogue_has_every_step_and_each_fault_once() -> None:
    names = [fault.name for fault in every()]
    assert {name.split("/")[0] for name in names} == set(STEPS)
    assert len(set(names)) == len(names) >= 300
    assert plan.drawn(50, 7) == plan.drawn(50, 7) != plan.drawn(50, 8)


@pytest.mark.parametrize("part", range(PARTS))
def test_nothing_is_lost_doubled_wrong_stuck_or_left(site: Site, drivers: Drivers, part: int) -> None:
    """Each part has others that end a driver or a job, and draws from the rest."""
    share = plan.share(part, ending=8, others=32)
    outcome = campaign.run(site, drivers, share, seed=part, enough=EACH, dense=True)
    said = json.dumps(outcome.findings, indent=1)
    assert outcome.counts.clean(), said
    assert not outcome.troubles, said
    assert len(outcome.injected) >= EACH, outcome.missed
