"""Watching a process from outside: a folder that looks like /proc and /sys, and real processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from farm_agent import observe, observe_battery, observe_freezer
from farm_agent.observe import Observer
from farm_agent.observe_pressure import Pressure

S = 1_000_000_000
PID = 42


class Machine:
    """A folder with the files of one process and its machine."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.now = 0
        self.put("proc/stat", "cpu 0 0 0 0 0 0 0 0 0 0")
        self.put("proc/pressure/memory", "some avg10=0.00 avg60=0.00 avg300=0.00 total=0")
        self.put("proc/pressure/io", "some avg10=0.00 avg60=0.00 avg300=0.00 total=0")
        self.put("proc/vmstat", "pswpin 5\npswpout 6")
        self.process("R", 0, 0)
        self.thread(PID, 0, 0, 0)
        self.put(f"proc/{PID}/status", "VmSwap:\t12 kB")

    def put(self, path: str, text: str) -> None:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text + "\n")

    def process(self, state: str, ticks: int, faults: int) -> None:
        zeros = " ".join(["0"] * 30)
        self.put(f"proc/{PID}/stat", f"{PID} (x) {state} 1 1 1 0 -1 0 0 0 {faults} 0 {ticks} 0 {zeros}")

    def thread(self, tid: int, ran_ns: int, waited_ns: int, switches: int) -> None:
        self.put(f"proc/{PID}/task/{tid}/schedstat", f"{ran_ns} {waited_ns} 7")
        self.put(f"proc/{PID}/task/{tid}/status", f"nonvoluntary_ctxt_switches:\t{switches}")

    def observer(self) -> Observer:
        return Observer(PID, "/own/job", self.root, lambda: self.now)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_counters_are_differences_between_the_ends(machine: Machine) -> None:
    observer = machine.observer()
    observer.begin()
    machine.now = 2 * S
    ticks = os.sysconf("SC_CLK_TCK")
    machine.put("proc/stat", f"cpu {2 * ticks} 0 {ticks} 50 9 0 0 {ticks // 2} 0 0")
    machine.put("proc/pressure/memory", "some avg10=0.00 avg60=0.00 avg300=0.00 total=100000")
    machine.put("proc/pressure/io", "some avg10=0.00 avg60=0.00 avg300=0.00 total=200000")
    machine.put("proc/vmstat", "pswpin 15\npswpout 8")
    machine.process("R", 0, 3)
    machine.thread(PID, S, S // 4, 11)
    told = observer.end()
    assert told.elapsed_ns == 2 * S
    assert (told.own_cpu_ns, told.own_waited_ns) == (S, S // 4)
    assert told.other_cpu_pct == pytest.approx(100.0)  # 3 s busy, 1 of them ours, over 2 s
    assert told.steal_pct == pytest.approx(25.0)
    assert (told.memory_pressure_pct, told.io_pressure_pct) == (5.0, 10.0)
    assert (told.swapped_in_pages, told.swapped_out_pages, told.own_swap_bytes) == (10, 2, 12288)
    assert (told.major_faults, told.involuntary_switches) == (3, 11)


def test_threads_that_begin_or_end_meanwhile_count_with_what_they_used(machine: Machine) -> None:
    machine.thread(PID, 5 * S, S, 0)
    machine.thread(50, 3 * S, 0, 0)
    observer = machine.observer()
    observer.begin()
    machine.thread(50, 4 * S, 0, 0)
    machine.thread(60, 2 * S, 0, 0)
    observer.tick()
    for name in ("schedstat", "status"):
        (machine.root / f"proc/{PID}/task/50/{name}").unlink()
    (machine.root / f"proc/{PID}/task/50").rmdir()
    machine.now = 10 * S
    assert observer.end().own_cpu_ns == 3 * S


def test_without_schedstat_the_cpu_time_comes_from_stat_and_waiting_is_unknown(machine: Machine) -> None:
    (machine.root / f"proc/{PID}/task/{PID}/schedstat").unlink()
    observer = machine.observer()
    observer.begin()
    machine.process("R", os.sysconf("SC_CLK_TCK"), 0)
    machine.now = 2 * S
    told = observer.end()
    assert (told.own_cpu_ns, told.own_waited_ns) == (S, None)


def test_a_kernel_that_says_nothing_gives_nothing(tmp_path: Path) -> None:
    now = iter((0, 0, S, S, S, S))
    observer = Observer(PID, "/own/job", tmp_path, lambda: next(now))
    observer.begin()
    observer.tick()
    told = observer.end()
    unknown = (
        told.own_cpu_ns,
        told.own_waited_ns,
        told.other_cpu_pct,
        told.steal_pct,
        told.memory_pressure_pct,
        told.io_pressure_pct,
        told.involuntary_switches,
        told.major_faults,
        told.swapped_in_pages,
        told.swapped_out_pages,
        told.own_swap_bytes,
    )
    assert unknown == (None,) * len(unknown)
    assert (told.stopped_reads, told.governors, told.charger, told.foreign_jobs) == (0, (), "", ())


def test_reads_that_find_the_process_stopped_are_counted(machine: Machine) -> None:
    observer = machine.observer()
    observer.begin()
    for state in "RTtSR":
        machine.process(state, 0, 0)
        observer.tick()
    assert observer.end().stopped_reads == 2


@pytest.mark.parametrize(
    ("group", "file", "text"),
    [
        ("0::/farm/job", "sys/fs/cgroup/farm/job/cgroup.events", "populated 1\nfrozen 1"),
        ("7:freezer:/job", "sys/fs/cgroup/freezer/job/freezer.state", "FROZEN"),
    ],
)
def test_a_frozen_group_stops_a_process_that_looks_asleep(
    machine: Machine, group: str, file: str, text: str
) -> None:
    machine.put(f"proc/{PID}/cgroup", group)
    machine.put(file, text)
    observer = machine.observer()
    observer.begin()
    observer.tick()
    assert observer.end().stopped_reads == 1
    machine.put(file, text.replace("frozen 1", "frozen 0").replace("FROZEN", "THAWED"))
    assert not observe_freezer.is_frozen(machine.root / file)


def test_changed_governors_chargers_and_foreign_jobs_are_named(machine: Machine) -> None:
    machine.put("sys/devices/system/cpu/cpufreq/policy0/scaling_governor", "performance")
    machine.put("sys/devices/system/cpu/cpufreq/policy1/scaling_governor", "performance")
    machine.put("sys/class/power_supply/BAT0/type", "Battery")
    machine.put("sys/class/power_supply/BAT0/status", "Charging")
    observer = machine.observer()
    observer.begin()
    machine.put("sys/devices/system/cpu/cpufreq/policy1/scaling_governor", "powersave")
    machine.put("sys/class/power_supply/BAT0/status", "Discharging")
    (machine.root / "proc/77").mkdir()
    (machine.root / "proc/77/cmdline").write_bytes(b"dpkg\0--configure\0-a\0")
    told = observer.end()
    assert told.governors == ("policy1: performance -> powersave",)
    assert told.charger == "charging -> discharging"
    assert told.foreign_jobs == ("dpkg (77)",)


def test_a_watcher_that_was_itself_stopped_says_so(machine: Machine) -> None:
    observer = machine.observer()
    observer.begin()
    machine.now = S // 5
    observer.tick()
    machine.now = 4 * S
    observer.tick()
    told = observer.end()
    assert len(told.problems) == 1
    assert "3.8 s" in told.problems[0]


def test_a_clock_that_steps_is_seen_and_one_that_runs_is_not(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    offsets = {time.CLOCK_REALTIME: 10 * S, time.CLOCK_BOOTTIME: 0}
    monkeypatch.setattr(observe, "_apart", lambda clock: offsets[clock])
    observer = machine.observer()
    observer.begin()
    observer.tick()
    offsets[time.CLOCK_REALTIME] -= 2 * S
    observer.tick()
    offsets[time.CLOCK_BOOTTIME] += 7 * S
    told = observer.end()
    assert (told.clock_step_ns, told.suspended_ns) == (2 * S, 7 * S)


def test_the_mouse_s_battery_is_not_the_device_s(machine: Machine) -> None:
    machine.put("sys/class/power_supply/hidpp/type", "Battery")
    machine.put("sys/class/power_supply/hidpp/scope", "Device")
    machine.put("sys/class/power_supply/hidpp/capacity", "3")
    assert observe_battery.battery(machine.root) is None
    machine.put("sys/class/power_supply/AC/type", "Mains")
    machine.put("sys/class/power_supply/AC/online", "0")
    assert (observe_battery.plugged(machine.root), observe_battery.charger(machine.root)) == (
        False,
        "unplugged",
    )


def test_pressure_over_a_span_and_none_where_the_kernel_keeps_none(machine: Machine) -> None:
    pressure = Pressure(machine.root, lambda: machine.now)
    pressure.begin()
    pressure.end()
    assert pressure.share_pct() is None
    machine.put("proc/pressure/cpu", "some avg10=0.00 avg60=0.00 avg300=0.00 total=1000")
    pressure.begin()
    machine.put("proc/pressure/cpu", "some avg10=9.00 avg60=0.00 avg300=0.00 total=251000")
    machine.now = S
    pressure.end()
    assert pressure.share_pct() == pytest.approx(25.0)


@pytest.fixture
def spinning() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    yield process
    process.send_signal(signal.SIGCONT)
    process.kill()
    process.wait()


def test_a_real_process_is_followed_while_it_runs_and_while_it_is_stopped(
    spinning: subprocess.Popen[bytes],
) -> None:
    observer = Observer(spinning.pid, "/own/job")
    observer.begin()
    (begun,) = [ran for ran, _ in observer._threads().values()]
    deadline = time.monotonic() + 60
    while not any(ran > begun + 50_000_000 for ran, _ in observer._threads().values()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    observer.tick()
    spinning.send_signal(signal.SIGSTOP)
    while Path(f"/proc/{spinning.pid}/stat").read_text().rpartition(")")[2].split()[0] != "T":
        assert time.monotonic() < deadline
        time.sleep(0.01)
    observer.tick()
    told = observer.end()
    assert told.stopped_reads == 1
    assert told.own_cpu_ns is not None
    assert told.own_cpu_ns > 40_000_000
