"""Options of scenarios come as text from outside: a number in its bounds, or an error that names it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farm_agent import scenarios
from farm_agent.errors import JobError

NUMBERS = st.text(alphabet="0123456789,.-+ eE_x\u0661\u00b2", max_size=40)


@settings(max_examples=200, deadline=None)
@given(text=st.text(max_size=40) | NUMBERS)
def test_any_text_is_a_number_in_its_bounds_or_an_error(text: str) -> None:
    try:
        value = scenarios.whole({"n": text}, "n", 5, low=2, high=1000)
    except JobError as error:
        value, code = 2, error.code
        assert (code, bool(error.fix)) == ("scenario.option", True)  # noqa: PT017
    assert 2 <= value <= 1000


@settings(max_examples=200, deadline=None)
@given(text=st.text(max_size=40) | NUMBERS)
def test_any_text_is_a_sorted_list_of_numbers_or_an_error(text: str) -> None:
    try:
        values = scenarios.wholes({"n": text}, "n", high=64)
    except JobError as error:
        values = [1]
        assert error.code == "scenario.option"  # noqa: PT017
    assert values == sorted(set(values))
    assert all(1 <= value <= 64 for value in values)


def test_what_is_not_given_is_the_default() -> None:
    assert scenarios.whole({}, "n", 5) == 5
    assert scenarios.wholes({}, "n") == []


def test_an_unknown_scenario_is_named_with_those_that_are() -> None:
    with pytest.raises(JobError, match="cold-start, latency, paced, sustained, throughput") as caught:
        scenarios.load("poisson")
    assert caught.value.code == "scenario.unknown"
