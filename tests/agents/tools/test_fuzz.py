"""Every parser of foreign text returns or raises its own error, whatever it is given."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from farm_agent.errors import JobError, MeasurementError
from farm_agent.profilers import litert, openvino, ort, trt
from farm_agent.tools import benchmark_app, benchmark_model, litert_benchmark, perf_test, trtexec
from tests.support import models_folder

from .parts import SAMPLES, sample

CODES = {"tool.unreadable", "tool.failed", "layers.unreadable"}
PARSERS: list[Callable[[str], object]] = [
    benchmark_app.parse,
    benchmark_model.parse,
    litert_benchmark.parse,
    litert_benchmark.parse_json,
    perf_test.parse,
    trtexec.parse_log,
    trtexec.parse_times,
    trtexec.parse_profile,
    trt.parse_layer_info,
    ort.parse,
    openvino.parse,
    litert.parse_summary,
]
NAMES = [f"{parse.__module__.rpartition('.')[2]}.{parse.__name__}" for parse in PARSERS]
TEXTS = [path.name for path in sorted(SAMPLES.iterdir()) if path.suffix != ".md"]


def survives(parse: Callable[[str], object], text: str) -> None:
    problem = None
    try:
        parse(text)
    except (JobError, MeasurementError) as error:
        problem = error
    if problem is not None:
        assert problem.code in CODES
        assert "\n" not in problem.message
        assert len(problem.message) < 700


@pytest.mark.parametrize("parse", PARSERS, ids=NAMES)
@settings(max_examples=40, deadline=None)
@given(name=st.sampled_from(TEXTS), at=st.integers(0, 10_000), junk=st.text(max_size=20), cut=st.booleans())
@example(name="ort_1.31_profile.json", at=0, junk="[" * 5000, cut=False)
def test_a_real_text_that_was_cut_or_damaged_anywhere(
    parse: Callable[[str], object], name: str, at: int, junk: str, *, cut: bool
) -> None:
    text = sample(name)
    at %= len(text) + 1
    survives(parse, text[:at] + junk + ("" if cut else text[at:]))


NUMBERS = st.sampled_from(
    ["nan", "inf", "-1", "1e999", "0", "", "9" * 400, "1,5", "1.2.3", "٣", "-0.0", "1e-400"]
)


@pytest.mark.parametrize("parse", PARSERS, ids=NAMES)
@settings(max_examples=40, deadline=None)
@given(name=st.sampled_from(TEXTS), number=NUMBERS, nth=st.integers(0, 60))
@example(name="exportTimes_head.json", number="9" * 400, nth=7)
@example(name="exportTimes_head.json", number="1e300", nth=7)
def test_a_real_text_with_an_absurd_number(
    parse: Callable[[str], object], name: str, number: str, nth: int
) -> None:
    text, parts, kept = sample(name), [], ""
    for letter in text:
        if letter.isdigit() or letter == ".":
            kept += letter
        else:
            parts += [kept, letter] if kept else [letter]
            kept = ""
    places = [index for index, part in enumerate(parts) if part[:1].isdigit()]
    if places:
        parts[places[nth % len(places)]] = number
    survives(parse, "".join(parts))


@pytest.mark.parametrize("parse", [ort.parse, trt.parse_layer_info, litert_benchmark.parse_json])
@settings(max_examples=60, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["cat", "name", "dur", "ts", "args", "Layers", "Name", "latency", "avg_ms"]),
                inner | st.sampled_from(["Node", "x_kernel_time"]),
                max_size=5,
            )
        ),
        max_leaves=12,
    )
)
def test_json_of_any_shape(parse: Callable[[str], object], value: object) -> None:
    import json

    survives(parse, json.dumps(value))
    survives(parse, json.dumps([value]))


@pytest.mark.models
@pytest.mark.parametrize("folder", ["trtexec", "tflite", "openvino", "ort"])
def test_every_file_of_the_collection_in_every_parser_and_cut_at_many_places(folder: str) -> None:
    for path in sorted((models_folder() / "parser_samples" / folder).iterdir()):
        text = path.read_text(encoding="utf-8", errors="replace")
        for parse in PARSERS:
            survives(parse, text)
            for share in range(1, 10):
                survives(parse, text[: len(text) * share // 10])
