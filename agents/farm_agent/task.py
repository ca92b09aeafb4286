"""A helper process: one request file in, one response file out; and the limits it puts on itself."""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import signal
import sys
from pathlib import Path
from typing import Callable, Collection, Iterable, NoReturn, Type, TypeVar

from farm_agent import codec, faults, files
from farm_agent.errors import FarmBug, FarmError
from farm_agent.wire import Failure

Request = TypeVar("Request")
PR_SET_PDEATHSIG = 1


def serve(
    kind: Type[Request],
    run: Callable[[Request], object],
    fail: Callable[[Failure], object],
    request_path: str,
    response_path: str,
) -> NoReturn:
    """Answer one request. Whatever goes wrong ends up in the response as a failure."""
    os.dup2(2, 1)  # runtimes print; stdout belongs to nobody here
    try:
        response = run(codec.loads(kind, files.read_bounded(Path(request_path))))
    except FarmError as error:
        response = fail(files.failure_of(error))
    except codec.DecodeError as error:
        response = fail(files.failure_of(FarmBug(str(error), code="farm.request", fix="please report this")))
    except Exception as error:  # noqa: BLE001 - a runtime or numpy may raise anything
        response = fail(files.failure_of(faults.runtime_error("the runtime", "run", error)))
    files.write_atomic(Path(response_path), codec.dumps(response).encode())
    leave()


def leave() -> NoReturn:
    """End at once: some runtimes crash while they are torn down, and everything is said."""
    sys.stderr.flush()
    os._exit(0)


def limit_memory(memory_bytes: int) -> None:
    """Bound this process's address space (0: no bound); no core dumps."""
    if memory_bytes > 0:
        resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def die_with_parent() -> None:
    """Ask the kernel to kill this process when the one that started it is gone."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def run_on(cpus: Iterable[int]) -> str:
    """Keep the calling thread, and what it starts from now on, on these CPUs; why that failed, or ""."""
    try:
        os.sched_setaffinity(0, set(cpus))
    except (OSError, ValueError) as error:
        return str(error)
    return ""


def prefer(cpus: Collection[int]) -> None:
    """Like ``run_on`` where it is possible; no CPUs: stay where it is."""
    if cpus:
        run_on(cpus)
