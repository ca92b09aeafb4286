"""Raspberry Pi: the power chip of a Pi 5, throttle bits, the firmware's mailbox."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farm_agent.sensors import SensorError, pmic, vcgencmd_throttled
from farm_agent.sensors.common import firmware
from tests.agents.sensors.parts import tree

# vcgencmd pmic_read_adc on a Pi 5 rev 1.0 with four busy cores (test file of Zeus' pull request 274).
PI5 = """\
 3V7_WL_SW_A current(0)=0.09368929A
   3V3_SYS_A current(1)=0.08783370A
   1V8_SYS_A current(2)=0.18054710A
  DDR_VDD2_A current(3)=0.22543980A
  DDR_VDDQ_A current(4)=0.06666720A
   1V1_SYS_A current(5)=0.17566740A
    0V8_SW_A current(6)=0.37670900A
  VDD_CORE_A current(7)=6.22421000A
   3V3_DAC_A current(17)=0.00006105A
   3V3_ADC_A current(18)=0.00036630A
   0V8_AON_A current(16)=0.00305250A
      HDMI_A current(22)=0.02417580A
 3V7_WL_SW_V volt(8)=3.69977600V
   3V3_SYS_V volt(9)=3.31003300V
   1V8_SYS_V volt(10)=1.80512600V
  DDR_VDD2_V volt(11)=1.10476100V
  DDR_VDDQ_V volt(12)=0.60146460V
   1V1_SYS_V volt(13)=1.11025500V
    0V8_SW_V volt(14)=0.80146440V
  VDD_CORE_V volt(15)=0.86173300V
   3V3_DAC_V volt(20)=3.31318300V
   3V3_ADC_V volt(21)=3.30677300V
   0V8_AON_V volt(19)=0.80029220V
      HDMI_V volt(23)=5.08664000V
     EXT5V_V volt(24)=5.09066000V
      BATT_V volt(25)=0.00000000V
"""


def test_rails_of_a_pi_5_are_paired_by_name() -> None:
    """The published sum of this text; pairing by number would mix rails up."""
    rails = pmic.parse(PI5)
    values = pmic.values_of(rails)

    assert values["total"] == pytest.approx(7.23982, abs=5e-6)
    assert values["VDD_CORE"] == pytest.approx(5.36361, abs=5e-6)
    assert values["DDR_VDD2"] + values["DDR_VDDQ"] == pytest.approx(0.28916, abs=5e-6)
    assert values["HDMI"] > 0.1
    assert rails["EXT5V"].amperes is None
    assert len(pmic.powers_w(rails)) == 12


def test_the_sum_of_rails_is_not_the_input() -> None:
    """Its scope says so; the input has a voltage alone."""
    scopes = {channel.name: (channel.kind, channel.scope) for channel in pmic.channels_of(pmic.parse(PI5))}

    assert scopes["total"] == ("power_w", "rail_sum")
    assert scopes["VDD_CORE"] == ("power_w", "rail")
    assert scopes["EXT5V"] == ("voltage_v", "input")


def test_a_text_cut_anywhere_never_gives_a_smaller_sum() -> None:
    """At every byte: refused, or the whole sum because only lines without a current are lost."""
    whole = pmic.values_of(pmic.parse(PI5))["total"]
    for cut in range(len(PI5)):
        try:
            total = pmic.values_of(pmic.parse(PI5[:cut]))["total"]
        except SensorError:
            continue
        assert total == whole, PI5[:cut]


def test_a_decimal_comma_is_a_point() -> None:
    """Another locale."""
    assert pmic.values_of(pmic.parse(PI5.replace(".", ",")))["total"] == pytest.approx(7.23982, abs=5e-6)


def test_a_rail_that_vanishes_is_an_error() -> None:
    """Otherwise the sum would shrink unnoticed."""
    answers = [PI5, "\n".join(line for line in PI5.splitlines() if "DDR_VDDQ" not in line)]
    sensor = pmic.open(lambda _: answers.pop(0))

    with pytest.raises(SensorError) as caught:
        sensor.read()
    assert "DDR_VDDQ" in caught.value.message


def test_an_absurd_voltage_takes_its_rail_away() -> None:
    """188 V is no voltage of a board, though times 0.02 A it would be a power; nor is there a sum then."""
    absurd = PI5.replace("HDMI_V volt(23)=5.08664000V", "HDMI_V volt(23)=188.74370V")
    answers = [PI5, absurd]
    values = pmic.open(lambda _: answers.pop(0)).read()

    assert "HDMI" not in values
    assert "total" not in values
    assert "VDD_CORE" in values


@settings(deadline=None, max_examples=150)
@given(st.text(max_size=300), st.integers(0, len(PI5)))
def test_any_text_is_rails_or_a_sensor_error(text: str, position: int) -> None:
    """Random text alone and inside the real one."""
    for candidate in (text, PI5[:position] + text + PI5[position:]):
        try:
            pmic.channels_of(pmic.parse(candidate))
        except SensorError:
            continue


def test_bits_now_and_since_boot() -> None:
    """0x50005: under-voltage and throttled, now and before."""
    bits = vcgencmd_throttled.parse_throttled("throttled=0x50005\n")

    assert vcgencmd_throttled.names_now(bits) == ("under-voltage", "throttled")
    assert vcgencmd_throttled.names_ever(0x80000) == ("soft-temperature-limit",)
    assert vcgencmd_throttled.names_now(0x80000) == ()


def test_what_the_firmware_says_of_heat_and_voltage() -> None:
    """Real answers of a Pi 5."""
    assert vcgencmd_throttled.parse_throttled("throttled=0x0") == 0
    assert vcgencmd_throttled.parse_temperature("temp=39.5'C\n") == 39.5
    assert vcgencmd_throttled.parse_temperature("temp=39,5'C\n") == 39.5
    assert vcgencmd_throttled.parse_volts("volt=0.7200V") == 0.72


@settings(deadline=None, max_examples=100)
@given(st.text(max_size=30) | st.from_regex(r"(throttled=0x|temp=|volt=)[0-9.,'CVa-f]{0,12}"))
def test_any_answer_is_a_value_or_a_sensor_error(text: str) -> None:
    """Also half ones."""
    for parse in (
        vcgencmd_throttled.parse_throttled,
        vcgencmd_throttled.parse_temperature,
        vcgencmd_throttled.parse_volts,
        vcgencmd_throttled.parse_file,
    ):
        try:
            value = parse(text)
        except SensorError:
            continue
        assert -1000 < value < 2**32


def test_the_kernels_file_is_preferred(tmp_path: Path) -> None:
    """It needs no process; the driver writes the bits without 0x."""
    root = tree(tmp_path, {"sys/devices/platform/soc/soc:firmware/get_throttled": "50005"})
    sensor = vcgencmd_throttled.open(root)

    assert sensor.read() == {"throttled": 0x50005}


def test_the_firmware_is_asked_where_there_is_no_file(tmp_path: Path) -> None:
    """Temperature and voltage come with it."""
    answers = {
        "get_throttled": "throttled=0x0",
        "measure_temp": "temp=51.2'C",
        "measure_volts core": "volt=0.9000V",
    }

    sensor = vcgencmd_throttled.open(tmp_path, answers.__getitem__)

    assert sensor.read() == {"throttled": 0, "soc": 51.2, "core": 0.9}


def test_vcgencmd_is_run_without_a_shell_and_with_plain_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An executable of that name on the PATH; it sees its arguments apart and the C locale."""
    script = tmp_path / "vcgencmd"
    script.write_text('#!/bin/sh\necho "$#:$1:$2:$LC_ALL"\n')
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")

    assert firmware.by_command("measure_volts core") == "2:measure_volts:core:C\n"


def test_a_machine_that_is_no_raspberry_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither mailbox nor command."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(firmware, "DEVICE", str(tmp_path / "vcio"))

    for found in (pmic.probe(), vcgencmd_throttled.probe(tmp_path)):
        assert "cannot run vcgencmd" in found.unavailable
        assert found.fix


def test_an_older_board_has_no_such_chip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """vcgencmd prints an error there, with status 0 or another."""
    script = tmp_path / "vcgencmd"
    monkeypatch.setattr(firmware, "DEVICE", str(tmp_path / "vcio"))
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    for body in ("echo 'error=1 error_msg=\"Command not registered\"'", "echo no >&2; exit 255"):
        script.write_text(f"#!/bin/sh\n{body}\n")
        script.chmod(0o755)
        assert pmic.probe().unavailable


def test_a_mailbox_message_carries_question_and_answer() -> None:
    """Size, tag and place of the text are those that the firmware expects."""
    message = firmware.request("get_throttled")
    assert int.from_bytes(message[:4], "little") == len(message) == 1052
    assert message[24:37] == b"get_throttled"

    message[4:8] = (0x80000000).to_bytes(4, "little")
    message[24:40] = b"throttled=0x0\0\0\0"
    assert firmware.answer(bytes(message)) == "throttled=0x0"


@pytest.mark.parametrize(("state", "error"), [(0, 0), (0x80000001, 0), (0x80000000, 1)])
def test_an_unanswered_message_is_an_error(state: int, error: int) -> None:
    """Not answered, refused, or a command that it does not know."""
    message = firmware.request("pmic_read_adc")
    message[4:8] = state.to_bytes(4, "little")
    message[20:24] = error.to_bytes(4, "little")
    with pytest.raises(SensorError):
        firmware.answer(bytes(message))


def test_the_call_number_has_the_size_of_a_pointer() -> None:
    """_IOWR(100, 0, char *) on 64 bits."""
    assert firmware.CALL in (0xC0086400, 0xC0046400)
