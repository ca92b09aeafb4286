"""One contender in Python, in a process of its own: prints {"p50_ns": ..., "count": ...}.

Arguments: AGENT KIND RUNTIME MODEL SECONDS SPEC.json; kinds are native, python and run (the usual
``session.run`` with a feed). Native and Python loops are the agent's own, from its packed file.
"""

from __future__ import annotations

import json
import sys
import time
from array import array
from collections.abc import Callable
from pathlib import Path
from typing import Any

WARM_UP_NS = 300_000_000
MOST_ROWS = 1_000_000


def main(agent: str, kind: str, runtime: str, path: str, seconds: str, spec: str) -> None:
    """Measure and print."""
    sys.path.insert(0, agent)
    from farm_agent import codec, harness, runtimes
    from farm_agent.loop import PythonLoop
    from farm_agent.wire import ArtifactSpec

    artifact = codec.loads(ArtifactSpec, Path(spec).read_text())
    options = {"threads": 1, "precision": "fp32"}
    module = runtimes.load(runtime)
    if kind == "run":
        loop: Any = PythonLoop(usual(runtime, path, artifact))
    else:
        harness.probe(module, options, kind)
        folder = str(Path(path).parent)
        session, fallback = harness.open_session(module, artifact, folder, options, kind)
        session.bind(feed(artifact))
        loop = harness.loop_of(session, fallback)
    print(json.dumps(timed(loop, float(seconds))))


def usual(runtime: str, path: str, artifact: Any) -> Callable[[], Any]:  # noqa: ANN401 - ArtifactSpec
    """The call that a tutorial shows."""
    arrays = feed(artifact)
    if runtime == "onnxruntime":
        import onnxruntime

        settings = onnxruntime.SessionOptions()
        settings.intra_op_num_threads = 1
        settings.add_session_config_entry("session.intra_op.allow_spinning", "0")
        session = onnxruntime.InferenceSession(path, settings, providers=["CPUExecutionProvider"])
        return lambda: session.run(None, arrays)
    if runtime == "openvino":
        sys.modules["openvino_telemetry"] = None  # type: ignore[assignment] # it would report to its makers
        import openvino

        exact = {"INFERENCE_NUM_THREADS": 1, "NUM_STREAMS": 1, "INFERENCE_PRECISION_HINT": "f32"}
        compiled = openvino.Core().compile_model(path, "CPU", exact)
        values = list(arrays.values())
        return lambda: compiled(values)
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=path, num_threads=1)
    interpreter.allocate_tensors()
    inputs = [(detail["index"], arrays[detail["name"]]) for detail in interpreter.get_input_details()]
    outputs = [detail["index"] for detail in interpreter.get_output_details()]

    def infer() -> list[Any]:
        for index, value in inputs:
            interpreter.set_tensor(index, value)
        interpreter.invoke()
        return [interpreter.get_tensor(index) for index in outputs]

    return infer


def feed(artifact: Any) -> dict[str, Any]:  # noqa: ANN401 - ArtifactSpec
    """Every input filled with 0.5."""
    import numpy as np

    return {pair.artifact.name: np.full(pair.artifact.shape, 0.5, np.float32) for pair in artifact.inputs}


def timed(loop: Any, seconds: float) -> dict[str, int]:  # noqa: ANN401 - farm_agent.loop.Loop
    """Warm up, then one block; the median of its rows."""
    rows = array("q", bytes(16 * MOST_ROWS))
    loop.run(rows, 0, MOST_ROWS, time.monotonic_ns() + WARM_UP_NS)
    count = loop.run(rows, 0, MOST_ROWS, time.monotonic_ns() + int(seconds * 1e9))
    durations = sorted(rows[2 * index + 1] - rows[2 * index] for index in range(count))
    return {"p50_ns": durations[count // 2], "count": count}


if __name__ == "__main__":
    main(*sys.argv[1:7])
