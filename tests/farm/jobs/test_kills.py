"""A driver that is killed at any stage of a job: the next one brings one result home, and the same."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import threading
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, update

from farm.benchmark import execute, plan_for
from farm.config import Config
from farm.devices import inventory, leases
from farm.devices.device import Device
from farm.devices.holder import holder_text
from farm.devices.session import Session
from farm.drive import Driver, Fetched, Order, Shipment, Watcher
from farm.jobs import collecting, rows, runs
from farm.jobs.context import JobContext
from farm.jobs.judge import judged
from farm.jobs.keeper import StoreKeeper
from farm.measure import Measure
from farm.plan import Request
from farm.progress import Silent
from farm.sample import sample_data, sample_model
from farm_agent import codec, pack
from farm_agent.wire import BlockPlan
from farm_profiles.load import load_profile
from farm_results.model import Result, Run
from farm_results.storage.schema import JOB, LEASE
from farm_results.store import Store, open_store
from tests.zoo.processes import until

# Not forked from here: this process may have threads, and locks that they hold.
CLEAN = multiprocessing.get_context("forkserver")
CLEAN.set_forkserver_preload([__name__])
# The others are the fault suite's (tests/faults)
STAGES = ("start", "fetch", "judged", "acknowledge")
LIMIT_S = 120


@dataclass(frozen=True)
class Place:
    """A user's folders, the device, and what was written down of a whole job, with its result."""

    config: Config
    device: Device
    run: Run
    context: JobContext
    result: Result


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """One undisturbed run."""
    folder = tmp_path_factory.mktemp("kills")
    config = Config(str(folder / "store"), folder / "cache", folder / "state", folder / "devices.toml", False)
    device = Device("box", "x86-cpu", "local", root=str(folder / "agent"))
    inventory.add(config.inventory_path, device)
    plan = BlockPlan(blocks=1, min_time_ns=50_000_000, min_runs=10, warmup_min_ns=1, warmup_max_ns=50_000_000)
    request = Request(
        (sample_model(),),
        ("box",),
        ("onnxruntime",),
        data=sample_data(),
        blocks=plan,
        measure=Measure(gate=None),
    )
    kept: list[JobContext] = []
    with pytest.MonkeyPatch.context() as patch:
        begin = rows.started

        def started(engine: Engine, context: JobContext) -> None:
            kept.append(context)
            begin(engine, context)

        patch.setattr(rows, "started", started)
        outcome = execute(plan_for(request, config), config, Silent())
    (result,) = outcome.results
    assert result.status == "ok", result.error_message
    store = open_store(config.store)
    run = store.run(outcome.run_id)
    assert run is not None
    assert rows.unfinished(store.engine) == ()
    store.close()
    return Place(config, device, run, kept[0], result)


class Killer(Watcher):
    """Kills its own process when a stage begins, or freezes it there."""

    def __init__(self, stage: str, number: int = signal.SIGKILL) -> None:
        self._stage, self._number = stage, number

    def stage(self, text: str) -> None:
        """``kill`` at the chosen one."""
        if text == self._stage:
            os.kill(os.getpid(), self._number)


def driver_in(place: Place, address: str, folder: Path) -> tuple[Store, Driver]:
    """A driver as a run has one, with what ends other drivers' jobs."""
    store = open_store(address)
    packed = pack.build(place.config.cache_dir / "agents")
    session = Session(place.device, load_profile("x86-cpu"), packed, stop=threading.Event())
    keeper = StoreKeeper(store, folder, place.config.cache_dir, lambda _text: None)
    driver = Driver(
        session, store.engine, holder_text("run"), threading.Event(), 300.0, folder, keeper=keeper
    )
    return store, driver


def order_of(store: Store, context: JobContext, folder: Path, stage: str = "") -> Order:
    """The job, judged and stored as a run does it; at "judged" the process dies before it is stored."""

    def keep(fetched: Fetched) -> None:
        result = judged(context, fetched, (), objects=store.objects, scratch=folder, interrupted=False)
        if stage == "judged":
            (folder / "judged.json").write_text(codec.dumps(result))
            os.kill(os.getpid(), signal.SIGKILL)
        done = fetched.result_sha256
        store.add_result(result, also=lambda connection: rows.done(connection, context.job_id, done))

    blobs = tuple((part.blob, Path(part.path)) for part in context.parts)
    return Order(context.spec, Shipment(blobs), keep, context)


def _drive(
    place: Place, address: str, folder: Path, context: JobContext, stage: str, number: int = signal.SIGKILL
) -> None:
    """In a process of its own: drive the job until the stage."""
    store, driver = driver_in(place, address, folder)
    driver = replace(driver, keeper=None)  # what others left is not its concern
    if stage == "acknowledged":
        rows.forget = _die  # type: ignore[assignment]
    order = order_of(store, context, folder, stage)
    driver.drive(order.spec, order.shipment, order.keep, Killer(stage, number), context)


def _die(*_anything: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def another(place: Place, name: str) -> JobContext:
    """A new job of the same kind."""
    job_id = f"{place.run.run_id}-{name}"
    return replace(place.context, job_id=job_id, spec=replace(place.context.spec, job_id=job_id))


def killed_at(place: Place, stage: str, address: str, folder: Path) -> JobContext:
    """A driver that began a new job and was killed."""
    context = another(place, folder.name)
    folder.mkdir()
    child = CLEAN.Process(target=_drive, args=(place, address, folder, context, stage))
    child.start()
    child.join(LIMIT_S)
    assert child.exitcode == -signal.SIGKILL, stage
    return context


def same(one: Result, other: Result) -> None:
    """Two measurements of the same: all but times and names is equal."""

    def about(result: Result) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(codec.dumps(result.document))
        for part, names in {"spec": ("job_id", "fence"), "artifact": ("seconds", "cached")}.items():
            for name in names:
                document[part].pop(name)
        jobs = document.pop("job")
        document.pop("sent_bytes")
        kinds = {key: type(value).__name__ for key, value in jobs.items()}
        keys = (
            "model",
            "device",
            "status",
            "accuracy",
            "accuracy_low",
            "agreement",
            "calibration",
            "options",
        )
        return {**document, "kinds": kinds, **{key: getattr(result, key) for key in keys}}

    assert about(one) == about(other)


def test_whatever_stage_a_driver_dies_at_one_and_the_same_result_comes_home(
    place: Place, tmp_path: Path
) -> None:
    """By hand with `farm jobs collect`, or on the way of the next job; doing it again changes nothing."""
    address = place.config.store
    store, driver = driver_in(place, address, tmp_path)
    contexts: dict[str, JobContext] = {}
    said: list[str] = []
    for number, stage in enumerate(STAGES):
        contexts[stage] = context = killed_at(place, stage, address, tmp_path / stage)
        (row,) = rows.unfinished(store.engine)
        (listed,) = collecting.listed(store)
        assert (row.job_id, listed.driver) == (context.job_id, "")
        stored = store.count()
        if number % 2:
            (done,) = collecting.collect(store, place.config, [place.device], wait_s=60.0, tell=said.append)
            assert (done.jobs, done.error) == ((context.job_id,), None)
        else:
            assert driver.collect("next", Watcher()) == 1
        assert rows.unfinished(store.engine) == ()
        assert store.count() == (stored if row.state == rows.STORED else stored + 1)
        same(store.result(context.job_id), place.result)
        assert driver.collect("again", Watcher()) == 0
    folder = Path(place.device.root) / "jobs"
    assert all((folder / context.job_id / "acknowledged").exists() for context in contexts.values())
    before = json.loads((tmp_path / "judged" / "judged.json").read_text())
    after = json.loads(codec.dumps(store.result(contexts["judged"].job_id)))
    before.pop("created_unix_s")
    after.pop("created_unix_s")
    assert before.pop("document")["spec"].pop("fence") < after.pop("document")["spec"].pop("fence")
    assert before == after
    driver.session.close()
    store.close()


@pytest.mark.parametrize("stage", ["judged", "acknowledge"])
def test_the_same_in_postgresql(place: Place, postgres: Any, tmp_path: Path, stage: str) -> None:
    address = postgres.create()
    store, driver = driver_in(place, address, tmp_path)
    store.add_run(place.run)
    context = killed_at(place, stage, address, tmp_path / stage)
    assert driver.collect("next", Watcher()) == 1
    assert [one.job_id for one in store.results()] == [context.job_id]
    same(store.result(context.job_id), place.result)
    assert rows.unfinished(store.engine) == ()
    driver.session.close()
    store.close()


def test_a_damaged_result_waits_and_keeps_nobody_from_the_device(place: Place, tmp_path: Path) -> None:
    """Other jobs go on; whole again it comes home; after a day it is given up."""
    store, driver = driver_in(place, place.config.store, tmp_path)
    first = killed_at(place, "fetch", place.config.store, tmp_path / "whole-later")
    second = killed_at(place, "fetch", place.config.store, tmp_path / "never-whole")
    files = [
        Path(place.device.root) / "jobs" / each.job_id / "block-0.samples.gz" for each in (first, second)
    ]
    kept = files[0].read_bytes()
    for file in files:
        file.write_bytes(file.read_bytes()[:-9] + b"something")
    fresh = another(place, "fresh")
    order = order_of(store, fresh, tmp_path)
    driver.drive(order.spec, order.shipment, order.keep, Watcher(), fresh)
    assert store.result(fresh.job_id).status == "ok"
    assert {row.job_id for row in rows.unfinished(store.engine)} == {first.job_id, second.job_id}
    files[0].write_bytes(kept)
    with store.engine.begin() as connection:
        connection.execute(update(JOB).where(JOB.c.job_id == second.job_id).values(changed_unix_s=1.0))
    assert driver.collect("later", Watcher()) == 2
    same(store.result(first.job_id), place.result)
    assert store.result(second.job_id).error_code == "link.corrupt"
    assert rows.unfinished(store.engine) == ()
    driver.session.close()
    store.close()


def test_a_driver_that_slept_through_its_lease_changes_nothing(place: Place, tmp_path: Path) -> None:
    """It is frozen, not dead: another one takes over only once the lease has run out."""
    address = place.config.store
    store, driver = driver_in(place, address, tmp_path)
    context = another(place, "sleeper")
    (tmp_path / "sleeper").mkdir()
    arguments = (place, address, tmp_path / "sleeper", context, "fetch", signal.SIGSTOP)
    sleeper = CLEAN.Process(target=_drive, args=arguments)
    sleeper.start()
    assert sleeper.pid is not None
    until(lambda: Path(f"/proc/{sleeper.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T", "sleep")
    assert leases.take(store.engine, place.device.name, "too early", holder_text("run")) is None
    (listed,) = collecting.listed(store)
    assert listed.driver
    with store.engine.begin() as connection:
        connection.execute(update(LEASE).values(expires_unix_s=1.0))
    assert driver.collect("next", Watcher()) == 1
    first = store.result(context.job_id)
    os.kill(sleeper.pid, signal.SIGCONT)
    sleeper.join(LIMIT_S)
    assert sleeper.exitcode == 0
    assert store.result(context.job_id) == first
    assert rows.unfinished(store.engine) == ()
    driver.session.close()
    store.close()


def test_what_cannot_be_measured_any_more_ends_with_its_reason(place: Place, tmp_path: Path) -> None:
    """Files of the shipment that are gone, a run that a person ended, a device that lost the job, a job
    that was given up."""
    address = place.config.store
    store, driver = driver_in(place, address, tmp_path)

    def begun(name: str, **changes: Any) -> JobContext:
        context = replace(
            place.context, job_id=name, spec=replace(place.context.spec, job_id=name), **changes
        )
        rows.begin(store.engine, context)
        return context

    gone = tuple(replace(part, path=part.path + ".gone") for part in place.context.parts)
    begun("gone", parts=gone)
    store.add_run(replace(place.run, run_id="ended"))
    store.end_run("ended", "interrupted")
    begun("unwanted", run_id="ended")
    rows.started(store.engine, begun("lost"))
    begun("old")
    with store.engine.begin() as connection:
        connection.execute(update(JOB).where(JOB.c.job_id == "old").values(changed_unix_s=1.0))
    data = place.context.data
    assert data is not None
    begun("far", host="elsewhere", data=replace(data, reference_path="/nowhere/r.npz"))
    begun("mallory", owner="mallory@elsewhere", data=replace(data, metric="/tmp/x.py:run"))
    begun("dropped")
    collecting.drop(store, "dropped", "me@here")
    assert driver.collect("next", Watcher()) == 4
    codes = {name: store.result(name).error_code for name in ("gone", "old", "unwanted", "lost", "dropped")}
    assert codes == {
        "gone": "run.interrupted",
        "old": "run.interrupted",
        "unwanted": "run.interrupted",
        "lost": "job.lost",
        "dropped": "job.dropped",
    }
    assert {row.job_id for row in rows.unfinished(store.engine)} == {"far", "mallory"}
    assert runs.close_dead(store) == ()
    for name in ("far", "mallory"):
        collecting.drop(store, name, "me@here")
    driver.session.close()
    store.close()
