"""A file lock between processes and threads: one works, the others wait and may be interrupted."""

from __future__ import annotations

import contextlib
import fcntl
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from farm_converters import children

POLL_S = 0.2


@contextlib.contextmanager
def held(path: Path, *, report: Callable[[str], None], what: str) -> Iterator[int]:
    """Hold an exclusive lock on ``path`` (made when absent); says once that it waits for ``what``.

    Yields the descriptor: a process that inherits it holds the lock as well, should this one be killed.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        told, before = False, children.stops()
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if not told:
                    report(f"waiting for another process: {what}")
                    told = True
                time.sleep(POLL_S)
                children.check(before)
        yield file.fileno()
