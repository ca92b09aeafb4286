"""ONNX to a TensorRT engine through the Python interface, in both regimes.

Weakly typed (TensorRT 10 and older): flags of the builder allow a precision, the builder chooses per layer.
Strongly typed (10 on request, from 11 on always): the types in the graph are those that run. Nothing here
imports TensorRT: the module is handed in, so that TensorRT-RTX, which has the same parser and builder, can
walk the same way.
"""

from __future__ import annotations

from dataclasses import field
from typing import Any, Callable, List, Mapping, Optional, Tuple

from farm_agent import trt_log
from farm_agent.errors import JobError
from farm_agent.late import dataclass

STRONG, WEAK = "strong", "weak"
WEAK_FLAGS: Mapping[str, Tuple[str, ...]] = {"fp16": ("FP16",), "int8": ("INT8",), "fp32": ()}


@dataclass(frozen=True)
class Order:
    """What to build. ``shapes``: of inputs that the file leaves open. ``typing``: strong, weak or "" (by
    release and graph). ``options``: fp16 = "yes" lets an int8 build fall back to fp16 as well;
    optimization_level, aux_streams: numbers for the builder."""

    model: str
    precision: str = "fp32"
    typing: str = ""
    workspace_bytes: int = 0
    timing_cache: bytes = b""
    shapes: Mapping[str, Tuple[int, ...]] = field(default_factory=dict)
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Built:
    """A serialised engine, how it was typed, and the timing cache after it (b"" where there is none)."""

    engine: bytes
    typed: str
    timing_cache: bytes
    log_tail: str


def major_of(trt: Any) -> int:  # noqa: ANN401 - the tensorrt module
    """10 of "10.3.0.26"."""
    head = str(trt.__version__).partition(".")[0]
    return int(head) if head.isdigit() else 0


def weak_flags(order: Order) -> Tuple[str, ...]:
    """The builder's flags that allow the precision asked for, in weak typing."""
    also = ("FP16",) if order.precision == "int8" and order.options.get("fp16") == "yes" else ()
    return (*WEAK_FLAGS.get(order.precision, ()), *also)


def regimes(major: int, asked: str) -> Tuple[str, ...]:
    """The regimes to try for a release, in order. Raises JobError build.no-regime."""
    if asked == WEAK and major >= 11:
        raise JobError(
            f"TensorRT {major} builds strongly typed engines only",
            code="build.no-regime",
            fix="leave the target's option typing away",
        )
    if asked == STRONG and major < 10:
        raise JobError(
            f"TensorRT {major} has no strong typing that can be relied on",
            code="build.no-regime",
            fix="leave the target's option typing away",
        )
    if asked in (STRONG, WEAK):
        return (asked,)
    return (STRONG,) if major >= 11 else (STRONG, WEAK) if major == 10 else (WEAK,)


def build(
    trt: Any,  # noqa: ANN401 - the tensorrt module
    order: Order,
    *,
    major: Optional[int] = None,
    calibrator: Any = None,  # noqa: ANN401 - trt.IInt8EntropyCalibrator2
    adjust: Optional[Callable[[Any, Any], None]] = None,
) -> Built:
    """One engine. ``adjust(trt, config)`` may set what only one kind of TensorRT has.

    Raises JobError convert.unsupported-op, convert.unsupported, convert.precision (the graph has not the
    types that a strongly typed engine of this precision needs), build.no-regime, runtime.out-of-memory.
    """
    logger = trt_log.logger(trt)
    builder = trt.Builder(logger)
    ways = regimes(major_of(trt) if major is None else major, order.typing)
    for way in ways:
        network, parser = _parsed(trt, builder, logger, order.model, way)
        lacks = _lacks(trt, network, order.precision) if way == STRONG else ""
        if not lacks:
            break
        if way == ways[-1]:
            raise JobError(
                f"a strongly typed engine computes in the graph's own types, and {lacks}",
                code="convert.precision",
                fix="leave the target's option graph away, so that the graph is prepared with the types",
            )
    config = _configured(trt, builder, network, order, way)
    if calibrator is not None and way == WEAK and order.precision == "int8" and not _has_qdq(trt, network):
        config.int8_calibrator = calibrator
    if adjust is not None:
        adjust(trt, config)
    cache = _timing_cache(config, order.timing_cache)
    engine = builder.build_serialized_network(network, config)
    if engine is None:
        raise trt_log.refused("cannot build an engine", logger.errors)
    del parser  # it must live as long as the network is used
    return Built(bytes(engine), way, _serialised(cache), "\n".join(logger.lines))


def _parsed(trt: Any, builder: Any, logger: Any, model: str, way: str) -> Tuple[Any, Any]:  # noqa: ANN401
    flags = trt.NetworkDefinitionCreationFlag
    bits = 0
    if hasattr(flags, "EXPLICIT_BATCH"):
        bits |= 1 << int(flags.EXPLICIT_BATCH)
    if way == STRONG and hasattr(flags, "STRONGLY_TYPED"):  # where there is no other way it may have no name
        bits |= 1 << int(flags.STRONGLY_TYPED)
    network = builder.create_network(bits)
    parser = trt.OnnxParser(network, logger)
    if not parser.parse_from_file(model):
        raise trt_log.refused("cannot read the model", trt_log.parser_words(parser) or logger.errors)
    return network, parser


def _lacks(trt: Any, network: Any, precision: str) -> str:  # noqa: ANN401
    """What a strongly typed graph of this precision would have and this one has not; ""."""
    if precision == "fp16" and not any(kind == trt.DataType.HALF for kind in _types(network)):
        return "this graph has no float16 tensors"
    if precision == "int8" and not _has_qdq(trt, network):
        return "this graph has no QuantizeLinear"
    return ""


def _types(network: Any) -> List[Any]:  # noqa: ANN401
    found = []
    for index in range(network.num_layers):
        layer = network.get_layer(index)
        found += [layer.get_output(place).dtype for place in range(layer.num_outputs)]
    return found


def _has_qdq(trt: Any, network: Any) -> bool:  # noqa: ANN401
    kinds = (trt.LayerType.QUANTIZE, trt.LayerType.DEQUANTIZE)
    return any(network.get_layer(index).type in kinds for index in range(network.num_layers))


def _configured(trt: Any, builder: Any, network: Any, order: Order, way: str) -> Any:  # noqa: ANN401
    config = builder.create_builder_config()
    if order.workspace_bytes:
        config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, order.workspace_bytes)
    config.profiling_verbosity = trt.ProfilingVerbosity.DETAILED
    if order.precision == "fp32" and hasattr(trt.BuilderFlag, "TF32"):
        # On by default: products rounded to 10 bits are not what fp32 promises
        config.clear_flag(trt.BuilderFlag.TF32)
    if way == WEAK:
        for name in weak_flags(order):
            config.set_flag(getattr(trt.BuilderFlag, name))
    for option, attribute in (
        ("optimization_level", "builder_optimization_level"),
        ("aux_streams", "max_aux_streams"),
    ):
        if option in order.options:
            setattr(config, attribute, number(option, order.options[option]))
    _fix_shapes(builder, network, config, order.shapes)
    return config


def _fix_shapes(builder: Any, network: Any, config: Any, shapes: Mapping[str, Tuple[int, ...]]) -> None:  # noqa: ANN401
    """One optimisation profile with one shape, where the file leaves sizes open."""
    tensors = [network.get_input(index) for index in range(network.num_inputs)]
    if not any(size < 0 for tensor in tensors for size in tensor.shape):
        return
    profile = builder.create_optimization_profile()
    for tensor in tensors:
        shape = shapes.get(tensor.name, tuple(tensor.shape))
        if any(size < 0 for size in shape):
            raise JobError(
                f"the input {tensor.name} has an open size and no shape was given for it",
                code="build.no-shape",
                fix="give --shape",
            )
        profile.set_shape(tensor.name, shape, shape, shape)
    config.add_optimization_profile(profile)


def _timing_cache(config: Any, data: bytes) -> Any:  # noqa: ANN401 - trt.ITimingCache or None
    """A cache of this device, or an empty one where TensorRT refuses what it is given."""
    for blob in (data, b"") if data else (b"",):
        cache = config.create_timing_cache(blob)
        if cache is not None and config.set_timing_cache(cache, False):  # noqa: FBT003 - not a mismatched one
            return cache
    return None


def _serialised(cache: Any) -> bytes:  # noqa: ANN401
    data = cache.serialize() if cache is not None else None
    return bytes(data) if data is not None else b""


def number(option: str, text: str) -> int:
    """An option that is a number. Raises JobError convert.option."""
    if not text.isdigit():
        raise JobError(
            f"the option {option} is {text!r}, not a number",
            code="convert.option",
            fix="correct it in the target",
        )
    return int(text)
