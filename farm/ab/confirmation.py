"""Two stored results, measured again in turns: what the nightly asks before it calls anything slower."""

from __future__ import annotations

import secrets
import tempfile
import threading
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from farm.errors import FarmError, UsageError
from farm_agent.wire import GatePlan

if TYPE_CHECKING:
    from farm.ab import Terms
    from farm.ab.contender import Contender
    from farm.ab.judge import Match
    from farm.config import Config
    from farm.devices.session import Session
    from farm.plan import Cell
    from farm.progress import Reporter
    from farm_profiles import Target
    from farm_results.comparison import Comparison
    from farm_results.model import Result
    from farm_results.store import Store

FIRST_CONTACT_PATIENCE_S = 15.0


def confirmed(
    config: Config,
    device_name: str,
    jobs: tuple[str, str],
    *,
    pairs: int,
    reporter: Reporter | None,
    terms: Terms,
    stop: threading.Event,
) -> Comparison:
    """See ``farm.ab.confirm``; ``jobs``: the reference's id and the candidate's."""
    from farm.ab.contender import of_result
    from farm.devices import inventory
    from farm.health.rounds import session_of
    from farm_results.store import open_store

    devices = inventory.load(config.inventory_path)
    if device_name not in devices:
        raise UsageError(
            f"no device is called {device_name!r}",
            code="device.unknown",
            fix="`farm devices list` shows all",
        )
    store = open_store(config.store)
    try:
        results = store.result(jobs[0]), store.result(jobs[1])
        reference, candidate = (of_result(store, result) for result in results)
        session = session_of(devices[device_name], config, store.name, stop)
        try:
            match = _match(results[1], session, (reference, candidate), pairs, terms)
            return _played(store, session, match, results[1], config, reporter, terms, stop)
        finally:
            session.close()
    finally:
        store.close()


def _match(
    result: Result, session: Session, both: tuple[Contender, Contender], pairs: int, terms: Terms
) -> Match:
    from farm.ab.judge import Match
    from farm.ab.turns import drawn, seed_of
    from farm_results.series import key_of, series_id

    match_id = f"ab-{secrets.token_hex(6)}"
    seed = seed_of(match_id) if terms.seed is None else terms.seed
    device = session.device.name
    return Match(
        match_id=match_id,
        run_id=terms.run_id,
        device=device,
        profile=session.profile.name,
        target=target_of(result),
        series=series_id(replace(key_of(result), device=device)),
        reference=both[0],
        candidate=both[1],
        turns=drawn(pairs, seed),
        seed=seed,
    )


def _played(
    store: Store,
    session: Session,
    match: Match,
    result: Result,
    config: Config,
    reporter: Reporter | None,
    terms: Terms,
    stop: threading.Event,
) -> Comparison:
    from farm import audit, health
    from farm.ab.play import Table, play
    from farm.devices.holder import holder_text
    from farm.drive import Driver
    from farm.health import announce
    from farm.jobs.keeper import StoreKeeper
    from farm.jobs.spooling import Spooling
    from farm.progress import Silent

    teller = reporter or Silent()
    cell = cell_of(match.match_id, result, session)
    session.tell = lambda text: teller.stage(cell, text, 0.0)
    run = store.run(match.run_id) if match.run_id else None
    safe = None if run is None else Spooling.of(config.state_dir, store, run)
    try:
        session.reach(patience_s=FIRST_CONTACT_PATIENCE_S)
        health.ready(
            store.engine,
            session,
            cache_dir=config.cache_dir,
            anyway=terms.anyway,
            wait_s=terms.wait_s,
            stop=stop,
            note=teller.note,
            announce=lambda standing: announce.quarantined(config, [standing], teller.note),
        )
        facts = session.facts(patience_s=FIRST_CONTACT_PATIENCE_S)
        match = replace(match, drift=health.seen(store.engine, match.device, facts))
        with tempfile.TemporaryDirectory(prefix="farm-ab-") as scratch:
            driver = Driver(
                session,
                store.engine,
                holder_text(f"comparison {match.match_id}"),
                stop,
                terms.wait_s,
                Path(scratch),
                owner=audit.person(),
                priority=terms.priority,
                keeper=StoreKeeper(store, Path(scratch), config.cache_dir, teller.note),
            )
            gate = match.candidate.spec.gate or GatePlan() if terms.gate else None
            table = Table(driver, store, teller, cell, safe)
            comparison, _ = play(table, match, facts, plan=terms.plan, gate=gate)
            return comparison
    except FarmError as error:
        health.blame(store.engine, session, error)
        raise


def target_of(result: Result) -> Target:
    """As the profile would list it; what its converter was told is in the artifact."""
    from farm_profiles import Target

    options = {name: text for name, text in result.options.items() if name != "batch"}
    return Target(
        format=result.format,
        runtime=result.runtime,
        precision=result.precision,
        threads=result.threads,
        options=options,
    )


def cell_of(job_id: str, result: Result, session: Session) -> Cell:
    """What progress is told of a stored result that is measured again."""
    from farm.plan import Cell

    return Cell(job_id, result.model, None, session.device, session.profile, target_of(result), None)
