"""What people see of a run on hundreds of devices, and how many of these are driven at once."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from dataclasses import replace

import pytest

from farm import parallel, progress
from farm.benchmark import plan_for
from farm.config import load_config
from farm.crowd import FAILURES_TOLD, SAID_EVERY_S, Crowd
from farm.errors import FarmError, InfrastructureError
from farm.plan import Plan, Request
from farm_agent.wire import BlockPlan
from farm_results.build import failed
from farm_results.model import Result
from tests.farm.networks import conv_net

COUNT = 500


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    """One job on each of 500 devices."""
    folder = tmp_path_factory.mktemp("crowd")
    config = load_config({"store": str(folder), "inventory_path": str(folder / "none.toml")})
    request = Request(
        models=(conv_net(folder / "net.onnx"),), runtimes=("onnxruntime",), blocks=BlockPlan(blocks=1)
    )
    small = plan_for(request, config)
    (cell,) = small.cells
    named = [replace(cell.device, name=f"d-{number}") for number in range(COUNT)]
    cells = [replace(cell, job_id=f"job-{device.name}", device=device) for device in named]
    return replace(small, cells=tuple(cells), matched=(("d-*", tuple(device.name for device in named)),))


def ended(plan: Plan, index: int, error: FarmError | None = None) -> Result:
    cell = plan.cells[index]
    error = error or InfrastructureError("gone", code="x.y", fix="look")
    return failed(
        run_id="r", job_id=cell.job_id, model="net", model_sha256="", device=cell.device.name, profile="",
        target=cell.target, error=error, created_unix_s=0.0,
    )  # fmt: skip


class Clock:
    """Time that goes on when it is told to."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def test_one_line_counts_what_all_devices_do_and_how_long_it_takes(plan: Plan) -> None:
    """By the plan at first; then by the pace of all together, half-done jobs included."""
    clock = Clock()
    crowd = Crowd(plan, 60.0, clock)
    clock.now_s += 10
    assert (crowd.text(), crowd.left_s()) == ("0 of 500 jobs ended: 500 not begun", 50.0)
    for cell in plan.cells[:300]:
        crowd.stage(cell, "process 1 of 2 measured", 0.5)
    for cell in plan.cells[300:350]:
        crowd.stage(cell, "ship", 0.0)
    for index in range(50):
        assert crowd.end(plan.cells[index], replace(ended(plan, index), status="ok")) is False
    clock.now_s += 30
    assert crowd.text() == "50 of 500 jobs ended: 250 measuring, 50 shipping, 150 not begun"
    assert crowd.left_s() == pytest.approx(40 * (500 - 175) / 175)


def test_lines_of_many_devices_are_summaries_and_the_first_failures(plan: Plan) -> None:
    """What is said of each device alike is said once, and counted at the end."""
    said: list[str] = []
    lines = progress.Lines(said.append)
    lines.begin(plan)
    assert any(line.startswith("  d-* → d-0, d-1, d-2, … d-499 (500 devices)") for line in said)
    begun = len(said)
    for cell in plan.cells:
        lines.note(f"{cell.device.name} was never checked; farm health run -d {cell.device.name}")
        lines.stage(cell, "connect", 0.0)
        lines.stage(cell, "measure", 0.5)
    for index, cell in enumerate(plan.cells):
        lines.end(cell, ended(plan, index))
    lines.close()
    failures = [line for line in said if "FAILED" in line]
    summaries = [line for line in said[begun:-2] if "jobs ended" in line]  # as many as 5 s fit into the test
    assert len(failures) == FAILURES_TOLD
    assert len(said) == begun + 1 + FAILURES_TOLD + len(summaries) + 2
    assert said[-2:] == [
        "500 of 500 jobs ended, 500 of them failed",
        "500 times: … was never checked; farm health run -d …",
    ]


def test_a_summary_is_due_now_and_then(plan: Plan) -> None:
    clock = Clock()
    crowd = Crowd(plan, 60.0, clock)
    assert not crowd.due()
    clock.now_s += SAID_EVERY_S
    assert (crowd.due(), crowd.due()) == (True, False)


def test_bars_of_many_devices_are_one_bar(
    plan: Plan, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in {"COLUMNS": "150", "FORCE_COLOR": "1", "TERM": "xterm"}.items():
        monkeypatch.setenv(name, value)
    bars = progress.Bars()
    bars.begin(plan)
    for cell in plan.cells[:100]:
        bars.stage(cell, "measure", 0.5)
    bars.end(plan.cells[0], ended(plan, 0))
    bars.note("drawn again")
    bars.close()
    drawn = capsys.readouterr().err
    assert "500 devices" in drawn
    assert "1 of 500 jobs ended, 1 of them failed: 99 measuring, 400 not begun" in drawn
    assert drawn.count("d-0  net onnxruntime") == 1


@pytest.fixture
def few_files() -> Iterator[int]:
    """A process that may open few files by itself."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (128, before[1]))
    yield 128
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_the_soft_limit_of_open_files_is_lifted(few_files: int) -> None:
    assert parallel.at_once(100) == (100, "")
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] > few_files


def test_what_the_hard_limit_forbids_takes_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (1024, 1024))
    monkeypatch.setattr(resource, "setrlimit", lambda *_: None)
    count, why = parallel.at_once(500)
    assert count == (1024 - parallel.FILES_BESIDES) // parallel.FILES_PER_DEVICE == 112
    assert f"{count} of 500 devices at once" in why
    assert f"--parallel {count}" in why
    assert parallel.at_once(500, asked=50) == (50, "")
