"""Open the first dimension of a fixed graph and prove that it computes the same at other batches.

Runs in the sandbox; the top level imports the standard library alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from farm_agent.errors import JobError

ATOL = 1e-4
AXIS = "batch"


def open_batch(request: Mapping[str, Any], workdir: Path) -> dict[str, Any]:
    """Write ``request["file"]`` into ``workdir``; {"files": [...]}. Raises JobError export.batch."""
    make = _onnx if request["format"] == "onnx" else _openvino
    files, run = make(request, workdir)
    _prove(run, request)
    return {"files": files}


def _onnx(request: Mapping[str, Any], workdir: Path) -> tuple[list[str], Any]:
    import onnx
    import onnxruntime

    model = onnx.load(request["path"])
    names = {*request["inputs"], *request["outputs"]}
    for value in (*model.graph.input, *model.graph.output):
        if value.name in names:
            dims = value.type.tensor_type.shape.dim
            if not dims or dims[0].dim_value != 1:
                raise _fixed(f"{value.name} has no first dimension of 1")
            dims[0].dim_param = AXIS
    del model.graph.value_info[:]
    target = workdir / request["file"]
    onnx.save(model, target)
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = 1
    settings.log_severity_level = 4
    session = onnxruntime.InferenceSession(str(target), settings, providers=["CPUExecutionProvider"])
    specs = {node.name: (node.type, node.shape) for node in session.get_inputs()}
    kinds = {"tensor(float)": "float32", "tensor(float16)": "float16", "tensor(double)": "float64"}

    def run(feed: Mapping[str, Any]) -> dict[str, Any]:
        return dict(zip(request["outputs"], session.run(request["outputs"], dict(feed)), strict=True))

    shapes = {name: (kinds.get(kind, _integer(kind)), shape[1:]) for name, (kind, shape) in specs.items()}
    return [target.name], (run, shapes)


def _openvino(request: Mapping[str, Any], workdir: Path) -> tuple[list[str], Any]:
    import openvino

    core = openvino.Core()
    model = core.read_model(request["path"])
    wanted = {}
    for port in model.inputs:
        shape = port.get_partial_shape()
        if shape.rank.get_length() < 1 or shape[0] != 1:
            raise _fixed(f"{port.get_any_name()} has no first dimension of 1")
        shape[0] = -1
        wanted[port] = shape
    try:
        model.reshape(wanted)
    except RuntimeError as error:
        raise _fixed(str(error).splitlines()[0][:200]) from error
    target = workdir / request["file"]
    openvino.save_model(model, target, compress_to_fp16=False)
    hint = {"INFERENCE_PRECISION_HINT": "f32"}
    compiled = core.compile_model(core.read_model(target), "CPU", hint)
    shapes = {
        port.get_any_name(): (
            port.get_element_type().to_dtype().name,
            [size.get_length() for size in list(port.get_partial_shape())[1:]],
        )
        for port in compiled.inputs
    }

    def run(feed: Mapping[str, Any]) -> dict[str, Any]:
        found = compiled(dict(feed))
        return {port.get_any_name(): found[port] for port in compiled.outputs}

    return [target.name, target.with_suffix(".bin").name], (run, shapes)


def _prove(runner: Any, request: Mapping[str, Any]) -> None:  # noqa: ANN401 - a function and shapes
    """Random samples one by one and together must agree at every batch."""
    import numpy as np

    run, shapes = runner
    rng = np.random.default_rng(0)
    for size in sorted({2, int(request["most"])}):
        feed = {name: _random(rng, kind, (size, *shape)) for name, (kind, shape) in shapes.items()}
        try:
            together = run(feed)
            single = [run({name: array[k : k + 1] for name, array in feed.items()}) for k in range(size)]
        except Exception as error:
            raise _fixed(f"at batch {size}: {' '.join(str(error).split())[:200]}") from error
        for name, got in together.items():
            _same(name, got, [one[name] for one in single], float(request["rtol"]))


def _same(name: str, got: Any, parts: Sequence[Any], rtol: float) -> None:  # noqa: ANN401 - numpy arrays
    import numpy as np

    size = len(parts)
    if got.shape[:1] != (size,) or any(part.shape[:1] != (1,) for part in parts):
        raise _fixed(f"the output {name} has the shape {list(got.shape)} at batch {size}")
    want = np.concatenate(parts)
    limit = ATOL + rtol * float(np.abs(want.astype(np.float64)).max(initial=0.0))
    error = float(np.abs(got.astype(np.float64) - want.astype(np.float64)).max(initial=0.0))
    if not error <= limit:
        raise _fixed(f"the output {name} changes by {error:.3g} at batch {size}")


def _random(rng: Any, kind: str, shape: Sequence[int]) -> Any:  # noqa: ANN401 - numpy
    import numpy as np

    if np.dtype(kind).kind == "f":
        return rng.normal(size=shape).astype(kind)
    return rng.integers(0, 2, size=shape).astype(kind)


def _integer(kind: str) -> str:
    return kind.removeprefix("tensor(").removesuffix(")")


def _fixed(why: str) -> JobError:
    return JobError(
        f"the graph has its batch built in: {why}",
        code="export.batch",
        fix="export the model from its framework with a free batch dimension",
    )
