"""What nvpmodel -q and jetson_clocks --show print on real boards (bug reports of jetson_stats)."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farm_agent import jetson_clocks, nvpmodel
from farm_agent.errors import FarmError
from farm_agent.jetson_clocks import Clock
from farm_agent.nvpmodel import PowerMode
from tests.support import models_folder

XAVIER_NX = "NV Power Mode: MODE_15W_6CORE\n2\n"
ORIN_VERBOSE = """NVPM VERB: Config file: /etc/nvpmodel.conf
NVPM VERB: parsing done for /etc/nvpmodel.conf
NVPM VERB: Current mode: NV Power Mode: 25W
1
NVPM VERB: PARAM CPU_ONLINE: ARG CORE_0: PATH /sys/devices/system/cpu/cpu0/online: REAL_VAL: 1 CONF_VAL: 1
"""
ORIN_CLOCKS = """SOC family:tegra234  Machine:NVIDIA Jetson Orin Nano Developer Kit Super
Online CPUs: 0-5
cpu0:  Online=1 Governor=schedutil MinFreq=729600 MaxFreq=1344000 CurrentFreq=1190400 IdleStates: WFI=1 c7=1
GPU MinFreq=306000000 MaxFreq=918000000 CurrentFreq=306000000
Active GPU TPCs: 4
EMC MinFreq=204000000 MaxFreq=3199000000 CurrentFreq=2133000000 FreqOverride=0
FAN Dynamic Speed Control=nvfancontrol hwmon0_pwm1=69
NV Power Mode: 25W
"""


def test_the_mode_is_its_name_and_the_number_after_it() -> None:
    assert nvpmodel.parse(XAVIER_NX) == PowerMode(2, "MODE_15W_6CORE")
    assert nvpmodel.parse(ORIN_VERBOSE) == PowerMode(1, "25W")


@pytest.mark.parametrize("text", ["", "NV Power Mode: 15W\n", "2\n", "NV Power Mode: 15W\nError\n2\n"])
def test_a_mode_without_its_number_is_refused(text: str) -> None:
    with pytest.raises(FarmError) as caught:
        nvpmodel.parse(text)
    assert caught.value.code == "pins.unreadable"


def test_every_unit_s_clock() -> None:
    assert jetson_clocks.parse(ORIN_CLOCKS) == (
        Clock("cpu0", 729600, 1344000, 1190400, "schedutil"),
        Clock("GPU", 306000000, 918000000, 306000000),
        Clock("EMC", 204000000, 3199000000, 2133000000),
    )


def test_clocks_are_fixed_when_none_may_go_lower() -> None:
    clocks = jetson_clocks.parse(ORIN_CLOCKS)
    assert jetson_clocks.described(clocks) == "dynamic"
    fixed = ORIN_CLOCKS.replace("MinFreq=729600", "MinFreq=1344000").replace(
        "=306000000 Max", "=918000000 Max"
    )
    assert jetson_clocks.described(jetson_clocks.parse(fixed)) == "max"


def test_a_text_without_clocks_is_refused() -> None:
    with pytest.raises(FarmError) as caught:
        jetson_clocks.parse("Error: must be run as root\n")
    assert caught.value.code == "pins.unreadable"


@pytest.mark.models
def test_every_kept_text_of_a_board_is_understood() -> None:
    texts = sorted((models_folder() / "parser_samples" / "jetson").glob("*.txt"))
    assert texts
    for path in texts:
        parse: Callable[[str], object] = (
            nvpmodel.parse if path.name.startswith("nvpmodel") else jetson_clocks.parse
        )
        assert parse(path.read_text())


@settings(max_examples=200, deadline=None)
@given(
    st.one_of(st.text(max_size=300), st.integers(0, 400).map(lambda at: (ORIN_VERBOSE + ORIN_CLOCKS)[at:]))
)
def test_any_text_gives_a_value_or_the_parser_s_own_error(text: str) -> None:
    for parse in (nvpmodel.parse, jetson_clocks.parse):
        with contextlib.suppress(FarmError):
            parse(text)
