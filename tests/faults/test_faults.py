"""Real jobs under faults at every step: nothing is lost, doubled, wrong, stuck or left behind.

``python -m tests.faults`` injects more of them; see ``tests/faults/fault.py`` for what there is.
"""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from tests.faults import campaign, plan
from tests.faults.count import count
from tests.faults.fault import STEPS, every, of_links, of_postgres
from tests.faults.site import Site
from tests.faults.volley import fire, settle
from tests.faults.zygote import Drivers
from tests.postgres import Server
from tests.support import need
from tests.zoo.zoo import Zoo, missing

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
    share = plan.share(part, ending=8, others=40)
    outcome = campaign.run(site, drivers, share, seed=part, enough=EACH, dense=True, stop_when_hung=True)
    _nothing_is_wrong(outcome, EACH)


def test_a_fault_that_the_second_driver_meets_ends_too(site: Site, drivers: Drivers) -> None:
    """The first one's commit fails: it starts nothing, and the process that stops is the second one's."""
    wanted = (
        "ship/agent/term/at/stock:begin",
        "ship/agent/kill/at/commit:os.rename:/cas/",
        "preflight/runner/freeze/at/_check:begin",
        "release/coordinator/duplicate/before/gc",
    )
    known = {fault.name: fault for fault in every()}
    faults = [known[name] for name in wanted]
    volley = fire(site, drivers, faults, random.Random(8))
    assert not volley.troubles
    assert volley.injected == faults
    settle(site, drivers, volley)
    assert count(site).clean()


def test_nothing_is_wrong_on_postgresql(
    tmp_path: Path, cache: Path, drivers: Drivers, postgres: Server
) -> None:
    site = Site(tmp_path / "site", cache, store_url=postgres.create())
    site.make()
    try:
        faults = plan.drawn(26, seed=3, faults=of_postgres())
        _nothing_is_wrong(campaign.run(site, drivers, faults, seed=3, enough=20, dense=True), 20)
    finally:
        site.close()


@pytest.mark.zoo
def test_nothing_is_wrong_over_real_links(tmp_path: Path, cache: Path, drivers: Drivers) -> None:
    why = missing()
    need(not why, f"no zoo here: {why}")
    with Zoo() as zoo:
        site = Site(tmp_path / "site", cache, zoo=zoo.add("far"))
        site.make()
        try:
            faults = plan.drawn(18, seed=5, faults=of_links())
            _nothing_is_wrong(campaign.run(site, drivers, faults, seed=5, enough=14, dense=True), 14)
        finally:
            site.close()


def _nothing_is_wrong(outcome: campaign.Outcome, least: int) -> None:
    said = json.dumps(outcome.findings, indent=1)
    assert outcome.counts.clean(), said
    assert not outcome.troubles, said
    assert len(outcome.injected) >= least, outcome.missed
