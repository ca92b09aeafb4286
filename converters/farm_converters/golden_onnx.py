"""Inside the sandbox: fix a source model's shapes, run it unoptimised, keep inputs and outputs."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from farm_agent.errors import JobError, UsageError
from farm_converters import external, graph
from farm_converters.inspect_onnx import parse

if TYPE_CHECKING:
    import numpy as np

SAMPLES = 2
SMALL_BYTES = 64 << 20  # above it, one sample only
MAX_BYTES = 1 << 30
MAX_USER_SAMPLES = 16
RANDOM = frozenset(
    ["RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Multinomial", "Bernoulli"]
)
QUANTISED = frozenset(
    ["QuantizeLinear", "DynamicQuantizeLinear", "QLinearConv", "QLinearMatMul", "ConvInteger"]
)
Sample = list["np.ndarray[Any, Any]"]


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
    graph.set_versions(model)
    model = graph.infer(model)
    found = graph.operators(model)
    if found & RANDOM:
        raise JobError(
            f"the model draws random numbers ({', '.join(sorted(found & RANDOM))}): no two runs can be compared",
            code="convert.random",
            fix="export the network in inference mode",
        )
    path = workdir / "source.onnx"
    graph.save(model, path)
    inputs, outputs, samples = _run(path, request, workdir / "golden.npz")
    return {
        "inputs": inputs,
        "outputs": outputs,
        "samples": samples,
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
    from farm_converters.inspect_onnx import DTYPES

    named = dict(zip(ORT_TYPES, (DTYPES[kind] for kind in ORT_TYPES.values()), strict=True))
    inputs = [
        {"name": node.name, "dtype": named[node.type], "shape": list(request["shapes"][node.name])}
        for node in session.get_inputs()
    ]
    names = [node.name for node in session.get_outputs()]
    samples = _user_samples(request, inputs) or _seeded_samples(request, inputs)
    kept: dict[str, np.ndarray[Any, Any]] = {}
    outputs: list[dict[str, Any]] = []
    total = 0
    for number, sample in enumerate(samples):
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
    _save(target, kept)
    return inputs, outputs, len({key.split(".")[1] for key in kept})


def _save(target: Path, arrays: dict[str, Any]) -> None:
    """An .npz with fixed dates: the same arrays give the same bytes."""
    import numpy as np

    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
        for key in sorted(arrays):
            info = zipfile.ZipInfo(f"{key}.npy", (1980, 1, 1, 0, 0, 0))
            with archive.open(info, "w", force_zip64=True) as file:
                np.lib.format.write_array(file, np.asanyarray(arrays[key]), allow_pickle=False)


def _seeded_samples(request: dict[str, Any], inputs: list[dict[str, Any]]) -> list[Sample]:
    """Floats from U(-1, 1), integers 0 or 1 (valid as ids and as flags), bools: the same for ever."""
    import numpy as np

    generator = np.random.Generator(np.random.PCG64(int(request["seed"])))
    samples: list[Sample] = []
    for _ in range(SAMPLES if inputs else 1):
        sample: Sample = []
        for item in inputs:
            kind, shape = np.dtype(item["dtype"]), tuple(item["shape"])
            floating = kind.kind == "f"
            drawn = np.asarray(
                generator.uniform(-1, 1, shape) if floating else generator.integers(0, 2, shape)
            )
            sample.append(drawn.astype(kind).reshape(shape))
        samples.append(sample)
    return samples


def _user_samples(request: dict[str, Any], inputs: list[dict[str, Any]]) -> list[Sample]:
    """The user's arrays: of an input's shape (one sample), or with a leading axis that counts samples."""
    import numpy as np

    if not request["inputs_path"]:
        return []
    path = Path(request["inputs_path"])
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {key: archive[key] for key in archive.files}
    except MemoryError:
        raise
    except Exception as error:
        raise _inputs(f"{path} cannot be read as .npz: {error}", "unreadable") from error
    names = {item["name"] for item in inputs}
    if set(arrays) != names:
        missing, extra = sorted(names - set(arrays)), sorted(set(arrays) - names)
        what = f"no array for {', '.join(missing)}" if missing else f"no such input: {', '.join(extra)}"
        raise _inputs(f"{path}: {what}; the model's inputs are {', '.join(sorted(names))}", "names")
    counts = {_count(item, arrays[item["name"]]) for item in inputs}
    if len(counts - {None}) > 1 or (None in counts and len(counts) > 1):
        raise _inputs(f"{path}: the arrays hold different numbers of samples", "shape")
    if counts == {None}:
        return [[arrays[item["name"]] for item in inputs]]
    total = counts.pop() or 0
    return [[arrays[item["name"]][k] for item in inputs] for k in range(min(total, MAX_USER_SAMPLES))]


def _count(item: dict[str, Any], array: np.ndarray[Any, Any]) -> int | None:
    """Samples in ``array``; None when it is exactly one of the input's shape."""
    shape = tuple(item["shape"])
    if str(array.dtype) != item["dtype"]:
        raise _inputs(f"{item['name']} is {array.dtype}; the model takes {item['dtype']}", "dtype")
    if array.shape == shape:
        return None
    if array.ndim == len(shape) + 1 and array.shape[1:] == shape and array.shape[0] > 0:
        return int(array.shape[0])
    raise _inputs(f"{item['name']} has the shape {array.shape}; the model takes {shape}", "shape")


def _inputs(message: str, kind: str) -> UsageError:
    return UsageError(
        message,
        code=f"inputs.{kind}",
        fix="give an .npz with one array per input of the model; farm inspect MODEL lists names, types, shapes",
    )


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


ORT_TYPES = {
    "tensor(float)": 1, "tensor(uint8)": 2, "tensor(int8)": 3, "tensor(uint16)": 4, "tensor(int16)": 5,
    "tensor(int32)": 6, "tensor(int64)": 7, "tensor(bool)": 9, "tensor(float16)": 10, "tensor(double)": 11,
    "tensor(uint32)": 12, "tensor(uint64)": 13,
}  # fmt: skip
