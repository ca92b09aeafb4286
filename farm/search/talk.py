"""One candidate's process, from outside: answer its questions until it is built, then until it is done."""

from __future__ import annotations

import json
import os
import selectors
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import farm_agent
import farm_converters
from farm.errors import FarmError, JobError
from farm_converters import children, guard

LINE_BYTES = 1 << 20
POLL_S = 0.5


@dataclass(frozen=True)
class Code:
    """The user's code and where it runs. ``build`` and ``train``: ``file.py:function`` or
    ``module:function`` below ``folder``; ``train`` may be empty. ``memory_bytes`` 0: no bound."""

    folder: Path
    build: str
    train: str
    python: str = sys.executable
    timeout_s: float = 1800.0
    memory_bytes: int = 0


class Candidate:
    """A running process. Raises JobError search.* for everything that goes wrong in it."""

    def __init__(self, incoming: int, outgoing: int, timeout_s: float) -> None:
        self._in, self._out = incoming, outgoing
        self._left_s = timeout_s
        self._buffer = b""

    def built(self, suggest: Callable[[Mapping[str, Any]], Any]) -> Path:
        """Answer every suggestion; the file to measure."""
        while True:
            message = self._read()
            if "suggest" in message:
                self._send(_answer(suggest, message["suggest"]))
            elif "built" in message:
                return Path(str(message["built"]["path"]))
            else:
                raise JobError("the candidate ended before it was built", code="search.failed")

    def scored(self, *, go: bool) -> tuple[Path, float | None]:
        """Let it train, or not: the file to keep and its score."""
        self._send({"go": go})
        message = self._read()
        if "done" not in message:
            raise JobError("the candidate did not say its score", code="search.failed")
        done = message["done"]
        return Path(str(done["path"])), None if done["score"] is None else float(done["score"])

    def _send(self, message: Mapping[str, Any]) -> None:
        try:
            os.write(self._out, (json.dumps(message) + "\n").encode())
        except BrokenPipeError as error:
            raise _died() from error

    def _read(self) -> dict[str, Any]:
        """The next message. What the process waits for us does not count against its time."""
        before, began = children.stops(), time.monotonic()
        with selectors.DefaultSelector() as selector:
            selector.register(self._in, selectors.EVENT_READ)
            while b"\n" not in self._buffer:
                children.check(before)
                if time.monotonic() - began > self._left_s:
                    raise JobError(
                        "stopped: it took longer than was allowed",
                        code="search.timeout",
                        fix="train shorter, or allow more with --candidate-timeout",
                    )
                if not selector.select(POLL_S):
                    continue
                chunk = os.read(self._in, 65536)
                if not chunk or len(self._buffer) > LINE_BYTES:
                    raise _died()
                self._buffer += chunk
        self._left_s -= time.monotonic() - began
        line, _, self._buffer = self._buffer.partition(b"\n")
        try:
            message = json.loads(line)
        except ValueError as error:
            raise _died() from error
        if not isinstance(message, dict):
            raise _died()
        if "failed" in message:
            words = {key: str(value) for key, value in dict(message["failed"]).items()}
            raise JobError(
                words.get("message", ""), code=words.get("code", "search.failed"), fix=words.get("fix", "")
            )
        return message


@contextmanager
def candidate(code: Code, number: int, seed: int, workdir: Path) -> Iterator[Candidate]:
    """Start the process; it is gone when the block ends. Its output goes to ``workdir/log.txt``."""
    workdir.mkdir(parents=True, exist_ok=True)
    to_read, to_write = os.pipe()
    from_read, from_write = os.pipe()
    worker = Path(__file__).with_name("worker.py")
    argv = [code.python, "-I", str(worker), str(to_read), str(from_write)]
    request = {
        "folder": str(code.folder),
        "build": code.build,
        "train": code.train,
        "number": number,
        "seed": seed,
        "workdir": str(workdir),
        "memory_bytes": code.memory_bytes,
        "packages": {
            "farm_agent": str(Path(farm_agent.__path__[0])),
            "farm_converters": str(Path(farm_converters.__path__[0])),
        },
    }
    try:
        with (workdir / "log.txt").open("wb") as log:
            process = subprocess.Popen(
                guard.command(argv),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=workdir,
                env=_environment(),
                pass_fds=(to_read, from_write),
                start_new_session=True,
            )
        os.close(to_read)
        os.close(from_write)
        to_read = from_write = -1
        with children.owned(process):
            one = Candidate(from_read, to_write, code.timeout_s)
            one._send(request)  # noqa: SLF001 - the first line is the request
            yield one
    finally:
        for handle in (to_read, to_write, from_read, from_write):
            if handle >= 0:
                os.close(handle)


def _answer(suggest: Callable[[Mapping[str, Any]], Any], words: Mapping[str, Any]) -> dict[str, Any]:
    """A value, or what is wrong with the question: the user's code then sees it as a ValueError."""
    try:
        return {"value": suggest(words)}
    except FarmError as error:
        return {"error": error.message}
    except (ValueError, TypeError, KeyError) as error:
        return {"error": " ".join(str(error).split())[:300]}


def _environment() -> dict[str, str]:
    """The user's own, without PYTHON* settings of another interpreter."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return {"OMP_NUM_THREADS": str(os.cpu_count() or 1), **kept, "PYTHONHASHSEED": "0"}


def _died() -> JobError:
    return JobError(
        "its process ended without a word",
        code="search.crashed",
        fix="its output is in log.txt in the candidate's folder; it may have run out of memory",
    )
