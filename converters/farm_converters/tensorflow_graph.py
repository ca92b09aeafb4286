"""A TensorFlow function as an ONNX file whose inputs and outputs keep their names; in the keras environment.

The variables are frozen into constants by TensorFlow, tf2onnx translates the graph. What came out is run in
ONNX Runtime beside the framework on seeded inputs: another answer is an error, not a file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from farm_agent.errors import JobError, UsageError
from farm_converters import fake_quant, samples

OPSET = 17
IR_VERSION = 9  # the newest that runtimes of 2023 read, and enough for opset 19
BATCH = 2
FREE_SIZES = (16, 32, 64, 128, 224)  # tried in order for free dimensions besides the batch
RELATIVE = 1e-4  # of the largest output: reordered float32 sums stay within
QUANTISED_RELATIVE = 2e-2  # on the mean: single values may round to a neighbouring step
Arrays = list[Any]


def quiet() -> None:
    """Before TensorFlow is imported: no GPU search, no greeting."""
    import os

    os.environ.update(CUDA_VISIBLE_DEVICES="", TF_CPP_MIN_LOG_LEVEL="3", TF_USE_LEGACY_KERAS="1")


def export(
    function: Any,  # noqa: ANN401 - ConcreteFunction
    target: Path,
    *,
    inputs: Sequence[str],
    outputs: Sequence[str],
    opset: int = OPSET,
) -> None:
    """Write ``function`` to ``target``; its tensors get the names given, in order; axis 0 is "batch".

    Raises JobError convert.unsupported-op for operators that ONNX has no counterpart of.
    """
    import onnx
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    frozen = convert_variables_to_constants_v2(function, lower_control_flow=False, aggressive_inlining=True)
    graph = frozen.graph.as_graph_def(add_shapes=True)
    proto = _translate(graph, [t.name for t in frozen.inputs], [t.name for t in frozen.outputs], opset)
    main = proto.graph
    _rename(main, {t.name: name for t, name in zip(frozen.inputs, inputs, strict=True)}, main.input)
    _rename(main, {t.name: name for t, name in zip(frozen.outputs, outputs, strict=True)}, main.output)
    _name_free_axes(proto.graph)
    proto.ir_version = min(proto.ir_version, IR_VERSION)
    proto.producer_name, proto.producer_version, proto.doc_string = "tf2onnx", _version(), ""
    proto.graph.doc_string, proto.graph.name = "", "main"
    onnx.checker.check_model(proto, full_check=True)
    onnx.save(proto, str(target))


def _version() -> str:
    from importlib import metadata

    return metadata.version("tf2onnx")


def _translate(graph: Any, inputs: list[str], outputs: list[str], opset: int) -> Any:  # noqa: ANN401
    import tensorflow as tf
    import tf2onnx
    from tf2onnx import tf_loader

    operators = {node.op for node in graph.node}
    for part in graph.library.function:
        operators |= {node.op for node in part.node_def}
    lifted: dict[str, fake_quant.Weights] = {}
    if operators & set(fake_quant.OPERATORS):
        graph, lifted = fake_quant.lift(graph)
    given = [*inputs, *(f"{name}:0" for name in lifted)]
    with tf.Graph().as_default() as first, tf_loader.tf_session(graph=first):
        tf.import_graph_def(graph, name="")
        graph = tf_loader.tf_optimize(given, outputs, graph)
    tf2onnx.utils.INTERNAL_NAME = 1  # it counts through the whole process; the same graph, the same file
    own = {**fake_quant.handlers(), "Erfc": (_erfc, [])}
    with tf.Graph().as_default() as session_graph:
        tf.import_graph_def(graph, name="")
        with tf_loader.tf_session(graph=session_graph):
            made = tf2onnx.tfonnx.process_tf_graph(
                session_graph, opset=opset, input_names=given, output_names=outputs, custom_op_handlers=own
            )
        proto = tf2onnx.optimizer.optimize_graph(made).make_model("farm")
    fake_quant.lower(proto, lifted)
    known = {"", "ai.onnx", "ai.onnx.ml"}
    foreign = sorted({node.op_type for node in proto.graph.node if node.domain not in known})
    unknown = sorted({node.op_type for node in proto.graph.node} & _unmapped(made))
    if foreign or unknown:
        raise JobError(
            f"ONNX has no operator for {', '.join(foreign or unknown)}",
            code="convert.unsupported-op",
            fix="leave this part of the model to the program that calls it",
        )
    return proto


def _unmapped(graph: Any) -> set[str]:  # noqa: ANN401 - tf2onnx Graph
    """Operators that tf2onnx left as TensorFlow's, which the ONNX schemas do not know."""
    import onnx

    return {node.type for node in graph.get_nodes() if not onnx.defs.has(node.type)}


def _erfc(ctx: Any, node: Any, _name: str, _args: list[Any]) -> Any:  # noqa: ANN401 - tf2onnx
    """1 - erf(x): what an exact GELU is made of, and tf2onnx has no operator for."""
    import numpy as np
    import tf2onnx

    shape, dtype, outputs = ctx.get_shape(node.output[0]), ctx.get_dtype(node.output[0]), node.output
    kind = tf2onnx.utils.map_onnx_to_numpy_type(dtype)
    one = ctx.make_const(tf2onnx.utils.make_name("one"), np.array(1, kind)).output[0]
    source = node.input[0]
    ctx.remove_node(node.name)
    erf = ctx.make_node("Erf", [source], dtypes=[dtype], shapes=[shape]).output[0]
    return ctx.make_node("Sub", [one, erf], outputs=outputs, name=node.name, dtypes=[dtype], shapes=[shape])


def _rename(graph: Any, names: Mapping[str, str], values: Any) -> None:  # noqa: ANN401 - GraphProto
    """Give tensors and ``values`` (inputs or outputs) the names that users know."""
    wanted = set(names.values()) - set(names)
    moved = {name: f"{name}__inner" for name in wanted if name in _tensors(graph)}
    every = {**moved, **names}
    for node in _nodes(graph):
        node.input[:] = [every.get(name, name) for name in node.input]
        node.output[:] = [every.get(name, name) for name in node.output]
    for item in (*graph.initializer, *graph.value_info, *values):
        item.name = every.get(item.name, item.name)


def _nodes(graph: Any) -> list[Any]:  # noqa: ANN401 - GraphProto
    found = []
    for node in graph.node:
        found.append(node)
        for attribute in node.attribute:
            if attribute.HasField("g"):
                found.extend(_nodes(attribute.g))
    return found


def _tensors(graph: Any) -> set[str]:  # noqa: ANN401 - GraphProto
    names = {item.name for item in graph.initializer}
    return names.union(*(set(node.output) for node in _nodes(graph))) if graph.node else names


def _name_free_axes(graph: Any) -> None:  # noqa: ANN401 - GraphProto
    """tf2onnx numbers free dimensions: axis 0 is the batch, others get the tensor's name and their place."""
    for item in (*graph.input, *graph.output):
        for axis, size in enumerate(item.type.tensor_type.shape.dim):
            if not size.HasField("dim_value") or size.dim_value < 0:
                size.dim_param = "batch" if axis == 0 else f"{item.name}_{axis}"


def compare(
    target: Path, run: Callable[[Arrays], Arrays], specs: list[dict[str, Any]], seed: int, what: str
) -> dict[str, Any]:
    """Run the framework and ONNX Runtime on the same two batches; answers what was seen.

    ``specs``: {"name", "dtype", "shape"} with None for free axes. Raises JobError convert.mismatch.
    """
    import numpy as np
    import onnxruntime

    session = onnxruntime.InferenceSession(str(target), providers=["CPUExecutionProvider"])
    quantised = any(node == "QuantizeLinear" for node in _operator_types(target))
    names = [item.name for item in session.get_inputs()]
    worst, worst_relative = 0.0, 0.0
    for feed in _feeds(run, specs, seed):
        wanted = run(feed)
        given = {item["name"]: array for item, array in zip(specs, feed, strict=True)}
        got = session.run(None, {name: given[name] for name in names})
        for name, one, other in zip([o.name for o in session.get_outputs()], wanted, got, strict=True):
            if one.shape != other.shape:
                raise _mismatch(what, f"{name} has the shape {other.shape}, not {one.shape}")
            error, relative = _difference(np.asarray(one), np.asarray(other), mean=quantised)
            if not relative <= (QUANTISED_RELATIVE if quantised else RELATIVE):
                raise _mismatch(what, f"{name} differs by {error:.3g}, {relative:.2g} of its largest value")
            worst, worst_relative = max(worst, error), max(worst_relative, relative)
    return {"max_abs_error": worst, "max_rel_error": worst_relative, "samples": samples.SAMPLES * BATCH}


def _operator_types(target: Path) -> set[str]:
    import onnx

    return {node.op_type for node in onnx.load(str(target), load_external_data=False).graph.node}


def _difference(wanted: Any, got: Any, *, mean: bool) -> tuple[float, float]:  # noqa: ANN401 - numpy
    """The largest (or mean) absolute difference, and that in parts of the largest value. NaN meets NaN."""
    import numpy as np

    if wanted.size == 0:
        return 0.0, 0.0
    wanted, got = wanted.astype(np.float64), got.astype(np.float64)
    same = (wanted == got) | (np.isnan(wanted) & np.isnan(got))
    errors = np.where(same, 0.0, np.abs(wanted - got))
    error = float(errors.mean() if mean else errors.max())
    finite = wanted[np.isfinite(wanted)]
    largest = float(np.abs(finite).max()) if finite.size else 0.0
    return error, error / max(largest, 1e-3)


def _feeds(run: Callable[[Arrays], Arrays], specs: list[dict[str, Any]], seed: int) -> list[Arrays]:
    """Two seeded batches. Free axes get the first size that the network takes."""
    failure: Exception | None = None
    for size in FREE_SIZES:
        shaped = [
            {**item, "shape": [BATCH if k == 0 and n is None else size if n is None else n
                               for k, n in enumerate(item["shape"])]}
            for item in specs
        ]  # fmt: skip
        feeds = samples.seeded({"seed": seed}, shaped)
        try:
            run(feeds[0])
        except Exception as error:  # noqa: BLE001 - TensorFlow's errors have no common base
            failure = error
        else:
            return feeds
        if all(None not in item["shape"][1:] for item in specs):
            break
    text = " ".join(str(failure).split())[:300]
    raise UsageError(
        f"the framework itself cannot run this network: {type(failure).__name__}: {text}",
        code="model.invalid",
        fix="check that the saved model runs in the framework it comes from",
    )


def refuse_types(specs: list[dict[str, Any]]) -> None:
    """Raise UsageError model.unsupported-type for inputs that no tensor of numbers is, such as strings."""
    for item in specs:
        if item["dtype"] in ("string", "resource", "variant"):
            raise UsageError(
                f"input {item['name']!r} takes {item['dtype']}s, which no runtime on a device does",
                code="model.unsupported-type",
                fix="export the part of the model behind this preprocessing",
            )


def unique(names: Sequence[str]) -> list[str]:
    """The same names, numbered where one comes twice."""
    found: list[str] = []
    for name in names:
        number, candidate = 1, name
        while candidate in found:
            number, candidate = number + 1, f"{name}_{number}"
        found.append(candidate)
    return found


def _mismatch(what: str, why: str) -> JobError:
    return JobError(
        f"{what}: ONNX Runtime answers otherwise than the framework: {why}",
        code="convert.mismatch",
        fix="export the network to ONNX yourself and name that file",
    )
