"""The gate before a block, with a clock that the test turns and devices that it describes."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from farm_agent import identity, preflight, preflight_checks, preflight_idle
from farm_agent.errors import MeasurementError
from farm_agent.messages.gate import GatePlan, GateReport
from farm_agent.messages.traces import Channel
from farm_agent.observe_battery import Battery
from farm_agent.observe_foreign import FARM
from farm_agent.preflight_checks import Need, checks
from farm_agent.preflight_look import Look, Looker, temperature_c

MIB = 2**20
NEED = Need(model_bytes=10 * MIB, threads=2, idle_c=40.0)
QUIET = Look(
    time_s=0.0,
    cpus=4,
    stalled_us=0,
    runnable=1,
    busy_ticks=0,
    available_bytes=1000 * MIB,
    swapped_in=7,
    temperature_c=40.0,
)


def failed(before: Look, now: Look, need: Need = NEED, **plan: Any) -> dict[str, str]:
    found = checks(GatePlan(**plan), need, before, replace(now, time_s=1.0), [])
    return {check.name: check.text for check in found if not check.passed}


def test_a_quiet_device_passes_every_check() -> None:
    found = checks(GatePlan(), NEED, QUIET, replace(QUIET, time_s=1.0), [])
    assert all(check.passed for check in found)
    assert [check.name for check in found] == [
        *("cpu-pressure", "temperature", "throttle", "memory"),
        *("package-jobs", "swap", "battery", "other-job"),
    ]


def test_each_disturbance_fails_its_own_check_with_its_value() -> None:
    cases: dict[str, tuple[Look, str]] = {
        "cpu-pressure": (replace(QUIET, stalled_us=340_000), "34.0 %"),
        "throttle": (replace(QUIET, throttled=("throttled:under-voltage",)), "under-voltage"),
        "memory": (replace(QUIET, available_bytes=29 * MIB), "29 MiB"),
        "package-jobs": (replace(QUIET, foreign=("apt-get (812)",)), "apt-get (812)"),
        "swap": (replace(QUIET, swapped_in=9), "2 pages"),
        "battery": (replace(QUIET, battery=Battery(12, "discharging"), plugged=False), "12 %"),
        "other-job": (replace(QUIET, foreign=(f"{FARM} (99)",)), "(99)"),
        "temperature": (replace(QUIET, temperature_c=46.0), "46.0 °C"),
    }
    for name, (now, text) in cases.items():
        found = failed(QUIET, now)
        assert list(found) == [name]
        assert text in found[name]


def test_every_failed_check_says_what_to_do() -> None:
    now = replace(
        QUIET,
        time_s=1.0,
        stalled_us=10**6,
        throttled=("x",),
        available_bytes=0,
        swapped_in=99,
        temperature_c=90.0,
        foreign=("apt (1)", f"{FARM} (2)"),
        battery=Battery(1, "discharging"),
    )
    found = checks(GatePlan(), NEED, QUIET, now, [])
    assert not any(check.passed for check in found)
    assert all(check.fix for check in found)


def test_a_busy_cpu_counts_when_the_threads_no_longer_fit_beside_it() -> None:
    hz = os.sysconf("SC_CLK_TCK")
    busy = replace(QUIET, busy_ticks=3 * hz)
    assert list(failed(QUIET, busy)) == ["cpu-pressure"]
    assert failed(QUIET, busy, replace(NEED, threads=1)) == {}


def test_the_busiest_processes_are_named() -> None:
    hz = os.sysconf("SC_CLK_TCK")
    before = replace(QUIET, processes={("9", "firefox"): 100, ("8", "sh"): 5})
    now = replace(QUIET, stalled_us=500_000, processes={("9", "firefox"): 100 + hz // 2, ("8", "sh"): 5})
    assert "firefox (9, 50% of a CPU)" in failed(before, now)["cpu-pressure"]
    check = checks(GatePlan(), NEED, before, replace(now, time_s=1.0), [])[0]
    assert check.fix.startswith("stop firefox (9), ")


def test_without_pressure_counters_the_runnable_threads_count() -> None:
    old = replace(QUIET, stalled_us=None, busy_ticks=None)
    assert failed(old, replace(old, runnable=2)) == {}
    assert list(failed(old, replace(old, runnable=5))) == ["cpu-pressure"]


def test_what_the_kernel_does_not_say_fails_nothing_and_is_not_claimed() -> None:
    blank = Look(time_s=0.0, cpus=4)
    found = checks(GatePlan(), NEED, blank, replace(blank, time_s=1.0), [])
    assert all(check.passed for check in found)
    texts = {check.name: check.text for check in found}
    for name in ("cpu-pressure", "temperature", "memory", "swap"):
        assert texts[name].startswith("not known")


def test_the_profile_s_temperature_and_the_idle_one_both_bound_the_start() -> None:
    warm = replace(QUIET, temperature_c=44.0)
    history = [(float(at), 44.0) for at in range(12)]
    assert all(check.passed for check in checks(GatePlan(), NEED, QUIET, warm, history))
    assert "temperature" in failed(QUIET, warm, temperature_c=43.0)


def test_a_temperature_that_still_moves_is_not_settled() -> None:
    warm = replace(QUIET, temperature_c=44.0, time_s=11.0)
    falling = [(float(at), 45.0 - at / 11) for at in range(12)]
    found = {check.name: check for check in checks(GatePlan(), NEED, QUIET, warm, falling)}
    assert not found["temperature"].passed
    assert "-5.5 °C a minute" in found["temperature"].text
    assert preflight_checks.slope(falling[:3]) is None
    assert preflight_checks.slope([]) is None


def test_a_battery_that_charges_may_be_low() -> None:
    assert failed(QUIET, replace(QUIET, battery=Battery(5, "charging"))) == {}
    assert failed(QUIET, replace(QUIET, battery=Battery(5, "discharging"), plugged=True)) == {}
    assert failed(QUIET, replace(QUIET, battery=Battery(None, ""))) == {}


class World:
    """A device over time; nobody sleeps for real."""

    def __init__(self, at: Callable[[float], Look]) -> None:
        self.now = 100.0
        self.said: list[str] = []
        self._at = at

    def look(self) -> Look:
        return replace(self._at(self.now - 100.0), time_s=self.now)

    def sleep(self, seconds: float) -> None:
        assert seconds >= 0
        self.now += seconds

    def wait(self, need: Need = NEED, **plan: Any) -> GateReport:
        return preflight.wait(
            GatePlan(**plan), need, self.look, self.said.append, lambda: self.now, self.sleep
        )


def test_a_quiet_device_costs_one_second() -> None:
    world = World(lambda at: QUIET)
    report = world.wait()
    assert (report.passed, report.attempts, report.waited_s, report.warm_start) == (True, 1, 1.0, False)
    assert world.said == []


def test_the_gate_opens_when_the_noise_ends_and_told_what_it_waited_for() -> None:
    world = World(lambda at: replace(QUIET, stalled_us=int(min(at, 10.0) * 500_000)))
    report = world.wait(max_wait_s=60.0)
    assert report.passed
    assert 10.0 <= report.waited_s <= 20.0
    assert world.said[0] == "waiting for a quiet device: CPU pressure 50.0 %"


def test_noise_without_end_fails_after_the_bounded_wait_with_longer_and_longer_pauses() -> None:
    world = World(lambda at: replace(QUIET, stalled_us=int(at * 340_000)))
    report = world.wait(max_wait_s=30.0)
    assert not report.passed
    assert report.waited_s == pytest.approx(30.0, abs=1.5)
    assert report.attempts < 10
    error = preflight.not_quiet(report)
    assert isinstance(error, MeasurementError)
    assert error.code == "gate.not-quiet"
    assert "34.0 %" in error.message
    assert "--no-gate" in error.fix


def test_heat_that_stays_ends_in_a_warm_start_and_no_failure() -> None:
    world = World(lambda at: replace(QUIET, temperature_c=70.0))
    report = world.wait(max_wait_s=20.0, cooldown_max_s=100.0)
    assert (report.passed, report.warm_start) == (True, True)
    assert report.waited_s == pytest.approx(100.0, abs=10.0)
    assert "cool device" in world.said[0]


def test_cooling_does_not_use_up_the_patience_with_noise() -> None:
    def cooling_then_noise(at: float) -> Look:
        loud = int(max(0.0, min(at, 90.0) - 80.0) * 500_000)
        return replace(QUIET, temperature_c=70.0 if at < 80 else 40.0, stalled_us=loud)

    assert World(cooling_then_noise).wait(max_wait_s=30.0).passed


def test_a_noisy_device_does_not_pass_because_the_time_to_cool_is_over() -> None:
    world = World(lambda at: replace(QUIET, stalled_us=int(at * 340_000)))
    assert not world.wait(max_wait_s=200.0, cooldown_max_s=20.0).passed


def test_the_idle_temperature_is_the_lowest_of_the_last_hour(tmp_path: Path) -> None:
    assert preflight_idle.reference(tmp_path, 40.0, 1000.0) == 40.0
    assert preflight_idle.reference(tmp_path, 60.0, 2000.0) == 40.0
    assert preflight_idle.reference(tmp_path, 38.0, 3000.0) == 38.0
    assert preflight_idle.reference(tmp_path, 45.0, 3000.0 + 3601) == 45.0
    assert preflight_idle.reference(tmp_path, None, 9000.0) is None


def test_the_idle_temperature_of_another_boot_is_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    preflight_idle.reference(tmp_path, 30.0, 1000.0)
    monkeypatch.setattr(identity, "boot_id", lambda: "another")
    assert preflight_idle.reference(tmp_path, 50.0, 1001.0) == 50.0
    (tmp_path / preflight_idle.NAME).write_text("{cut")
    assert preflight_idle.reference(tmp_path, 51.0, 1002.0) == 51.0


def test_a_look_at_a_folder_that_is_like_a_device(tmp_path: Path) -> None:
    def put(path: str, text: str) -> None:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text + "\n")

    put("proc/stat", "cpu 100 0 50 900 0 0 0 3 0 0")
    put("proc/loadavg", "0.5 0.4 0.3 2/300 999")
    put("proc/meminfo", "MemTotal: 2048 kB\nMemAvailable: 1024 kB")
    put("proc/pressure/cpu", "some avg10=1.00 avg60=0 avg300=0 total=77")
    put("proc/vmstat", "pswpin 3")
    put("sys/class/power_supply/BAT0/type", "Battery")
    put("sys/class/power_supply/BAT0/capacity", "55")
    put("sys/class/power_supply/BAT0/status", "Discharging")
    values = {
        Channel("thermal_zone0:cpu-thermal", "temperature_c"): 51.0,
        Channel("thermal_zone1:wifi", "temperature_c"): 80.0,
        Channel("throttled", "flags"): float(0x50004),
    }
    look = Looker("/own/job", lambda: values, tmp_path, lambda: 5.0).look()
    assert (look.time_s, look.stalled_us, look.runnable, look.busy_ticks) == (5.0, 77, 2, 150)
    assert (look.available_bytes, look.swapped_in, look.temperature_c) == (MIB, 3, 51.0)
    assert look.throttled == ("throttled:throttled",)
    assert look.battery == Battery(55, "discharging")
    assert temperature_c({}) is None


def test_a_look_at_an_empty_folder_knows_nothing(tmp_path: Path) -> None:
    look = Looker("/own/job", dict, tmp_path, lambda: 5.0).look()
    assert (look.stalled_us, look.runnable, look.busy_ticks, look.available_bytes) == (None,) * 4
    assert (look.battery, look.foreign, look.processes) == (None, (), {})
