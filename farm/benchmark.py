"""What ``farm bench`` does, as a library: plan a request, carry the plan out, return what was measured."""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from farm import meters
from farm.config import Config, masked
from farm.devices.holder import holder_text
from farm.errors import EXIT_INTERRUPTED, FarmError
from farm.plan import Cell, Plan, Request, make_plan
from farm.progress import Reporter
from farm.version import __version__

if TYPE_CHECKING:
    from farm.ab.bench import Opponent
    from farm.datasets import Wish as DataWish
    from farm.devices.device import Device
    from farm.worker import Work
    from farm_agent.pack import Packed
    from farm_converters.model import Model
    from farm_converters.recipe import Recipe
    from farm_results.comparison import Comparison
    from farm_results.model import Result, Run

JOIN_S = 0.1
STACK_BYTES = 2 << 20
"""Of each thread: hundreds with the usual 8 MiB ask for more address space than some machines grant."""


@dataclass(frozen=True)
class Outcome:
    """A finished or interrupted run and what it stored: results in the plan's order, comparisons."""

    run_id: str
    results: tuple[Result, ...]
    interrupted: bool = False
    comparisons: tuple[Comparison, ...] = ()


def with_sample(request: Request) -> Request:
    """The request itself, or with the bundled network and its labelled samples when it names no model."""
    if request.models:
        return request
    from farm.sample import sample_data, sample_model

    return replace(request, models=(sample_model(),), data=request.data or sample_data())


def plan_for(request: Request, config: Config, report: Callable[[str], None] | None = None) -> Plan:
    """Select devices, read the models and cross them; ``report`` hears of imports, which take a while.

    Raises UsageError for a wrong request.
    """
    from farm.datasets import refuse_unknown
    from farm.devices import inventory
    from farm.devices.select import select
    from farm_profiles.load import load_profile, profile_names

    refuse_unknown(_wish(request))
    devices = inventory.load(config.inventory_path)
    profiles = {name: load_profile(name) for name in profile_names()}
    selection = select(devices, profiles, request.devices)
    meters.choose(request.measure.meters, config.meters, [match.name for match in selection.matches])
    return make_plan(
        request,
        run_id=new_run_id(),
        devices=selection.matches,
        matched=selection.explained,
        profile_of=lambda name: profiles.get(name) or load_profile(name),
        inspect=inspect_in(config, report),
        calibrated=calibrated_in(config, request),
    )


def devices_of(request: Request, config: Config) -> list[Device]:
    """The devices that a request selects. Raises UsageError device.unknown, device.none-selected."""
    from farm.devices import inventory
    from farm.devices.select import select
    from farm_profiles.load import load_profile, profile_names

    profiles = {name: load_profile(name) for name in profile_names()}
    return list(select(inventory.load(config.inventory_path), profiles, request.devices).matches)


def calibrated_in(config: Config, request: Request) -> Callable[[Recipe, Model], Recipe]:
    """What puts the samples that a request names into the recipes that need them."""
    from farm.calibrations import of_wishes

    wishes = of_wishes(
        request.calib,
        request.calib_random,
        request.preprocess,
        seed=request.seed,
        cache_dir=config.cache_dir,
    )
    return wishes.applied


def inspect_in(config: Config, report: Callable[[str], None] | None = None) -> Callable[[Path], Model]:
    """What reads a model of any source format here; imports are kept in the cache."""
    from farm_converters.sources import open_model

    return lambda path: open_model(path, config.cache_dir, report or _unheard)


def _unheard(_text: str) -> None:
    """Where nobody listens."""


def execute(
    plan: Plan,
    config: Config,
    reporter: Reporter,
    *,
    command: Sequence[str] = (),
    against: Mapping[str, Opponent] | None = None,
) -> Outcome:
    """Do what the plan says; devices in parallel, jobs on one device one after another.

    ``against``: cells, by job id, that are measured in turns with something else (``farm.ab.bench``); then
    the outcome has no results, only comparisons.

    Ctrl-C (KeyboardInterrupt in the calling thread) ends the current measurements cleanly and keeps what
    was finished; a second one ends the process at once. Raises FarmError only when the store cannot be
    used at all.
    """
    from farm.ab.bench import cells_of
    from farm.artifacts import ArtifactDesk
    from farm.health import announce
    from farm.jobs import runs, spooling
    from farm.worker import Work
    from farm_agent import pack
    from farm_results.history import comparisons
    from farm_results.store import open_store

    store = open_store(config.store)
    stop = threading.Event()
    interrupted = False
    try:
        runs.close_dead(store)
        run = _run(plan, command)
        safe = spooling.Spooling.of(config.state_dir, store, run)
        spooling.flush(store, safe.spool, reporter.note)
        if warning := store.warning():
            reporter.note(f"warning: {warning}")
        store.add_run(run)
        reporter.begin(plan)
        packed = pack.build(config.cache_dir / "agents")
        desk = ArtifactDesk(config.cache_dir, _wish(plan.request), reporter.convert)
        with tempfile.TemporaryDirectory(prefix="farm-") as scratch:
            work = Work(
                plan.run_id,
                plan.request,
                store,
                desk,
                reporter,
                holder_text(f"run {plan.run_id}"),
                stop,
                Path(scratch),
                tuple(config.meters[name] for name in plan.request.measure.meters),
                against=against,
                spooling=safe,
                announce=lambda standing: announce.quarantined(config, [standing], reporter.note),
            )
            try:
                desk.order([*cells_of(work.against), *plan.cells])
                interrupted = _run_devices(work, plan, packed, reporter)
            finally:
                stop.set()
                desk.close()
        spooling.drain(store, safe.spool, reporter.note)
        store.end_run(plan.run_id, "interrupted" if interrupted else "done")
        results = {result.job_id: result for result in store.results(run_id=plan.run_id)}
        ordered = tuple(results[cell.job_id] for cell in plan.cells if cell.job_id in results)
        made = () if against is None else tuple(comparisons.of_run(store, plan.run_id)[::-1])
        return Outcome(plan.run_id, ordered, interrupted, made)
    except Exception as error:
        with contextlib.suppress(FarmError):
            store.end_run(plan.run_id, "interrupted", cause=f"it failed: {type(error).__name__}")
        raise
    finally:
        reporter.close()
        store.close()


def _run_devices(work: Work, plan: Plan, packed: Packed, reporter: Reporter) -> bool:
    """A thread per device, as many at once as this process may, and wait for all. True when a person
    interrupted."""
    from farm import parallel
    from farm.devices.session import Session
    from farm.worker import run_cells

    def run(cells: Sequence[Cell]) -> None:
        device = cells[0].device
        sender = sender_of(work.store.name, device.name)
        session = Session(device, cells[0].profile, packed, stop=work.stop, sender=sender)
        run_cells(work, session, cells)

    count, why_fewer = parallel.at_once(len(plan.devices), plan.request.parallel)
    if why_fewer:
        reporter.note(why_fewer)
    usual = threading.stack_size(STACK_BYTES)
    try:
        with ThreadPoolExecutor(count, thread_name_prefix="device") as pool:
            futures = [pool.submit(run, plan.cells_of(device)) for device in plan.devices]
            interrupted = _wait(futures, work, reporter)
    finally:
        threading.stack_size(usual)
    for future in futures:
        future.result()
    return interrupted


def _wait(futures: Sequence[Future[None]], work: Work, reporter: Reporter) -> bool:
    """True when a person interrupted. Not by Thread.join: an interrupt in it marks the thread as ended."""
    from farm_converters import children

    interrupted = False
    left: Collection[Future[None]] = futures
    while left:
        try:
            left = wait(left, timeout=JOIN_S).not_done
        except KeyboardInterrupt:
            if interrupted:
                os._exit(EXIT_INTERRUPTED)
            interrupted = True
            work.stop.set()
            # Now: should this process not live to its end, others know that nobody wants its jobs any more.
            with contextlib.suppress(FarmError):
                work.store.end_run(work.run_id, "interrupted")
            children.stop_all()
            reporter.note("stopping: finished jobs are kept, the current ones end (Ctrl-C again: leave now)")
    return interrupted


def _wish(request: Request) -> DataWish:
    from farm.datasets import Wish

    return Wish(request.data, request.metric, request.preprocess)


def _run(plan: Plan, command: Sequence[str]) -> Run:
    from farm_results import git
    from farm_results.model import Run

    return Run(
        run_id=plan.run_id,
        created_unix_s=time.time(),
        command=tuple(masked(word) for word in command),
        farm_version=__version__,
        host=socket.gethostname(),
        labels={**git.facts(Path.cwd()), **plan.request.labels},
        planned=len(plan.cells),
        driver=holder_text(f"run {plan.run_id}"),
    )


def new_run_id() -> str:
    """UTC time to the second, for people, and four characters against clashes."""
    return time.strftime("%Y%m%d-%H%M%S", time.gmtime()) + "-" + secrets.token_hex(2)


def sender_of(store: str, device: str) -> str:
    """The same for every run that one lease keeps apart, so that a later one resumes an upload."""
    return hashlib.sha256(f"{socket.gethostname()} {os.getuid()} {store} {device}".encode()).hexdigest()[:12]
