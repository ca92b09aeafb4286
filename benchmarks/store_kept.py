"""Made-up stores in folders that stay, so that they can be asked again later: a SQLite file, or a PostgreSQL
server's data, started for as long as somebody asks."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks import store_year as year
from farm_results.store import Store, open_store
from tests import postgres

STOP = 'cat >/dev/null; "$1" -D "$2" -m fast -w -t 600 stop >/dev/null'
MADE = "made.json"


def made(folder: Path) -> dict[str, float]:
    """What is known of the store in a folder; nothing where it was never finished."""
    try:
        found: dict[str, float] = json.loads((folder / MADE).read_text())
    except OSError:
        return {}
    return found


def make(engine: str, folder: Path, nights: int, tell: Callable[[int], None]) -> None:
    """Write a store of so many nights into an empty folder."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with opened(engine, folder) as (store, _):
        begin = time.perf_counter()
        year.fill(store, nights, tell)
        filled_s = time.perf_counter() - begin
        with store.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            if engine == "postgresql":  # what autovacuum does by itself in the days that this took
                connection.exec_driver_sql("VACUUM ANALYZE")
            else:
                connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    (folder / MADE).write_text(json.dumps({"nights": nights, "filled_s": round(filled_s, 1)}))


@contextmanager
def opened(engine: str, folder: Path) -> Iterator[tuple[Store, str]]:
    """The store of a folder and its address; its samples lie there, too, with either database."""
    os.environ["XDG_DATA_HOME"] = str(folder / "data-home")
    if engine == "sqlite":
        yield from _opened(str(folder / "store"))
        return
    with _server(folder) as socket:
        yield from _opened(f"postgresql+psycopg://farm@/postgres?host={socket}")


def _opened(address: str) -> Iterator[tuple[Store, str]]:
    store = open_store(address)
    try:
        yield store, address
    finally:
        store.close()


@contextmanager
def _server(folder: Path) -> Iterator[Path]:
    """A server with its data in the folder; the folder of its socket. It ends with this process, however
    that dies."""
    programs = postgres.programs()
    if programs is None:
        raise RuntimeError("no PostgreSQL server is installed (apt install postgresql)")
    user = postgres.somebody() if os.geteuid() == 0 else None
    data = folder / "data"
    with tempfile.TemporaryDirectory(prefix="farm-pg-") as name:
        socket = Path(name)
        socket.chmod(0o755)
        for path in (folder, socket):
            if user:
                shutil.chown(path, user)
        if not data.is_dir():
            postgres.run(
                user, programs / "initdb", "-D", data, "-U", "farm", "-A", "trust", "--no-sync", "-E", "UTF8"
            )
        options = f"-c listen_addresses='' -c unix_socket_directories={socket} -c fsync=off"
        words = ("-D", data, "-w", "-l", socket / "log", "-o", options, "start")
        postgres.run(user, programs / "pg_ctl", *words)
        guard = ["sh", "-c", STOP, "sh", str(programs / "pg_ctl"), str(data)]
        with subprocess.Popen(guard, user=user, cwd="/", stdin=subprocess.PIPE, start_new_session=True):
            yield socket
