"""What sensors' values mean: clocks, temperatures, throttling."""

from __future__ import annotations

from pathlib import Path

import pytest

from farm_agent.messages.observed import Observed
from farm_agent.messages.traces import Channel, Trace
from farm_agent.observe_traces import Clocks, clocks_of, flags_now, flags_of, hottest_c, summarise


def trace(sensor: str, name: str, kind: str, *values: float, missed: int = 0, problem: str = "") -> Trace:
    times = tuple(range(0, len(values) * 200_000_000, 200_000_000))
    return Trace(sensor, Channel(name, kind), times, values, missed, problem)


def clock(*values: float, policy: str = "policy0") -> Trace:
    return trace("cpufreq", policy, "frequency_khz", *values)


def test_the_share_of_reads_below_the_target() -> None:
    told, after = summarise(Observed(), [clock(*[2e6] * 9, 1.5e6)], Clocks(("policy0",)))
    assert (told.clock_low_share, told.clock_lowest_khz, told.clock_target_khz) == (0.1, 1_500_000, 2_000_000)
    assert after.highest_khz == 2_000_000


def test_a_height_that_a_single_read_shows_is_no_target() -> None:
    told, _ = summarise(Observed(), [clock(4.0e6, 4.8e6, 4.0e6, 4.0e6)], Clocks())
    assert (told.clock_target_khz, told.clock_low_share) == (4_000_000, 0.0)


def test_a_block_throttled_from_its_first_read_is_measured_against_the_job_s_earlier_clock() -> None:
    told, _ = summarise(Observed(), [clock(*[1.0e6] * 5)], Clocks(("policy0",), 2_000_000))
    assert told.clock_low_share == 1.0


def test_a_core_that_idles_beside_the_one_that_works_is_no_drop() -> None:
    traces = [clock(2e6, 2e6, 8e5, 8e5), clock(8e5, 8e5, 2e6, 2e6, policy="policy1")]
    assert summarise(Observed(), traces, Clocks())[0].clock_low_share == 0.0


def test_policies_of_other_cpus_do_not_count() -> None:
    traces = [clock(2e6, 2e6), clock(3e6, 3e6, policy="policy4")]
    assert summarise(Observed(), traces, Clocks(("policy0",)))[0].clock_target_khz == 2_000_000


def test_no_frequency_is_not_a_frequency_of_zero() -> None:
    told, _ = summarise(Observed(), [], Clocks())
    assert (told.clock_low_share, told.clock_target_khz, told.temperature_max_c) == (None, None, None)


def test_the_processor_is_hotter_than_a_wifi_card_counts() -> None:
    zones = [
        trace("thermal", "thermal_zone0:iwlwifi_1", "temperature_c", 70.0, 70.0),
        trace("thermal", "thermal_zone1:x86_pkg_temp", "temperature_c", 50.0, 61.5),
    ]
    told, _ = summarise(Observed(), zones, Clocks())
    assert (told.temperature_start_c, told.temperature_max_c) == (50.0, 61.5)
    assert hottest_c([("thermal_zone0:acpitz", 27.0)]) == 27.0
    assert hottest_c([]) is None


def test_states_counters_and_bits_that_tell_of_throttling() -> None:
    assert flags_of([trace("cooling", "cooling_device0:Processor", "throttle_state", 0, 2, 0)]) == [
        "cooling:cooling_device0:Processor"
    ]
    assert flags_of([trace("x86_throttle", "cpu0/core_throttle_count", "throttle_count", 7, 7, 8)])
    assert flags_of([trace("x86_throttle", "cpu0/core_throttle_count", "throttle_count", 7, 7)]) == []
    assert flags_of([trace("cooling", "cooling_device1:Fan", "count", 0, 3)]) == []


def test_pi_bits_since_boot_count_only_when_they_appear() -> None:
    def bits(*values: int) -> list[str]:
        return flags_of([trace("vcgencmd_throttled", "throttled", "flags", *values)])

    assert bits(0x50000, 0x50000) == []
    assert bits(0x0, 0x50005) == [
        "vcgencmd_throttled:throttled:under-voltage",
        "vcgencmd_throttled:throttled:throttled",
    ]
    assert bits(0x0, 0x10000) == ["vcgencmd_throttled:throttled:under-voltage"]


def test_flags_at_one_moment() -> None:
    assert flags_now({Channel("throttled", "flags"): 0x50001}) == ["throttled:under-voltage"]
    assert flags_now({Channel("throttled", "flags"): 0x50000}) == []
    assert flags_now({Channel("d", "throttle_state"): 1.0, Channel("c", "throttle_count"): 9.0}) == ["d"]


def test_missed_reads_are_told_with_their_reason() -> None:
    gone = trace("thermal", "zone0", "temperature_c", 40.0, missed=3, problem="no such device")
    told, _ = summarise(Observed(), [gone], Clocks(), [("ina3221", "permission denied")])
    assert told.problems == (
        "ina3221: permission denied",
        "thermal zone0: 3 reads without a value: no such device",
    )


@pytest.mark.parametrize(
    ("driver", "governor", "highest"),
    [
        ("cpufreq-dt", "performance", 1_800_000),
        ("intel_pstate", "performance", 0),
        ("cpufreq-dt", "ondemand", 0),
    ],
)
def test_a_pinned_clock_is_the_target_where_no_boost_makes_it_a_wish(
    tmp_path: Path, driver: str, governor: str, highest: int
) -> None:
    for policy, cpus in (("policy0", "0 1 2 3"), ("policy4", "4 5")):
        folder = tmp_path / "sys/devices/system/cpu/cpufreq" / policy
        folder.mkdir(parents=True)
        for name, text in {
            "affected_cpus": cpus,
            "scaling_driver": driver,
            "scaling_governor": governor,
            "scaling_max_freq": "1800000" if policy == "policy0" else "2400000",
        }.items():
            (folder / name).write_text(text + "\n")
    assert clocks_of([1], tmp_path) == Clocks(("policy0",), highest)
