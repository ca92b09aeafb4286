"""The measured process: ``_block REQUEST.json``. It says when a phase is over and waits for one byte.

In between, the supervisor reads this process's memory from outside. Anything a runtime prints goes to
stderr: the protocol has a file descriptor of its own.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import time
from dataclasses import field
from pathlib import Path
from typing import Any, Dict, NoReturn, Optional, Tuple

from farm_agent import bench, codec, faults, feed, files, harness, runtimes, scenarios, task
from farm_agent.errors import FarmError
from farm_agent.late import dataclass
from farm_agent.wire import ArtifactSpec, Blob, BlockPlan, Failure


@dataclass(frozen=True)
class BlockRequest:
    """``golden_path``: the .npz whose sample 0 is the input; without it the inputs are zeros.

    ``point``: where on the scenario's curve this process lies.
    """

    runtime: str
    artifact: ArtifactSpec
    directory: str
    samples_path: str
    plan: BlockPlan
    options: Dict[str, Any] = field(default_factory=dict)
    golden_path: Optional[str] = None
    memory_limit_bytes: int = 0
    scenario: str = "latency"
    scenario_options: Dict[str, str] = field(default_factory=dict)
    point: Dict[str, str] = field(default_factory=dict)
    harness: str = "auto"


@dataclass(frozen=True)
class Timings:
    """What a block measured, apart from its samples."""

    import_ns: int
    load_ns: int
    first_inference_ns: int
    warmup_runs: int
    warmup_ns: int
    steady: bool
    ended: str
    count: int
    timer_step_ns: int
    timer_cost_ns: int
    harness: str
    fallback: str = ""
    columns: Tuple[str, ...] = ("start", "end")
    calls_per_sample: int = 1
    state: Dict[str, str] = field(default_factory=dict)
    ci_half_width: Optional[float] = None


@dataclass(frozen=True)
class BlockMessage:
    """One line to the supervisor: the end of a phase, what came out of it, or why nothing did.

    ``harness_bytes``: memory that the samples take in this process.
    """

    phase: str = ""
    harness_bytes: int = 0
    versions: Dict[str, str] = field(default_factory=dict)
    timings: Optional[Timings] = None
    samples: Optional[Blob] = None
    failure: Optional[Failure] = None


class Link:
    """This process's two pipes to the supervisor."""

    def __init__(self) -> None:
        self._in = os.dup(0)
        self._out = os.dup(1)
        os.dup2(2, 1)
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)

    def send(self, message: object) -> None:
        """Write one line, whole."""
        data = codec.dumps(message).encode() + b"\n"
        while data:
            data = data[os.write(self._out, data) :]

    def phase(self, name: str, versions: Optional[Dict[str, str]] = None, harness_bytes: int = 0) -> None:
        """Announce the end of a phase and wait. Ends this process when the supervisor is gone."""
        self.send(BlockMessage(phase=name, versions=versions or {}, harness_bytes=harness_bytes))
        if os.read(self._in, 1) == b"":
            os._exit(1)


def main(request_path: str) -> NoReturn:
    """The process. Every error it survives becomes a message."""
    link = Link()
    try:
        request = codec.loads(BlockRequest, files.read_bounded(Path(request_path)))
        task.limit_memory(request.memory_limit_bytes)
        task.die_with_parent()
        link.send(_measure(request, link))
    except FarmError as error:
        link.send(BlockMessage(failure=files.failure_of(error)))
    except Exception as error:  # noqa: BLE001 - a runtime or numpy may raise anything
        wrapped = faults.runtime_error("the runtime", "run", error)
        link.send(BlockMessage(failure=files.failure_of(wrapped)))
    task.leave()


def _measure(request: BlockRequest, link: Link) -> BlockMessage:
    clock = time.monotonic_ns
    scenario = scenarios.load(request.scenario)
    state = scenarios.prepare(scenario, request)
    link.phase("started")
    began = clock()
    module = runtimes.load(request.runtime)
    probe = harness.probe(module, request.options, request.harness)
    import_ns = clock() - began
    # One that cannot be used is refused by open, with the reason.
    link.phase("imported", {"runtime": probe.version, "numpy": _numpy_version()})
    began = clock()
    options = {"precision": request.artifact.precision, **request.options}
    session, fallback = harness.open_session(
        module, request.artifact, request.directory, options, request.harness
    )
    load_ns = clock() - began
    link.phase("loaded")
    inputs = request.artifact.inputs or feed.identity(session.inputs())
    data = feed.load_npz(request.golden_path) if request.golden_path else None
    session.bind(feed.sample(data, 0, inputs))
    began = clock()
    call = session.call
    try:
        call()
        first_ns = clock() - began
        link.phase("first-inference")
        loop = harness.loop_of(session, fallback)
        block = scenario.measure(loop, request)
    except FarmError:
        raise
    except Exception as error:
        raise faults.runtime_error(request.runtime, "run", error) from error
    link.phase("measured", harness_bytes=block.buffer_bytes)
    warm = block.warmup
    timings = Timings(
        import_ns=import_ns,
        load_ns=load_ns,
        first_inference_ns=first_ns,
        warmup_runs=warm.runs,
        warmup_ns=warm.elapsed_ns,
        steady=warm.steady,
        ended=block.ended,
        count=block.count,
        timer_step_ns=loop.step_ns,
        timer_cost_ns=loop.cost_ns,
        harness=loop.harness,
        fallback=loop.fallback,
        columns=block.columns,
        calls_per_sample=block.calls_per_sample,
        state={**state, **block.state},
        ci_half_width=block.ci_half_width,
    )
    return BlockMessage(timings=timings, samples=_save(Path(request.samples_path), block))


def _save(path: Path, block: bench.Block) -> Blob:
    data = gzip.compress(block.to_bytes(), 6)
    # gzip.compress stamps the time in Python 3.8 to 3.10; equal samples must give equal bytes.
    data = data[:4] + b"\0\0\0\0" + data[8:]
    files.write_atomic(path, data, durable=True)
    return Blob(hashlib.sha256(data).hexdigest(), len(data), path.name)


def _numpy_version() -> str:
    from importlib import metadata

    try:
        return metadata.version("numpy")
    except metadata.PackageNotFoundError:
        return ""
