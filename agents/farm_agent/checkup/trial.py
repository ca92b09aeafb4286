"""A real inference in a runtime, on one convolution whose answer is known, in a process with a deadline."""

from __future__ import annotations

import hashlib
import os
import tempfile
from array import array
from dataclasses import replace
from pathlib import Path
from typing import Any, Dict, List, NoReturn, Optional

from farm_agent import child, codec, faults, harness, identity, runtimes, task
from farm_agent.checkup import models
from farm_agent.errors import FarmError, JobError
from farm_agent.messages.checkup import Trial
from farm_agent.wire import ArtifactSpec, Blob, TensorMap, TensorSpec

DEADLINE_S = 20.0
RUNS = 20
# The x of every model here, and what relu(x * w) is with w the 3 by 3 kernel -4, -3, ..., 4: whole numbers,
# so that every runtime must give exactly these.
INPUT = (2, -5, 7, 1, 0, 3, -2, 8, -6, 4, 9, -1, 5, -3, 6, 2)
OUTPUT = (27, 33, 35, 0)
INPUT_SHAPE, OUTPUT_SHAPE = (1, 1, 4, 4), (1, 1, 2, 2)


def attempt(runtime: str, deadline_s: float = DEADLINE_S) -> Trial:
    """Try it in a process of its own; one that dies or hangs is a problem, told like any other."""
    lines: List[bytes] = []

    def keep(_pid: int, line: bytes) -> bool:
        lines.append(line)
        return False

    try:
        ended = child.run(identity.agent_argv("_try", runtime), deadline_s, keep)
    except FarmError as error:
        return _failed(runtime, error)
    failure = child.failure(f"a first inference in {runtime}", ended, deadline_s)
    if failure is not None:
        return _failed(runtime, failure)
    try:
        return codec.loads(Trial, lines[-1])
    except (IndexError, codec.DecodeError):
        return Trial(runtime, problem="its process ended without a word", fix="install the runtime again")


def print_trial(runtime: str) -> NoReturn:
    """The process behind ``attempt``; stdout stays clean of what the runtime prints."""
    output = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    task.die_with_parent()
    try:
        found = infer(runtime)
    except FarmError as error:
        found = _failed(runtime, error)
    except Exception as error:  # noqa: BLE001 - a runtime may raise anything
        found = _failed(runtime, faults.runtime_error(runtime, "run", error))
    output.write(codec.dumps(found) + "\n")
    output.flush()
    task.leave()


def infer(runtime: str) -> Trial:
    """Load the model, run it a few times, compare. Raises JobError runtime.*, check.mismatch."""
    module = runtimes.load(runtime)
    with tempfile.TemporaryDirectory(prefix="farm-try-") as folder:
        artifact = unpack(runtime, Path(folder))
        options: Dict[str, Any] = {"threads": 1, "precision": "fp32"}
        session, fallback = harness.open_session(module, artifact, folder, options, "auto")
        session.bind(_feed(session))
        loop = harness.loop_of(session, fallback)
        rows = array("q", bytes(16 * RUNS))
        done = loop.run(rows, 0, RUNS, 2**62)
        wrong = difference(session.fetch())
        if wrong:
            raise JobError(wrong, code="check.mismatch", fix="install another build of the runtime")
        fastest = min(rows[2 * index + 1] - rows[2 * index] for index in range(done))
        found = Trial(runtime, module.probe().version, loop.harness, loop.fallback, fastest)
        session.close()
        return found


def unpack(runtime: str, folder: Path) -> ArtifactSpec:
    """The runtime's model as files in ``folder``. Raises JobError ``runtime.untried`` where there is none."""
    if runtime not in models.FORMATS:
        raise JobError(
            f"{runtime} builds its models on the device itself, so there is none to try it with",
            code="runtime.untried",
            fix="measure with it",
        )
    kind = models.FORMATS[runtime]
    blobs = []
    for name, data in models.files(kind).items():
        (folder / name).write_bytes(data)
        blobs.append(Blob(hashlib.sha256(data).hexdigest(), len(data), name))
    x, y = models.TENSORS[kind]
    taken, given = TensorSpec(x, "float32", INPUT_SHAPE), TensorSpec(y, "float32", OUTPUT_SHAPE)
    return ArtifactSpec(kind, "fp32", tuple(blobs), (TensorMap(taken, taken),), (TensorMap(given, given),))


def difference(outputs: Dict[str, Any]) -> str:
    """What is wrong with the outputs; "" when they are right."""
    got: Optional[List[float]] = None
    if len(outputs) == 1:
        got = [float(value) for value in next(iter(outputs.values())).ravel()[: 2 * len(OUTPUT)]]
    if got == [float(value) for value in OUTPUT]:
        return ""
    return f"a convolution whose result is {list(OUTPUT)} gave {got}"


def _feed(session: runtimes.Session) -> Dict[str, Any]:
    import numpy as np

    (spec,) = session.inputs()
    return {spec.name: np.array(INPUT, np.float32).reshape(INPUT_SHAPE)}


def _failed(runtime: str, error: FarmError) -> Trial:
    return replace(Trial(runtime), code=error.code, problem=error.message, fix=error.fix)
