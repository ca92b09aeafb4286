"""What a precision promises, and whether a proof keeps it."""

from __future__ import annotations

import pytest

from farm_agent import precisions
from farm_agent.wire import PrecisionProof


def proof(weighted: dict[str, int], weights: dict[str, int], executed: str = "fp32") -> PrecisionProof:
    return PrecisionProof(executed, {"fp32": 10, **weighted}, "test", weighted, weights)


FLOATS = proof({"fp32": 4}, {"fp32": 4000})


@pytest.mark.parametrize(
    ("asked", "found", "share"),
    [
        ("fp32", FLOATS, 1.0),
        ("int8", proof({"fp32": 1, "int8": 3}, {"int8": 300, "fp32": 400}), 0.75),
        ("int8-dynamic", proof({"fp32": 1, "int8": 3}, {"int8": 300}), 0.75),
        # elements, not bytes: 300 of 400 weights are small
        ("int8-weights", proof({"fp32": 4}, {"int8": 300, "fp32": 400}), 0.75),
        ("int4-weights", proof({"fp32": 4}, {"int4": 150, "fp32": 400}), 0.75),
        ("fp16", proof({"fp32": 4}, {"fp16": 800}), 1.0),
        ("fp16", proof({"fp16": 4}, {"fp32": 800}), 1.0),
        ("int8", PrecisionProof("int8", {"int8": 3, "fp32": 1, "other": 9}, ""), 0.75),
        ("int8-weights", PrecisionProof("fp32", {"fp32": 1}, ""), None),
        ("int8", None, None),
        ("a word of tomorrow", FLOATS, None),
    ],
)
def test_the_share_is_of_what_the_word_promises(
    asked: str, found: PrecisionProof | None, share: float | None
) -> None:
    assert precisions.share(asked, found) == pytest.approx(share)


@pytest.mark.parametrize("asked", [name for name in precisions.NAMES if name != "fp32"])
def test_a_float_artifact_may_carry_no_other_name(asked: str) -> None:
    assert precisions.refusal(asked, FLOATS)
    assert not precisions.refusal("fp32", FLOATS)


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("fp16", proof({"fp32": 4}, {"fp16": 800})),  # no half-precision kernels here: told, not refused
        ("fp16", proof({"fp32": 4}, {})),  # nobody knows how it is stored
        ("fp16", proof({"int8": 4}, {"int8": 100}, "int8")),  # a quantised source, smaller still
        ("fp32", proof({"int8": 4}, {"int8": 100}, "int8")),
        ("int8", proof({"fp32": 99, "int8": 1}, {"int8": 1})),
        ("int4-weights", proof({"fp32": 4}, {"int4": 1, "fp32": 400})),
        ("int8-weights", PrecisionProof("fp32", {"fp32": 1}, "")),
        ("int8", None),
    ],
)
def test_what_keeps_a_part_of_its_promise_or_is_unknown_is_not_refused(
    asked: str, found: PrecisionProof | None
) -> None:
    assert precisions.refusal(asked, found) == ""


def test_a_refusal_says_what_was_found() -> None:
    assert "4 fp32" in precisions.refusal("int8", FLOATS)
    assert "stored in fp32" in precisions.refusal("int4-weights", FLOATS)
