"""ONNX to TFLite by onnx2tf's direct path; float16, 8 and 4 bits by ai-edge-quantizer.

The ways, in order: simplified by onnxslim with pinned output layouts; constants folded by ONNX Runtime
first (inlines Ifs); either with the converter's own output layouts, found again by comparing numbers;
and the model as it is.
"""

from __future__ import annotations

import math
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from farm_agent.errors import JobError
from farm_converters import quantise_tflite, tflite_graph, tflite_layout
from farm_converters.quantise_onnx import samples_of
from farm_converters.worker import die_with_parent

WHERE = "host"
ENVIRONMENT = "tflite"
RUNTIME = "litert"
OPTIONS = ("io", "granularity", "method")
_WAYS = ("slim", "folded", "slim-free", "folded-free", "plain", "plain-free")
QUANTISED = ("int8", "int8-dynamic", "int8-weights", "int4-weights")
RUNGS = {"fp32": _WAYS, "fp16": _WAYS, **dict.fromkeys(QUANTISED, _WAYS)}
_CUSTOM = re.compile(r"unresolved custom op: (\w+)|custom op (ONNX_\w+)")
FREE = "-free"
PASSED_ON = (
    "convert.unsupported-precision", "convert.option", "convert.nothing-to-quantise",
    "convert.quantiser-fails", "convert.exclude-unknown",
)  # fmt: skip
HALF, MOST = 0.5, 0.9


def same_as(rung: str, outputs: Sequence[tuple[int, ...]]) -> str:
    """The way that hands the converter the very same file for outputs of these shapes, "" when none does:
    where no output has a layout to pin, leaving it free changes nothing."""
    if not rung.endswith(FREE) or any(tflite_graph.has_layout(shape) for shape in outputs):
        return ""
    return rung.removesuffix(FREE)


def convert(request: dict[str, Any], workdir: Path) -> dict[str, Any]:
    """Write out/model.tflite. Raises JobError convert.unsupported-op, convert.unsupported, and what
    quantise_tflite raises."""
    path = tflite_graph.prepare(request, workdir)
    try:
        return _convert(path, request, workdir)
    except JobError as error:
        if error.code in PASSED_ON:
            raise
        branches = tflite_graph.control_flow(path)
        if not branches:
            raise
        raise JobError(
            f"the model's {' and '.join(branches)} cannot become TFLite: {error.message}",
            code="convert.unsupported-op",
            fix="export the network without control flow, or run it with onnxruntime or openvino",
        ) from error


def _convert(path: Path, request: dict[str, Any], workdir: Path) -> dict[str, Any]:
    made = _run_onnx2tf(path, workdir, len(request["inputs"]))
    folder = workdir / "out"
    folder.mkdir()
    target = folder / "model.tflite"
    if request["precision"] == "fp16":
        _to_float16(made, target, _kept(path, made, request))
    elif request["precision"] not in QUANTISED:
        made.rename(target)
    # Layouts are found by comparing numbers, which rounding to 8 bits would blur
    interpreter = _load(made if request["precision"] in QUANTISED else target)
    caveats = _share_of_float16(interpreter) if request["precision"] == "fp16" else []
    inputs = _inputs(request, interpreter)
    details = _by_name(interpreter.get_output_details(), tflite_graph.OUTPUT, len(request["outputs"]))
    permutations, settled = tflite_layout.permutations(request, interpreter, inputs, details)
    outputs = [
        {"name": detail["name"], "permutation": axes}
        for detail, axes in zip(details, permutations, strict=True)
    ]
    if request["precision"] in QUANTISED:
        caveats = _quantise(path, made, target, request, inputs)
        reduced = _load(target)
        inputs = _retyped(inputs, interpreter.get_input_details(), reduced.get_input_details())
        outputs = _retyped(outputs, interpreter.get_output_details(), reduced.get_output_details())
    return {
        "files": ["model.tflite"],
        "inputs": inputs,
        "outputs": outputs,
        "caveats": caveats,
        "settled": settled,
    }


def _quantise(
    path: Path, made: Path, target: Path, request: dict[str, Any], inputs: list[dict[str, Any]]
) -> list[str]:
    style = quantise_tflite.Style.of(request["precision"], request["options"])
    uncalibrated = style.precision == "int8" and not request["calibration"]  # a source in int8 needs none
    if uncalibrated or quantise_tflite.is_quantised(made):
        made.rename(target)
        return ["the source is quantised already; it is kept as it is"]
    keep = _kept(path, made, request)
    names = [item["name"] for item in request["inputs"]]

    def feeds() -> Iterator[dict[str, Any]]:
        for feed in samples_of(Path(request["calibration"]), names):
            yield {
                item["name"]: tflite_layout.placed(feed[name], item)
                for name, item in zip(names, inputs, strict=True)
            }

    caveats = quantise_tflite.quantise(made, target, style, feeds, keep)
    return [*caveats, f"{len(keep)} operators stay in floats as asked"] if keep else caveats


def _kept(path: Path, made: Path, request: dict[str, Any]) -> list[str]:
    """Output tensors of the operators that stay as they are. Raises JobError convert.exclude-unknown."""
    keep = tflite_graph.kept(path, made) if request["exclude"] else []
    if request["exclude"] and not keep:
        raise JobError(
            "none of the excluded nodes is an operator of its own in TFLite",
            code="convert.exclude-unknown",
            fix="exclude the node that they are merged into, such as the convolution before",
        )
    return keep


def _retyped(
    items: list[dict[str, Any]], before: Sequence[Any], after: Sequence[Any]
) -> list[dict[str, Any]]:
    """With the names, types and scales of the reduced file, whose tensors keep their order."""
    places = {detail["name"]: place for place, detail in enumerate(before)}
    found = []
    for item in items:
        if item["name"] in places:
            detail = after[places[item["name"]]]
            dtype = _dtype(detail["dtype"])
            item = {**item, "name": detail["name"], "dtype": dtype}  # noqa: PLW2901 - the same, retyped
            if dtype == "int8":
                scale, zero_point = detail["quantization"]
                item |= {"scale": float(scale), "zero_point": int(zero_point)}
        found.append(item)
    return found


def _run_onnx2tf(path: Path, workdir: Path, inputs: int) -> Path:
    """Exit code 0 proves nothing: the file must be there, and it is loaded afterwards."""
    names = [tflite_graph.INPUT.format(index) for index in range(inputs)]
    argv = [sys.executable, "-I", "-m", "onnx2tf", "-i", path.name, "-o", "made", "-n", "-nuo"]
    argv += ["-kat", *names] if names else []
    done = subprocess.run(
        argv,
        cwd=workdir,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
        preexec_fn=die_with_parent,
    )
    text = done.stdout[-65536:].decode(errors="replace")
    sys.stdout.write(text)
    made = workdir / "made" / f"{path.stem}_float32.tflite"
    if not made.is_file():
        if "bad_alloc" in text or "MemoryError" in text:
            raise MemoryError
        raise JobError(f"onnx2tf made no file: {_reason(text)}", code="convert.unsupported")
    return made


def _load(path: Path) -> Any:  # noqa: ANN401 - Interpreter
    from ai_edge_litert.interpreter import Interpreter

    try:
        interpreter = Interpreter(model_path=str(path), num_threads=1)
        interpreter.allocate_tensors()
    except Exception as error:
        found = _CUSTOM.search(str(error))
        if found:
            operator = (found.group(1) or found.group(2)).removeprefix("ONNX_").title()
            raise JobError(
                f"TFLite has no operator for {operator}",
                code="convert.unsupported-op",
                fix="run this model with onnxruntime or openvino",
            ) from error
        text = " ".join(str(error).split())[:300]
        raise JobError(
            f"LiteRT refuses the file that onnx2tf made: {text}", code="convert.unsupported"
        ) from error
    return interpreter


def _inputs(request: dict[str, Any], interpreter: Any) -> list[dict[str, Any]]:  # noqa: ANN401
    """In the source's order. An input that the graph never reads is gone; it keeps its source form."""
    details = {_plain(detail["name"]): detail for detail in interpreter.get_input_details()}
    found = []
    for index, item in enumerate(request["inputs"]):
        detail = details.get(tflite_graph.INPUT.format(index))
        if detail is None:
            found.append({**item, "name": tflite_graph.INPUT.format(index), "permutation": None})
            continue
        shape = [int(size) for size in detail["shape"]]
        dtype = _dtype(detail["dtype"])
        axes = None if shape == item["shape"] else tflite_layout.only_permutation(item["shape"], shape)
        found.append({"name": detail["name"], "dtype": dtype, "shape": shape, "permutation": axes})
    if len(details) > len(request["inputs"]):
        raise JobError(f"onnx2tf made other inputs: {sorted(details)}", code="convert.unsupported")
    return found


def _by_name(details: list[Any], pattern: str, count: int) -> list[Any]:
    named = {_plain(detail["name"]): detail for detail in details}
    wanted = [pattern.format(index) for index in range(count)]
    if all(name in named for name in wanted):
        return [named[name] for name in wanted]
    if len(details) == count:
        return list(details)
    raise JobError(f"onnx2tf made other outputs: {sorted(named)}", code="convert.unsupported")


def _plain(name: str) -> str:
    return name.removeprefix("serving_default_").removeprefix("StatefulPartitionedCall_").split(":")[0]


def _to_float16(source: Path, target: Path, keep: Sequence[str]) -> None:
    """Weights stored in float16 and widened on load; arithmetic stays float32 where no kernel has less."""
    from ai_edge_quantizer import qtyping, quantizer
    from ai_edge_quantizer.algorithm_manager import AlgorithmName

    work = quantizer.Quantizer(str(source))
    weights = qtyping.TensorQuantizationConfig(num_bits=16, dtype=qtyping.TensorDataType.FLOAT)
    work.update_quantization_recipe(
        regex=".*",
        operation_name=qtyping.TFLOperationName.ALL_SUPPORTED,
        algorithm_key=AlgorithmName.FLOAT_CASTING,
        op_config=qtyping.OpQuantizationConfig(
            weight_tensor_config=weights,
            compute_precision=qtyping.ComputePrecision.FLOAT,
            explicit_dequantize=True,
        ),
    )
    if keep:
        work.update_quantization_recipe(
            quantise_tflite.scope(keep),
            qtyping.TFLOperationName.ALL_SUPPORTED,
            algorithm_key=AlgorithmName.NO_QUANTIZE,
        )
    work.quantize(None).export_model(str(target))


def _share_of_float16(interpreter: Any) -> list[str]:  # noqa: ANN401 - Interpreter
    """A caveat on how much stayed float32. Raises JobError convert.unsupported-precision when most did."""
    sizes = {"float16": 0, "float32": 0}
    written = {int(index) for op in interpreter._get_ops_details() for index in op["outputs"]}  # noqa: SLF001
    given = {int(detail["index"]) for detail in interpreter.get_input_details()}
    for detail in interpreter.get_tensor_details():
        dtype = _dtype(detail["dtype"])
        if dtype in sizes and int(detail["index"]) not in written | given:
            sizes[dtype] += math.prod(int(size) for size in detail["shape"])
    total = sum(sizes.values())
    share = sizes["float16"] / total if total else 0.0
    if share < HALF:
        raise JobError(
            f"only {share:.0%} of this network's weights can become float16 in TFLite; its operators take "
            "float32 weights",
            code="convert.unsupported-precision",
            fix="ask for fp32, or for another format",
        )
    return [] if share > MOST else [f"{share:.0%} of the weights are float16, the rest float32"]


def _dtype(kind: Any) -> str:  # noqa: ANN401 - numpy type
    import numpy as np

    return str(np.dtype(kind))


def _reason(text: str) -> str:
    lines = [re.sub(r"\x1b\[[0-9;]*m", "", line).strip() for line in text.splitlines()]
    said = [line for line in lines if re.search(r"\b\w*(Error|Exception)\b|ERROR", line)]
    return (said or [line for line in lines if line] or ["it said nothing"])[-1][:300]
