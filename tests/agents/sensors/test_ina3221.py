"""Jetson's power rails on folders made of real listings."""

from __future__ import annotations

from pathlib import Path

import pytest

from farm_agent.sensors import SensorError, ina3221, overcurrent
from farm_agent.sensors.common import jetson_rails
from tests.agents.sensors.parts import tree

CHIP = "sys/bus/i2c/drivers/ina3221/1-0040/hwmon/hwmon3"
# An Orin NX on JetPack 6; in7 is the chip's own sum of shunt voltages.
ORIN_NX = {
    f"{CHIP}/name": "ina3221",
    f"{CHIP}/update_interval": "2",
    f"{CHIP}/samples": "1",
    f"{CHIP}/in1_label": "VDD_IN",
    f"{CHIP}/in1_input": "5048",
    f"{CHIP}/curr1_input": "952",
    f"{CHIP}/curr1_crit": "7784",
    f"{CHIP}/curr1_max": "7784",
    f"{CHIP}/curr1_crit_alarm": "0",
    f"{CHIP}/curr1_max_alarm": "0",
    f"{CHIP}/shunt1_resistor": "5000",
    f"{CHIP}/in2_label": "VDD_CPU_GPU_CV",
    f"{CHIP}/in2_input": "5048",
    f"{CHIP}/curr2_input": "104",
    f"{CHIP}/shunt2_resistor": "5000",
    f"{CHIP}/in3_label": "VDD_SOC",
    f"{CHIP}/in3_input": "5048",
    f"{CHIP}/curr3_input": "296",
    f"{CHIP}/shunt3_resistor": "5000",
    f"{CHIP}/in7_label": "sum of shunt voltages",
    f"{CHIP}/in7_input": "12",
}
SECOND = "sys/bus/i2c/drivers/ina3221/1-0041/hwmon/hwmon2"
# An AGX Orin: values of a listing of its sysfs; of the chip at 0x41 only channel 2 is connected.
AGX_ORIN = {
    f"{CHIP}/in1_label": "VDD_GPU_SOC",
    f"{CHIP}/in1_input": "843",
    f"{CHIP}/curr1_input": "6170",
    f"{CHIP}/in2_label": "VDD_CPU_CV",
    f"{CHIP}/in2_input": "780",
    f"{CHIP}/curr2_input": "3437",
    f"{CHIP}/in3_label": "VIN_SYS_5V0",
    f"{CHIP}/in3_input": "4968",
    f"{CHIP}/curr3_input": "953",
    f"{SECOND}/in1_label": "NC",
    f"{SECOND}/in2_label": "VDDQ_VDD2_1V8AO",
    f"{SECOND}/in2_input": "4960",
    f"{SECOND}/curr2_input": "60",
    f"{SECOND}/in3_label": "NC",
}
IIO = "sys/bus/i2c/drivers/ina3221x/6-0040/iio:device0"
NANO = {
    f"{IIO}/rail_name_0": "POM_5V_IN",
    f"{IIO}/in_voltage0_input": "5049",
    f"{IIO}/in_current0_input": "372",
    f"{IIO}/in_power0_input": "1878",
    f"{IIO}/rail_name_1": "POM_5V_GPU",
    f"{IIO}/in_voltage1_input": "5049",
    f"{IIO}/in_current1_input": "0",
    f"{IIO}/rail_name_2": "POM_5V_CPU",
    f"{IIO}/in_voltage2_input": "5041",
    f"{IIO}/in_current2_input": "88",
}


def test_the_input_rail_of_an_orin_nx_is_the_headline(tmp_path: Path) -> None:
    """Millivolts times milliamperes; one step is 40 uV over 5 milliohm at 5 V: 40 mW."""
    sensor = ina3221.open(tree(tmp_path, ORIN_NX))

    scopes = {channel.name: channel.scope for channel in sensor.channels}
    assert scopes == {"VDD_IN": "module_input", "VDD_CPU_GPU_CV": "rail", "VDD_SOC": "rail"}
    assert sensor.channels[0].quantum == pytest.approx(0.0404, rel=0.01)
    assert sensor.channels[0].update_s == pytest.approx(0.002)
    assert sensor.read()["VDD_IN"] == pytest.approx(4.805696)
    assert "samples=1" in sensor.details["VDD_IN"]
    assert sensor.interval_s == pytest.approx(0.01)


def test_an_agx_orin_has_no_input_rail_and_its_sum_says_so(tmp_path: Path) -> None:
    """The sum of the disjoint rails, flagged; the memory rail is shown and not added."""
    sensor = ina3221.open(tree(tmp_path, AGX_ORIN))
    values = sensor.read()

    scopes = {channel.name: channel.scope for channel in sensor.channels}
    assert scopes["total"] == "rail_sum"
    assert scopes["VDDQ_VDD2_1V8AO"] == "rail"
    assert "NC" not in scopes
    assert values["VIN_SYS_5V0"] == pytest.approx(4.734504)
    assert values["total"] == pytest.approx(5.20131 + 2.68086 + 4.734504)
    step = next(channel.quantum for channel in sensor.channels if channel.name == "VIN_SYS_5V0")
    assert step == pytest.approx(0.099, rel=0.01)


def test_a_sum_with_a_missing_part_is_no_sum(tmp_path: Path) -> None:
    """A rail that cannot be read leaves the total out, and the others stand."""
    sensor = ina3221.open(tree(tmp_path, AGX_ORIN))
    (tmp_path / CHIP / "curr2_input").unlink()

    assert set(sensor.read()) == {"VDD_GPU_SOC", "VIN_SYS_5V0", "VDDQ_VDD2_1V8AO"}


def test_jetpack_4_shows_the_same_rails_through_iio(tmp_path: Path) -> None:
    """On a Nano the GPU's and CPU's rails are part of the input: nothing is summed."""
    sensor = ina3221.open(tree(tmp_path, NANO))

    assert [channel.scope for channel in sensor.channels] == ["module_input", "rail", "rail"]
    assert sensor.read() == pytest.approx({"POM_5V_IN": 1.878228, "POM_5V_GPU": 0.0, "POM_5V_CPU": 0.443608})


def test_without_the_drivers_folder_the_class_folder_will_do(tmp_path: Path) -> None:
    """hwmon by name."""
    files = {name.replace(CHIP, "sys/class/hwmon/hwmon4"): text for name, text in ORIN_NX.items()}

    assert ina3221.open(tree(tmp_path, files)).read()["VDD_SOC"] == pytest.approx(1.494208)


@pytest.mark.parametrize(
    ("rails", "scope", "channel"),
    [
        (("VDD_SYS_GPU", "VDD_SYS_SOC", "VDD_4V0_WIFI", "VDD_IN", "VDD_SYS_CPU"), "module_input", "VDD_IN"),
        (("VDD_IN", "VDD_CPU", "VDD_GPU"), "module_input", "VDD_IN"),
        (("GPU", "CPU", "SOC", "CV", "VDDRQ", "SYS5V"), "rail_sum", "total"),
        (("VDD_GPU_SOC", "VDD_CPU_CV"), "soc_rails", "total"),
    ],
)
def test_what_the_rails_of_a_board_add_up_to(rails: tuple[str, ...], scope: str, channel: str) -> None:
    """One row of the table each."""
    row = jetson_rails.semantics_of(rails)

    assert row is not None
    assert (row.scope, row.channel) == (scope, channel)


def test_unknown_rails_are_never_summed(tmp_path: Path) -> None:
    """Nobody knows whether one feeds the other; their scope says so."""
    files = {**ORIN_NX, f"{CHIP}/in1_label": "VIN_NEW"}
    files.update({f"{CHIP}/in2_label": "VDD_NEW", f"{CHIP}/in3_label": "NC"})
    sensor = ina3221.open(tree(tmp_path, files))

    assert {channel.name: channel.scope for channel in sensor.channels} == {
        "VIN_NEW": "unknown",
        "VDD_NEW": "unknown",
    }
    assert jetson_rails.semantics_of(("VDD_A", "VDD_B")) is None
    assert jetson_rails.total_w({"VDD_A": 1.0, "VDD_B": 2.0}, None) == {}


@pytest.mark.parametrize(
    ("file", "text"),
    [("in1_input", "188743"), ("curr1_input", "-8"), ("in1_input", ""), ("curr1_input", "inf")],
)
def test_absurd_values_are_left_out(tmp_path: Path, file: str, text: str) -> None:
    """A negative current, an empty file, no number; 188 V, though its product with 0.95 A could be true."""
    files = dict(ORIN_NX)
    files[f"{CHIP}/{file}"] = text

    values = ina3221.open(tree(tmp_path, files)).read()

    assert set(values) == {"VDD_CPU_GPU_CV", "VDD_SOC"}


def test_a_chip_that_vanishes_is_an_error(tmp_path: Path) -> None:
    """All rails gone at once."""
    sensor = ina3221.open(tree(tmp_path, ORIN_NX))
    for path in (tmp_path / CHIP).iterdir():
        path.unlink()

    with pytest.raises(SensorError) as caught:
        sensor.read()
    assert caught.value.code == "sensor.silent"


def test_over_current_alarms_are_throttling(tmp_path: Path) -> None:
    """By rail, and the counters of events where the kernel has them."""
    files = dict(ORIN_NX)
    files[f"{CHIP}/curr1_max_alarm"] = "1"
    files["sys/class/hwmon/hwmon1/name"] = "soctherm_oc"
    files["sys/class/hwmon/hwmon1/oc1_event_cnt"] = "4"
    sensor = overcurrent.open(tree(tmp_path, files))

    assert sensor.read() == {"VDD_IN/crit_alarm": 0, "VDD_IN/max_alarm": 1, "soctherm_oc/oc1_event_cnt": 4}
    assert {channel.kind for channel in sensor.channels} == {"throttle_state", "throttle_count"}


def test_a_board_without_a_chip_says_so(tmp_path: Path) -> None:
    """Both sensors, with what to do."""
    for module in (ina3221, overcurrent):
        found = module.probe(tmp_path)
        assert "INA3221" in found.unavailable
        assert found.fix
