"""Run a fresh artifact on its real runtime and hold its outputs against the source model's."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path

from farm_agent import check as agent_check
from farm_agent import codec, pack, precisions
from farm_agent.errors import JobError
from farm_agent.wire import ArtifactSpec, CheckResult, Golden, PrecisionProof, TensorSpec
from farm_converters import sandbox
from farm_converters.recipe import CheckReport


@dataclass(frozen=True)
class Checked:
    """The report, and the artifact's outputs as the runtime gave them."""

    report: CheckReport
    outputs: tuple[TensorSpec, ...]


def check(
    spec: ArtifactSpec,
    directory: Path,
    golden: Golden,
    golden_path: Path,
    *,
    runtime: str,
    python: str,
    workdir: Path,
    limits: sandbox.Limits,
) -> Checked:
    """Raises JobError convert.mismatch, or why the artifact cannot run (runtime.*, check.*, convert.*)."""
    agent = pack.build(workdir / "agent")
    request_path, response_path = workdir / "check-request.json", workdir / "check-response.json"
    request = agent_check.CheckRequest(
        runtime, spec, str(directory), golden, str(golden_path), {"threads": 2}
    )
    request_path.write_text(codec.dumps(request))
    what = f"check {spec.files[0].name} on {runtime}"
    argv = ["--exec", str(agent.path), "_check", str(request_path), str(response_path)]
    ended = sandbox.execute(argv, workdir=workdir, limits=limits, python=python)
    answer = sandbox.read_response(response_path, ended, what=what, limits=limits)
    try:
        response = codec.decode(agent_check.CheckResponse, answer)
    except codec.DecodeError as error:
        raise JobError(f"{what}: {error}", code="convert.failed") from error
    if response.check is None:
        raise JobError(f"{what}: nothing was compared", code="convert.failed")
    if not response.check.passed:
        raise _mismatch(response.check, golden, runtime, spec.precision)
    report = _report(response.check, runtime, response.runtime_version)
    return Checked(replace(report, proof=response.proof), response.outputs)


def refuse(asked: str, proof: PrecisionProof | None, runtime: str) -> None:
    """Raise JobError convert.precision for an artifact that does not keep what its precision promises.

    Converters and quantisers leave what they cannot treat in floats, up to a whole network, without a word.
    """
    reason = precisions.refusal(asked, proof)
    if reason:
        raise JobError(
            f"the converted model is no {asked}: on {runtime}, {reason}",
            code="convert.precision",
            fix="use another precision or another target for this model",
        )


def _report(result: CheckResult, runtime: str, version: str) -> CheckReport:
    return CheckReport(
        passed=result.passed,
        max_abs_error=result.max_abs_error,
        max_reference=result.max_reference,
        cosine=result.cosine,
        samples=result.samples,
        runtime=runtime,
        runtime_version=version,
    )


def _mismatch(result: CheckResult, golden: Golden, runtime: str, asked: str) -> JobError:
    tolerance = golden.tolerance
    allowed = f"{tolerance.atol + tolerance.rtol * result.max_reference:.3g} is allowed"
    if tolerance.cosine > 0:
        allowed = f"its outputs must keep their direction and size (cosine {tolerance.cosine:g})"
    fix = "use another target or precision for this model; fp32 on onnxruntime is the reference"
    if asked.startswith("int8"):
        fix = "farm sensitivity MODEL --calib DATA names the nodes to --exclude; or use another precision"
    if not math.isfinite(result.max_abs_error):
        what = "answers NaN or infinity where the source has numbers, or numbers where it has those"
    else:
        what = f"differs from the source by {result.max_abs_error:.3g} where {allowed}"
    return JobError(
        f"on {runtime} the converted model {what}; largest value {result.max_reference:.3g}, "
        f"cosine {result.cosine:.6f}",
        code="convert.mismatch",
        fix=fix,
    )
