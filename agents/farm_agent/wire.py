"""Every message that crosses the link between coordinator and agent.

The link carries one JSON message per line. Unknown fields are ignored; a field without default, or a
changed meaning, bumps ``WIRE``. Golden messages of every released number live in tests/agents/wire/ and
must decode for ever. Times are nanoseconds of the device's monotonic clock unless a name says otherwise;
tensors are described in the *source* model's names, dtypes and layout, and mapped to the artifact's own.
"""

from __future__ import annotations

from dataclasses import field
from typing import Any, Dict, List, Optional, Tuple

from farm_agent import codec
from farm_agent.errors import FarmError, from_blame
from farm_agent.late import dataclass
from farm_agent.messages.arm import Arm, ArmReport
from farm_agent.messages.blob import Blob
from farm_agent.messages.block import BlockPlan, BlockResult, MemoryPhase
from farm_agent.messages.build import BuildPlan, BuildReport
from farm_agent.messages.energy import EnergyPlan, EnergyRun
from farm_agent.messages.evaluation import Evaluation
from farm_agent.messages.gate import GatePlan, Pin, PinPlan
from farm_agent.messages.layers import LayerProfile
from farm_agent.messages.reference import CheckResult, Golden, PrecisionProof, Tolerance
from farm_agent.messages.tensors import ArtifactSpec, TensorMap, TensorSpec
from farm_agent.messages.tool import ToolReport

__all__ = [
    "ArtifactSpec",
    "Blob",
    "BlockPlan",
    "BlockResult",
    "CheckResult",
    "GatePlan",
    "Golden",
    "MemoryPhase",
    "Pin",
    "PinPlan",
    "PrecisionProof",
    "TensorMap",
    "TensorSpec",
    "Tolerance",
]

WIRE = 1
# Fields that were added after the first release: see ``spec_hash``.
LATER_IN_SPEC = (
    "scenario_options",
    "harness",
    "gate",
    "pins",
    "sensors",
    "energy",
    "profile_ops",
    "tool",
    "build",
    "reference",
    "turns",
)
LATER_IN_PLAN = ("ci_half_width",)
LATER_IN_MAP = ("scale", "zero_point")
LATER_IN_TOLERANCE = ("cosine",)
LATER_IN_DATASET = ("keep_outputs",)


@dataclass(frozen=True)
class Dataset:
    """Samples: an .npz with keys ``in.I`` ([N, ...] per source input, batch dimension removed when it is 1)
    and, where they are labelled, ``labels`` (int64 [N], or float32 [N, ...] for regression).

    ``metric``: what the device itself counts: top-1, or "" for nothing. ``keep_outputs``: send all outputs
    back, so that any metric can be computed from them (see ``messages.evaluation``).
    """

    blob: Blob
    name: str
    metric: str = "top-1"
    keep_outputs: bool = False


@dataclass(frozen=True)
class JobSpec:
    """One artifact on one device in one scenario. The id stays the same over retries.

    ``harness``: auto, native or python. ``sensors``: those of the device's profile, by name. ``tool``: the
    native tool that measures instead of our loop, "" for ours. ``reference``: another artifact that is
    measured in turns with this one, ``turns`` in which order ("rc" or "cr" per pair; see ``arms``); the
    plan's ``blocks`` are then the processes of both.
    """

    job_id: str
    fence: int
    artifact: ArtifactSpec
    runtime: str
    plan: BlockPlan
    threads: int = 1
    options: Dict[str, str] = field(default_factory=dict)
    scenario: str = "latency"
    protocol: str = "closed-loop/v0"
    golden: Optional[Golden] = None
    dataset: Optional[Dataset] = None
    process_timeout_s: float = 600.0
    memory_limit_bytes: int = 0
    scenario_options: Dict[str, str] = field(default_factory=dict)
    harness: str = "auto"
    gate: Optional[GatePlan] = None
    pins: PinPlan = field(default_factory=PinPlan)
    sensors: Tuple[str, ...] = ()
    energy: Optional[EnergyPlan] = None
    profile_ops: bool = False
    tool: str = ""
    build: Optional[BuildPlan] = None
    reference: Optional[Arm] = None
    turns: Tuple[str, ...] = ()


_BLANK_SPEC = JobSpec("", 0, ArtifactSpec("", "", (), (), ()), "", BlockPlan())


@dataclass(frozen=True)
class Failure:
    """An error as it crosses the link: see ``errors`` for the blame words."""

    blame: str
    code: str
    message: str
    fix: str = ""

    def to_error(self) -> FarmError:
        return from_blame(self.blame, self.message, code=self.code, fix=self.fix)


@dataclass(frozen=True)
class Accuracy:
    """``value`` of ``metric`` over ``count`` labelled samples; ``correct`` where the metric counts hits."""

    metric: str
    value: float
    count: int
    correct: int
    dataset_sha256: str


@dataclass(frozen=True)
class JobResult:
    """Everything a job produced. ``outcome``: ok, failed, stopped or interrupted (the device rebooted).

    In a job of two artifacts ``check``, ``proof`` and ``build`` are the candidate's, and ``reference`` has
    the other's; whose a block is stands in its ``point``.
    """

    job_id: str
    outcome: str
    failure: Optional[Failure]
    blocks: Tuple[BlockResult, ...]
    check: Optional[CheckResult]
    proof: Optional[PrecisionProof]
    accuracy: Optional[Accuracy]
    runtime_version: str
    environment: Dict[str, Any]
    agent_sha256: str
    started_unix_s: float
    ended_unix_s: float
    pins: Tuple[Pin, ...] = ()
    energy: Optional[EnergyRun] = None
    layers: Optional[LayerProfile] = None
    tool: Optional[ToolReport] = None
    evaluation: Optional[Evaluation] = None
    build: Optional[BuildReport] = None
    reference: Optional[ArmReport] = None


@dataclass(frozen=True)
class Event:
    """One line of a job's spool. ``kind``: state, phase, progress, block, log."""

    seq: int
    unix_s: float
    kind: str
    data: Dict[str, Any]


@dataclass(frozen=True)
class JobState:
    """``state``: starting, running, ok, failed, stopped, interrupted."""

    job_id: str
    state: str
    fence: int
    next_seq: int = 0

    @property
    def ended(self) -> bool:
        return self.state not in ("starting", "running")


@dataclass(frozen=True)
class Hello:
    """What an agent answers first. ``running``: ids of jobs whose processes live."""

    wire: int
    agent_sha256: str
    python: str
    machine: str
    root: str
    free_bytes: int
    running: Tuple[str, ...] = ()
    fence: int = 0


@dataclass(frozen=True)
class RuntimeFact:
    """One runtime on the device: its version, or why it cannot be used and the command that helps."""

    name: str
    version: str
    unavailable: str = ""
    fix: str = ""


@dataclass(frozen=True)
class Facts:
    """What the box is. Unknown values are None or empty, never guessed."""

    machine: str
    model: str
    cpu: str
    cores: int
    memory_bytes: Optional[int]
    kernel: str
    os: str
    libc: str
    python: str
    runtimes: Tuple[RuntimeFact, ...]
    details: Dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Stock:
    """What the device's content store holds of one hash: a whole file, part of it, or nothing."""

    sha256: str
    complete: bool
    partial_bytes: int


@dataclass(frozen=True)
class Reply:
    """The envelope of every answer: exactly one of body and failure."""

    wire: int
    body: Optional[Dict[str, Any]] = None
    failure: Optional[Failure] = None


def spec_hash(spec: JobSpec) -> str:
    """Identity of what is to be measured: sha256 over the canonical JSON without the fence.

    A field that came later counts only when it is set, so that an updated driver finds its older jobs.
    """
    data = codec.encode(spec)
    del data["fence"]
    _drop_unset(data, LATER_IN_SPEC, codec.encode(_BLANK_SPEC))
    _drop_unset(data["plan"], LATER_IN_PLAN, codec.encode(BlockPlan()))
    for entry in (*data["artifact"]["inputs"], *data["artifact"]["outputs"]):
        _drop_unset(entry, LATER_IN_MAP, {"scale": None, "zero_point": 0})
    if data["golden"] is not None:
        _drop_unset(data["golden"]["tolerance"], LATER_IN_TOLERANCE, {"cosine": 0.0})
    if data["dataset"] is not None:
        _drop_unset(data["dataset"], LATER_IN_DATASET, {"keep_outputs": False})
    import hashlib

    return hashlib.sha256(codec.dumps(data).encode()).hexdigest()


def _drop_unset(data: Dict[str, Any], names: Tuple[str, ...], defaults: Dict[str, Any]) -> None:
    for name in names:
        if data[name] == defaults[name]:
            del data[name]


def blobs_of(spec: JobSpec) -> List[Blob]:
    """Every file that must lie in the device's content store before the job can start."""
    blobs = list(spec.artifact.files)
    blobs += [part.blob for part in (spec.golden, spec.dataset) if part is not None]
    blobs += _build_blobs(spec.build)
    if spec.reference is not None:
        blobs += spec.reference.artifact.files
        blobs += [spec.reference.golden.blob] if spec.reference.golden is not None else []
        blobs += _build_blobs(spec.reference.build)
    return blobs


def _build_blobs(plan: Optional[BuildPlan]) -> List[Blob]:
    found = (plan.timing_cache, plan.calibration) if plan is not None else ()
    return [blob for blob in found if blob is not None]
