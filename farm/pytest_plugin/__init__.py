"""A pytest plugin, shipped with the package: tests that measure on devices, budgets as assertions.

    @pytest.mark.devices("rpi4")
    def test_latency(farm_bench):
        farm_bench("model.onnx", runtimes=["onnxruntime"], budget="p50<=20ms,peak_mem<=200MB")

Imported by every pytest that finds the package, so nothing heavy is imported before a test asks for a device.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from farm.pytest_plugin.bench import Bench
    from farm.pytest_plugin.choice import Choice

PROPERTY = "farm"
MARKER = "devices(*selectors): run once on each device of farm's inventory that they select (docs/pytest.md)"


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options; all begin with ``--farm-``."""
    group = parser.getgroup("farm", "measuring neural networks on devices")
    group.addoption(
        "--farm-devices", metavar="SELECTORS", help="measure on these devices of the inventory, or fewer"
    )
    group.addoption("--farm-store", metavar="STORE", help="folder or database URL for the results")
    group.addoption(
        "--farm-strict",
        action="store_true",
        help="a test whose devices are not there fails, else it is skipped",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Say what the marker means."""
    config.addinivalue_line("markers", MARKER)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test for each device that its marker and ``--farm-devices`` select."""
    if "farm_device" in metafunc.fixturenames:
        from farm.pytest_plugin.choice import choices

        marker = metafunc.definition.get_closest_marker("devices")
        found = choices(marker, metafunc.config.getoption("--farm-devices"))
        metafunc.parametrize("farm_device", found, ids=[one.id for one in found], indirect=True)


@pytest.fixture
def farm_device(request: pytest.FixtureRequest) -> str:
    """The name of the device that this test is to use."""
    chosen: Choice = request.param
    if chosen.problem:
        if request.config.getoption("--farm-strict") and not chosen.left_out:
            pytest.fail(chosen.problem, pytrace=False)
        pytest.skip(chosen.problem)
    return chosen.device


@pytest.fixture
def farm_bench(request: pytest.FixtureRequest, farm_device: str) -> Bench:
    """Measures a model on the test's device; see ``Bench``."""
    from farm.pytest_plugin.bench import Bench

    return Bench(farm_device, request.node, request.config.getoption("--farm-store"))


def pytest_terminal_summary(terminalreporter: Any) -> None:  # noqa: ANN401 - pytest names its class privately
    """Every number that was measured, with its verdict, also those of passed tests and of other processes."""
    lines = [
        str(value)
        for reports in terminalreporter.stats.values()
        for report in reports
        if getattr(report, "when", "") == "call"
        for name, value in getattr(report, "user_properties", ())
        if name == PROPERTY
    ]
    if lines:
        terminalreporter.section("farm: measured")
        for line in lines:
            terminalreporter.line(line)
