"""A job's whole life on the device, through the command line, with the real ONNX Runtime."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import signal
import subprocess
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from farm_agent import codec
from farm_agent.wire import Dataset

from .parts import ENDLESS, Agent, local_agent, result_of, small_spec


@pytest.fixture
def agent(tmp_path: Path) -> Agent:
    return local_agent(tmp_path)


def children(agent: Agent, job_id: str) -> list[int]:
    """Processes that name the job's folder: its supervisor and whatever that started."""
    needle = str(agent.root / "jobs" / job_id).encode()
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                dead = (entry / "stat").read_text().rpartition(")")[2].split()[0] == "Z"
                if needle in (entry / "cmdline").read_bytes() and not dead:
                    found.append(int(entry.name))
            except OSError:
                continue
    return found


def left_over(agent: Agent, job_id: str) -> list[int]:
    """Those of ``children`` that do not go by themselves: the last word of a job comes before the end of its
    processes, and one that was killed is seen for a moment longer."""
    deadline = time.monotonic() + 60
    while children(agent, job_id) and time.monotonic() < deadline:
        time.sleep(0.01)
    return children(agent, job_id)


def wait_for_block(agent: Agent, job_id: str) -> int:
    """The pid of the timed process, once it lives."""
    agent.wait_for(job_id, event="progress")
    for _ in range(1000):
        for pid in children(agent, job_id):
            try:
                if b"_block" in Path(f"/proc/{pid}/cmdline").read_bytes():
                    return pid
            except OSError:
                continue
        time.sleep(0.01)
    raise AssertionError("no timed process came to life")


def test_a_job_runs_to_its_result(agent: Agent, tmp_path: Path) -> None:
    spec = small_spec(agent, tmp_path)
    assert agent.start(spec)["state"] == "starting"
    events = agent.wait_for("job-1")
    assert [event["seq"] for event in events] == list(range(len(events)))
    assert [event["kind"] for event in events].count("block") == 2
    result, sha256 = result_of(agent, "job-1")
    assert (result.outcome, result.failure) == ("ok", None)
    assert result.check is not None
    assert (result.check.passed, result.check.samples) == (True, 2)
    assert result.proof is not None
    assert result.proof.executed == "fp32"
    assert sha256 == hashlib.sha256((agent.root / "jobs/job-1/result.json").read_bytes()).hexdigest()
    for block in result.blocks:
        path = agent.root / "jobs" / "job-1" / block.samples.name
        data = path.read_bytes()
        assert hashlib.sha256(data).hexdigest() == block.samples.sha256
        pairs = np.frombuffer(gzip.decompress(data), "<i8").reshape(-1, 2)
        # A row may time several inferences: what the plan asks for are inferences.
        assert len(pairs) == block.count
        assert block.count * block.calls_per_sample >= 20
        assert (pairs[:, 1] >= pairs[:, 0]).all()
        phases = [memory.phase for memory in block.memory]
        assert phases == ["started", "imported", "loaded", "first-inference", "measured"]
        peaks = [memory.peak_rss_bytes or 0 for memory in block.memory]
        assert peaks == sorted(peaks)
        assert peaks[0] > 0
        assert min(block.import_ns, block.load_ns, block.first_inference_ns) > 0
    assert result.environment["versions"]["numpy"] == np.__version__
    assert set(result.environment["before"]) == set(result.environment["after"])
    assert left_over(agent, "job-1") == []


def test_starting_twice_is_one_run(agent: Agent, tmp_path: Path) -> None:
    spec = small_spec(agent, tmp_path)
    agent.start(spec)
    first = agent.root / "jobs" / "job-1" / "state.json"
    pid = json.loads(first.read_text())["process"]["pid"]
    agent.start(replace(spec, fence=2))
    assert json.loads(first.read_text())["process"]["pid"] == pid
    agent.wait_for("job-1", fence=2)
    assert agent.start(replace(spec, fence=3))["state"] == "ok"
    events = (agent.root / "jobs/job-1/events.jsonl").read_text().splitlines()
    assert sum('"running"' in line for line in events) == 1


def test_an_id_stands_for_one_specification(agent: Agent, tmp_path: Path) -> None:
    spec = small_spec(agent, tmp_path)
    agent.start(spec)
    failure = agent.fail("start", stdin=codec.dumps(replace(spec, threads=2)).encode())
    assert failure["code"] == "job.other-spec"
    agent.ask("stop", "job-1", "--fence", "1")


def test_of_many_simultaneous_starts_one_wins(agent: Agent, tmp_path: Path) -> None:
    specs = [small_spec(agent, tmp_path, f"job-{n}", plan=ENDLESS) for n in range(4)]
    argv = [agent.python, str(agent.zipapp), "start", "--root", str(agent.root)]
    started = [
        subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in specs
    ]
    for process, spec in zip(started, specs, strict=True):
        assert process.stdin is not None
        process.stdin.write(codec.dumps(spec))
        process.stdin.close()
    replies = [json.loads(process.stdout.read()) for process in started if process.stdout is not None]
    for process in started:
        process.wait(60)
        assert process.stdout is not None
        process.stdout.close()
    failures = [reply["failure"]["code"] for reply in replies if reply["failure"]]
    winners = [reply["body"]["state"]["job_id"] for reply in replies if reply["body"]]
    assert failures == ["device.busy"] * 3
    assert agent.ask("hello")["running"] == winners
    agent.ask("stop", winners[0], "--fence", "1")


def test_a_start_that_is_refused_does_not_fence_off_the_running_job(agent: Agent, tmp_path: Path) -> None:
    spec = small_spec(agent, tmp_path, fence=1, plan=ENDLESS)
    agent.start(spec)
    rival = codec.dumps(replace(spec, job_id="job-2", fence=9)).encode()
    assert agent.fail("start", stdin=rival)["code"] == "device.busy"
    assert agent.ask("attach", "job-1", "--fence", "1")["state"]["state"] in ("starting", "running")
    agent.ask("stop", "job-1", "--fence", "1")


def test_a_lower_fence_is_refused_everywhere(agent: Agent, tmp_path: Path) -> None:
    spec = small_spec(agent, tmp_path, fence=5, plan=ENDLESS)
    agent.start(spec)
    old = codec.dumps(replace(spec, job_id="job-2", fence=4)).encode()
    assert agent.fail("start", stdin=old)["code"] == "lease.fenced"
    for verb in ("attach", "stop"):
        assert agent.fail(verb, "job-1", "--fence", "4")["code"] == "lease.fenced"
    # A newer driver adopts the job; from then on the first one is too old.
    assert agent.ask("attach", "job-1", "--fence", "6")["state"]["state"] in ("starting", "running")
    assert agent.fail("attach", "job-1", "--fence", "5")["code"] == "lease.fenced"
    assert agent.ask("hello")["fence"] == 6
    agent.ask("stop", "job-1", "--fence", "6")
    sha256 = agent.ask("result", "job-1")["sha256"]
    for verb, words in {"ack": ("job-1", sha256), "gc": ("--max-bytes", "0")}.items():
        assert agent.fail(verb, *words, "--fence", "5")["code"] == "lease.fenced"
    assert agent.ask("gc", "--fence", "6")["jobs"] == []


def test_stop_ends_everything_and_keeps_finished_blocks(agent: Agent, tmp_path: Path) -> None:
    quick = small_spec(agent, tmp_path).plan
    # The first block meets its floor; the second would need for ever: its cap is far away.
    plan = replace(quick, blocks=1000, max_time_ns=10**15)
    agent.start(small_spec(agent, tmp_path, plan=plan))
    agent.wait_for("job-1", event="block")
    state = agent.ask("stop", "job-1", "--fence", "1")["state"]
    assert state["state"] == "stopped"
    assert left_over(agent, "job-1") == []
    result, _ = result_of(agent, "job-1")
    assert result.outcome == "stopped"
    assert len(result.blocks) >= 1
    assert agent.ask("stop", "job-1", "--fence", "1")["state"]["state"] == "stopped"


def test_stop_ends_a_supervisor_that_does_not_listen(agent: Agent, tmp_path: Path) -> None:
    agent.start(small_spec(agent, tmp_path, plan=ENDLESS))
    wait_for_block(agent, "job-1")
    supervisor = json.loads((agent.root / "jobs/job-1/state.json").read_text())["process"]["pid"]
    os.kill(supervisor, signal.SIGSTOP)
    assert agent.ask("stop", "job-1", "--fence", "1")["state"]["state"] == "stopped"
    assert left_over(agent, "job-1") == []


def test_a_killed_supervisor_is_an_interrupted_job_and_leaves_no_orphan(agent: Agent, tmp_path: Path) -> None:
    agent.start(small_spec(agent, tmp_path, plan=ENDLESS))
    wait_for_block(agent, "job-1")
    supervisor = json.loads((agent.root / "jobs/job-1/state.json").read_text())["process"]["pid"]
    os.kill(supervisor, signal.SIGKILL)
    events = agent.wait_for("job-1")
    assert events[-1]["data"]["state"] == "interrupted"
    result, _ = result_of(agent, "job-1")
    assert result.outcome == "interrupted"
    assert result.failure is not None
    assert (result.failure.blame, result.failure.code) == ("infrastructure", "job.interrupted")
    assert result.check is not None, "what was finished before stays"
    assert left_over(agent, "job-1") == []
    assert agent.ask("hello")["running"] == []


def test_a_reboot_in_the_middle_is_an_interrupted_job(agent: Agent, tmp_path: Path) -> None:
    spec = small_spec(agent, tmp_path)
    agent.start(spec)
    agent.wait_for("job-1")
    folder = agent.root / "jobs" / "job-1"
    (folder / "result.json").unlink()
    record = json.loads((folder / "state.json").read_text())
    # As a power cut leaves it: running, under a pid that belongs to someone else in this boot.
    record.update(state="running", process={"pid": os.getpid(), "start_ticks": 1, "boot_id": "earlier"})
    (folder / "state.json").write_text(json.dumps(record))
    assert agent.start(replace(spec, fence=2))["state"] == "interrupted"
    result, _ = result_of(agent, "job-1")
    assert result.failure is not None
    assert "rebooted" in result.failure.message
    assert len(result.blocks) == 2


@pytest.mark.parametrize(
    ("number", "code", "word"),
    [
        (signal.SIGSEGV, "runtime.crashed", "SIGSEGV"),
        (signal.SIGILL, "runtime.crashed", "CPU instructions"),
        (signal.SIGKILL, "runtime.out-of-memory", "memory"),
    ],
)
def test_a_process_that_dies_is_one_failed_job(
    agent: Agent, tmp_path: Path, number: int, code: str, word: str
) -> None:
    agent.start(small_spec(agent, tmp_path, plan=ENDLESS))
    os.kill(wait_for_block(agent, "job-1"), number)
    agent.wait_for("job-1")
    result, _ = result_of(agent, "job-1")
    assert result.outcome == "failed"
    assert result.failure is not None
    assert (result.failure.blame, result.failure.code) == ("job", code)
    assert word in result.failure.message
    second = small_spec(agent, tmp_path, "job-2")
    agent.start(second)
    agent.wait_for("job-2")
    assert result_of(agent, "job-2")[0].outcome == "ok"


def test_a_process_that_takes_too_long_is_a_failed_job(agent: Agent, tmp_path: Path) -> None:
    agent.start(small_spec(agent, tmp_path, plan=ENDLESS, process_timeout_s=2.0))
    agent.wait_for("job-1")
    result, _ = result_of(agent, "job-1")
    assert result.failure is not None
    assert result.failure.code == "runtime.timeout"
    assert left_over(agent, "job-1") == []


def test_a_process_beyond_its_memory_limit_is_a_failed_job(agent: Agent, tmp_path: Path) -> None:
    agent.start(small_spec(agent, tmp_path, memory_limit_bytes=64 * 1024 * 1024))
    agent.wait_for("job-1")
    result, _ = result_of(agent, "job-1")
    assert result.outcome == "failed"
    assert result.failure is not None
    assert result.failure.blame == "job"
    assert result.failure.code == "runtime.out-of-memory"


def test_floats_by_the_name_of_int8_end_the_job_before_any_timing(agent: Agent, tmp_path: Path) -> None:
    """The outputs are right; the name is not."""
    spec = small_spec(agent, tmp_path)
    agent.start(replace(spec, artifact=replace(spec.artifact, precision="int8")))
    agent.wait_for("job-1")
    result, _ = result_of(agent, "job-1")
    assert (result.outcome, result.blocks) == ("failed", ())
    assert result.failure is not None
    assert result.failure.code == "check.precision"
    assert result.proof is not None


def test_wrong_outputs_end_the_job_before_any_timing(agent: Agent, tmp_path: Path) -> None:
    agent.start(small_spec(agent, tmp_path, wrong=True))
    agent.wait_for("job-1")
    result, _ = result_of(agent, "job-1")
    assert (result.outcome, result.blocks) == ("failed", ())
    assert result.failure is not None
    assert result.failure.code == "check.mismatch"
    assert "largest error 1 " in result.failure.message
    assert result.check is not None
    assert result.check.max_abs_error == pytest.approx(1.0)


def test_a_job_without_its_files_is_not_started(agent: Agent, tmp_path: Path) -> None:
    spec = small_spec(agent, tmp_path)
    missing = replace(spec, dataset=Dataset(replace(spec.artifact.files[0], sha256="0" * 64), "none"))
    assert agent.fail("start", stdin=codec.dumps(missing).encode())["code"] == "device.blob-missing"
    assert agent.fail("attach", "job-1", "--fence", "1")["code"] == "job.unknown"


@pytest.mark.parametrize("job_id", ["../../escape", "/etc/x", ".hidden", "a/b", "", "x" * 129, "a\nb"])
def test_names_cannot_leave_the_root(agent: Agent, tmp_path: Path, job_id: str) -> None:
    spec = replace(small_spec(agent, tmp_path), job_id=job_id)
    assert agent.fail("start", stdin=codec.dumps(spec).encode())["code"] == "agent.bad-name"
    spec = small_spec(agent, tmp_path)
    blob = replace(spec.artifact.files[0], name=job_id)
    spec = replace(spec, artifact=replace(spec.artifact, files=(blob,)))
    assert agent.fail("start", stdin=codec.dumps(spec).encode())["code"] == "agent.bad-name"


def test_a_result_may_go_once_it_is_acknowledged_by_its_hash(agent: Agent, tmp_path: Path) -> None:
    agent.start(small_spec(agent, tmp_path))
    agent.wait_for("job-1")
    _, sha256 = result_of(agent, "job-1")
    assert agent.ask("gc", "--max-bytes", "1000000000")["jobs"] == []
    assert agent.fail("ack", "job-1", "0" * 64)["code"] == "job.other-result"
    agent.ask("ack", "job-1", sha256)
    agent.ask("ack", "job-1", sha256)
    assert result_of(agent, "job-1")[1] == sha256
    swept: dict[str, Any] = agent.ask("gc", "--max-bytes", "0")
    assert swept["jobs"] == ["job-1"]
    assert swept["files"] == 2
    assert list((agent.root / "cas").iterdir()) == []


def test_sweeping_leaves_a_living_job_alone(agent: Agent, tmp_path: Path) -> None:
    agent.start(small_spec(agent, tmp_path, plan=ENDLESS))
    wait_for_block(agent, "job-1")
    assert agent.fail("result", "job-1")["code"] == "job.no-result"
    before = sorted(path.name for path in (agent.root / "cas").iterdir())
    swept = agent.ask("gc", "--max-bytes", "0")
    assert (swept["jobs"], swept["files"]) == ([], 0)
    assert sorted(path.name for path in (agent.root / "cas").iterdir()) == before
    assert agent.ask("stop", "job-1", "--fence", "1")["state"]["state"] == "stopped"


def test_attach_resumes_where_a_lost_link_left_off(agent: Agent, tmp_path: Path) -> None:
    agent.start(small_spec(agent, tmp_path))
    events = agent.wait_for("job-1")
    replies = agent.talk("attach", "job-1", "--from", "3", "--wait", "0", "--fence", "1")
    assert [reply["body"]["event"] for reply in replies[:-1]] == events[3:]
    assert replies[-1]["body"]["state"]["next_seq"] == len(events)


def test_a_torn_last_line_of_the_spool_is_skipped(agent: Agent, tmp_path: Path) -> None:
    agent.start(small_spec(agent, tmp_path))
    events = agent.wait_for("job-1")
    with open(agent.root / "jobs/job-1/events.jsonl", "ab") as spool:
        spool.write(b'{"seq": 99, "uni')
    replies = agent.talk("attach", "job-1", "--fence", "1")
    assert [reply["body"]["event"] for reply in replies[:-1]] == events
