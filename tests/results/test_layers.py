"""Profiles as people read them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from farm_agent import codec
from farm_agent.messages.layers import Layer, LayerProfile
from farm_results import layers
from farm_results.model import Result
from farm_results.report.json import document_of
from tests.results.made import result as made_result

ROWS = (
    Layer(0, "conv", "Conv", unit="CUDA", precision="fp16", count=30, mean_us=60.0, median_us=59.0),
    Layer(1, "relu", "Relu", status="not_run"),
    Layer(2, "nms\x1b[31m", "NonMaxSuppression", unit="CPU", count=30, mean_us=30.0, median_us=30.0),
    Layer(3, "tiny", "Add", unit="CUDA", count=30, mean_us=0.0, median_us=0.0),
)
PROFILE = LayerProfile("ort", ROWS, 30, 90.0, 100.0, clean_us=80.0, asked_unit="CUDA")


def with_profile(profile: LayerProfile | None) -> Result:
    return replace(made_result(), document={"job": {"layers": codec.encode(profile)}})


def test_the_slowest_layers_come_first_with_their_share() -> None:
    table = layers.layer_rows(with_profile(PROFILE), top=1)
    assert table is not None
    assert table.columns[-3:] == ("mean", "median", "share")
    assert table.rows[0][:2] == ("conv", "Conv")
    assert table.rows[0][-3:] == ("60.0 µs", "59.0 µs", "66.3 %")
    assert table.rows[1][0] == "2 more"
    assert table.rows[1][-1] == "33.7 %"


def test_names_out_of_a_profile_cannot_drive_a_terminal_and_a_zero_is_less_than_one() -> None:
    table = layers.layer_rows(with_profile(PROFILE))
    assert table is not None
    assert "\x1b" not in "".join(cell for row in table.rows for cell in row)
    assert table.rows[-1][0] == "tiny"
    assert table.rows[-1][-3] == "< 1 µs"


def test_coverage_slowdown_and_fallbacks_are_told() -> None:
    lines = layers.layer_lines(with_profile(PROFILE))
    assert "coverage 90.0 %" in lines[0]
    assert "1.2 times as long" in lines[0] or "1.3 times as long" in lines[0]
    assert lines[1] == "layers: 1 (33.7 % of their time) ran on CPU, not on CUDA"
    assert len(lines) == 2


def test_a_doubtful_profile_says_how_to_read_it() -> None:
    sound = replace(PROFILE, clean_us=98.0)
    assert "read the shares" not in layers.layer_lines(with_profile(sound))[0]
    assert "read the shares" in layers.layer_lines(with_profile(replace(sound, sum_us=50.0)))[0]
    assert "read the shares" in layers.layer_lines(with_profile(replace(sound, clean_us=50.0)))[0]


def test_a_profile_that_failed_says_why() -> None:
    failed = LayerProfile("ov", (), 0, problem="one Subgraph")
    assert layers.layer_lines(with_profile(failed)) == ["layers: no profile: one Subgraph"]
    assert layers.layer_rows(with_profile(failed)) is None


@pytest.mark.parametrize("document", [{}, {"job": None}, {"job": {"layers": 5}}, {"job": {"layers": {}}}])
def test_a_document_without_a_readable_profile_shows_none(document: dict[str, Any]) -> None:
    result = replace(made_result(), document=document)
    assert layers.profile_of(result) is None
    assert layers.layer_lines(result) == []
    assert layers.summary(result) is None


def test_programs_get_coverage_and_units() -> None:
    record = document_of([with_profile(PROFILE)])["results"][0]
    assert record["layers"]["coverage"] == pytest.approx(0.9)
    assert record["layers"]["slowdown"] == pytest.approx(1.25)
    assert record["layers"]["units"][1] == {
        "name": "CPU",
        "layers": 1,
        "share": pytest.approx(30 / 89),
        "fallback": True,
    }


def test_nothing_is_divided_by_what_is_not_known() -> None:
    blank = LayerProfile("trt", ROWS, 30)
    assert (layers.coverage(blank), layers.slowdown(blank)) == (None, None)
    assert "not known" in layers.layer_lines(with_profile(blank))[0]
    idle = tuple(replace(row, mean_us=0.0, median_us=0.0) for row in ROWS)
    assert all(unit.share == 0 for unit in layers.units(replace(blank, layers=idle)))


def test_one_disturbed_inference_does_not_decide_the_order() -> None:
    rows = (
        Layer(0, "disturbed", "Add", count=30, mean_us=137.0, median_us=1.0),
        Layer(1, "slow", "Conv", count=30, mean_us=20.0, median_us=19.0),
        Layer(2, "short", "Add", count=30, mean_us=0.4, median_us=0.0),
        Layer(3, "no median", "Conv", count=30, mean_us=5.0),
    )
    table = layers.layer_rows(with_profile(replace(PROFILE, layers=rows)))
    assert table is not None
    assert [row[0] for row in table.rows] == ["slow", "no median", "disturbed", "short"]
    assert [row[-1] for row in table.rows] == ["74.8 %", "19.7 %", "3.9 %", "1.6 %"]
