"""Verdicts on the precision that ran, beside the one that was asked for and the one that the file holds."""

from __future__ import annotations

from dataclasses import replace

import pytest

from farm_agent.wire import PrecisionProof
from farm_results.verdicts import judge
from tests.results.made import job, latency, spec
from tests.results.verdict_cases import INT8, proof, verdict_of, weighted


@pytest.mark.parametrize(
    ("asked", "operators", "code"),
    [
        ("fp32", {"fp32": 9, "int8": 8, "other": 4}, ""),
        ("fp32", {"fp16": 9}, "precision.differs"),
        ("fp32", {"fp32": 9, "fp16": 5}, "precision.differs"),
        ("fp16", {"bf16": 9}, "precision.differs"),
        ("fp16", {"fp32": 9}, "precision.higher"),
        ("fp16", {"fp16": 9, "fp32": 3}, ""),
        ("fp32", {"mystery": 9}, "precision.differs"),
        ("fp32", {"other": 9}, "precision.unproven"),
    ],
)
def test_precision_is_what_ran_not_what_was_asked(asked: str, operators: dict[str, int], code: str) -> None:
    wanted = replace(spec(), artifact=replace(spec().artifact, precision=asked))
    verdict = judge(wanted, job(proof=proof(**operators)), latency())
    assert [caveat.code for caveat in verdict.caveats] == ([code] if code else [])


@pytest.mark.parametrize(
    ("asked", "proof", "codes"),
    [
        (
            "int8-weights",
            PrecisionProof("fp32", {"fp32": 9}, "", {"fp32": 4}, {"int8": 900, "fp32": 100}),
            [],
        ),
        (
            "int8-weights",
            PrecisionProof("fp32", {"fp32": 9}, "", {"fp32": 4}, {"int8": 500, "fp32": 2000}),
            ["precision.partial"],
        ),
        ("int4-weights", PrecisionProof("fp32", {"fp32": 9}, "", {}, {"int8": 900}), ["precision.unkept"]),
        ("int8-dynamic", PrecisionProof("fp32", {"fp32": 9}, "", {"int8": 3}), []),
        ("int8-dynamic", PrecisionProof("fp32", {"fp32": 9}, ""), ["precision.unkept"]),
        (
            "fp16",
            PrecisionProof("fp32", {"fp32": 9}, "", {"fp32": 4}, {"fp32": 900}),
            ["precision.unkept", "precision.higher"],
        ),
        ("fp16", PrecisionProof("fp32", {"fp32": 9}, "", {"fp32": 4}, {"fp16": 900}), ["precision.higher"]),
    ],
)
def test_a_quantised_artifact_is_held_to_its_promise(
    asked: str, proof: PrecisionProof, codes: list[str]
) -> None:
    """Weight-only precisions promise how weights are stored, the others how they are computed with."""
    wanted = replace(spec(), artifact=replace(spec().artifact, precision=asked))
    verdict = judge(wanted, job(proof=proof), latency())
    assert [caveat.code for caveat in verdict.caveats] == codes


def test_a_share_below_the_threshold_does_not_read_as_the_threshold() -> None:
    caveats = verdict_of({"spec": INT8, "job": job(proof=weighted(fp32=101, int8=899))}).caveats
    assert [caveat.code for caveat in caveats] == ["precision.partial"]
    assert caveats[0].evidence.startswith("89 % of the operators")


@pytest.mark.parametrize(
    ("native", "operators", "code"),
    [
        ("fp16", {"fp16": 9, "fp32": 2}, "precision.native"),
        ("fp16", {"fp32": 9, "fp16": 5}, ""),
        ("fp16", {"bf16": 9}, "precision.differs"),
        ("int8", {"fp32": 9}, ""),
    ],
)
def test_a_reduced_model_may_run_as_it_is(native: str, operators: dict[str, int], code: str) -> None:
    """What the file itself holds is not the runtime's doing; anything else still is."""
    verdict = judge(spec(), job(proof=proof(**operators)), latency(), native=native)
    assert [caveat.code for caveat in verdict.caveats] == ([code] if code else [])
