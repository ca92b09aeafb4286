"""Holding a device's lease: waiting, giving up, being taken over."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from sqlalchemy import Engine, update

from farm.devices import beater as beating
from farm.devices import leases
from farm.devices.hold import Hold, Wish, hold
from farm.errors import InfrastructureError
from farm_results.storage.schema import LEASE
from farm_results.store import open_store


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    store = open_store(tmp_path)
    yield store.engine
    store.close()


def held(
    engine: Engine, job: str, wait_s: float = 0.0, stop: threading.Event | None = None
) -> tuple[AbstractContextManager[Hold], list[str]]:
    told: list[str] = []
    manager = hold(
        engine,
        Wish("d", job, f"me for {job}"),
        wait_s=wait_s,
        stop=stop or threading.Event(),
        waiting=told.append,
    )
    return manager, told


def test_a_device_in_use_is_waited_for_and_named(engine: Engine) -> None:
    first, _ = held(engine, "one")
    with first:
        second, told = held(engine, "two")
        with pytest.raises(InfrastructureError, match=r"d is held by me for one \(one\)") as caught, second:
            pytest.fail("two holders at once")

    assert caught.value.code == "lease.timeout"
    assert told == ["me for one (one)"]


def test_the_next_one_gets_it_when_it_is_given_back(engine: Engine) -> None:
    with held(engine, "one")[0] as before:
        pass
    with held(engine, "two")[0] as after:
        assert after.lease.fence > before.lease.fence
    assert leases.holder_of(engine, "d") is None


def test_it_is_given_back_after_an_error_too(engine: Engine) -> None:
    with pytest.raises(ZeroDivisionError), held(engine, "one")[0]:
        _ = 1 / 0

    assert leases.holder_of(engine, "d") is None


def test_stopping_ends_the_wait(engine: Engine) -> None:
    stop = threading.Event()
    with held(engine, "one")[0]:
        stop.set()
        second, _ = held(engine, "two", wait_s=600.0, stop=stop)
        with pytest.raises(InfrastructureError) as caught, second:
            pytest.fail("two holders at once")

    assert caught.value.code == "lease.stopped"


def test_a_holder_learns_that_another_took_over(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """As when a laptop slept through its lease: the row has aged and somebody else took it."""
    monkeypatch.setattr(beating, "BEAT_S", 0.02)
    with held(engine, "one")[0] as mine:
        with engine.begin() as connection:
            connection.execute(
                update(LEASE).values(serial=LEASE.c.serial + 1, fence=LEASE.c.fence + 1, job_id="two")
            )
        assert mine.lost.wait(20)

    holder = leases.holder_of(engine, "d")
    assert holder is not None
    assert holder.job_id == "two"


def test_hundreds_of_leases_are_kept_alive_by_one_thread(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each holder hears only of its own loss; with the last one the thread ends."""
    monkeypatch.setattr(beating, "BEAT_S", 0.02)
    before = threading.active_count()
    with contextlib.ExitStack() as stack:
        holds = [
            stack.enter_context(
                hold(
                    engine,
                    Wish(f"d-{number}", "job", "me"),
                    wait_s=0.0,
                    stop=threading.Event(),
                    waiting=lambda _: None,
                )
            )
            for number in range(200)
        ]
        assert threading.active_count() == before + 1
        with engine.begin() as connection:
            connection.execute(update(LEASE).values(expires_unix_s=1.0))
            connection.execute(update(LEASE).where(LEASE.c.device == "d-7").values(serial=99))
        assert holds[7].lost.wait(60)
        for name in ("d-0", "d-199"):  # prolonged, though they had run out
            while leases.holder_of(engine, name) is None:
                time.sleep(0.01)
        assert [number for number, held in enumerate(holds) if held.lost.is_set()] == [7]
    while threading.active_count() > before:
        time.sleep(0.01)
