"""Run one seed of a recipe in a process of its own, and tell how far it is.

The process has its own session and dies with this one; what it has finished lies in the seed's folder, where
a later call goes on. It runs the user's own code, so it keeps the user's environment and network; its address
space is bounded, its time is not.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import farm_agent
from farm_agent import codec
from farm_agent.errors import FarmError, InfrastructureError, JobError, from_blame
from farm_converters import children, guard
from farm_converters.training.contract import PROGRESS, write_json
from farm_converters.training.recipe import TrainingRecipe

GIB = 1 << 30
UNBOUNDED = 1 << 62
NETWORK = "1"  # the user's function may fetch its data
POLL_S = 0.1
LOG, ANSWER = "log.txt", "answer.json"
TAIL_BYTES = 64 * 1024
MAX_ANSWER_BYTES = 64 << 20
MEMORY_SIGNS = (
    "MemoryError",
    "bad_alloc",
    "Cannot allocate memory",
    "not enough memory",
    "can't allocate memory",
)
DISK_SIGNS = ("No space left on device", "Disk quota exceeded")

Event = Mapping[str, Any]


@dataclass(frozen=True)
class Job:
    """One seed: where it works, in which Python. ``test``, ``calibration``,
    ``facts``: files that all seeds share."""

    recipe: TrainingRecipe
    folder: Path
    seed: int
    workdir: Path
    test: Path
    calibration: Path
    facts: Path
    python: str


def run(job: Job, on_event: Callable[[Event], None]) -> dict[str, Any]:
    """The seed's answer (``contract.py``); made now, or read where an earlier call ended.

    Raises JobError train.* or what the worker raised; InfrastructureError host.disk-full, run.interrupted.
    """
    kept = _read(job.workdir / ANSWER)
    if kept is not None:
        return kept
    job.workdir.mkdir(parents=True, exist_ok=True)
    response = job.workdir / "response.json"
    response.unlink(missing_ok=True)
    write_json(job.workdir / "request.json", _work(job))
    log = job.workdir / LOG
    begin = log.stat().st_size if log.exists() else 0  # what earlier processes said explains nothing here
    returncode = _process(job, on_event)
    answer = _read(response)
    if answer is None:
        raise _died(job, returncode, _tail(log, begin))
    if answer.get("ok") is not True:
        raise _failed(job, answer)
    write_json(job.workdir / ANSWER, answer)
    return answer


def _work(job: Job) -> dict[str, Any]:
    here = Path(__file__).parent
    request = {
        "recipe": codec.encode(job.recipe),
        "folder": str(job.folder),
        "seed": job.seed,
        "test": str(job.test),
        "facts": str(job.facts),
        "calibration": str(job.calibration),
    }
    return {
        "function": f"farm_converters.training.{job.recipe.framework}.run:train",
        "packages": {"farm_agent": str(Path(farm_agent.__path__[0])), "farm_converters": str(here.parent)},
        "request": request,
    }


def _process(job: Job, on_event: Callable[[Event], None]) -> int:
    bound = job.recipe.environment.memory_gib
    cuda = any(train.device == "cuda" for train in (job.recipe.train, *(s.train for s in job.recipe.steps)))
    # CUDA reserves more addresses than there is memory
    memory = int(bound * GIB) if bound and not cuda else UNBOUNDED
    worker = Path(__file__).parent.parent / "worker.py"
    files = [str((job.workdir / name).absolute()) for name in ("request.json", "response.json")]
    argv = [job.python, "-I", str(worker), str(memory), str(UNBOUNDED), NETWORK, "--call", *files]
    following = Following(job.workdir / PROGRESS)
    with (job.workdir / LOG).open("ab") as log:
        process = subprocess.Popen(
            guard.command(argv),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=job.workdir,
            env=_environment(job.recipe.train.threads),
            start_new_session=True,
        )
        with children.owned(process):
            while process.poll() is None:
                time.sleep(POLL_S)
                for event in following.new():
                    on_event(event)
    for event in following.new():
        on_event(event)
    return process.returncode


def _environment(threads: int) -> dict[str, str]:
    """The user's own, with threads bounded and hashes fixed; no PYTHON* setting of another interpreter."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    bounds = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), str(threads))
    return {**kept, **bounds, "PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1"}


class Following:
    """Reads the JSON lines that are appended to a file from now on; broken ones are left out."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = path.stat().st_size if path.exists() else 0

    def new(self) -> list[Event]:
        """Whole lines since the last call."""
        try:
            with self._path.open("rb") as file:
                file.seek(self._offset)
                text = file.read()
        except FileNotFoundError:
            return []
        whole = text[: text.rfind(b"\n") + 1]
        self._offset += len(whole)
        return [event for line in whole.splitlines() if (event := _event(line)) is not None]


def _event(line: bytes) -> Event | None:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) and isinstance(found.get("event"), str) else None


def _read(path: Path) -> dict[str, Any] | None:
    try:
        if path.stat().st_size > MAX_ANSWER_BYTES:
            return None
        found = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _failed(job: Job, answer: Mapping[str, Any]) -> FarmError:
    failure = answer.get("failure")
    words = failure if isinstance(failure, dict) else {}
    message, code = str(words.get("message", "")), str(words.get("code", ""))
    if not code or code == "convert.failed":
        return _known(job, message) or JobError(
            f"seed {job.seed}: {message or 'the answer cannot be read'}",
            code="train.failed",
            fix=f"the whole output is in {job.workdir / LOG}",
        )
    return from_blame(
        str(words.get("blame", "")),
        f"seed {job.seed}: {message}",
        code=code,
        fix=str(words.get("fix", "")),
    )


def _died(job: Job, returncode: int, said: str) -> FarmError:
    known = _known(job, said)
    if known is not None:
        return known
    if returncode == -signal.SIGKILL:
        return _out_of_memory(job, "it was killed, as the system does when memory runs out")
    how = f"signal {-returncode}" if returncode < 0 else f"exit status {returncode}"
    return JobError(
        f"seed {job.seed}: the training process ended without an answer ({how})",
        code="train.crashed",
        fix=f"its output is in {job.workdir / LOG}; the same command goes on from the last checkpoint",
    )


def _known(job: Job, text: str) -> FarmError | None:
    if any(sign in text for sign in DISK_SIGNS):
        return InfrastructureError(
            f"seed {job.seed}: no space left in {job.workdir}",
            code="host.disk-full",
            fix="free space and run the same command again: it goes on from the last checkpoint",
        )
    if any(sign in text for sign in MEMORY_SIGNS):
        return _out_of_memory(job, f"it asked for more than {job.recipe.environment.memory_gib:g} GiB")
    return None


def _out_of_memory(job: Job, how: str) -> JobError:
    return JobError(
        f"seed {job.seed}: the training process needed more memory than there is: {how}",
        code="train.out-of-memory",
        fix="lower batch in [train], or raise memory_gib in [environment]",
    )


def _tail(path: Path, begin: int) -> str:
    """The end of a file, of what stands behind byte ``begin``."""
    try:
        with path.open("rb") as file:
            file.seek(max(begin, path.stat().st_size - TAIL_BYTES))
            return file.read().decode(errors="replace")
    except OSError:
        return ""
