"""The coordinator's side of the agent: find a Python, install the zipapp, speak the verbs.

Whatever a device sends is untrusted: bounded by the transport, decoded strictly, never evaluated.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import uuid
from collections.abc import Sequence
from typing import Any

from farm import untrusted
from farm.answers import body_of, decoded, of_job, whole
from farm.errors import FarmError, InfrastructureError
from farm.transports import Completed, Transport
from farm_agent import codec
from farm_agent.messages.checkup import SensorReading, Surroundings, Trial
from farm_agent.pack import Packed, file_name
from farm_agent.wire import (
    Blob,
    Event,
    Facts,
    Hello,
    JobResult,
    JobSpec,
    JobState,
    Stock,
)

OLDEST_PYTHON = (3, 8)
CALL_TIMEOUT_S = 60.0
# Facts import every runtime, each in a process with a limit of its own.
FACTS_TIMEOUT_S = 300.0
TRIAL_TIMEOUT_S = 25.0
SLOWEST_BYTES_PER_S = 50_000
HASH_BYTES_PER_S = 5_000_000
HASHES_AT_ONCE = 200
MOST_ERRNO = 4096

# Programs for the device's Python; the arguments reach them as sys.argv.
VERSION_PROGRAM = "import sys; sys.stdout.write('farm-python %d.%d.%d' % tuple(sys.version_info[:3]))"
PRESENT_PROGRAM = """
import hashlib, json, os, sys
folder, name, wanted = sys.argv[1:4]
try:
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, name)
    present = os.path.isfile(path) and hashlib.sha256(open(path, "rb").read()).hexdigest() == wanted
    print(json.dumps({"present": present}))
except OSError as error:
    print(json.dumps({"errno": error.errno, "message": str(error)}))
"""
FINISH_PROGRAM = """
import hashlib, json, os, sys
folder, name, wanted, part = sys.argv[1:5]
source = os.path.join(folder, part)
try:
    present = hashlib.sha256(open(source, "rb").read()).hexdigest() == wanted
    if present:
        os.chmod(source, 0o644)
        os.replace(source, os.path.join(folder, name))
    else:
        os.unlink(source)
    print(json.dumps({"present": present}))
except OSError as error:
    print(json.dumps({"errno": error.errno, "message": str(error)}))
"""


class AgentClient:
    """One agent on one device. Every call raises FarmError: the link's, or what the agent answered."""

    def __init__(
        self, transport: Transport, python: str, agent_path: str, root: str, *, sender: str = ""
    ) -> None:
        """``sender``: hex digits that tell this coordinator's unfinished uploads from those of others."""
        self._transport = transport
        self._command = (python, agent_path)
        self._root = root
        self._sender = sender

    @property
    def root(self) -> str:
        """The agent's folder on the device."""
        return self._root

    def job_path(self, job_id: str, name: str) -> str:
        """Where a file of a job lies on the device."""
        return f"{self._root}/jobs/{job_id}/{name}"

    def part_path(self, sha256: str) -> str:
        """Where an upload of that hash goes until it is committed."""
        return (
            f"{self._root}/cas/{sha256}.{self._sender}.part"
            if self._sender
            else (f"{self._root}/cas/{sha256}.part")
        )

    def hello(self) -> Hello:
        """Who answers, what it runs, the highest fence it saw, its free space."""
        return whole(Hello, self._ask("hello"))

    def facts(self, *, fresh: bool = True) -> Facts:
        """What the box is. Imports every runtime there, which takes seconds; unless ``fresh``, only those
        whose files changed since the agent imported them last."""
        return whole(Facts, self._ask("facts", *(() if fresh else ("kept",)), timeout_s=FACTS_TIMEOUT_S))

    def surroundings(self) -> Surroundings:
        """What may disturb a measurement there; takes a second or two, for it watches."""
        return decoded(Surroundings, self._ask("surroundings"), "surroundings")

    def sensors(self) -> list[SensorReading]:
        """Every sensor that the agent knows, read once."""
        return decoded(list[SensorReading], self._ask("sensors"), "readings")

    def try_runtimes(self, names: Sequence[str]) -> list[Trial]:
        """A real inference in each of these runtimes, in the order asked."""
        if not names:
            return []
        bodies = self._talk("try", *names, timeout_s=CALL_TIMEOUT_S + len(names) * TRIAL_TIMEOUT_S)
        return [decoded(Trial, body, "trial") for body in bodies]

    def stock(self, shas: Sequence[str]) -> list[Stock]:
        """What the content store holds of each hash, in the order asked."""
        found: list[Stock] = []
        for begin in range(0, len(shas), HASHES_AT_ONCE):
            part = shas[begin : begin + HASHES_AT_ONCE]
            answer = decoded(list[Stock], self._ask("stock", *part, *self._by()), "stock")
            if [stock.sha256 for stock in answer] != list(part):
                raise untrusted.garbled("the agent answered for other files than it was asked about")
            found += answer
        return found

    def commit(self, blob: Blob) -> Stock:
        """Hash an upload on the device. Raises link.corrupt, link.incomplete, device.disk-full."""
        timeout_s = CALL_TIMEOUT_S + blob.size_bytes / HASH_BYTES_PER_S
        body = self._ask("commit", blob.sha256, str(blob.size_bytes), *self._by(), timeout_s=timeout_s)
        return decoded(Stock, body, "stock")

    def follow(self, blob: Blob) -> bool:
        """Have the device hash an upload while it arrives; whether it did, so that ``commit`` need not."""
        timeout_s = CALL_TIMEOUT_S + blob.size_bytes / SLOWEST_BYTES_PER_S
        body = self._ask("follow", blob.sha256, str(blob.size_bytes), *self._by(), timeout_s=timeout_s)
        return decoded(bool, body, "whole")

    def start(self, spec: JobSpec) -> JobState:
        """Start a job, or learn how it stands. Raises device.busy, lease.fenced, device.blob-missing."""
        body = self._ask("start", stdin=codec.dumps(spec).encode())
        return of_job(decoded(JobState, body, "state"), spec.job_id)

    def attach(
        self, job_id: str, from_seq: int, wait_s: float, fence: int
    ) -> tuple[tuple[Event, ...], JobState]:
        """Events from ``from_seq`` on and the state; waits up to ``wait_s`` for something new."""
        words = (job_id, "--from", str(from_seq), "--wait", f"{wait_s:g}", "--fence", str(fence))
        bodies = self._talk("attach", *words, timeout_s=wait_s + CALL_TIMEOUT_S)
        events = tuple(decoded(Event, body, "event") for body in bodies[:-1])
        return events, of_job(decoded(JobState, bodies[-1], "state"), job_id)

    def stop(self, job_id: str, fence: int) -> JobState:
        """End a job and everything it started; what it measured so far stays."""
        body = self._ask("stop", job_id, "--fence", str(fence))
        return of_job(decoded(JobState, body, "state"), job_id)

    def result(self, job_id: str) -> tuple[JobResult, str]:
        """The result of an ended job and the sha256 of its file, for ``ack``."""
        body = self._ask("result", job_id)
        result, sha256 = decoded(JobResult, body, "result"), decoded(str, body, "sha256")
        if result.job_id != job_id:
            raise untrusted.garbled(f"the agent sent the result of {result.job_id!r} for {job_id!r}")
        return result, sha256

    def ack(self, job_id: str, sha256: str, fence: int = 0) -> None:
        """Tell the device that the result with this hash is stored here. Raises lease.fenced for an old
        ``fence``; 0: nobody's, by hand."""
        self._ask("ack", job_id, sha256, *_fenced(fence))

    def argv(self, verb: str) -> tuple[str, ...]:
        """The command of a verb without words, for who speaks it in another way."""
        return (*self._command, verb, "--root", self._root)

    def gc(self, max_bytes: int, fence: int = 0) -> dict[str, Any]:
        """Make room; returns what went (jobs, files, agents, freed_bytes). Raises lease.fenced as ``ack``."""
        words = ("--max-bytes", str(max_bytes), *_fenced(fence))
        return self._ask("gc", *words, timeout_s=2 * CALL_TIMEOUT_S)

    def _by(self) -> tuple[str, ...]:
        return ("--by", self._sender) if self._sender else ()

    def _ask(
        self, verb: str, *words: str, stdin: bytes = b"", timeout_s: float = CALL_TIMEOUT_S
    ) -> dict[str, Any]:
        return self._talk(verb, *words, stdin=stdin, timeout_s=timeout_s)[-1]

    def _talk(
        self, verb: str, *words: str, stdin: bytes = b"", timeout_s: float = CALL_TIMEOUT_S
    ) -> list[dict[str, Any]]:
        """Run a verb; the bodies of its replies, at least one. A failure among them is raised."""
        argv = (*self._command, verb, *words, "--root", self._root)
        done = self._transport.run(argv, timeout_s=timeout_s, stdin=stdin)
        # A login shell may greet on stdout; replies are JSON objects.
        lines = [line for line in done.stdout.splitlines() if line.startswith(b"{")]
        if not lines:
            raise _silent(verb, done)
        return [body_of(verb, line) for line in lines]


def _fenced(fence: int) -> tuple[str, ...]:
    return ("--fence", str(fence)) if fence else ()


def find_python(transport: Transport, candidates: Sequence[str]) -> str:
    """The first candidate that is a Python of at least 3.8.

    Raises InfrastructureError device.no-python, device.python-too-old, and the link's errors.
    """
    old: list[str] = []
    for candidate in candidates:
        done = transport.run((candidate, "-c", VERSION_PROGRAM), timeout_s=CALL_TIMEOUT_S)
        version = _version(done)
        if version is None:
            continue
        if version >= OLDEST_PYTHON:
            return candidate
        old.append("{} is {}".format(candidate, ".".join(map(str, version))))
    if old:
        raise InfrastructureError(
            f"the device's Python is too old: {', '.join(old)}; 3.8 is needed",
            code="device.python-too-old",
            fix="install python3.8 or newer there, and name it: `python` in the device's entry of the "
            "inventory, --python of farm devices add",
        )
    raise InfrastructureError(
        f"the device has no Python: tried {', '.join(candidates) or 'nothing'}",
        code="device.no-python",
        fix="install python3 (3.8 or newer) there, or name one: `python` in the device's entry of the "
        "inventory, --python of farm devices add",
    )


def install(transport: Transport, python: str, packed: Packed, root: str, *, sender: str = "") -> AgentClient:
    """Put the zipapp under ROOT/agents unless it is there already, proved by its hash on the device.

    Raises InfrastructureError device.not-writable, device.disk-full, link.corrupt, and the link's errors.
    """
    folder, name = f"{root}/agents", file_name(packed.sha256)
    if not _program(transport, python, PRESENT_PROGRAM, folder, name, packed.sha256):
        for _ in range(2):
            # A name of its own: two coordinators may install at once.
            part = f"{name}.{uuid.uuid4().hex[:8]}.part"
            try:
                transport.put(packed.path, f"{folder}/{part}", timeout_s=2 * CALL_TIMEOUT_S)
            except InfrastructureError as error:
                if not error.code.startswith("link."):
                    with contextlib.suppress(FarmError):
                        transport.run(("rm", "-f", "--", f"{folder}/{part}"), timeout_s=CALL_TIMEOUT_S)
                raise
            if _program(transport, python, FINISH_PROGRAM, folder, name, packed.sha256, part):
                break
        else:
            raise InfrastructureError(
                "the agent arrived damaged twice",
                code="link.corrupt",
                fix="check the link and the device's disk",
            )
    return AgentClient(transport, python, f"{folder}/{name}", root, sender=sender)


def _program(transport: Transport, python: str, program: str, *words: str) -> bool:
    """Run one of the fixed programs; what it says about ``present``."""
    done = transport.run((python, "-c", program, *words), timeout_s=CALL_TIMEOUT_S)
    lines = [line for line in done.stdout.splitlines() if line.startswith(b"{")]
    try:
        answer = json.loads(lines[-1])
        if "errno" in answer:
            raise _disk(answer, words[0])
        return bool(answer["present"])
    except (IndexError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise _silent("the installation", done) from error


def _disk(answer: dict[str, Any], folder: str) -> InfrastructureError:
    from pathlib import Path

    from farm_agent.files import disk_error

    said = answer["errno"]
    number = said if isinstance(said, int) and 0 < said < MOST_ERRNO else errno.EIO
    problem = OSError(number, os.strerror(number))
    return disk_error(problem, Path(folder), "device.not-writable")


def _version(done: Completed) -> tuple[int, int, int] | None:
    if done.returncode != 0 or b"farm-python " not in done.stdout:
        return None
    words = done.stdout.partition(b"farm-python ")[2].split()[:1]
    parts = words[0].split(b".") if words else []
    if len(parts) != 3 or not all(part.isdigit() and len(part) < 5 for part in parts):
        return None
    return int(parts[0]), int(parts[1]), int(parts[2])


def _silent(what: str, done: Completed) -> InfrastructureError:
    said = done.stderr.decode("utf-8", "replace").strip().splitlines()
    detail = f": {untrusted.text(said[-1][:300])}" if said else ""
    return InfrastructureError(
        f"{what} got no answer from the agent (exit status {done.returncode}){detail}",
        code="agent.silent",
        fix="check the device's Python and disk with: farm doctor",
    )
