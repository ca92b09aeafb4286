"""What each verb of the command line does.

What only one of them needs is imported there: a job is asked for its news many times while it measures.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from typing import Callable, Dict, List

from farm_agent import codec, files, job, lifecycle, reply
from farm_agent.errors import UsageError
from farm_agent.job import Job
from farm_agent.root import open_root
from farm_agent.wire import WIRE, Hello, JobSpec, JobState

LONGEST_WAIT_S = 600.0
POLL_S = 0.2
# What only shows how far a job is may wait for more of its kind: each answer costs the device a process,
# while it measures.
MERE_PROGRESS = ("block", "progress")
PROGRESS_S = 2.0
MOST_HASHES = 4096
MOST_RUNTIMES = 16


def hello(options: argparse.Namespace) -> None:
    """Who this agent is and what the device runs."""
    import platform

    from farm_agent import pack, restore, sweep

    root = open_root(options.root)
    sweep.touch_own(root)
    if restore.pending(root.path):
        with root.locked():
            restore.leftover(root.path)
    message = Hello(
        wire=WIRE,
        agent_sha256=pack.agent_sha256(),
        python=platform.python_version(),
        machine=os.uname().machine,
        root=str(root.path),
        free_bytes=root.free_bytes(),
        running=tuple(job.living(root)),
        fence=root.fence(),
    )
    reply.send(codec.encode(message))


def show_facts(options: argparse.Namespace) -> None:
    """What this box is; with the word ``kept``, runtimes that were imported before are not imported again."""
    from farm_agent import facts

    folder = open_root(options.root).path if options.root else None
    reply.send(codec.encode(facts.facts(folder, fresh=options.words != ["kept"])))


def stock(options: argparse.Namespace) -> None:
    """What the content store holds of each hash."""
    from farm_agent import cas

    root = open_root(options.root)
    if len(options.words) > MOST_HASHES:
        raise UsageError(f"at most {MOST_HASHES} hashes at once", code="agent.usage", fix="ask in parts")
    reply.send({"stock": [cas.stock(root, word, options.sender) for word in options.words]})


def commit(options: argparse.Namespace) -> None:
    """Make an upload complete after hashing it."""
    from farm_agent import cas

    sha256, size = words(options, 2)
    if not size.isdigit():
        raise UsageError(f"{size[:40]!r} is no size", code="agent.usage", fix="give the size in bytes")
    reply.send({"stock": cas.commit(open_root(options.root), sha256, int(size), options.sender)})


def follow(options: argparse.Namespace) -> None:
    """Hash an upload while it arrives, for its commit."""
    from farm_agent import arriving, cas

    sha256, size = words(options, 2)
    if not size.isdigit():
        raise UsageError(f"{size[:40]!r} is no size", code="agent.usage", fix="give the size in bytes")
    root = open_root(options.root)
    partial = cas.part_path(root, files.safe_sha256(sha256), options.sender)
    reply.send({"whole": arriving.follow(partial, int(size))})


def start(options: argparse.Namespace) -> None:
    """Start the job whose JobSpec comes on stdin."""
    data = stdin_bytes(files.MESSAGE_LIMIT_BYTES)
    try:
        spec = codec.loads(JobSpec, data)
    except codec.DecodeError as error:
        raise UsageError(
            str(error), code="agent.bad-spec", fix="ship the agent of this farm again"
        ) from error
    reply.send({"state": lifecycle.start(open_root(options.root), spec)})


def attach(options: argparse.Namespace) -> None:
    """Send events from ``--from`` on; wait up to ``--wait`` seconds for the first new one or the end."""
    root = open_root(options.root)
    job_id = words(options, 1)[0]
    found = lifecycle.inspect(root, job_id, options.fence)
    news, began = _News(found, options.from_seq), time.monotonic()
    wait_s = max(0.0, min(options.wait_s, LONGEST_WAIT_S))
    while not news.come(time.monotonic() - began) and time.monotonic() < began + wait_s:
        time.sleep(POLL_S)
        record = found.record()
        if record is not None and not record.ended and not record.living:
            found = lifecycle.inspect(root, job_id, options.fence)
    # The state is read first: an end whose last events are not sent yet is told by next_seq.
    found = lifecycle.inspect(root, job_id, options.fence)
    state = _state(found)
    events = found.events(options.from_seq)
    for event in events:
        reply.send({"event": event})
    reply.send({"state": state})


def stop(options: argparse.Namespace) -> None:
    """End a job and everything it started."""
    job_id = words(options, 1)[0]
    reply.send({"state": lifecycle.stop(open_root(options.root), job_id, options.fence)})


def result(options: argparse.Namespace) -> None:
    """The result of an ended job and the hash of its file."""
    import hashlib

    found = lifecycle.inspect(open_root(options.root), words(options, 1)[0])
    data = found.result_bytes()
    reply.send({"result": json.loads(data), "sha256": hashlib.sha256(data).hexdigest()})


def ack(options: argparse.Namespace) -> None:
    """The result with this hash is stored; the job may be swept."""
    root = open_root(options.root)
    job_id, sha256 = words(options, 2)
    with root.locked():
        if options.fence:
            root.raise_fence(options.fence)
        job.find(root, job_id).acknowledge(files.safe_sha256(sha256))
    reply.send({"acknowledged": job_id})


def collect(options: argparse.Namespace) -> None:
    """Make room."""
    from farm_agent import sweep

    swept = sweep.sweep(open_root(options.root), max(0, options.max_bytes), options.fence)
    reply.send(codec.encode(swept))


def clock(options: argparse.Namespace) -> None:
    """This device's monotonic clock; again for each line on stdin."""
    words(options, 0)
    from farm_agent import clockverb

    clockverb.answer()


def surroundings(options: argparse.Namespace) -> None:
    """What may disturb a measurement here."""
    from farm_agent.checkup.surroundings import look

    words(options, 0)
    reply.send({"surroundings": look()})


def sense(options: argparse.Namespace) -> None:
    """Every sensor, read once."""
    from farm_agent.checkup import sensing

    words(options, 0)
    reply.send({"readings": list(sensing.survey())})


def try_runtimes(options: argparse.Namespace) -> None:
    """A real inference in each of these runtimes; one reply each, as soon as it is known."""
    from farm_agent.checkup import trial

    for runtime in options.words[:MOST_RUNTIMES]:
        reply.send({"trial": trial.attempt(runtime)})


VERBS: Dict[str, Callable[[argparse.Namespace], None]] = {
    "ack": ack,
    "attach": attach,
    "clock": clock,
    "commit": commit,
    "facts": show_facts,
    "follow": follow,
    "gc": collect,
    "hello": hello,
    "result": result,
    "sensors": sense,
    "start": start,
    "stock": stock,
    "stop": stop,
    "surroundings": surroundings,
    "try": try_runtimes,
}


def words(options: argparse.Namespace, count: int) -> List[str]:
    """Exactly ``count`` words after the verb. Raises UsageError ``agent.usage``."""
    if len(options.words) != count:
        raise UsageError(
            f"{options.verb} takes {count} arguments, got {len(options.words)}",
            code="agent.usage",
            fix="ship the agent of this farm again",
        )
    return list(options.words)


def stdin_bytes(limit_bytes: int) -> bytes:
    """All of stdin. Raises UsageError ``agent.message-too-large``."""
    data = sys.stdin.buffer.read(limit_bytes + 1)
    if len(data) > limit_bytes:
        raise UsageError(
            f"the message is larger than {limit_bytes} bytes",
            code="agent.message-too-large",
            fix="make the job smaller",
        )
    return data


class _News:
    """Whether there is something to tell of a job. Its events are read again only when there are more."""

    def __init__(self, found: Job, from_seq: int) -> None:
        self._found, self._from_seq = found, from_seq
        self._bytes = -1
        self._kinds: List[str] = []

    def come(self, age_s: float) -> bool:
        record = self._found.record()
        if record is None or record.ended:
            return True
        size = self._found.events_bytes()
        if size != self._bytes:
            self._bytes = size
            self._kinds = [event.kind for event in self._found.events(self._from_seq)]
        urgent = any(kind not in MERE_PROGRESS for kind in self._kinds)
        return urgent or (bool(self._kinds) and age_s >= PROGRESS_S)


def _state(found: Job) -> JobState:
    record = found.record()
    if record is None:
        raise UsageError(f"the job {found.job_id} vanished", code="job.unknown", fix="start it")
    return found.state(record)
