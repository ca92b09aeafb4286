"""The queue of a device, and leases of processes that provably died; on both kinds of database."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator

import pytest
from sqlalchemy import Engine

from farm.devices import holder, leases, waiting
from farm_results.storage.engine import open_engine
from tests.farm.devices.test_leases import at


@pytest.fixture
def engine(store_address: str) -> Iterator[Engine]:
    opened = open_engine(store_address)
    yield opened
    opened.dispose()


def test_the_best_ticket_comes_first_and_the_oldest_among_equals(engine: Engine) -> None:
    lease = leases.take(engine, "pi", "job-0", "me", at(0))
    assert lease is not None
    tickets = {
        name: waiting.join(engine, "pi", name, name, priority=priority, now_source=at(second))
        for second, (name, priority) in enumerate({"late": 0, "low": -1, "later": 0, "urgent": 7}.items())
    }
    assert [each.job_id for each in waiting.queue(engine, "pi", at(5))] == ["urgent", "late", "later", "low"]
    leases.release(engine, lease)
    left = {"urgent": 7, "late": 0, "later": 0, "low": -1}
    for name in list(left):
        for other in reversed(list(left)):
            got = leases.take(engine, "pi", other, other, at(6), priority=left[other], ticket=tickets[other])
            assert (got is not None) == (other == name), (name, other)
        leases.release(engine, got) if got else pytest.fail(f"{name} had to wait")
        del left[name]
    assert waiting.queue(engine, "pi", at(6)) == ()


def test_who_has_no_ticket_does_not_push_in(engine: Engine) -> None:
    ticket = waiting.join(engine, "pi", "job-1", "patient")
    assert leases.take(engine, "pi", "job-2", "hasty") is None
    urgent = leases.take(engine, "pi", "job-3", "urgent", priority=1)
    assert urgent is not None
    leases.release(engine, urgent)
    waiting.leave(engine, ticket)
    assert leases.take(engine, "pi", "job-2", "hasty") is not None


def test_a_waiter_that_does_not_prolong_loses_its_place(engine: Engine) -> None:
    ticket = waiting.join(engine, "pi", "job-1", "asleep", now_source=at(0))
    assert leases.take(engine, "pi", "job-2", "me", at(waiting.EXPIRY_S - 1)) is None
    assert waiting.prolong(engine, ticket, at(waiting.EXPIRY_S - 1))
    assert leases.take(engine, "pi", "job-2", "me", at(waiting.EXPIRY_S + 1)) is None
    assert leases.take(engine, "pi", "job-2", "me", at(2 * waiting.EXPIRY_S)) is not None
    waiting.join(engine, "pi", "job-3", "next", now_source=at(2 * waiting.EXPIRY_S))
    assert not waiting.prolong(engine, ticket)


@pytest.fixture(scope="module")
def dead() -> str:
    """The text of a holder whose process has ended."""
    program = "from farm.devices.holder import holder_text; print(holder_text('run x'))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_the_lease_of_a_process_that_died_here_is_taken_at_once(engine: Engine, dead: str) -> None:
    first = leases.take(engine, "pi", "job-1", dead)
    assert first is not None
    second = leases.take(engine, "pi", "job-2", holder.holder_text("run y"))
    assert second is not None
    assert second.fence == first.fence + 1
    assert not leases.beat(engine, first)
    assert leases.take(engine, "pi", "job-3", "me") is None


def test_the_ticket_of_a_process_that_died_here_does_not_count(engine: Engine, dead: str) -> None:
    waiting.join(engine, "pi", "job-1", dead, priority=9)
    assert waiting.queue(engine, "pi") == ()
    assert leases.take(engine, "pi", "job-2", "me") is not None


def test_in_doubt_a_holder_lives(dead: str) -> None:
    """Another machine, another boot, text of an older farm; this very process; a process id used again."""
    mine = holder.holder_text("run x")
    elsewhere = re.sub(r"@\S+", "@elsewhere", dead)
    other_boot = re.sub(r"\([0-9a-f]{16}:", f"({'0' * 16}:", dead)
    for text in (mine, elsewhere, other_boot, "me@here pid 1 run x", "", "\udc80"):
        assert not holder.provably_dead(text), text
    assert holder.provably_dead(dead)
    again = re.sub(r"pid \d+", f"pid {os.getpid()}", dead)
    assert holder.provably_dead(again)
    assert holder.shown(dead).endswith("run x")
