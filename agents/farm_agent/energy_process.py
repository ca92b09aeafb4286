"""The process whose energy is measured: ``_energy REQUEST.json``. One session, idle, busy and idle again.

Like a block it says on its pipe when a phase begins and waits for one byte; the supervisor reads the sensors
from outside meanwhile.
"""

from __future__ import annotations

import gc
import time
from array import array
from dataclasses import field
from pathlib import Path
from typing import Any, Dict, List, NoReturn, Optional, Tuple

from farm_agent import bench, codec, faults, feed, files, harness, runtimes, task
from farm_agent.block import Link
from farm_agent.errors import FarmError
from farm_agent.late import dataclass
from farm_agent.loop import Loop
from farm_agent.messages.energy import EnergyPlan, Window
from farm_agent.signature import Burners
from farm_agent.wire import ArtifactSpec, BlockPlan, Failure

CHUNK_RUNS = 16384
# Threads of some runtimes spin on for a moment after the last inference.
SETTLE_S = 0.5


@dataclass(frozen=True)
class EnergyRequest:
    """As BlockRequest. ``warmup``: the plan whose warm-up rules hold."""

    runtime: str
    artifact: ArtifactSpec
    directory: str
    energy: EnergyPlan
    warmup: BlockPlan
    options: Dict[str, Any] = field(default_factory=dict)
    golden_path: Optional[str] = None
    memory_limit_bytes: int = 0
    harness: str = "auto"


@dataclass(frozen=True)
class EnergyMessage:
    """One line to the supervisor: a phase begins, what came out in the end, or why nothing did."""

    phase: str = ""
    windows: Tuple[Window, ...] = ()
    inferences: int = 0
    edges_ns: Tuple[int, ...] = ()
    harness: str = ""
    failure: Optional[Failure] = None


def main(request_path: str) -> NoReturn:
    """The process. Every error it survives becomes a message."""
    link = Link()
    try:
        request = codec.loads(EnergyRequest, files.read_bounded(Path(request_path)))
        task.die_with_parent()
        burners = Burners() if request.energy.signature else None
        task.limit_memory(request.memory_limit_bytes)
        link.send(measure(request, link, burners))
        if burners is not None:
            burners.close()
    except FarmError as error:
        link.send(EnergyMessage(failure=files.failure_of(error)))
    except Exception as error:  # noqa: BLE001 - a runtime or numpy may raise anything
        wrapped = faults.runtime_error("the runtime", "run", error)
        link.send(EnergyMessage(failure=files.failure_of(wrapped)))
    task.leave()


def measure(request: EnergyRequest, link: Link, burners: Optional[Burners]) -> EnergyMessage:
    """Load, warm up and go through the windows. Raises FarmError."""
    module = runtimes.load(request.runtime)
    options = {"precision": request.artifact.precision, **request.options}
    session, fallback = harness.open_session(
        module, request.artifact, request.directory, options, request.harness
    )
    data = feed.load_npz(request.golden_path) if request.golden_path else None
    session.bind(feed.sample(data, 0, request.artifact.inputs or feed.identity(session.inputs())))
    try:
        session.call()
        loop = harness.loop_of(session, fallback)
        bench.warm_up(loop, request.warmup)
        return _windows(request.energy, loop, link, burners)
    except FarmError:
        raise
    except Exception as error:
        raise faults.runtime_error(request.runtime, "run", error) from error


def _windows(plan: EnergyPlan, loop: Loop, link: Link, burners: Optional[Burners]) -> EnergyMessage:
    windows: List[Window] = []
    edges: List[int] = []

    def idle(name: str) -> None:
        link.phase(name)
        time.sleep(SETTLE_S)
        begin = time.monotonic_ns()
        time.sleep(plan.idle_ns / 1e9)
        windows.append(Window(name, begin, time.monotonic_ns()))

    def sign(name: str) -> None:
        if burners is not None:
            link.phase(name)
            begin = time.monotonic_ns()
            edges.extend(burners.signature(plan.burst_ns))
            windows.append(Window(name, begin, time.monotonic_ns()))

    idle("idle-before")
    sign("signature-before")
    link.phase("busy")
    start_ns, end_ns, inferences = busy(loop, plan.window_ns)
    windows.append(Window("busy", start_ns, end_ns))
    if burners is not None:
        time.sleep(SETTLE_S)
    sign("signature-after")
    idle("idle-after")
    return EnergyMessage(
        windows=tuple(windows), inferences=inferences, edges_ns=tuple(edges), harness=loop.harness
    )


def busy(loop: Loop, window_ns: int) -> Tuple[int, int, int]:
    """Infer back to back for at least ``window_ns``: (first start, last end, inferences), all whole."""
    rows = array("q", bytes(16 * CHUNK_RUNS))
    was_enabled = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        inferences = loop.run(rows, 0, 1, loop.now())
        start, end = rows[0], rows[1]
        until = start + window_ns
        while end < until:
            done = loop.run(rows, 0, CHUNK_RUNS, until)
            inferences += done
            end = rows[2 * done - 1]
        return start, end, inferences
    finally:
        if was_enabled:
            gc.enable()
