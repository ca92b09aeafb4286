"""Examining a box: real inferences, every sensor, and a look around, on folders that look like /proc."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import farm_agent
from farm_agent import codec, sensors
from farm_agent.checkup import models, neighbours, sensing, surroundings, trial, updates
from farm_agent.errors import JobError
from farm_agent.messages.checkup import PowerSupply, Surroundings

ENTRY = Path(farm_agent.__file__).parent / "__main__.py"
STAT = "cpu  100 0 50 1000 0 0 0 {steal} 0 0\n"
PROCESS = "{pid} (busy (x) y) R 1 1 1 0 -1 4194304 100 0 0 0 {ticks} 0 0 0 20 0 1 0 777 1000 100"


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def ask(*words: str) -> list[dict[str, Any]]:
    done = subprocess.run(
        [sys.executable, str(ENTRY), *words], capture_output=True, text=True, timeout=120, check=True
    )
    return [json.loads(line)["body"] for line in done.stdout.splitlines()]


@pytest.mark.parametrize("runtime", sorted(models.FORMATS))
def test_a_real_inference_gives_the_known_answer(runtime: str) -> None:
    found = trial.attempt(runtime)

    assert (found.problem, found.code) == ("", "")
    assert found.harness in ("native", "python")
    assert found.infer_ns is not None
    assert found.infer_ns > 0


def test_the_known_answer_is_the_convolutions() -> None:
    x, w = np.array(trial.INPUT).reshape(4, 4), np.arange(-4, 5).reshape(3, 3)
    y = [max(0, int((w * x[i : i + 3, j : j + 3]).sum())) for i in range(2) for j in range(2)]

    assert tuple(y) == trial.OUTPUT
    assert len(set(y)) > 2


def test_a_wrong_answer_is_told() -> None:
    right = np.array(trial.OUTPUT, np.float32).reshape(1, 1, 2, 2)

    assert trial.difference({"y": right}) == ""
    assert "gave [27.0, 33.0, 35.0, 1.0]" in trial.difference({"y": right + np.diag([0, 1])})
    assert trial.difference({}) != ""


def test_a_runtime_without_a_model_is_untried_and_a_hanging_one_a_problem() -> None:
    assert trial.attempt("tensorrt").code == "runtime.untried"
    assert trial.attempt("onnxruntime", deadline_s=0.01).code == "runtime.timeout"
    with pytest.raises(JobError):
        trial.unpack("tensorrt", Path("/nowhere"))


def test_every_sensor_has_a_reading_or_a_reason() -> None:
    (body,) = ask("sensors")

    assert [each["sensor"] for each in body["readings"]] == list(sensors.names())
    for each in body["readings"]:
        assert each["values"] or each["problem"]


def test_sensors_that_do_not_answer_in_time_are_named_with_the_first_as_the_reason() -> None:
    found = sensing.survey(deadline_s=0.01)

    assert {each.sensor for each in found} == set(sensors.names())
    assert "no answer within" in found[0].problem
    assert found[1].problem.startswith(f"not read, because {found[0].sensor} was not")


def test_a_sensor_that_raises_anything_hides_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_name: str) -> Any:
        raise ZeroDivisionError("a defect")

    monkeypatch.setattr(sensors, "load", broken)

    assert "ZeroDivisionError" in sensing.read("thermal").problem


@pytest.mark.parametrize("text", ["nan 1 1", "inf", "", "x", "-inf 2"])
def test_a_load_that_is_no_number_is_none(tmp_path: Path, text: str) -> None:
    assert surroundings.look(write(tmp_path, {"proc/loadavg": text}), watch_s=0.0).load_1m is None


def test_this_box_can_be_looked_at() -> None:
    (body,) = ask("surroundings")

    assert body["surroundings"]["cores"] == os.cpu_count()
    assert body["surroundings"]["scheduler"] == "other"


def test_a_box_that_tells_nothing_gives_nothing_and_no_guess(tmp_path: Path) -> None:
    seen = surroundings.look(tmp_path, watch_s=0.0)

    blank = replace(
        Surroundings(),
        cores=seen.cores,
        scheduler=seen.scheduler,
        clock_synchronised=seen.clock_synchronised,
    )
    assert seen == blank


def test_a_laptops_files_are_understood(tmp_path: Path) -> None:
    root = write(
        tmp_path,
        {
            "proc/cpuinfo": "model name\t: Some CPU\nflags\t\t: fpu hypervisor sse\n",
            "proc/meminfo": ("MemTotal: 1000 kB\nMemAvailable: 400 kB\nSwapTotal: 200 kB\nSwapFree: 50 kB\n"),
            "proc/pressure/cpu": "some avg10=12.34 avg60=0.00 avg300=0.00 total=1\n",
            "proc/pressure/memory": "full avg10=1.00\n",
            "proc/pressure/io": "some avg10=nan\n",
            "proc/loadavg": "0.52 0.58 0.59 1/467 12345\n",
            "proc/sys/kernel/sched_rt_runtime_us": "950000\n",
            "sys/devices/system/cpu/cpufreq/policy0/scaling_governor": "powersave\n",
            "sys/devices/system/cpu/intel_pstate/no_turbo": "0\n",
            "sys/devices/system/clocksource/clocksource0/current_clocksource": "hpet\n",
            "sys/devices/system/clocksource/clocksource0/available_clocksource": "tsc hpet acpi_pm \n",
            "sys/class/dmi/id/product_name": "Standard PC\n",
            "sys/class/power_supply/BAT0/type": "Battery\n",
            "sys/class/power_supply/BAT0/status": "Discharging\n",
            "sys/class/power_supply/BAT0/capacity": "250\n",
            "sys/class/thermal/thermal_zone0/trip_point_0_type": "critical\n",
            "sys/class/thermal/thermal_zone0/trip_point_0_temp": "60000\n",
            "sys/class/thermal/thermal_zone0/trip_point_1_type": "passive\n",
            "sys/class/thermal/thermal_zone0/trip_point_1_temp": "85000\n",
        },
    )
    seen = surroundings.look(root, watch_s=0.0)

    assert (seen.cpu_pressure_pct, seen.memory_pressure_pct, seen.io_pressure_pct) == (12.34, None, None)
    assert (seen.memory_bytes, seen.swap_bytes, seen.swap_free_bytes) == (1_024_000, 204_800, 51_200)
    assert (seen.governors, seen.turbo, seen.virtual_machine) == (
        {"policy0": "powersave"},
        True,
        "Standard PC",
    )
    assert (seen.clocksource, seen.clocksources) == ("hpet", ("tsc", "hpet", "acpi_pm"))
    assert seen.supplies == (PowerSupply("BAT0", "Battery", "Discharging", None, None),)
    assert (seen.passive_c, seen.rt_runtime_us, seen.load_1m) == (85.0, 950_000, 0.52)


FILES = (
    "proc/cpuinfo",
    "proc/meminfo",
    "proc/loadavg",
    "proc/stat",
    "proc/7/stat",
    "proc/7/cmdline",
    "proc/pressure/cpu",
    "proc/sys/kernel/sched_rt_runtime_us",
    "sys/devices/system/cpu/cpufreq/boost",
    "sys/devices/system/cpu/cpufreq/policy0/scaling_governor",
    "sys/devices/system/clocksource/clocksource0/available_clocksource",
    "sys/class/power_supply/BAT0/capacity",
    "sys/class/power_supply/BAT0/online",
    "sys/class/thermal/thermal_zone0/trip_point_0_temp",
)
NUMBERS = st.one_of(st.integers(), st.floats(), st.text(max_size=12))
TEXTS = st.one_of(
    st.binary(max_size=200),
    NUMBERS.map(lambda value: str(value).encode("utf-8", "replace")),
    NUMBERS.map(lambda value: f"some avg10={value} MemTotal: {value} kB\n".encode("utf-8", "replace")),
    st.integers().map(lambda value: f"cpu {value} {value} 1 1 1 1 1 {value}\n".encode()),
)


@given(st.lists(TEXTS, min_size=len(FILES), max_size=len(FILES)))
@settings(max_examples=100, deadline=None)
def test_whatever_the_files_hold_it_is_looked_at_and_can_be_sent(contents: list[bytes]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for name, content in zip(FILES, contents, strict=True):
            path = Path(folder) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        seen = surroundings.look(Path(folder), watch_s=0.0)

    assert codec.loads(Surroundings, codec.dumps(seen)) == seen


def test_programs_that_use_a_cpu_are_named_and_new_ones_are_not_counted_from_zero(tmp_path: Path) -> None:
    hertz = os.sysconf("SC_CLK_TCK")
    before = write(
        tmp_path,
        {
            "stat": STAT.format(steal=10),
            "812/stat": PROCESS.format(pid=812, ticks=1000),
            "813/stat": "813 (cut",
        },
    )
    first = neighbours.ticks(before)
    write(
        tmp_path,
        {
            "stat": STAT.format(steal=10 + hertz // 2),
            "812/stat": PROCESS.format(pid=812, ticks=1000 + hertz),
            "900/stat": PROCESS.format(pid=900, ticks=10**6),
        },
    )
    others, steal_pct = neighbours.busiest(tmp_path, first, 2.0)

    assert [(each.name, each.pid, each.cpu_pct) for each in others] == [("busy (x) y", 812, 50.0)]
    assert steal_pct == 25.0


def test_who_started_this_is_no_neighbour(tmp_path: Path) -> None:
    for pid, parent in ((30, 20), (20, 10), (10, 1), (40, 1)):
        write(tmp_path, {f"{pid}/stat": f"{pid} (a b) S {parent} 1"})
    write(tmp_path, {"50/stat": "50 (loop) S 50 1"})

    assert neighbours.ancestors(tmp_path, 30) == {30, 20, 10}
    assert neighbours.ancestors(tmp_path, 50) == {50}
    assert neighbours.ancestors(tmp_path, 60) == {60}


def test_package_timers_are_told_where_systemd_runs(tmp_path: Path) -> None:
    wants = tmp_path / "etc/systemd/system/timers.target.wants"
    wants.mkdir(parents=True)
    (wants / "apt-daily.timer").symlink_to("/lib/systemd/system/apt-daily.timer")
    assert updates.timers(tmp_path) == ()

    (tmp_path / "run/systemd/system").mkdir(parents=True)
    assert updates.timers(tmp_path) == ("apt-daily.timer",)
