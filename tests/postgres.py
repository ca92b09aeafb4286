"""A real PostgreSQL server for a test run: temporary folder, unix socket, an unprivileged user."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support import need

PROGRAMS = Path("/usr/lib/postgresql")
LIMIT_S = 120
STOP = 'cat >/dev/null; "$1" -D "$2" -m immediate -w stop; rm -rf "$2"'


@dataclass(frozen=True)
class Server:
    """``folder`` holds its socket and its data."""

    folder: Path
    programs: Path

    def create(self) -> str:
        """The address of a new, empty store: a schema of its own, which is made faster than a database."""
        import psycopg

        name = f"farm_{uuid.uuid4().hex[:12]}"
        with psycopg.connect(f"host={self.folder} user=farm dbname=postgres", autocommit=True) as connection:
            connection.execute(f'CREATE SCHEMA "{name}"')
        return f"postgresql+psycopg://farm@/postgres?host={self.folder}&options=-csearch_path%3D{name}"

    def stop(self) -> None:
        """Stop as a crash would: no connection is told, nothing is written back."""
        self._control("-m", "immediate", "stop")

    def start(self) -> None:
        """Start again after ``stop``."""
        self._control("start")

    def crash(self) -> None:
        """Crash and come back."""
        self.stop()
        self.start()

    def _control(self, *words: str) -> None:
        user = somebody() if os.geteuid() == 0 else None
        data = ("-D", self.folder / "data", "-w", "-l", self.folder / "log")
        run(user, self.programs / "pg_ctl", *data, "-o", _options(self.folder), *words)


def _options(folder: Path) -> str:
    options = f"-c listen_addresses='' -c unix_socket_directories={folder} -c fsync=off"
    return options + " -c max_connections=200"


def programs() -> Path | None:
    """The newest installed server's programs."""
    found = [path.parent for path in PROGRAMS.glob("*/bin/initdb")]
    return max(found, key=lambda path: float(path.parent.name), default=None)


def somebody() -> str:
    """Who the server runs as: PostgreSQL refuses root."""
    names = {entry.pw_name for entry in pwd.getpwall()}
    return next((name for name in ("postgres", "nobody") if name in names), "")


@contextmanager
def running() -> Iterator[Server]:
    """Start a server and stop it again; skips where there is none."""
    found = programs()
    need(found is not None, "no PostgreSQL server is installed (apt install postgresql)")
    try:
        import psycopg  # noqa: F401
    except ModuleNotFoundError:
        need(False, "psycopg is not installed")
    assert found is not None
    user = somebody() if os.geteuid() == 0 else None
    # Not below the tests' folder: only root may enter that, and the path of a socket has little room.
    folder = Path(tempfile.mkdtemp(prefix="farm-pg-"))
    try:
        if user:
            shutil.chown(folder, user)
        folder.chmod(0o755)
        data = folder / "data"
        run(user, found / "initdb", "-D", data, "-U", "farm", "-A", "trust", "--no-sync", "-E", "UTF8")
        run(user, found / "pg_ctl", "-D", data, "-w", "-l", folder / "log", "-o", _options(folder), "start")
        # Its input ends with this process, however that dies: no server is left behind.
        words = ["sh", "-c", STOP, "sh", str(found / "pg_ctl"), str(data)]
        with subprocess.Popen(
            words,
            user=user,
            cwd="/",
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        ) as guard:
            yield Server(folder, found)
            if guard.stdin is not None:
                guard.stdin.close()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def run(user: str | None, *argv: object) -> None:
    """One of the server's programs, as the user who owns its data."""
    words = [str(word) for word in argv]
    done = subprocess.run(
        words, user=user, cwd="/", capture_output=True, text=True, timeout=LIMIT_S, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """One server per test process."""
    with running() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def store_address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty store of either kind."""
    if request.param == "sqlite":
        return str(tmp_path / "store")
    server: Server = request.getfixturevalue("postgres")
    return server.create()
