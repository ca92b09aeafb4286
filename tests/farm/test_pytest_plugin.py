"""The pytest plugin, as the package installs it: real measurements under xdist, and every way to fail."""

from __future__ import annotations

import functools
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest

from farm import api
from farm.config import load_config
from farm.devices import inventory
from farm.devices.device import Device
from farm.errors import InfrastructureError
from farm.pytest_plugin.bench import Bench, NoisyWarning
from farm_results.model import Caveat, Result, Verdict
from farm_results.store import open_store
from tests.results.made import latency, result, run

pytest_plugins = "pytester"
REAL = api.bench

TESTS = """
import pytest
from farm.measure import Measure

QUICK = {"runtimes": ["onnxruntime"], "blocks": 1, "min_time_s": 0.05}

def quick(farm_bench, **more):
    return farm_bench(**QUICK, measure=Measure(gate=None), **more)

def test_kept(farm_bench, farm_device):
    (found,) = quick(farm_bench, budget="p50<=60s,accuracy>=50%")
    assert found.device == farm_device == "local"

def test_broken(farm_bench):
    quick(farm_bench, budget="p50<=1ns")

def test_typing_error(farm_bench):
    quick(farm_bench, budget="p5<=1ns")

@pytest.mark.devices("rpi4")
def test_elsewhere(farm_bench):
    raise AssertionError("no such device")
"""
TWO = """
import pytest

@pytest.mark.devices("lab", "local")
def test_each(farm_device):
    assert farm_device in ("lab-a", "lab-b", "local")

def test_default(farm_device):
    assert farm_device in ("lab-a", "local")
"""


def ended(pytester: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    """A whole pytest, with the plugin as the entry point loads it, or by name where that is not installed."""
    return pytester.runpytest_inprocess(*_words(), *arguments)


def _words() -> tuple[str, ...]:
    installed = any(one.value == "farm.pytest_plugin" for one in entry_points(group="pytest11"))
    return ("-p", "no:cacheprovider", *(() if installed else ("-p", "farm.pytest_plugin")))


def test_two_workers_measure_one_after_the_other(pytester: pytest.Pytester) -> None:
    """Real measurements: leases keep them apart; budgets are assertions; numbers are told."""
    pytester.makepyfile(TESTS)
    words = ("-n", "2", "-rs", "--junitxml=tests.xml", "--dist=load")
    done = pytester.runpytest_subprocess(*_words(), *words)
    done.assert_outcomes(passed=1, failed=2, skipped=1)
    output = done.stdout.str()
    assert "p50<=1ns: p50 is" in output
    assert "gate.budget" in output
    assert "did you mean 'p95'?" in output
    assert "Traceback" not in output
    assert "farm devices add NAME" in output
    assert output.count("digits · local · onnxruntime · fp32") >= 2
    assert "farm: measured" in output
    junit = (pytester.path / "tests.xml").read_text(encoding="utf-8")
    assert 'onnxruntime · fp32 · 1 thread: p50 ms" value="' in junit

    store = open_store(load_config().store)
    try:
        results = store.results()
        labels = {name for one in store.runs() for name in one.labels.values()}
    finally:
        store.close()
    assert {name.rpartition("::")[2] for name in labels} >= {"test_kept[local]", "test_broken[local]"}
    times = sorted(
        (one.document["job"]["started_unix_s"], one.document["job"]["ended_unix_s"]) for one in results
    )
    assert len(times) == 2
    assert times[0][1] <= times[1][0]


def test_devices_come_from_the_marker_and_the_command_line(pytester: pytest.Pytester) -> None:
    """One test for each; what is left out is skipped, what is not there skipped or failed."""
    for name in ("lab-a", "lab-b"):
        inventory.add(
            load_config().inventory_path,
            Device(name, address="ssh://somebody@192.0.2.1", profile="rpi4", tags=("lab",)),
        )
    pytester.makepyfile(TWO)
    ended(pytester).assert_outcomes(passed=4)
    ended(pytester, "--farm-devices", "lab-a", "--farm-strict").assert_outcomes(passed=2)
    done = ended(pytester, "--farm-devices", "nowhere")
    assert "--farm-devices: no device" in done.stdout.str()
    assert "__init__.py" not in done.stdout.str()
    pytester.makepyfile("import pytest\n@pytest.mark.devices('jetson-nano')\ndef test_it(farm_bench): ...")
    ended(pytester).assert_outcomes(skipped=1)
    ended(pytester, "--farm-strict").assert_outcomes(errors=1)
    pytester.makepyfile("import pytest\n@pytest.mark.devices\ndef test_it(farm_bench): ...")
    done = ended(pytester)
    assert "needs names, tags or profiles" in done.stdout.str()
    assert "__init__.py" not in done.stdout.str()


def test_nothing_heavy_is_imported_before_a_test_asks() -> None:
    script = (
        "import sys, farm.pytest_plugin as plugin;"
        "heavy = {'numpy', 'sqlalchemy', 'onnx', 'pandas', 'paramiko', 'rich', 'click'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


class Node:
    """A test, as far as the fixture needs it."""

    nodeid = "test_x.py::test_x"

    def __init__(self) -> None:
        self.user_properties: list[tuple[str, object]] = []


def standing_in(function: Callable[..., Any]) -> Callable[..., Any]:
    """For ``farm.bench``, by whose parameters the fixture knows its options."""
    return functools.wraps(REAL)(function)


def measured(monkeypatch: pytest.MonkeyPatch, *results: Result) -> Bench:
    """The fixture's value where measuring gives these results."""
    monkeypatch.setattr(api, "bench", standing_in(lambda *_, **__: list(results)))
    return Bench("pi", Node(), None)


NOISY = Verdict("noisy", (Caveat("load", "noisy", "load 4.7 on 2 cores"),))
FAILURES = {
    "failed": result(status="failed", latency=None, error_code="device.gone", error_message="away",
                     error_fix="plug"),
    "invalid": result(verdict=Verdict("invalid", (Caveat("check", "invalid", "outputs differ"),))),
    "skipped": result(status="skipped", latency=None, error_message="no such runtime"),
    "throttled": result(verdict=Verdict("throttled")),
    "no energy": result(),
}  # fmt: skip


@pytest.mark.parametrize("name", FAILURES)
def test_what_is_no_honest_number_fails(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Whatever the budget says: a number that nobody took does not hold it."""
    budget = "energy<=1J" if name == "no energy" else "p50<=1s"
    with pytest.raises(pytest.fail.Exception) as caught:
        measured(monkeypatch, FAILURES[name])("model.onnx", budget=budget)
    told = {
        "failed": "device.gone: away\n  fix: plug",
        "invalid": "outputs differ",
        "skipped": "no such runtime",
    }
    told |= {"throttled": "the result is throttled", "no energy": "energy was not measured"}
    assert told[name] in str(caught.value)


def test_a_number_beside_its_limit_warns_or_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """The interval of 4.87 to 4.96 ms lies on both sides of 4.92 ms."""
    bench = measured(monkeypatch, result(verdict=NOISY))
    with pytest.warns(NoisyWarning, match="both sides"):
        assert bench("model.onnx", budget="p50<=4.92ms")[0].latency is not None
    with pytest.raises(pytest.fail.Exception, match="both sides"):
        bench("model.onnx", budget="p50<=4.92ms", noise="fail")
    assert len(bench("model.onnx", budget="p50<=5ms")) == 1


def test_worse_than_the_baseline_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """Held against what the store has; without a baseline there the error says how to get one."""
    store = open_store(load_config().store)
    store.add_run(run())
    store.add_run(replace(run("20261122-060000-bbbb", 2000.0)))
    store.add_result(result("before"))
    tripled = latency(p50_ns=15e6, p50_low_ns=14.9e6, p50_high_ns=15.1e6, between_cv=0.003)
    after = result("after", run_id="20261122-060000-bbbb", latency=tripled, created_unix_s=2001.0)
    store.add_result(after)
    store.close()
    with pytest.raises(pytest.fail.Exception) as caught:
        measured(monkeypatch, after)("model.onnx", baseline="20261121-060000-aaaa")
    assert "regressed" in str(caught.value)
    assert measured(monkeypatch, after)("model.onnx", baseline="last")
    with pytest.raises(pytest.fail.Exception, match=r"results\.unknown"):
        measured(monkeypatch, after)("model.onnx", baseline="nosuch")


def test_errors_are_failures_without_a_trace(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def broken(*_: Any, **__: Any) -> list[Result]:
        raise InfrastructureError("the disk is full", code="host.disk-full", fix="make room")

    monkeypatch.setattr(api, "bench", standing_in(broken))
    with pytest.raises(pytest.fail.Exception) as caught:
        Bench("pi", Node(), str(tmp_path))("model.onnx")
    assert str(caught.value) == "host.disk-full: the disk is full\nfix: make room"
    wrong: tuple[tuple[dict[str, Any], str], ...] = (
        ({"devices": "other"}, "those of its marker"),
        ({"noise": "maybe"}, "pass"),
        ({"budget": 3}, "budget=3 is no text"),
        ({"runtimez": ["litert"]}, "did you mean 'runtimes'"),
        ({"xyzzy": 1}, "one of: runtimes, precisions"),
    )
    for options, told in wrong:
        with pytest.raises(pytest.fail.Exception, match=told) as caught:
            Bench("pi", Node(), None)("model.onnx", **options)
        assert not caught.value.pytrace


def test_numbers_are_properties_of_the_test(monkeypatch: pytest.MonkeyPatch) -> None:
    node = Node()
    simulated = [result(origin="simulated", verdict=NOISY)]
    monkeypatch.setattr(api, "bench", standing_in(lambda *_, **__: simulated))
    Bench("pi", node, None)("model.onnx")
    properties = dict(node.user_properties)
    name = "SIMULATED · mobilenet · pi · onnxruntime · fp32 · 2 threads"
    assert properties["farm"] == f"{name} · p50 4.91 ms · SIMULATED NOISY"
    assert properties[f"{name}: p50 ms"] == "4.9100"
