"""A process that writes results is killed (SIGKILL) at any moment, again and again: what is left?

Each round a fresh process sends results of the round before once more, as a driver does that does not
know how far it came, then stores new ones, each with a file of samples, and says so after each. It is killed
at another point of its next write in every round. On PostgreSQL the server itself is crashed every tenth
round, too. Then everything that was reported must be there, once, whole, and in its series.

    python benchmarks/kill_store.py [--kills 200] [--engines sqlite,postgresql] [--json]
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from farm_results.history.points import points, series_rows
from farm_results.storage.verify import verify
from farm_results.store import Store, open_store
from tests.results.made import packed, quiet_pairs, result, run

FORK = multiprocessing.get_context("fork")
LOST_AFTER_S = 120


@dataclass(frozen=True)
class Tally:
    """``reported``: results that the killed processes said were stored; ``stored``: what is there;
    ``silent``: stored, and killed before it could be said; ``sent_again``: results that came once more;
    ``lost``, ``doubled``: what must be 0; ``problems``: what ``farm results verify`` finds."""

    engine: str
    kills: int
    reported: int
    stored: int
    silent: int
    sent_again: int
    lost: int
    doubled: int
    problems: tuple[str, ...]


def _write_for_ever(address: str, objects: Path, number: int, told: Connection) -> None:
    """Send what the round before may or may not have stored, then new results; tell of each."""
    store = opened(address, objects)
    store.add_run(run())
    if number:
        for count in range(4):
            _store_one(store, number - 1, count, told)
    count = 0
    while True:
        _store_one(store, number, count, told)
        count += 1


def _store_one(store: Store, number: int, count: int, told: Connection) -> None:
    sha256 = store.objects.put_bytes(packed(quiet_pairs(number * 1000 + count, count=200)))
    made = result(
        f"job-{number:04}-{count:04}", created_unix_s=1e6 + number * 1e3 + count, sample_hashes=(sha256,)
    )
    told.send((made.job_id, store.add_result(made)))


def opened(address: str, objects: Path) -> Store:
    """The store, with its files in a folder of ours on either database."""
    store = open_store(address)
    store.objects.folder = objects
    return store


def killed(address: str, objects: Path, kills: int, crash: Callable[[], None] | None = None) -> Tally:
    """Kill so many writers, then look at what they left."""
    opened(address, objects).close()
    reported: dict[str, int] = {}
    again, moment = 0, random.Random(6)  # noqa: S311 - nothing is to be kept secret
    for number in range(kills):
        hear, tell = FORK.Pipe(duplex=False)
        writer = FORK.Process(target=_write_for_ever, args=(address, objects, number, tell))
        writer.start()
        tell.close()
        heard: list[tuple[str, bool]] = []
        begin = time.perf_counter()
        while len(heard) < 5 + number % 3:
            if not hear.poll(LOST_AFTER_S):
                raise RuntimeError("the writer came to a standstill")
            if not heard:
                begin = time.perf_counter()  # the store is open
            heard.append(hear.recv())
        # Any moment of the next write, by how long the last ones took: its file, its rows, its commit.
        time.sleep(moment.uniform(0.0, 1.2 * (time.perf_counter() - begin) / (len(heard) - 1)))
        assert writer.pid is not None  # noqa: S101 - it was started
        os.kill(writer.pid, signal.SIGKILL)
        if crash is not None and number % 10 == 9:
            crash()
        writer.join()
        while hear.poll():
            try:
                heard.append(hear.recv())
            except EOFError:
                break
        hear.close()
        for job_id, added in heard:
            reported[job_id] = reported.get(job_id, 0) + added
            again += not added
    return _tally(address, objects, kills, reported, again)


def _tally(address: str, objects: Path, kills: int, reported: dict[str, int], again: int) -> Tally:
    store = opened(address, objects)
    stored = [one.job_id for one in store.results()]
    (row,) = series_rows(store)
    in_series = [point.job_id for point in points(store, row.series)]
    problems = [f"{one.kind} {one.name}: {one.text}" for one in verify(store).problems]
    if sorted(in_series) != sorted(stored) or row.last_job_id != in_series[-1]:
        problems.append("the series does not hold what is stored")
    name = store.engine.dialect.name
    store.close()
    doubled = len(stored) - len(set(stored)) + sum(count > 1 for count in reported.values())
    silent = sum(not count for count in reported.values()) + len(set(stored) - set(reported))
    lost = len(set(reported) - set(stored))
    return Tally(name, kills, len(reported), len(stored), silent, again, lost, doubled, tuple(problems))


def main() -> int:
    """Exit code 1 when something was lost, doubled or damaged."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--engines", default="sqlite,postgresql")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    found = []
    for engine in options.engines.split(","):
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="farm-kill-")))
            address, crash = str(folder / "store"), None
            if engine == "postgresql":
                from tests import postgres

                server = stack.enter_context(postgres.running())
                address, crash = server.create(), server.crash
            found.append(killed(address, folder / "objects", options.kills, crash))
    if options.json:
        sys.stdout.write(json.dumps([asdict(one) for one in found], indent=1) + "\n")
    else:
        for one in found:
            sys.stdout.write(" ".join(f"{name}={value}" for name, value in asdict(one).items()) + "\n")
    return int(any(one.lost or one.doubled or one.problems for one in found))


if __name__ == "__main__":
    sys.exit(main())
