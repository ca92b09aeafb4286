"""Inside the sandbox: fix a source model's shapes, run it unoptimised, keep inputs and outputs."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from farm_agent.errors import JobError, UsageError
from farm_agent.runtimes.onnxruntime import DTYPES as ORT_DTYPES
from farm_converters import exclude, external, graph, samples
from farm_converters.inspect_onnx import parse

if TYPE_CHECKING:
    import numpy as np

SMALL_BYTES = 64 << 20  # above it, one sample only
MAX_BYTES = 1 << 30
RANDOM = frozenset(
    ["RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Multinomial", "Bernoulli"]
)
QUANTISED = frozenset(
    ["QuantizeLinear", "DynamicQuantizeLinear", "QLinearConv", "QLinearMatMul", "ConvInteger"]
)


def make(request: dict[str, Any], workdir: Path) -> dict[str, Any]:
    """Write source.onnx (shapes fixed, self-contained) and golden.npz; answer what they hold.

    Raises UsageError model.changed, inputs.*; JobError convert.source-fails, convert.golden-too-large,
    convert.random.
    """
    model = _load(Path(request["path"]), request["sha256"])
    graph.clean(model)
    graph.fix_inputs(model, request["shapes"])
    for part in graph.graphs(model):
        graph.sort(part)
    exclude.name_nodes(model)
    graph.set_versions(model)
    model = graph.infer(model)
    found = graph.operators(model)
    if found & RANDOM:
        raise JobError(
            f"the model draws random numbers ({', '.join(sorted(found & RANDOM))}): no two runs agree",
            code="convert.random",
            fix="export the network in inference mode",
        )
    path = workdir / "source.onnx"
    graph.save(model, path)
    inputs, outputs, count = _run(path, request, workdir / "golden.npz")
    return {
        "inputs": inputs,
        "outputs": outputs,
        "samples": count,
        "float16": graph.uses_float16(model),
        "quantised": bool(found & QUANTISED),
    }


def _load(path: Path, sha256: str) -> Any:  # noqa: ANN401 - ModelProto
    import onnx

    model = parse(path)
    files = external.check(model, path.parent)
    if external.digest(path, files)[0] != sha256:
        raise UsageError(f"{path} changed during the run", code="model.changed", fix="run again")
    if files:
        onnx.load_external_data_for_model(model, str(path.parent))
    return model


def _run(path: Path, request: dict[str, Any], target: Path) -> tuple[list[Any], list[Any], int]:
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    try:
        session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise _fails(error) from error
    inputs = [
        {
            "name": node.name,
            "dtype": ORT_DTYPES[node.type[len("tensor(") : -1]],
            "shape": list(request["shapes"][node.name]),
        }
        for node in session.get_inputs()
    ]
    names = [node.name for node in session.get_outputs()]
    drawn = samples.user(request, inputs) or samples.seeded(request, inputs)
    kept: dict[str, np.ndarray[Any, Any]] = {}
    outputs: list[dict[str, Any]] = []
    total = 0
    for number, sample in enumerate(drawn):
        try:
            results = session.run(names, {item["name"]: a for item, a in zip(inputs, sample, strict=True)})
        except Exception as error:
            raise _fails(error) from error
        outputs = outputs or [
            {"name": name, "dtype": str(array.dtype), "shape": list(array.shape)}
            for name, array in zip(names, results, strict=True)
        ]
        size = sum(array.nbytes for array in [*sample, *results])
        if total + size > (MAX_BYTES if number == 0 else SMALL_BYTES) and not request["inputs_path"]:
            if number == 0:
                raise _too_large(size)
            break
        total += size
        kept.update({f"in.{number}.{i}": array for i, array in enumerate(sample)})
        kept.update({f"out.{number}.{j}": array for j, array in enumerate(results)})
    if total > MAX_BYTES:
        raise _too_large(total)
    save_npz(target, kept)
    return inputs, outputs, len({key.split(".")[1] for key in kept})


def save_npz(target: Path, arrays: dict[str, Any]) -> None:
    """An .npz with fixed dates: the same arrays give the same bytes."""
    import numpy as np

    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
        for key in sorted(arrays):
            info = zipfile.ZipInfo(f"{key}.npy", (1980, 1, 1, 0, 0, 0))
            with archive.open(info, "w", force_zip64=True) as file:
                np.lib.format.write_array(file, np.asanyarray(arrays[key]), allow_pickle=False)


def _fails(error: Exception) -> Exception:
    text = " ".join(str(error).split())
    if "bad_alloc" in text or "Failed to allocate memory" in text:
        return MemoryError(text)
    return JobError(
        f"ONNX Runtime cannot run the source model on these inputs: {text[:400]}",
        code="convert.source-fails",
        fix="give other shapes with --shape, or real inputs with --inputs FILE.npz",
    )


def _too_large(size: int) -> JobError:
    return JobError(
        f"one run's inputs and outputs hold {size / 2**30:.1f} GiB",
        code="convert.golden-too-large",
        fix="give smaller shapes with --shape",
    )
