"""Devices that are kept for one person; on both kinds of database."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, update

from farm import audit
from farm.devices import leases, reservations, waiting
from farm.devices.hold import Wish, hold
from farm.devices.who import usage_of
from farm.errors import FarmError, InfrastructureError, UsageError
from farm_results.storage.engine import open_engine
from farm_results.storage.schema import RESERVATION

ANN, BOB = "ann@lab", "bob@lab"


@pytest.fixture
def engine(store_address: str) -> Iterator[Engine]:
    opened = open_engine(store_address)
    yield opened
    opened.dispose()


def take(engine: Engine, owner: str) -> leases.Lease | None:
    return leases.take(engine, "pi", f"job of {owner}", owner, owner=owner)


def wait_for_it(engine: Engine, owner: str, wait_s: float) -> FarmError:
    """How waiting for the device ends in vain."""
    wish = Wish("pi", "job", owner, owner)
    manager = hold(engine, wish, wait_s=wait_s, stop=threading.Event(), waiting=lambda _text: None)
    with pytest.raises(InfrastructureError) as caught, manager:
        pytest.fail("it was reserved")
    return caught.value


def test_only_its_owner_gets_a_reserved_device(engine: Engine) -> None:
    reservations.reserve(engine, "pi", ANN, for_s=3600, reason="driver update")
    assert take(engine, BOB) is None
    assert take(engine, "") is None
    lease = take(engine, ANN)
    assert lease is not None
    leases.release(engine, lease)
    error = wait_for_it(engine, BOB, 600)
    assert error.code == "lease.reserved"
    assert "reserved by ann@lab until 2" in error.message
    assert error.message.endswith("driver update")


def test_somebody_who_waits_longer_than_the_reservation_lasts_waits(engine: Engine) -> None:
    reservations.reserve(engine, "pi", ANN, for_s=3600, reason="")
    told: list[str] = []
    stop = threading.Event()

    def note(text: str) -> None:
        told.append(text)
        stop.set()

    manager = hold(engine, Wish("pi", "job", BOB, BOB), wait_s=7200, stop=stop, waiting=note)
    with pytest.raises(InfrastructureError) as caught, manager:
        pytest.fail("it was reserved")
    assert caught.value.code == "lease.stopped"
    assert told[0].startswith("reserved by ann@lab")
    assert waiting.queue(engine, "pi") == ()


def test_a_reservation_runs_out_and_a_lock_does_not(engine: Engine) -> None:
    reservations.reserve(engine, "pi", ANN, for_s=3600, reason="")
    with engine.begin() as connection:
        connection.execute(update(RESERVATION).values(until_unix_s=1.0))
    assert reservations.reservation_of(engine, "pi") is None
    lease = take(engine, BOB)
    assert lease is not None
    leases.release(engine, lease)
    locked = reservations.reserve(engine, "pi", BOB, for_s=None, reason="fan broken")
    assert "until it is unlocked: fan broken" in locked.text()
    assert take(engine, ANN) is None
    assert wait_for_it(engine, ANN, 1e9).code == "lease.reserved"


def test_another_persons_reservation_is_ended_by_force_only_and_audited(engine: Engine) -> None:
    reservations.reserve(engine, "pi", ANN, for_s=None, reason="mine")
    with pytest.raises(InfrastructureError) as refused:
        reservations.reserve(engine, "pi", BOB, for_s=60, reason="")
    with pytest.raises(UsageError) as kept:
        reservations.unlock(engine, "pi", BOB)
    assert (refused.value.code, kept.value.code) == ("lease.reserved", "lease.not-yours")
    assert reservations.unlock(engine, "pi", BOB, force=True) is not None
    assert reservations.unlock(engine, "pi", BOB) is None
    assert take(engine, BOB) is not None
    trail = [(entry.actor, entry.event) for entry in audit.recent(engine, "pi")]
    assert trail == [(BOB, "unlock-forced"), (ANN, "lock")]


def test_the_owner_does_not_wait_behind_those_who_cannot_have_it(engine: Engine) -> None:
    waiting.join(engine, "pi", "job", BOB, owner=BOB, priority=100)
    assert take(engine, ANN) is None
    reservations.reserve(engine, "pi", ANN, for_s=None, reason="")
    assert take(engine, ANN) is not None


def test_who_tells_holder_queue_and_reservation(engine: Engine) -> None:
    assert usage_of(engine, "pi").holder == ""
    reservations.reserve(engine, "pi", ANN, for_s=60, reason="why")
    lease = take(engine, ANN)
    assert lease is not None
    waiting.join(engine, "pi", "next", BOB, owner=BOB, priority=3)
    usage = usage_of(engine, "pi")
    assert (usage.holder, usage.job_id, usage.fence) == (ANN, f"job of {ANN}", lease.fence)
    assert [(ticket.owner, ticket.priority) for ticket in usage.waiting] == [(BOB, 3)]
    assert usage.reservation is not None
    assert usage.reservation.reason == "why"
