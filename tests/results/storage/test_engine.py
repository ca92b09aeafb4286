"""Opening a store: new, old, shared, broken, foreign, full."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from farm_agent.errors import FarmError, InfrastructureError, UsageError
from farm_results.model import Latency
from farm_results.storage import engine as engine_module
from farm_results.storage import migrations, upgrade
from farm_results.storage.engine import locate, open_engine
from farm_results.storage.schema import METADATA
from farm_results.store import open_store
from tests.results.made import result, run
from tests.support import need

GOLDEN = Path(__file__).parent / "golden"
NOBODY = 65534
FORK = multiprocessing.get_context("fork")


def code_of(action: Callable[[], object]) -> str:
    """The code of the typed error that ``action`` ends in; it must offer a fix."""
    with pytest.raises(FarmError) as caught:
        action()
    assert caught.value.fix
    return caught.value.code


def filled(folder: Path, results: int = 1) -> Path:
    """A store with some results; returns its database."""
    store = open_store(folder)
    store.add_run(run())
    for index in range(results):
        store.add_result(result(f"job-{index}", document={"log": "x" * 2000}))
    store.close()
    return folder / "farm.db"


def test_the_head_and_the_tables_agree_with_the_scripts(store_address: str) -> None:
    """HEAD is the newest script, and the scripts make exactly what ``schema`` describes."""
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext
    from alembic.script import ScriptDirectory

    scripts = ScriptDirectory(str(Path(upgrade.__file__).parent / "migrations"))
    assert scripts.get_current_head() == migrations.HEAD
    engine = open_engine(store_address)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection)
        assert context.get_current_revision() == migrations.HEAD
        found = compare_metadata(context, METADATA)
    if engine.dialect.name == "sqlite":  # those of PostgreSQL alone
        found = [change for change in found if not str(getattr(change[1], "name", "")).endswith("_begins")]
    assert found == []
    engine.dispose()


@pytest.mark.parametrize("golden", sorted(GOLDEN.glob("store-*.sql")), ids=lambda path: path.stem)
def test_a_store_of_every_released_revision_still_opens(tmp_path: Path, golden: Path) -> None:
    """Its results read as they did, and it can be written."""
    with sqlite3.connect(tmp_path / "farm.db") as connection:
        connection.executescript(golden.read_text(encoding="utf-8"))
    store = open_store(tmp_path)
    assert [one.job_id for one in store.results()] == ["job-1", "job-2"]
    assert store.result("job-1").latency == Latency(
        count=1200, blocks=3, p50_ns=4_910_000.0, p50_low_ns=4_870_000.0, p50_high_ns=4_960_000.0,
        p90_ns=5_100_000.0, p95_ns=5_200_000.0, p99_ns=5_600_000.0, min_ns=4_800_000.0, mean_ns=4_950_000.0,
        stdev_ns=90_000.0, mad_ns=40_000.0, between_block_spread=0.01, drift=0.99, median_to_min=1.02,
    )  # fmt: skip
    assert store.result("job-2").model == "ünï \x00 \udc80"
    store.add_run(run("new"))
    assert store.add_result(result("job-new", run_id="new"))
    store.close()


def test_an_open_store_is_durable_and_checks_references(tmp_path: Path) -> None:
    """The agent deletes what we acknowledge: a commit must reach the disk."""
    with open_engine(tmp_path).connect() as connection:
        read = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
    assert read == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 20_000}


def test_an_existing_store_opens_without_alembic(tmp_path: Path) -> None:
    """Migrations cost time only when there are some."""
    filled(tmp_path)
    program = (
        "import sys; from farm_results.store import open_store; store = open_store(sys.argv[1]);"
        "assert len(store.results()) == 1; print('alembic' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, tmp_path], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"


def _open_and_write(folder: Path, number: int) -> None:
    store = open_store(folder)
    store.add_run(run(f"run-{number}"))
    store.add_result(result(f"job-{number}", run_id=f"run-{number}"))
    store.close()


def test_processes_may_open_a_fresh_store_at_once(tmp_path: Path) -> None:
    for attempt in range(3):
        folder = tmp_path / str(attempt) / "deep" / "store"
        workers = [FORK.Process(target=_open_and_write, args=(folder, number)) for number in range(6)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        assert [worker.exitcode for worker in workers] == [0] * 6
        assert len(open_store(folder).results()) == 6


def test_a_store_of_a_newer_farm_is_refused(tmp_path: Path) -> None:
    """And left as it is."""
    file = filled(tmp_path)
    with sqlite3.connect(file) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    assert code_of(lambda: open_store(tmp_path)) == "store.newer"
    with sqlite3.connect(file) as connection:
        assert connection.execute("SELECT version_num FROM alembic_version").fetchone() == ("9999",)


def test_a_database_of_another_program_is_refused(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "farm.db") as connection:
        connection.execute("CREATE TABLE bookmarks (url TEXT)")
    assert code_of(lambda: open_store(tmp_path)) == "store.foreign"


@pytest.mark.parametrize("content", [b"this is a text file, not a database\n" * 100, bytes(4096), b"SQLite"])
def test_a_file_that_is_no_database_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "farm.db").write_bytes(content)
    assert code_of(lambda: open_store(tmp_path)) == "store.corrupt"
    assert (tmp_path / "farm.db").read_bytes() == content


@pytest.mark.parametrize("kept", [0.03, 0.3, 0.9])
def test_a_truncated_database_is_an_error(tmp_path: Path, kept: float) -> None:
    file = filled(tmp_path, results=60)
    os.truncate(file, int(file.stat().st_size * kept))
    assert code_of(lambda: open_store(tmp_path).results()) == "store.corrupt"


def test_a_store_cut_to_nothing_is_not_taken_for_new(tmp_path: Path) -> None:
    """Samples beside an empty file tell that there was a store; without them, or while another process makes
    the file, it is a new one."""
    file = filled(tmp_path)
    with contextlib.closing(open_store(tmp_path)) as store:
        store.objects.put_bytes(b"samples")
    os.truncate(file, 0)
    os.utime(file, (1e9, 1e9))
    assert code_of(lambda: open_store(tmp_path)) == "store.corrupt"
    assert file.stat().st_size == 0
    os.utime(file)
    open_store(tmp_path).close()
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "farm.db").touch()
    os.utime(tmp_path / "new" / "farm.db", (1e9, 1e9))
    open_store(tmp_path / "new").close()


@pytest.mark.parametrize("record", ["{", "[]", "{}", "null", '"text"', '{"job_id": 3}'])
def test_a_damaged_row_is_an_error(tmp_path: Path, record: str) -> None:
    """The database is whole, its content is not what farm wrote."""
    file = filled(tmp_path)
    with sqlite3.connect(file) as connection:
        connection.execute("UPDATE result SET record = ?", (record,))
        connection.execute("UPDATE run SET record = ?", (record,))
    assert code_of(lambda: open_store(tmp_path).results()) == "store.corrupt"
    assert code_of(lambda: open_store(tmp_path).runs()) == "store.corrupt"


def test_a_locked_store_is_an_error_in_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another program holds a write transaction for good."""
    file = filled(tmp_path)
    monkeypatch.setattr(engine_module, "BUSY_TIMEOUT_MS", 50)
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    store = open_store(tmp_path)
    assert code_of(lambda: store.add_run(run("second"))) == "store.locked"
    other.execute("ROLLBACK")
    assert store.add_run(run("second"))
    other.close()


def test_a_store_that_someone_else_prepares_for_ever_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import fcntl

    monkeypatch.setattr(upgrade, "MIGRATION_WAIT_S", 0.05)
    with (tmp_path / "farm.db.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert code_of(lambda: open_store(tmp_path)) == "store.locked"


@pytest.mark.parametrize("where", ["/proc/farm", "/dev/null/store", "/dev/null"])
def test_a_place_that_cannot_hold_a_store_is_an_error(where: str) -> None:
    assert code_of(lambda: open_store(where)) in ("store.not-writable", "store.corrupt")


@pytest.fixture
def open_to_all() -> Iterator[Path]:
    """A folder that other users can reach (pytest's own are private)."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def _write_as_other_user(folder: Path, queue: multiprocessing.Queue[str]) -> None:
    if os.geteuid() == 0:
        os.setuid(NOBODY)  # nothing is read-only for root
    try:
        open_store(folder).add_run(run("second"))
        queue.put("ok")
    except FarmError as error:
        queue.put(error.code)


@pytest.mark.parametrize("case", ["unwritable folder", "read-only database"])
def test_a_store_without_permission_to_write_is_an_error(open_to_all: Path, case: str) -> None:
    folder = open_to_all / "store"
    folder.mkdir()
    if case == "read-only database":
        filled(folder)
        folder.chmod(0o777)
        (folder / "farm.db").chmod(0o444)
        (folder / "farm.db.lock").chmod(0o444)
    else:
        folder.chmod(0o555)
    queue: multiprocessing.Queue[str] = FORK.Queue()
    worker = FORK.Process(target=_write_as_other_user, args=(folder, queue))
    worker.start()
    assert queue.get(timeout=60) == "store.not-writable"
    worker.join()


FILL = """
import sys
from farm_agent.errors import FarmError
from farm_results.store import open_store
from tests.results.made import result, run
try:
    store = open_store(sys.argv[1])
    store.add_run(run())
    stored = 0
    while sys.argv[2] == "rows":
        store.add_result(result(f"job-{stored}", document={"log": "x" * 50_000}))
        stored += 1
    while True:
        store.objects.put_bytes(bytes([stored % 256]) * 200_000)
        stored += 1
except FarmError as error:
    print(error.code)
    kept = store.results() if sys.argv[2] == "rows" else list(store.objects.folder.glob("??/*"))
    print(len(kept) == stored > 0)
    print(len(list(store.objects.folder.glob(".part-*"))))
"""


@pytest.mark.parametrize("what", ["rows", "objects"])
def test_a_full_disk_is_an_error_and_loses_nothing(tmp_path: Path, what: str) -> None:
    """On a real file system of 2 MB: everything stored before it was full is still readable."""
    private = ["unshare", "--map-root-user", "--mount"]
    works = shutil.which("unshare") and subprocess.run([*private, "true"], check=False).returncode == 0
    need(works, "this user may not make mount namespaces (unshare --map-root-user --mount)")
    mount = f'mount -t tmpfs -o size=2m tmpfs "{tmp_path}" && exec "$@"'
    root = Path(__file__).parents[3]
    done = subprocess.run(
        [*private, "sh", "-c", mount, "sh", sys.executable, "-c", FILL, str(tmp_path), what],
        capture_output=True, text=True, check=True, cwd=root, env={**os.environ, "PYTHONPATH": str(root)},
    )  # fmt: skip
    assert done.stdout.split() == ["host.disk-full", "True", "0"]


@pytest.mark.parametrize(
    ("where", "file"),
    [("some/folder", "some/folder/farm.db"), ("some/x.db", "some/x.db"), ("a b%20ü?#", "a b%20ü?#/farm.db")],
)
def test_an_address_may_be_a_folder_or_a_file(tmp_path: Path, where: str, file: str) -> None:
    store = open_store(tmp_path / where)
    assert (tmp_path / file).is_file()
    store.close()
    assert open_store(f"sqlite:///{tmp_path}/other.db").name == str(tmp_path / "other.db")


@pytest.mark.parametrize("url", ["mysql://host/db", "://", "sqlite://", "sqlite:///:memory:", "nonsense://x"])
def test_an_address_that_cannot_hold_a_store_is_an_error(url: str) -> None:
    assert code_of(lambda: open_store(url)) == "store.url"


def test_a_password_in_the_address_is_never_shown() -> None:
    assert "secret" not in locate("postgresql://me:secret@host/farm").name
    with pytest.raises((UsageError, InfrastructureError)) as caught:
        open_store("postgresql://me:secret@127.0.0.1:1/farm")
    assert "secret" not in caught.value.message + caught.value.fix
