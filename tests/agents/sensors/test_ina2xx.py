"""INA219 and INA226 through hwmon."""

from __future__ import annotations

from pathlib import Path

import pytest

from farm_agent.sensors import SensorError, ina2xx
from tests.agents.sensors.parts import tree

CHIP = "sys/class/hwmon/hwmon2"
INA226 = {
    "sys/class/hwmon/hwmon0/name": "nvme",
    f"{CHIP}/name": "ina226",
    f"{CHIP}/power1_input": "2475000",
    f"{CHIP}/in0_input": "2",
    f"{CHIP}/in1_input": "4998",
    f"{CHIP}/curr1_input": "495",
    f"{CHIP}/shunt_resistor": "10000",
    f"{CHIP}/update_interval": "36",
}


def test_power_voltage_and_current_in_units(tmp_path: Path) -> None:
    """uW, mV, mA; the step is 25 steps of the current, 2.5 uV over the shunt."""
    sensor = ina2xx.open(tree(tmp_path, INA226))

    assert sensor.read() == pytest.approx(
        {"hwmon2:ina226": 2.475, "hwmon2:ina226_V": 4.998, "hwmon2:ina226_A": 0.495}
    )
    power = sensor.channels[0]
    assert (power.scope, power.update_s) == ("input", 0.036)
    assert power.quantum == pytest.approx(25 * 2.5e-6 / 0.01)


def test_a_negative_power_is_left_out(tmp_path: Path) -> None:
    """The shunt is wired the other way round, or power flows back: no cost of an inference."""
    sensor = ina2xx.open(tree(tmp_path, {**INA226, f"{CHIP}/power1_input": "-2475000"}))

    assert set(sensor.read()) == {"hwmon2:ina226_V", "hwmon2:ina226_A"}


@pytest.mark.parametrize(
    ("text", "watts"), [("2475000", 2.475), ("-1", None), ("", None), ("1e6", None), ("9" * 19, None)]
)
def test_microwatts(text: str, watts: float | None) -> None:
    """What one file holds."""
    assert ina2xx.parse_microwatts(text) == (None if watts is None else pytest.approx(watts))


def test_milliamperes_may_be_negative_but_not_absurd() -> None:
    """188 V and 170 A of a first packet are neither."""
    assert ina2xx.parse_milli("-120", "current_a") == -0.12
    assert ina2xx.parse_milli("188743", "voltage_v") is None
    assert ina2xx.parse_milli("170394", "current_a") is None


def test_a_machine_without_a_chip_says_so(tmp_path: Path) -> None:
    """With the way to name one to the kernel."""
    assert "new_device" in ina2xx.probe(tmp_path).fix
    with pytest.raises(SensorError):
        ina2xx.open(tmp_path)
