"""Jobs through the command line: watched, gated, pinned, stopped; with real processes."""

from __future__ import annotations

import contextlib
import fcntl
import gzip
import hashlib
import json
import os
import signal
import time
from dataclasses import replace
from pathlib import Path

import pytest

from farm_agent import codec, restore
from farm_agent.identity import ProcessId
from farm_agent.messages.traces import TraceFile
from farm_agent.restore import Entry, Journal
from farm_agent.wire import GatePlan, PinPlan

from .parts import QUICK, Agent, local_agent, result_of, small_spec
from .test_jobs import left_over, wait_for_block
from .test_record import until

LONGER = replace(QUICK, blocks=1, min_time_ns=4_000_000_000, max_time_ns=30_000_000_000)
# Pressure is never below zero.
SHUT = GatePlan(cpu_pressure_pct=-1.0, max_wait_s=1.5)


@pytest.fixture
def agent(tmp_path: Path) -> Agent:
    return local_agent(tmp_path)


def test_every_block_tells_what_was_seen_beside_it(agent: Agent, tmp_path: Path) -> None:
    agent.start(small_spec(agent, tmp_path))
    agent.wait_for("job-1")
    result, _ = result_of(agent, "job-1")
    for block in result.blocks:
        assert block.observed is not None
        assert block.observed.elapsed_ns >= block.warmup_ns
        assert block.observed.own_cpu_ns is not None
        assert block.observed.own_cpu_ns > 0
        assert block.observed.stopped_reads == 0
        assert block.gate is None
        assert block.traces is not None
        data = (agent.root / "jobs/job-1" / block.traces.name).read_bytes()
        assert hashlib.sha256(data).hexdigest() == block.traces.sha256
        codec.loads(TraceFile, gzip.decompress(data))
        assert block.memory[-1].harness_bytes > 0
        assert block.memory[0].harness_bytes == 0


def test_a_frozen_process_is_seen_to_have_stood_still(agent: Agent, tmp_path: Path) -> None:
    agent.start(small_spec(agent, tmp_path, plan=LONGER))
    pid = wait_for_block(agent, "job-1")
    with contextlib.suppress(ProcessLookupError):
        while True:  # until it has ended: some of the stops fall into its measured phase
            os.kill(pid, signal.SIGSTOP)
            time.sleep(0.6)
            os.kill(pid, signal.SIGCONT)
            time.sleep(0.2)
    agent.wait_for("job-1")
    result, _ = result_of(agent, "job-1")
    assert result.outcome == "ok"
    observed = result.blocks[0].observed
    assert observed is not None
    assert observed.stopped_reads >= 1


def test_a_gate_that_stays_shut_measures_nothing_and_says_why(agent: Agent, tmp_path: Path) -> None:
    agent.start(small_spec(agent, tmp_path, gate=SHUT))
    events = agent.wait_for("job-1")
    result, _ = result_of(agent, "job-1")
    assert (result.outcome, result.blocks) == ("failed", ())
    assert result.failure is not None
    assert (result.failure.blame, result.failure.code) == ("measurement", "gate.not-quiet")
    assert "--no-gate" in result.failure.fix
    told = [event["data"]["text"] for event in events if event["kind"] == "gate"]
    assert told
    assert told[0].startswith("waiting for a quiet device: ")


def test_a_job_can_be_stopped_while_it_waits_for_quiet(agent: Agent, tmp_path: Path) -> None:
    agent.start(small_spec(agent, tmp_path, gate=replace(SHUT, max_wait_s=600.0)))
    agent.wait_for("job-1", event="gate")
    assert agent.ask("stop", "job-1", "--fence", "1")["state"]["state"] == "stopped"
    assert left_over(agent, "job-1") == []


def test_the_result_tells_what_was_pinned_and_what_could_not_be(agent: Agent, tmp_path: Path) -> None:
    cpu = min(os.sched_getaffinity(0))
    agent.start(small_spec(agent, tmp_path, pins=PinPlan(affinity=str(cpu), power_mode="1")))
    agent.wait_for("job-1")
    result, _ = result_of(agent, "job-1")
    assert result.outcome == "ok"
    pins = {pin.name: pin for pin in result.pins}
    assert (pins["affinity"].new, pins["affinity"].restored) == (str(cpu), True)
    assert "not installed" in pins["power-mode"].problem
    assert not (agent.root / restore.NAME).exists()


def test_the_next_job_waits_for_the_lock_of_the_one_before(agent: Agent, tmp_path: Path) -> None:
    """That one has said its last word, and its process has not ended yet."""
    spec = small_spec(agent, tmp_path)
    path = agent.root / "running.lock"
    with open(path, "ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        agent.start(spec)
        pid = json.loads((agent.root / "jobs/job-1/state.json").read_text())["process"]["pid"]
        until(lambda: has_open(pid, path))
        time.sleep(0.1)  # it tries the lock
    agent.wait_for("job-1")
    assert result_of(agent, "job-1")[0].outcome == "ok"


def has_open(pid: int, path: Path) -> bool:
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # closed meanwhile
            if entry.readlink() == path:
                return True
    return False


def test_the_next_agent_takes_up_what_a_killed_one_left_pinned(agent: Agent) -> None:
    agent.ask("hello")
    gone = ProcessId(1, 0, "another boot")
    # Of another boot: the kernel has begun anew with its own governor, so that the entry is done with.
    entry = Entry("governor:policy0", "schedutil", "performance")
    restore.write(agent.root, Journal("another boot", gone, (entry,)))
    agent.ask("hello")
    assert not (agent.root / restore.NAME).exists()
