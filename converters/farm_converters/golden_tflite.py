"""Inside the sandbox: run a .tflite source model with LiteRT's reference kernels, keep inputs and outputs."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from farm_agent.errors import JobError, UsageError
from farm_converters import inspect_tflite, samples
from farm_converters.tflite_operators import name_of

if TYPE_CHECKING:
    import numpy as np

SMALL_BYTES = 64 << 20  # above it, one sample only
MAX_BYTES = 1 << 30
RANDOM = frozenset(["MULTINOMIAL", "RANDOM_STANDARD_NORMAL", "RANDOM_UNIFORM"])


def make(request: dict[str, Any], workdir: Path) -> dict[str, Any]:
    """Write source.tflite (the file as it is) and golden.npz; answer what they hold.

    Raises UsageError model.changed, model.*, inputs.*; JobError convert.source-fails,
    convert.golden-too-large, convert.random.
    """
    path = workdir / "source.tflite"
    shutil.copyfile(request["path"], path)
    if inspect_tflite.digest(path) != request["sha256"]:
        raise UsageError(f"{request['path']} changed during the run", code="model.changed", fix="run again")
    file = inspect_tflite.parse(path)
    found = {name_of(op.code, op.custom) for graph in file.graphs for op in graph.operators} & RANDOM
    if found:
        raise JobError(
            f"the model draws random numbers ({', '.join(sorted(found))}): no two runs agree",
            code="convert.random",
            fix="export the network in inference mode",
        )
    network = Reference(path, {name: tuple(shape) for name, shape in request["shapes"].items()})
    drawn = samples.user(request, network.inputs) or seeded(request, network.inputs)
    outputs, count = _run(network, drawn, request, workdir / "golden.npz")
    precision = inspect_tflite.precision(path)
    inputs = [{key: item[key] for key in ("name", "dtype", "shape")} for item in network.inputs]
    return {
        "inputs": inputs,
        "outputs": outputs,
        "samples": count,
        "float16": precision == "fp16",
        "quantised": precision == "int8",
    }


class Reference:
    """The model on LiteRT's reference kernels; on its optimised ones where an operator has no reference."""

    def __init__(self, path: Path, shapes: dict[str, tuple[int, ...]]) -> None:
        from ai_edge_litert.interpreter import OpResolverType

        kinds = (OpResolverType.BUILTIN_REF, OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES)
        error: Exception | None = None
        for kind in kinds:
            try:
                self._interpreter = self._open(path, shapes, kind)
                break
            except (RuntimeError, ValueError) as caught:
                error = caught
        else:
            raise inspect_tflite.refused(path, error or ValueError("nothing opens it"))
        self._details = self._interpreter.get_input_details()
        self.inputs = [_described(detail, shapes) for detail in self._details]

    def _open(self, path: Path, shapes: dict[str, tuple[int, ...]], kind: Any) -> Any:  # noqa: ANN401
        from ai_edge_litert.interpreter import Interpreter

        interpreter = Interpreter(model_path=str(path), num_threads=1, experimental_op_resolver_type=kind)
        for detail in interpreter.get_input_details():
            wanted = shapes[str(detail["name"])]
            if wanted != tuple(int(size) for size in detail["shape"]):
                interpreter.resize_tensor_input(detail["index"], wanted)
        interpreter.allocate_tensors()
        return interpreter

    def infer(self, arrays: list[np.ndarray[Any, Any]]) -> dict[str, Any]:
        """Outputs by name, in order. Raises JobError convert.source-fails."""
        import numpy as np

        try:
            for detail, array in zip(self._details, arrays, strict=True):
                self._interpreter.set_tensor(detail["index"], np.asarray(array))
            self._interpreter.invoke()
            return {
                str(detail["name"]): np.array(self._interpreter.get_tensor(detail["index"]))
                for detail in self._interpreter.get_output_details()
            }
        except (RuntimeError, ValueError, AttributeError) as error:
            text = " ".join(str(error).split())[:400]
            raise JobError(
                f"LiteRT cannot run the source model on these inputs: {text}",
                code="convert.source-fails",
                fix="give other shapes with --shape, or real inputs with --inputs FILE.npz",
            ) from error


def seeded(request: dict[str, Any], inputs: list[dict[str, Any]]) -> list[samples.Sample]:
    """As for any source; inputs of 8 bits are drawn from all their values: 0 and 1 are nearly the same."""
    import numpy as np

    drawn = samples.seeded(request, inputs)
    generator = np.random.Generator(np.random.PCG64(int(request["seed"])))
    for sample in drawn:
        for index, item in enumerate(inputs):
            if item["dtype"] in ("int8", "uint8"):
                limits = np.iinfo(item["dtype"])
                shape = tuple(item["shape"])
                whole = generator.integers(limits.min, limits.max, shape, endpoint=True)
                sample[index] = np.asarray(whole, item["dtype"]).reshape(shape)
    return drawn


def _described(detail: Any, shapes: dict[str, tuple[int, ...]]) -> dict[str, Any]:  # noqa: ANN401
    import numpy as np

    name = str(detail["name"])
    return {"name": name, "dtype": str(np.dtype(detail["dtype"])), "shape": list(shapes[name])}


def _run(
    network: Reference, drawn: list[samples.Sample], request: dict[str, Any], target: Path
) -> tuple[list[dict[str, Any]], int]:
    from farm_converters.golden_onnx import save_npz

    kept: dict[str, Any] = {}
    outputs: list[dict[str, Any]] = []
    total = count = 0
    for sample in drawn:
        results = network.infer(sample)
        size = sum(array.nbytes for array in [*sample, *results.values()])
        if total + size > (SMALL_BYTES if count and not request["inputs_path"] else MAX_BYTES):
            if count and not request["inputs_path"]:
                break
            raise JobError(
                f"the inputs and outputs hold {(total + size) / 2**30:.1f} GiB",
                code="convert.golden-too-large",
                fix="give smaller shapes with --shape",
            )
        outputs = outputs or [
            {"name": name, "dtype": str(array.dtype), "shape": list(array.shape)}
            for name, array in results.items()
        ]
        kept.update({f"in.{count}.{i}": array for i, array in enumerate(sample)})
        kept.update({f"out.{count}.{j}": array for j, array in enumerate(results.values())})
        total, count = total + size, count + 1
    save_npz(target, kept)
    return outputs, count
