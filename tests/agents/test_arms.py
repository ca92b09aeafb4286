"""Two artifacts in turns on one device, with the real ONNX Runtime."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from farm_agent import arms, build, codec, job, steps_build
from farm_agent.messages.arm import Arm
from farm_agent.messages.build import BuildPlan, BuildReport, Engine
from farm_agent.wire import Blob, Golden, JobResult, JobSpec, Tolerance, blobs_of, spec_hash

from .parts import QUICK, Agent, artifact, local_agent, result_of, small_spec, write_golden, write_model


@pytest.fixture
def agent(tmp_path: Path) -> Agent:
    return local_agent(tmp_path)


def two(agent: Agent, folder: Path, *, wrong: bool = False, **changes: Any) -> JobSpec:
    """A job of two artifacts whose files have the same names and other content."""
    spec = small_spec(agent, folder)
    (folder / "other").mkdir(exist_ok=True)
    blob = agent.put(write_model(folder / "other" / "model.onnx", opset=16))
    golden = agent.put(write_golden(folder / "other" / "golden.npz", wrong=wrong))
    assert blob.name == spec.artifact.files[0].name
    assert blob.sha256 != spec.artifact.files[0].sha256
    reference = Arm(artifact(blob), "onnxruntime", 2, {}, Golden(golden, 2, Tolerance(1e-6, 1e-6)))
    plan = replace(QUICK, blocks=4)
    return replace(spec, **{"reference": reference, "turns": ("rc", "cr"), "plan": plan, **changes})


def test_the_processes_take_turns_as_the_job_says(agent: Agent, tmp_path: Path) -> None:
    spec = two(agent, tmp_path)
    agent.start(spec)
    events = agent.wait_for("job-1")
    result, _ = result_of(agent, "job-1")
    assert (result.outcome, result.failure) == ("ok", None)
    assert [(block.point["arm"], block.point["pair"]) for block in result.blocks] == [
        ("reference", "0"),
        ("candidate", "0"),
        ("candidate", "1"),
        ("reference", "1"),
    ]
    assert result.check is not None
    assert result.reference is not None
    assert result.reference.check is not None
    assert result.check.passed
    assert result.reference.check.passed
    assert result.reference.proof is not None
    assert result.reference.runtime_version == result.runtime_version != ""
    folder = agent.root / "jobs" / "job-1"
    asked = [(folder / f"block-{index}.request.json").read_text() for index in range(4)]
    assert ['"threads":2' in text.replace(" ", "") for text in asked] == [True, False, False, True]
    assert [str(folder / "reference") in text for text in asked] == [True, False, False, True]
    for name, part in (("artifact", spec.artifact), ("reference", spec.reference.artifact)):  # type: ignore[union-attr]
        laid = next((folder / name).glob("*.onnx"))
        assert hashlib.sha256(laid.read_bytes()).hexdigest() == part.files[0].sha256
    assert any(event["data"].get("arm") == "reference" for event in events if event["kind"] == "phase")


def test_a_wrong_reference_is_not_measured(agent: Agent, tmp_path: Path) -> None:
    agent.start(two(agent, tmp_path, wrong=True))
    agent.wait_for("job-1")
    result, _ = result_of(agent, "job-1")
    assert result.outcome == "failed"
    assert result.failure is not None
    assert result.failure.code == "check.mismatch"
    assert result.blocks == ()
    assert result.check is not None
    assert result.check.passed
    assert result.reference is not None
    assert result.reference.check is not None
    assert not result.reference.check.passed


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"scenario": "throughput"}, "ab.scenario"),
        ({"tool": "trtexec"}, "ab.scenario"),
        ({"turns": ("rc", "xx")}, "job.plan"),
        ({"turns": ("rc",)}, "job.plan"),
        ({"reference": None}, "job.plan"),
    ],
)
def test_what_cannot_be_measured_in_turns_is_refused(
    agent: Agent, tmp_path: Path, changes: dict[str, Any], code: str
) -> None:
    spec = two(agent, tmp_path, **changes)
    assert agent.fail("start", stdin=codec.dumps(spec).encode())["code"] == code


def test_a_job_of_one_artifact_is_what_it_was(agent: Agent, tmp_path: Path) -> None:
    spec = two(agent, tmp_path)
    plain = replace(spec, reference=None, turns=())
    assert arms.reference_spec(plain) is plain
    assert spec_hash(spec) != spec_hash(plain)
    assert len(blobs_of(spec)) == 4
    assert len(blobs_of(plain)) == 2
    assert arms.arm_of({}) == "candidate"


def test_the_reference_builds_its_own_engine(tmp_path: Path) -> None:
    """Beside the candidate's: neither engine nor timing cache of one takes the place of the other's."""
    asked: dict[str, build.BuildRequest] = {}
    blob = Blob("a" * 64, 9, "model.onnx")
    spec = JobSpec("job-1", 1, artifact(blob), "tensorrt", QUICK, build=BuildPlan("fp16"))
    report = BuildReport("strong", "Orin", (Engine(Blob("b" * 64, 9, "model.engine"), 1.0),))

    def task(_keeper: Any, _spec: JobSpec, _folder: Path, name: str, request: Any, _kind: Any) -> Any:
        asked[name + str(len(asked))] = request
        return build.BuildResponse(ok=True, report=report, runtime_version="10.3")

    class Keeper:
        def __init__(self) -> None:
            self.result = job.blank(spec, "")

        def emit(self, kind: str, data: dict[str, Any]) -> None: ...
        def keep(self, result: JobResult) -> None:
            self.result = result

        def note_versions(self, versions: dict[str, str]) -> None: ...
        def log(self, text: str) -> None: ...

    keeper = Keeper()
    steps_build.run(keeper, spec, tmp_path, task)
    other = steps_build.run(arms.ArmKeeper(keeper), spec, tmp_path, task, arms.REFERENCE)
    first, second = asked["build0"], asked["build1"]
    assert (first.directory, first.job) == (str(tmp_path / "artifact"), str(tmp_path))
    assert second.directory == second.job == str(tmp_path / "reference")
    assert other.artifact.files[0].name == "model.engine"
    assert keeper.result.build == report
    assert keeper.result.reference is not None
    assert (keeper.result.reference.build, keeper.result.reference.runtime_version) == (report, "10.3")
