"""Cold start: medians over processes with exact intervals, and the caches' state."""

from __future__ import annotations

from typing import Any

import pytest

from farm_agent import codec
from farm_results import scenarios
from farm_results.measured import Measured
from farm_results.scenarios import cold_start
from tests.results import made


def process(index: int, **state: str) -> Measured:
    return Measured(
        made.pairs_of([1000 + index] * 50),
        import_ns=100 * (index + 1),
        load_ns=10 * (index + 1),
        first_inference_ns=index + 1,
        state=state,
    )


def metrics(count: int, **state: str) -> dict[str, float]:
    return cold_start.metrics(made.spec(scenario="cold-start"), [process(k, **state) for k in range(count)])


def test_parts_and_total_are_medians_over_the_processes() -> None:
    found = metrics(5)

    assert found["cold_import_ns"] == 300
    assert found["cold_load_ns"] == 30
    assert found["cold_first_inference_ns"] == 3
    assert found["cold_total_ns"] == 333
    assert found["cold_steady_p50_ns"] == 1002


def test_ten_processes_bound_the_median_by_their_second_and_ninth() -> None:
    """The exact 95 % order-statistic interval."""
    found = metrics(10)

    assert (found["cold_total_low_ns"], found["cold_total_high_ns"]) == (222, 999)


@pytest.mark.parametrize(("count", "bounded"), [(5, False), (6, True)])
def test_fewer_than_six_processes_have_no_interval(count: int, bounded: bool) -> None:
    assert ("cold_total_low_ns" in metrics(count)) is bounded


def test_the_resident_share_is_the_worst_and_only_known_when_all_are() -> None:
    assert metrics(2, page_cache_resident_share="0.02")["cold_resident_share"] == 0.02
    mixed = [process(0, page_cache_resident_share="0.5"), process(1)]
    assert "cold_resident_share" not in cold_start.metrics(made.spec(), mixed)


@pytest.mark.parametrize("text", ["", "nan", "2", "-1", "much"])
def test_a_share_that_is_none_is_not_believed(text: str) -> None:
    assert "cold_resident_share" not in metrics(1, page_cache_resident_share=text)


def result(*states: dict[str, str]) -> Any:
    job = made.job(blocks=tuple(made.block(index, state=state) for index, state in enumerate(states)))
    return made.result(scenario="cold-start", metrics=metrics(6), document={"job": codec.encode(job)})


def test_the_table_says_what_the_caches_were_not_what_was_asked() -> None:
    mixed = result({"page_cache": "cold"}, {"page_cache": "partly"}, {"page_cache": "cold"})

    assert dict(scenarios.columns(mixed))["cold-start page cache"] == "cold, partly"
    assert dict(scenarios.columns(result({})))["cold-start page cache"] == "unknown"
    assert all(heading.startswith("cold-start ") for heading, _ in scenarios.columns(mixed))


def test_a_hostile_state_cannot_drive_the_terminal() -> None:
    assert "\x1b" not in scenarios.headline(result({"page_cache": "\x1b[31mcold"}))
