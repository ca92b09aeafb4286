"""Android: Pixel's counters, the thermal service, properties."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farm_agent.sensors import SensorError, odpm, thermalservice
from farm_agent.sensors.common import getprop
from tests.agents.sensors.parts import tree

# Real texts: Pixel 6's ODPM, a POCO's heat.
ODPM = """\
t=349894
CH0(T=349894)[S10M_VDD_TPU], 5578756
CH3(T=349894)[S2M_VDD_CPUCL2], 30203502
CH7(T=349894)[S1M_VDD_MIF], 21091363
"""
POCO = """\
IsStatusOverride: false
Thermal Status: 0
Cached temperatures:
\tTemperature{mValue=58.44, mType=0, mName=CPU, mStatus=0}
\tTemperature{mValue=29.8, mType=2, mName=BATTERY, mStatus=0}
HAL Ready: true
Current temperatures from HAL:
\tTemperature{mValue=44.181, mType=0, mName=CPU, mStatus=0}
\tTemperature{mValue=NaN, mType=1, mName=GPU, mStatus=0}
\tTemperature{mValue=35.4, mType=2, mName=BATTERY, mStatus=0}
Current cooling devices from HAL:
\tCoolingDevice{mValue=0, mType=2, mName=cpu0}
"""


def test_pixels_counters_have_rail_and_subsystem(tmp_path: Path) -> None:
    """Two chips; uJ since boot."""
    folder = "sys/bus/iio/devices"
    files = {
        f"{folder}/iio:device0/energy_value": ODPM.strip(),
        f"{folder}/iio:device0/enabled_rails": "CH0[S10M_VDD_TPU]:Tensor\nCH3[S2M_VDD_CPUCL2]:CPU(BIG)",
        f"{folder}/iio:device1/energy_value": "t=349900\nCH0(T=349900)[VSYS_PWR_DISPLAY], 12",
        f"{folder}/iio:device2/name": "an accelerometer",
    }
    sensor = odpm.open(tree(tmp_path, files))

    assert sensor.read() == pytest.approx(
        {
            "S10M_VDD_TPU:Tensor": 5.578756,
            "S2M_VDD_CPUCL2:CPU(BIG)": 30.203502,
            "S1M_VDD_MIF": 21.091363,
            "VSYS_PWR_DISPLAY": 12e-6,
        }
    )
    assert odpm.parse(ODPM).time_ms == 349894


def test_a_counter_that_lost_digits_is_refused() -> None:
    """Cut at every byte: no value differs from the whole text's."""
    whole = odpm.parse(ODPM).energy_uj
    for cut in range(len(ODPM)):
        try:
            found = odpm.parse(ODPM[:cut]).energy_uj
        except SensorError:
            continue
        assert {rail: whole[rail] for rail in found} == found


def test_only_the_block_of_now_counts() -> None:
    """The cached 58 degrees are old; NaN is missing."""
    heat = thermalservice.parse(POCO)

    assert heat == thermalservice.Heat(0, True, {"CPU": 44.181, "BATTERY": 35.4})


def test_a_decimal_comma_is_a_point() -> None:
    """A phone in another locale."""
    assert thermalservice.parse(POCO.replace("44.181", "44,181")).temperatures_c["CPU"] == 44.181


def test_a_service_without_data_has_none() -> None:
    """HAL Ready: false, whatever stands below."""
    heat = thermalservice.parse(POCO.replace("HAL Ready: true", "HAL Ready: false"))

    assert heat.temperatures_c == {}


def test_a_status_above_none_is_throttling() -> None:
    """Its kind makes it a flag; its value is the level."""
    answers = [POCO, POCO.replace("Status: 0", "Status: 3", 1)]
    sensor = thermalservice.open(lambda: answers.pop(0))

    assert sensor.channels[0].kind == "throttle_state"
    assert sensor.read()["status"] == 3.0


def test_properties() -> None:
    """Real lines; an empty value is a value."""
    found = getprop.parse("[ro.soc.model]: [MT6893]\n[persist.sys.locale]: []\n[ro.a]: [cut")

    assert found == {"ro.soc.model": "MT6893", "persist.sys.locale": ""}


PARSERS: list[tuple[Callable[[str], object], str]] = [
    (odpm.parse, ODPM),
    (odpm.parse_enabled, "CH0[S10M_VDD_TPU]:Tensor\n"),
    (thermalservice.parse, POCO),
    (getprop.parse, "[ro.soc.model]: [MT6893]\n"),
]


@settings(deadline=None, max_examples=120)
@given(st.sampled_from(PARSERS), st.text(max_size=120), st.integers(0, 700))
def test_any_text_is_understood_or_a_sensor_error(
    parser: tuple[Callable[[str], object], str], text: str, position: int
) -> None:
    """Random text alone and inside the real one, and the real one cut anywhere."""
    parse, real = parser
    for candidate in (text, real[:position] + text + real[position:], real[:position]):
        try:
            parse(candidate)
        except SensorError:
            continue


@pytest.mark.parametrize("module", [odpm, thermalservice])
def test_a_machine_that_is_no_phone_says_so(
    module: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No folder, no dumpsys."""
    monkeypatch.setenv("PATH", str(tmp_path))
    found = module.probe() if module is thermalservice else module.probe(tmp_path)  # type: ignore[attr-defined]

    assert found.unavailable
    assert found.fix
