"""The health of the simulated devices: what a canary that sang right leaves in a device's row."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from farm.demo.fleet import Machine
from farm.demo.parts import facts_of

if TYPE_CHECKING:
    from farm.health.states import Standing
    from farm_results.model import Result
    from farm_results.store import Store

ACTOR = "farm demo"


def sang(store: Store, box: Machine, result: Result) -> None:
    """The device's row after its canary of a night, compared with its earlier ones."""
    from farm.health import drift, rows, usual
    from farm.health.record import Canary
    from farm.health.states import GOOD, moved

    latency, at_unix_s = result.latency, result.created_unix_s
    if latency is None:
        return
    series = f"{result.runtime} {result.runtime_version} {result.precision} {result.threads}"
    canary, traits = Canary(at_unix_s, series, latency.p50_ns), drift.traits(facts_of(box))

    def how(before: Standing, now: float) -> Standing:
        known = before.record
        canaries = usual.kept(known.canaries, usual.judged(canary, known.canaries))
        record = replace(known, accepted=known.accepted or traits, facts=traits, canaries=canaries)
        checked = replace(before, record=record, seen_unix_s=now, checked_unix_s=now)
        return moved(checked, GOOD, "canary right (SIMULATED)", now)

    rows.change(store.engine, box.name, ACTOR, how, clock=lambda _engine: at_unix_s)
