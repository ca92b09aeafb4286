"""tegrastats on the lines that real boards print, and as a child process that prints them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farm_agent.sensors import SensorError, tegrastats
from farm_agent.sensors.common.tegrastats_line import Core, Unit
from tests.agents.test_record import until

# Sources: JP4 Nano jetson_stats' tests, JP4 TX2 beszel's tests, AGX Orin an exporter's issue, Orin Nano
# beszel's tests, JP7 jetson_stats' tests, TX1 and Xavier NX Datadog's tests, Xavier a project's sample.
NANO_JP4 = (
    "RAM 331/3964MB (lfb 758x4MB) SWAP 0/1982MB (cached 0MB) IRAM 0/252kB(lfb 252kB) "
    "CPU [5%@102,3%@102,1%@102,0%@102] EMC_FREQ 3%@204 GR3D_FREQ 0%@76 APE 25 PLL@20.5C CPU@23.5C "
    "PMIC@100C GPU@22.5C AO@27.5C thermal@23C POM_5V_IN 933/933 POM_5V_GPU 0/0 POM_5V_CPU 84/105"
)
XAVIER = (
    "RAM 2000/15692MB (lfb 3000x4MB) CPU [5%@1190,off,off] EMC_FREQ 0% GR3D_FREQ 99% AO@38C GPU@39.5C "
    "CPU@40C thermal@38.8C GPU 120/100 CPU 468/450 SOC 937/900 CV 0/0 VDDRQ 312/234 SYS5V 1458/1400"
)
AGX_ORIN_JP5 = (
    "04-11-2025 10:36:27 RAM 4321/62801MB (lfb 1759x4MB) SWAP 19/31400MB (cached 0MB) CPU [0%@729,0%@729] "
    "EMC_FREQ 0%@2133 GR3D_FREQ 0%@[0,0] VIC_FREQ 729 APE 174 CV0@-256C CPU@44.562C Tboard@32C "
    "SOC2@40.093C GPU@-256C tj@44.343C VDD_GPU_SOC 2340mW/2340mW VDD_CPU_CV 390mW/390mW VIN_SYS_5V0 "
    "4025mW/4025mW NC 0mW/0mW VDDQ_VDD2_1V8AO 301mW/301mW NC 0mW/0mW"
)
ORIN_NANO_JP6 = (
    "11-15-2024 08:38:09 RAM 6185/7620MB (lfb 8x2MB) SWAP 851/3810MB (cached 1MB) CPU [15%@729,11%@729] "
    "EMC_FREQ 43%@2133 GR3D_FREQ 63%@[621] NVDEC off NVJPG off NVJPG1 off VIC off OFA off APE 200 "
    "cpu@53.968C soc2@52.437C tj@53.968C VDD_IN 12479mW/12479mW VDD_CPU_GPU_CV 4667mW/4667mW VDD_SOC "
    "2817mW/2817mW"
)
AGX_ORIN_JP7 = (
    "07-25-2026 09:08:28 RAM 20642/62817MB (lfb 1x2MB) CPU [23%@2201,10%@2201] EMC_FREQ 3%@3199 GR3D_FREQ "
    "12%@[1300,1300] NVENC0 off PVA0_FREQ off APE 174 cpu@52.968C/52.968C gpu@47.625C/47.625C VDD_GPU_SOC "
    "5139mW/5000mW/6000mW VDD_CPU_CV 3268mW/3268mW/3268mW VIN_SYS_5V0 5500mW/5500mW/5500mW"
)
LINES = [NANO_JP4, XAVIER, AGX_ORIN_JP5, ORIN_NANO_JP6, AGX_ORIN_JP7]


def test_a_nano_of_jetpack_4() -> None:
    """No date, no mW; the input rail is the headline and the others are parts of it."""
    line = tegrastats.parse(NANO_JP4)
    values = tegrastats.values_of(line, tegrastats.row_of(line))

    assert line.ram_total_bytes == 3964 * 2**20
    assert line.cores[0] == Core(5, 102)
    assert line.units == {"EMC_FREQ": Unit(3, (204,)), "GR3D_FREQ": Unit(0, (76,))}
    assert line.powers_w == {"POM_5V_IN": 0.933, "POM_5V_GPU": 0.0, "POM_5V_CPU": 0.084}
    assert "temperature/PMIC" not in values
    assert "power/total" not in values
    scopes = {channel.name: channel.scope for channel in tegrastats.channels_of(line)}
    assert scopes["power/POM_5V_IN"] == "module_input"
    assert scopes["power/POM_5V_CPU"] == "rail"


def test_rails_that_are_called_like_sensors_stay_apart() -> None:
    """AGX Xavier: GPU is 39.5 degrees and 0.12 W; loads come without clocks, cores are off."""
    line = tegrastats.parse(XAVIER)
    values = tegrastats.values_of(line, tegrastats.row_of(line))

    assert values["temperature/GPU"] == 39.5
    assert values["power/GPU"] == 0.12
    assert values["power/total"] == pytest.approx(3.295)
    assert line.cores == (Core(5, 1190), None, None)
    assert line.units["GR3D_FREQ"] == Unit(99, ())
    names = {channel.name for channel in tegrastats.channels_of(line)}
    assert {"clock/cpu1", "load/cpu2"} <= names


def test_an_agx_orin_of_jetpack_5() -> None:
    """Gated sensors are told apart later; a clock may come without a load, NC is no rail."""
    line = tegrastats.parse(AGX_ORIN_JP5)

    assert line.units["VIC_FREQ"] == Unit(None, (729,))
    assert line.units["GR3D_FREQ"] == Unit(0, (0, 0))
    assert set(line.powers_w) == {"VDD_GPU_SOC", "VDD_CPU_CV", "VIN_SYS_5V0", "VDDQ_VDD2_1V8AO"}
    assert tegrastats.values_of(line, tegrastats.row_of(line))["power/total"] == pytest.approx(
        2.34 + 0.39 + 4.025
    )


def test_an_orin_nano_of_jetpack_6() -> None:
    """A list of one clock; units that are off are no units."""
    line = tegrastats.parse(ORIN_NANO_JP6)

    assert line.units == {"EMC_FREQ": Unit(43, (2133,)), "GR3D_FREQ": Unit(63, (621,))}
    assert line.swap_used_bytes == 851 * 2**20
    assert line.temperatures_c["tj"] == 53.968
    assert line.powers_w["VDD_IN"] == 12.479


def test_jetpack_7_says_everything_more_than_once() -> None:
    """Of three powers the first is now; of two temperatures too; there is no swap."""
    line = tegrastats.parse(AGX_ORIN_JP7)

    assert line.powers_w == {"VDD_GPU_SOC": 5.139, "VDD_CPU_CV": 3.268, "VIN_SYS_5V0": 5.5}
    assert line.temperatures_c == {"cpu": 52.968, "gpu": 47.625}
    assert line.swap_used_bytes is None


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        ("NVDLA0_FREQ @1600", ("NVDLA0_FREQ", Unit(None, (1600,)))),
        ("GR3D_FREQ @[1000,1000,1000]", ("GR3D_FREQ", Unit(None, (1000, 1000, 1000)))),
        ("GR3D_FREQ 0%", ("GR3D_FREQ", Unit(0, ()))),
    ],
)
def test_units_of_other_boards(text: str, unit: tuple[str, Unit]) -> None:
    """A busy DLA, Thor's three clocks without a load, and no root: a load without a clock."""
    assert tegrastats.parse(f"RAM 1/2MB {text} APE 174").units == dict([unit])


def test_spaces_and_decimal_commas_change_nothing() -> None:
    """JetPack 6 of some boards pads with blanks; another locale writes 39,5C."""
    line = tegrastats.parse(
        "RAM 1/2MB   NVENC      off   VIC_FREQ   115 gpu@47,812C   VDD_IN   4824mW/4824mW"
    )

    assert line.temperatures_c == {"gpu": 47.812}
    assert line.powers_w == {"VDD_IN": 4.824}
    assert line.units["VIC_FREQ"].mhz == (115,)


@pytest.mark.parametrize("line", LINES)
def test_a_line_cut_anywhere_never_gives_a_wrong_value(line: str) -> None:
    """At every byte: what the cut took is missing; the rest is what the whole line says."""
    row = tegrastats.row_of(tegrastats.parse(line))
    whole = tegrastats.values_of(tegrastats.parse(line), row)
    understood = 0
    for cut in range(len(line)):
        try:
            values = tegrastats.values_of(tegrastats.parse(line[:cut]), row)
        except SensorError:
            continue
        understood += 1
        assert {name: whole[name] for name in values} == values, line[:cut]
    assert understood > 100


@pytest.mark.parametrize("text", [NANO_JP4[9:], NANO_JP4[:300] + NANO_JP4, "", "not found", "RAM x/yMB"])
def test_a_line_without_its_beginning_or_two_in_one_is_refused(text: str) -> None:
    """Names could be cut, values could be of two moments."""
    with pytest.raises(SensorError):
        tegrastats.parse(text)


@settings(deadline=None, max_examples=200)
@given(st.text(max_size=200), st.sampled_from(LINES), st.integers(0, 400))
def test_any_text_is_a_line_or_a_sensor_error(text: str, line: str, position: int) -> None:
    """Random text alone and inside a real line."""
    for candidate in (text, "RAM 1/2MB " + text, line[:position] + text + line[position:]):
        try:
            tegrastats.channels_of(tegrastats.parse(candidate))
        except SensorError:
            continue


def command(folder: Path, body: str) -> str:
    """An executable that stands for tegrastats."""
    path = folder / "tegrastats"
    path.write_text("#!/bin/sh\n" + body)
    path.chmod(0o755)
    return str(path)


def test_the_newest_line_counts_and_a_half_line_waits(tmp_path: Path) -> None:
    """Two lines, then half of a third without its end."""
    body = (
        f"echo '{ORIN_NANO_JP6}'\nread x < {tmp_path}/go\necho '{ORIN_NANO_JP6.replace('12479', '9000')}'\n"
    )
    body += f"printf 'RAM 1/2'\necho > {tmp_path}/done\nexec sleep 60\n"
    os.mkfifo(tmp_path / "go")
    os.mkfifo(tmp_path / "done")
    sensor = tegrastats.open(command(tmp_path, body), interval_s=30.0)
    try:
        assert sensor.read()["power/VDD_IN"] == pytest.approx(12.479)
        (tmp_path / "go").write_text("\n")
        (tmp_path / "done").read_text()
        assert sensor.read()["power/VDD_IN"] == pytest.approx(9.0)
        assert sensor.read()["power/VDD_IN"] == pytest.approx(9.0)
    finally:
        sensor.close()


def test_a_gated_sensor_has_a_channel_and_no_value(tmp_path: Path) -> None:
    """-256 degrees never leave the sensor; a GPU whose clock is gated runs at 0."""
    sensor = tegrastats.open(command(tmp_path, f"echo '{AGX_ORIN_JP5}'\nexec sleep 60\n"), interval_s=30.0)
    try:
        values = sensor.read()
    finally:
        sensor.close()

    assert "temperature/GPU" in {channel.name for channel in sensor.channels}
    assert "temperature/GPU" not in values
    assert values["clock/GR3D_FREQ/0"] == 0
    assert values["temperature/tj"] == 44.343


def test_a_child_that_ends_is_an_error_with_its_status(tmp_path: Path) -> None:
    """It vanished mid-run."""
    sensor = tegrastats.open(command(tmp_path, f"echo '{ORIN_NANO_JP6}'\nexit 3\n"), interval_s=30.0)
    with pytest.raises(SensorError) as caught:
        until(lambda: not sensor.read())
    sensor.close()

    assert caught.value.code == "sensor.silent"
    assert "status 3" in caught.value.message


def test_a_child_that_prints_something_else_is_refused(tmp_path: Path) -> None:
    """And the child is gone afterwards."""
    with pytest.raises(SensorError) as caught:
        tegrastats.open(command(tmp_path, "echo 'usage: tegrastats'\nexec sleep 60\n"))
    assert caught.value.code == "sensor.bad-text"


def test_a_machine_without_tegrastats_says_so() -> None:
    """With what to do."""
    found = tegrastats.probe("/nonexistent/tegrastats")

    assert "cannot run" in found.unavailable
    assert "Jetson" in found.fix
