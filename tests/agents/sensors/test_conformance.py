"""Every sensor file keeps the seam's promises, is documented, and is named by some profile or is optional."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import get_type_hints

import pytest

from farm_agent import sensors
from farm_agent.errors import JobError
from farm_agent.messages.traces import Channel
from farm_agent.sensors import Probe, SensorError
from farm_agent.sensors.common import plausible
from farm_profiles.load import load_profile, profile_names
from tests.support import ROOT

NAMES = sensors.names()
FOLDER = ROOT / "agents" / "farm_agent" / "sensors"
TABLE = {
    match.group(1): [cell.strip() for cell in match.group(0).split("|")[2:-1]]
    for match in re.finditer(r"^\| `(\w+)` \|.*\|$", (ROOT / "docs" / "sensors.md").read_text(), re.MULTILINE)
}
KINDS = {
    node.value
    for path in FOLDER.rglob("*.py")
    for call in ast.walk(ast.parse(path.read_text()))
    if isinstance(call, ast.Call) and getattr(call.func, "id", "") == "Channel"
    for node in call.args[1:2]
    if isinstance(node, ast.Constant) and isinstance(node.value, str)
}


def test_the_named_sensors_are_there() -> None:
    """What the project promises; shared parts are no sensors."""
    wanted = (
        "thermal cpufreq x86_throttle cooling ina3221 tegrastats pmic vcgencmd_throttled rapl battery odpm"
    )

    assert {*wanted.split(), "nvml", "ina2xx"} <= set(NAMES)
    assert "common" not in NAMES
    with pytest.raises(JobError):
        sensors.load("common")


@pytest.mark.parametrize("name", NAMES)
def test_a_sensor_keeps_the_seam(name: str) -> None:
    """Purpose, probe and open; probing a machine that lacks it tells why and what helps, and never raises."""
    module = sensors.load(name)

    assert module.PURPOSE in {"telemetry", "power"}
    assert get_type_hints(module.probe)["return"] is Probe
    found = module.probe()
    if found.unavailable:
        assert found.fix
        with pytest.raises(SensorError) as caught:
            module.open()
        assert caught.value.code.startswith("sensor.")
    else:
        sensor = module.open()
        try:
            values = sensor.read()
        finally:
            sensor.close()
        assert set(values) <= {channel.name for channel in sensor.channels}
        assert len({channel.name for channel in sensor.channels}) == len(sensor.channels)


@pytest.mark.parametrize("name", NAMES)
def test_a_sensor_is_documented(name: str) -> None:
    """One row in docs/sensors.md, with its purpose and every column filled but those without power."""
    assert name in TABLE, f"docs/sensors.md has no row for {name}"
    purpose, tells, scope, step, reads, boards, root = TABLE[name]

    assert purpose == sensors.load(name).PURPOSE
    assert all((tells, step, reads, boards, root))
    assert scope or purpose == "telemetry"


def test_no_sensor_is_documented_in_vain() -> None:
    """Each row is a file."""
    assert set(TABLE) == set(NAMES)


@pytest.mark.parametrize("profile", profile_names())
def test_a_profile_names_sensors_that_exist(profile: str) -> None:
    """And each watches heat and clocks."""
    named = load_profile(profile).sensors

    assert set(named) <= set(NAMES)
    assert len(named) == len(set(named))
    assert {"thermal", "cpufreq", "cooling"} <= set(named)
    section = (ROOT / "docs" / "profiles.md").read_text().partition(f"### {profile}\n")[2].partition("###")[0]
    assert f"Sensors: {', '.join(named)}." in " ".join(section.split())


def test_every_kind_of_channel_has_bounds() -> None:
    """A kind without bounds would never be plausible; one that the message does not explain is no kind."""
    assert len(KINDS) > 8
    assert set(plausible.BOUNDS) >= KINDS
    assert all(kind in (Channel.__doc__ or "") for kind in KINDS)


@pytest.mark.parametrize(
    ("kind", "value", "good"),
    [
        ("temperature_c", -256.0, False),
        ("temperature_c", 44.5, True),
        ("power_w", -0.1, False),
        ("power_w", float("nan"), False),
        ("power_w", float("inf"), False),
        ("power_w", 170.39408 * 188.7437, False),
        ("voltage_v", 188.7437, False),
        ("current_a", 170.39408, False),
        ("current_a", -2.0, True),
        ("energy_j", 10**400, False),
        ("power_w", "5", False),
        ("power_w", None, False),
        ("power_w", True, False),
        ("no_kind", 1.0, False),
    ],
)
def test_what_can_be_true(kind: str, value: object, good: bool) -> None:
    """One table for all."""
    assert plausible.plausible(kind, value) is good


def test_a_wall_socket_may_have_230_volts() -> None:
    """Bounds depend on the scope where they must."""
    assert plausible.plausible("voltage_v", 237.0, "wall")
    assert not plausible.plausible("voltage_v", 237.0)


def test_sensor_files_are_listed_without_importing_them() -> None:
    """A sensor whose import fails harms nobody but itself."""
    assert set(NAMES) == {path.stem for path in FOLDER.glob("*.py")} - {"__init__"}
    assert isinstance(FOLDER, Path)
