"""One driver per device at a time, by the database's clock, also between processes."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import ColumnElement, Engine, literal

from farm.devices import leases, waiting
from farm.devices.leases import Clock, database_clock
from farm.errors import InfrastructureError
from farm_results.storage.engine import open_engine

# Not forked from here: this process may have threads, and locks that they hold.
CLEAN = multiprocessing.get_context("forkserver")
CLEAN.set_forkserver_preload([__name__])
RACERS = 6
TAKES_EACH = 4


@pytest.fixture
def engine(store_address: str) -> Iterator[Engine]:
    opened = open_engine(store_address)
    yield opened
    opened.dispose()


def later(seconds: float) -> Clock:
    """The database's clock, moved."""

    def clock(engine: Engine) -> ColumnElement[float]:
        return database_clock(engine) + seconds

    return clock


def at(seconds: float) -> Clock:
    """A clock that stands still, so many seconds after some moment."""
    return lambda _: literal(2_000_000_000.0 + seconds)


def test_a_held_device_is_not_given_away(engine: Engine) -> None:
    lease = leases.take(engine, "pi", "job-1", "me")
    assert lease is not None
    assert leases.take(engine, "pi", "job-2", "you") is None
    assert leases.take(engine, "pi", "job-1", "me") is None
    assert leases.take(engine, "other", "job-2", "you") is not None
    assert leases.holder_of(engine, "pi") == lease
    assert leases.holder_of(engine, "nobody's") is None


def test_a_released_device_is_free_and_its_fence_grows(engine: Engine) -> None:
    fences = []
    for number in range(4):
        lease = leases.take(engine, "pi", f"job-{number}", "me")
        assert lease is not None
        fences.append(lease.fence)
        leases.release(engine, lease)
        assert leases.holder_of(engine, "pi") is None
        assert not leases.beat(engine, lease)
    assert fences == [1, 2, 3, 4]


def test_a_lease_runs_out_unless_it_beats(engine: Engine) -> None:
    """Just before the expiry it holds, from then on it does not; a beat moves the expiry."""
    first = leases.take(engine, "pi", "job-1", "me", at(0))
    assert first is not None
    assert leases.take(engine, "pi", "job-2", "you", at(leases.EXPIRY_S - 1)) is None
    assert leases.beat(engine, first, at(leases.EXPIRY_S - 1))
    assert leases.holder_of(engine, "pi", at(2 * leases.EXPIRY_S - 2)) == first
    assert leases.take(engine, "pi", "job-2", "you", at(2 * leases.EXPIRY_S - 2)) is None
    assert leases.holder_of(engine, "pi", at(2 * leases.EXPIRY_S - 1)) is None
    second = leases.take(engine, "pi", "job-2", "you", at(2 * leases.EXPIRY_S - 1))
    assert second is not None
    assert second.fence > first.fence


def test_a_driver_that_was_thought_dead_cannot_come_back(engine: Engine) -> None:
    """Neither beat nor release nor fence of the old lease touches the new one."""
    old = leases.take(engine, "pi", "job-1", "me")
    assert old is not None
    new = leases.take(engine, "pi", "job-2", "you", later(leases.EXPIRY_S + 1))
    assert new is not None
    assert not leases.beat(engine, old)
    leases.release(engine, old)
    with pytest.raises(InfrastructureError) as caught:
        leases.raise_fence(engine, old, 100)
    assert caught.value.code == "lease.lost"
    assert leases.holder_of(engine, "pi") == new
    assert leases.beat(engine, new)


def test_a_lease_that_nobody_took_revives(engine: Engine) -> None:
    """A laptop slept: the lease ran out, but is still the last one."""
    lease = leases.take(engine, "pi", "job-1", "me")
    assert lease is not None
    assert leases.beat(engine, lease, later(10 * leases.EXPIRY_S))
    assert leases.take(engine, "pi", "job-2", "you", later(10 * leases.EXPIRY_S + 1)) is None


def test_the_fence_can_be_lifted_above_what_the_agent_has_seen(engine: Engine) -> None:
    """A store that was deleted starts at fence 1 again; the device remembers higher ones."""
    lease = leases.take(engine, "pi", "job-1", "me")
    assert lease is not None
    assert leases.raise_fence(engine, lease, 42) == 42
    assert leases.raise_fence(engine, lease, 7) == 42
    assert leases.beat(engine, lease)
    leases.release(engine, lease)
    following = leases.take(engine, "pi", "job-2", "me")
    assert following is not None
    assert following.fence == 43


def test_jobs_of_this_store_are_known_for_ever(engine: Engine) -> None:
    """A later driver may stop what an earlier one of the same store left running, and nothing else."""
    first = leases.take(engine, "pi", "job-1", "me")
    assert first is not None
    leases.release(engine, first)
    lease = leases.take(engine, "pi", "job-2", "me")
    assert lease is not None
    assert leases.take(engine, "pi", "job-refused", "you") is None
    assert leases.was_ours(engine, lease, "job-1")
    assert leases.was_ours(engine, lease, "job-2")
    assert not leases.was_ours(engine, lease, "job-refused")
    other = leases.take(engine, "nano", "job-3", "me")
    assert other is not None
    assert not leases.was_ours(engine, other, "job-1")


@pytest.mark.parametrize("name", ["", "'; --", "nul\x00", "\udc80", "a\\b"])
def test_any_name_can_be_held(engine: Engine, name: str) -> None:
    lease = leases.take(engine, name, name, name)
    assert lease is not None
    assert leases.holder_of(engine, name) == lease
    assert leases.beat(engine, lease)


def _race(address: str, number: int, marker: Path, fences: multiprocessing.Queue[tuple[int, int]]) -> None:
    """Take the device some times; while holding it, own a file that nobody else may own.

    Odd ones are urgent. What is told: the fence, and how many more urgent ones had a ticket before the take.
    """
    engine = open_engine(address)
    urgency = number % 2
    for taken in range(TAKES_EACH):
        job = f"job-{number}-{taken}"
        ticket = waiting.join(engine, "pi", job, f"racer {number}", priority=urgency)
        lease = None
        while lease is None:
            before = {each.ticket for each in waiting.queue(engine, "pi") if each.priority > urgency}
            lease = leases.take(engine, "pi", job, f"racer {number}", priority=urgency, ticket=ticket)
            if lease is None:
                time.sleep(0.005)
        marker.touch(exist_ok=False)
        time.sleep(0.02)  # a second holder would have time to be noticed
        still = {each.ticket for each in waiting.queue(engine, "pi") if each.priority > urgency}
        fences.put((lease.fence, len(before & still)))
        marker.unlink()
        leases.release(engine, lease)
    engine.dispose()


def test_processes_race_one_wins_at_a_time_and_the_urgent_come_first(
    store_address: str, tmp_path: Path
) -> None:
    """Each holder creates a file that must not exist; the fences are all different and without gaps; nobody
    took the device while somebody more urgent waited."""
    open_engine(store_address).dispose()
    fences: multiprocessing.Queue[tuple[int, int]] = CLEAN.Queue()
    marker = tmp_path / "held"
    racers = [
        CLEAN.Process(target=_race, args=(store_address, number, marker, fences)) for number in range(RACERS)
    ]
    for racer in racers:
        racer.start()
    seen = [fences.get(timeout=120) for _ in range(RACERS * TAKES_EACH)]
    for racer in racers:
        racer.join()
    assert [racer.exitcode for racer in racers] == [0] * RACERS
    assert sorted(fence for fence, _ in seen) == list(range(1, RACERS * TAKES_EACH + 1))
    assert [overtaken for _, overtaken in seen] == [0] * len(seen)
