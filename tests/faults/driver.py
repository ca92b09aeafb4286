"""One driver: a whole ``farm bench`` (or ``farm jobs collect``) in a process of its own that meets one fault.

Nothing of the product is replaced: calls that it makes are made, and something happens before or after them.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
import threading
import time
import traceback
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from farm.devices import faults
from tests.faults.fault import LINK, Fault
from tests.faults.site import Site

MS = 1_000_000
NEW_MOUNTS, PRIVATE, BIND = 0x00020000, (1 << 14) | (1 << 18), 1 << 12
LOCK_S = 1.0
GONE_S = 2.0
SILENCE_S = 1.5
BOOT_ID = "/proc/sys/kernel/random/boot_id"


class Armed:
    """The faults of this driver; each happens once (a link that is cut thrice: three times in a row)."""

    def __init__(self, site: Site, armed: Sequence[tuple[int, Fault]]) -> None:
        self.site = site
        self._lock = threading.Lock()
        self._faults = [(number, fault) for number, fault in armed if not fault.on_device]
        self._left = {number: 3 if fault.kind == "cut-thrice" else 1 for number, fault in self._faults}
        self._seen = dict.fromkeys(self._left, 0)
        self.fetched = Path()
        self._gone_until_s = 0.0

    def names(self, call: str) -> bool:
        """Whether a fault waits for ``call``."""
        return any(fault.where == call for _, fault in self._faults)

    def reach(self, call: str, moment: str) -> None:
        """The driver is about to make ``call``, or has made it."""
        if call in LINK and moment == "before" and time.monotonic() < self._gone_until_s:
            self._cut(None)
        for number, fault in self._faults:
            if fault.where != call or fault.moment != moment:
                continue
            with self._lock:
                self._seen[number] += 1
                if self._seen[number] < fault.nth or not self._left[number]:
                    continue
                self._left[number] -= 1
            print(f"--- {fault.name}", flush=True)
            self.site.fire(number)
            kind = {"lock": "lock-store", "gone": "gone_"}.get(fault.kind, fault.kind)
            getattr(self, "_" + kind.replace("-", "_"))(fault)

    def _kill(self, _fault: Fault) -> None:
        os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(60)

    def _term(self, _fault: Fault) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0.05)

    def _interrupt(self, _fault: Fault) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.05)

    def _freeze(self, _fault: Fault) -> None:
        os.kill(os.getpid(), signal.SIGSTOP)
        time.sleep(0.05)  # every thread stands still before the next call is made

    # What the harness does meanwhile: another driver, the link, the device's power.
    _stale = _duplicate = _pull = _reset = _restart = _stall = _power = _freeze

    def _cut(self, _fault: Fault | None) -> None:
        raise faults.lost("dev", "cut by the test")

    def _gone_(self, _fault: Fault) -> None:
        """The link stays away until the driver has lost its patience, which is a moment here."""
        from farm import drive
        from farm.jobs import adopt

        for module in (drive, adopt):
            vars(module)["LINK_PATIENCE_S"] = 0.3
        self._gone_until_s = time.monotonic() + GONE_S
        self._cut(None)

    _cut_thrice = _cut

    def _corrupt(self, _fault: Fault) -> None:
        for path in self.site.root.glob("cas/*.part"):
            data = bytearray(path.read_bytes())
            data[len(data) // 2] ^= 0x10
            path.write_bytes(data)

    def _garble(self, _fault: Fault) -> None:
        """A byte of what has just been fetched is another."""
        data = bytearray(self.fetched.read_bytes())
        data[len(data) // 2] ^= 0x10
        self.fetched.write_bytes(data)

    def _clock(self, fault: Fault) -> None:
        shift_s = float(fault.detail)
        if fault.victim == "device":
            (self.site.folder / "clock").write_text(str(shift_s))
        else:
            real = time.time
            time.time = lambda: real() + shift_s

    def _fill(self, fault: Fault) -> None:
        self.site.fill("store" if fault.victim == "store" else "dev")

    def _terminate(self, _fault: Fault) -> None:
        """End every connection of the database's server, as its restart does."""
        self.site.sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )

    def _lock_store(self, _fault: Fault) -> None:
        """Hold the database for a while, as a backup or another writer does."""
        import sqlite3

        taken = threading.Event()

        def hold_tables() -> None:
            from sqlalchemy import create_engine, text

            engine = create_engine(self.site.store_url)
            with engine.begin() as connection:
                connection.execute(text("LOCK TABLE lease, job, result, run IN ACCESS EXCLUSIVE MODE"))
                taken.set()
                time.sleep(LOCK_S)
            engine.dispose()

        def hold() -> None:
            database = sqlite3.connect(self.site.folder / "store" / "farm.db", timeout=10)
            database.execute("BEGIN IMMEDIATE")
            taken.set()
            time.sleep(LOCK_S)
            database.rollback()
            database.close()

        threading.Thread(target=hold_tables if self.site.store_url else hold, daemon=True).start()
        taken.wait(15)

    def _reboot(self, _fault: Fault) -> None:
        for pid in self.site.processes():
            with _gone():
                os.kill(pid, signal.SIGKILL)
        (self.site.folder / "boot_id").write_text(f"{uuid.uuid4()}\n")
        see_boot_id(self.site)
        self._cut(_fault)


def _gone() -> Any:
    import contextlib

    return contextlib.suppress(ProcessLookupError)


def _be_impatient() -> None:
    """A second of silence stands for twelve."""
    from farm.transports.ssh import Ssh

    defaults = Ssh.__init__.__kwdefaults__
    assert defaults is not None
    defaults["silence_s"] = SILENCE_S


def see_boot_id(site: Site) -> None:
    """Let this thread, and what it starts, see the boot id of a device that was rebooted."""
    path = site.folder / "boot_id"
    if not path.exists():
        return
    libc = ctypes.CDLL(None, use_errno=True)
    calls = [libc.unshare(NEW_MOUNTS), libc.mount(b"none", b"/", None, PRIVATE, None)]
    calls.append(libc.mount(bytes(path), BOOT_ID.encode(), None, BIND, None))
    if any(calls):
        raise OSError(ctypes.get_errno(), "this machine lets nobody pretend a reboot")


def tap(owner: object, name: str, armed: Armed, call: str = "") -> None:
    """Let the fault know when ``owner.name`` is called and when it has returned."""
    real: Callable[..., Any] = getattr(owner, name)
    call = call or name

    def tapped(*words: Any, **options: Any) -> Any:
        counts = call not in ("put", "get") or "/cas/" in str(words) or "/jobs/" in str(words)
        if counts:
            armed.reach(call, "before")
        if counts and call == "put" and options.get("progress"):
            told = options["progress"]

            def progress(count: int) -> None:
                told(count)
                armed.reach("put", "middle")

            options["progress"] = progress
        done = real(*words, **options)
        if counts and call == "get":
            armed.fetched = Path(words[2])
        if counts:
            armed.reach(call, "after")
        return done

    setattr(owner, name, tapped)


def tap_all(armed: Armed) -> None:
    """Every call that a fault may name."""
    from sqlalchemy import Engine, event

    from farm import jobs
    from farm.agent_client import AgentClient
    from farm.devices import leases
    from farm.jobs import rows
    from farm.transports.local import Local
    from farm.transports.ssh import Ssh
    from farm_results.storage.objects import Objects
    from farm_results.store import Store

    for name in LINK:
        if name in ("put", "get"):
            tap(Local, name, armed)
            tap(Ssh, name, armed)
        else:
            tap(AgentClient, name, armed)
    for name in ("take", "release"):
        tap(leases, name, armed)
    for name in ("begin", "started", "forget"):
        tap(rows, name, armed)
        setattr(jobs, name, getattr(rows, name))
    tap(Objects, "put_file", armed)
    tap(Store, "add_result", armed)
    if armed.names("commit-sql"):
        seen: list[str] = []
        event.listen(Engine, "before_cursor_execute", lambda *said: seen.append(str(said[2])))
        event.listen(
            Engine,
            "commit",
            lambda _: armed.reach("commit-sql", "before") if "INTO result" in "".join(seen[-3:]) else None,
        )


def main(site: Site, mode: str, faults_armed: Sequence[tuple[int, Fault]], number: int) -> int:
    """The whole life of one driver: 0 when everything it measured is ok, 3 when not, 1 when it crashed."""
    from farm import benchmark
    from farm.devices import session
    from farm.progress import Lines

    os.setpgid(0, 0)
    log = os.open(site.folder / f"driver-{number}.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(log, 1)
    os.dup2(log, 2)
    sys.stdout, sys.stderr = os.fdopen(1, "w", buffering=1), os.fdopen(2, "w", buffering=1)
    os.environ |= {
        "FARM_FAULTS_SITE": str(site.folder),
        "PYTHONPATH": str(Path(__file__).with_name("probe")),
        "HOME": str(site.folder),
        "XDG_DATA_HOME": str(site.data_home),
    }
    if site.device and site.device.transport == "ssh":
        _be_impatient()
    vars(session)["BACK_OFF_S"] = (0.02, 0.05)
    try:
        see_boot_id(site)
        armed = Armed(site, faults_armed)
        tap_all(armed)
        _know_facts(site)
        if mode == "collect":
            return collect(site)
        plan = benchmark.plan_for(request(site), site.config)
        with (site.folder / "asked.jsonl").open("a") as file:
            for cell in plan.cells:
                file.write(json.dumps({"job": cell.job_id, "driver": number}) + "\n")
        outcome = benchmark.execute(plan, site.config, Lines(lambda text: print(text, flush=True)))
        for result in outcome.results:
            print("result", result.job_id, result.status, result.error_code, result.error_message)
    except BaseException:  # noqa: BLE001 - the last line of a process
        traceback.print_exc()
        return 1
    return 0 if all(result.status == "ok" for result in outcome.results) else 3


def collect(site: Site) -> int:
    """What ``farm jobs collect`` does."""
    from farm.devices import inventory
    from farm.jobs import collecting, runs
    from farm_results.store import open_store

    store = open_store(site.config.store)
    try:
        runs.close_dead(store)
        devices = tuple(inventory.load(site.config.inventory_path).values())
        found = collecting.collect(store, site.config, devices, wait_s=60.0, tell=print)
    finally:
        store.close()
    for each in found:
        print("collected", each.jobs, each.error)
    return 3 if any(each.error for each in found) else 0


def request(site: Site) -> Any:
    """The shortest honest job: a check and one process that measures for a millisecond."""
    from farm.measure import Measure
    from farm.plan import Request
    from farm_agent.wire import BlockPlan

    blocks = BlockPlan(
        blocks=1,
        min_runs=3,
        min_time_ns=1 * MS,
        max_time_ns=5 * MS,
        warmup_min_ns=0,
        warmup_max_ns=1 * MS,
    )
    name = site.device.name if site.device else "dev"
    return Request(
        models=(site.model,),
        devices=(name,),
        runtimes=("onnxruntime",),
        blocks=blocks,
        measure=Measure(gate=None),
        wait_s=60.0,
    )


def _know_facts(site: Site) -> None:
    """Facts import every runtime, seconds each time: asked of the real agent once, then remembered."""
    from farm.devices.session import Session
    from farm_agent import codec
    from farm_agent.wire import Facts

    path = site.cache / f"facts-{site.device.transport if site.device else 'local'}.json"
    real = Session.facts

    def facts(self: Session, *, patience_s: float = 60.0) -> Facts:
        if not path.exists():
            temporary = path.with_suffix(f".{os.getpid()}")
            temporary.write_text(codec.dumps(real(self, patience_s=patience_s)))
            temporary.rename(path)
        found: Facts = codec.loads(Facts, path.read_bytes())
        return found

    Session.facts = facts  # type: ignore[method-assign]
