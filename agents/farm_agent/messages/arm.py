"""The other of two artifacts that one job measures in turns."""

from __future__ import annotations

from dataclasses import field
from typing import Dict, Optional

from farm_agent.late import dataclass
from farm_agent.messages.build import BuildPlan, BuildReport
from farm_agent.messages.reference import CheckResult, Golden, PrecisionProof
from farm_agent.messages.tensors import ArtifactSpec


@dataclass(frozen=True)
class Arm:
    """What the reference is, as ``JobSpec`` says it of the candidate. All else holds for both."""

    artifact: ArtifactSpec
    runtime: str
    threads: int = 1
    options: Dict[str, str] = field(default_factory=dict)
    golden: Optional[Golden] = None
    build: Optional[BuildPlan] = None


@dataclass(frozen=True)
class ArmReport:
    """What ``JobResult`` says of the candidate alone, for the reference."""

    check: Optional[CheckResult] = None
    proof: Optional[PrecisionProof] = None
    runtime_version: str = ""
    build: Optional[BuildReport] = None
