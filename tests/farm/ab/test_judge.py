"""What two halves of a job say of each other, from samples made by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from farm.ab.contender import Contender
from farm.ab.judge import Match, compared
from farm.ab.turns import drawn, job_of
from farm.errors import FarmError
from farm.fetch import Fetched
from farm_agent.messages.arm import ArmReport
from farm_agent.wire import Blob, BlockResult, Facts, JobSpec
from farm_profiles import Target
from farm_results.comparison import Comparison
from farm_results.storage.objects import Objects
from tests.results.made import block, job, packed, quiet_pairs, spec

FACTS = Facts("x86_64", "board", "cpu", 4, 1 << 30, "6.1", "Debian", "glibc", "3.11", ())
TURNS = drawn(20, 5)


def contender(label: str, sha256: str, **changes: Any) -> Contender:
    base = spec()
    one = replace(base, artifact=replace(base.artifact, files=(Blob(sha256, 10, "model.onnx"),)))
    return Contender(label, "net", sha256, one, (), **changes)


def match(**changes: Any) -> Match:
    values: dict[str, Any] = {
        "match_id": "ab-1",
        "run_id": "",
        "device": "pi",
        "profile": "rpi4",
        "target": Target(format="onnx", runtime="onnxruntime", precision="fp32"),
        "series": "s",
        "reference": contender("old.onnx", "aa" * 32),
        "candidate": contender("new.onnx", "bb" * 32),
        "turns": TURNS,
        "seed": 5,
        **changes,
    }
    return Match(**values)


def fetched(
    folder: Path, of: Match, slower: float, blocks: Sequence[BlockResult] = (), **changes: Any
) -> Fetched:
    """A job in which the candidate takes ``slower`` times what the reference does, on a device that becomes
    20 % slower from the first process to the last."""
    asked, _ = job_of(of.match_id, of.reference, of.candidate, of.turns, gate=None)
    made, paths = [], []
    order = [(letter, pair) for pair, turn in enumerate(of.turns) for letter in turn]
    for index, (letter, pair) in enumerate(order):
        drift = 1.0 + 0.2 * index / len(order)
        median = 5e6 * drift * (slower if letter == "c" else 1.0)
        path = folder / f"block-{index}.samples.gz"
        path.write_bytes(packed(quiet_pairs(index, median_ns=int(median))))
        paths.append(path)
        point = {"arm": "candidate" if letter == "c" else "reference", "pair": str(pair)}
        made.append(block(index, point=point, harness="native"))
    whole = job(blocks=tuple(blocks or made), reference=ArmReport(job().check, job().proof, "1.0"), **changes)
    return Fetched(asked, whole, tuple(paths), 0, 0)


def judged(folder: Path, of: Match, slower: float = 1.0, **changes: Any) -> Comparison:
    return compared(of, fetched(folder, of, slower, **changes), FACTS, Objects(folder / "objects"))[0]


@pytest.mark.parametrize(("slower", "word"), [(1.05, "slower"), (1 / 1.05, "faster"), (1.0, "same")])
def test_a_drift_of_twenty_percent_falls_out(tmp_path: Path, slower: float, word: str) -> None:
    found = judged(tmp_path, match(), slower)
    assert found.effect is not None
    assert (found.word, found.kind, found.pairs, found.order) == (word, "ab", 20, TURNS)
    assert found.effect.ratio == pytest.approx(slower - 1, abs=0.004)
    before, after = np.array(found.reference.medians_ns), np.array(found.candidate.medians_ns)
    assert np.allclose(after / before, slower, atol=0.02)
    assert len(found.sample_hashes) == 40
    assert found.environment["cpu"] == "cpu"
    assert (found.reference.label, found.candidate.label) == ("old.onnx", "new.onnx")
    assert (found.reference.artifact_sha256, found.candidate.artifact_sha256) == ("aa" * 32, "bb" * 32)


def test_an_artifact_against_itself_is_an_aa(tmp_path: Path) -> None:
    one = contender("net.onnx", "aa" * 32)
    assert judged(tmp_path, match(reference=one, candidate=one)).kind == "aa"


@pytest.mark.parametrize(("loops", "code"), [(("native", "python"), "ab.harness")])
def test_halves_that_were_not_timed_alike_say_nothing(
    tmp_path: Path, loops: tuple[str, str], code: str
) -> None:
    of = match()
    whole = fetched(tmp_path, of, 1.5)
    blocks = tuple(
        replace(one, harness=loops[one.point["arm"] == "candidate"]) for one in whole.result.blocks
    )
    changed = replace(whole, result=replace(whole.result, blocks=blocks))
    found, _ = compared(of, changed, FACTS, Objects(tmp_path / "objects"))
    assert (found.word, found.caveats[0].code) == ("inconclusive", code)


def test_a_wrong_half_says_nothing(tmp_path: Path) -> None:
    of = match()
    whole = fetched(tmp_path, of, 1.5)
    check = job().check
    assert check is not None
    bad = ArmReport(replace(check, passed=False), job().proof, "1.0")
    found, _ = compared(
        of, replace(whole, result=replace(whole.result, reference=bad)), FACTS, Objects(tmp_path / "o")
    )
    assert (found.word, found.caveats[0].code) == ("inconclusive", "check.failed")
    assert found.caveats[0].evidence.startswith("reference: ")


def test_what_moved_since_is_told(tmp_path: Path) -> None:
    before = contender("old", "aa" * 32, job_id="job-1", before="0.9")
    found = judged(tmp_path, match(reference=before), 1.05)
    assert found.word == "slower"
    assert [each.code for each in found.caveats] == ["ab.runtime-moved"]
    assert (found.reference.job_id, found.reference.runtime_version) == ("job-1", "1.0")


@pytest.mark.parametrize("points", [{}, {"arm": "reference", "pair": "0"}])
def test_an_agent_that_does_not_tell_whose_a_process_was(tmp_path: Path, points: dict[str, str]) -> None:
    of = match()
    blocks = [replace(one, point=points) for one in fetched(tmp_path, of, 1.0).result.blocks]
    with pytest.raises(FarmError) as caught:
        judged(tmp_path, of, blocks=blocks)
    assert caught.value.code == "ab.untold"


def test_a_comparison_that_was_cut_off_is_none(tmp_path: Path) -> None:
    with pytest.raises(FarmError) as caught:
        judged(tmp_path, match(), outcome="stopped")
    assert caught.value.code == "run.interrupted"


def test_the_order_is_drawn_and_balanced() -> None:
    seen = [drawn(20, seed) for seed in range(50)]
    assert seen == [drawn(20, seed) for seed in range(50)]
    assert len(set(seen)) > 45
    for turns in seen:
        assert turns.count("rc") == turns.count("cr") == 10
        assert all(turns[k] != turns[k + 1] for k in range(0, 20, 2))
    first = [turns[0] for turns in seen]
    assert 10 < first.count("rc") < 40


@pytest.mark.parametrize("pairs", [0, 7, 9, 502])
def test_too_few_too_many_and_odd_pairs(pairs: int) -> None:
    with pytest.raises(FarmError) as caught:
        drawn(pairs, 0)
    assert caught.value.code == "ab.pairs"


def test_the_job_is_the_candidates_in_all_else() -> None:
    of = match()
    candidate = replace(of.candidate, spec=replace(of.candidate.spec, memory_limit_bytes=7, threads=3))
    made, _ = job_of("ab-1", of.reference, candidate, TURNS, gate=None)
    assert isinstance(made, JobSpec)
    assert (made.plan.blocks, made.plan.ci_half_width, made.threads) == (40, 0.0, 3)
    assert (made.memory_limit_bytes, made.dataset, made.energy) == (7, None, None)
    assert made.reference is not None
    assert made.reference.threads == of.reference.spec.threads


@pytest.mark.parametrize(
    ("scenario", "options"), [("sustained", {}), ("throughput", {"streams": "1,2"}), ("throughput", {})]
)
def test_what_yields_no_one_time_per_process_is_refused(scenario: str, options: dict[str, str]) -> None:
    of = match()
    spec = replace(of.candidate.spec, scenario=scenario, scenario_options=options)
    with pytest.raises(FarmError) as caught:
        job_of("ab-1", of.reference, replace(of.candidate, spec=spec), TURNS, gate=None)
    assert caught.value.code == "ab.scenario"


def test_every_scenario_of_the_agents_has_a_time_for_each_process() -> None:
    """What the agent takes in turns is what can be judged here."""
    from farm_agent import arms, scenarios
    from farm_results import scenarios as summaries

    judged = [name for name in scenarios.names() if hasattr(summaries._module(name), "turn_ns")]
    assert sorted(judged) == sorted(arms.SCENARIOS)
    of = match()
    spec = replace(of.candidate.spec, scenario="throughput", scenario_options={"streams": "2"})
    made, _ = job_of("ab-1", of.reference, replace(of.candidate, spec=spec), TURNS, gate=None)
    points = arms.points(made)
    assert len(points) == 40
    assert points[0] == {"streams": "2", "arm": arms.NAMES[TURNS[0][0]], "pair": "0"}
