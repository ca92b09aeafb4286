"""OpenVINO. Options: device (default CPU), precision (fp32 or fp16, asked for)."""

from __future__ import annotations

import functools
import sys
from collections import Counter
from typing import Any, Callable, Dict, List, Mapping, Optional, Tuple

from farm_agent import faults, openvino_weights
from farm_agent.errors import JobError
from farm_agent.runtimes import Probe, match_all, threads_of
from farm_agent.trace import precision_of, summarise
from farm_agent.wire import PrecisionProof, TensorSpec

DTYPES = {
    "f16": "float16",
    "f32": "float32",
    "f64": "float64",
    "boolean": "bool",
    **{f"i{bits}": f"int{bits}" for bits in (8, 16, 32, 64)},
    **{f"u{bits}": f"uint{bits}" for bits in (8, 16, 32, 64)},
}
# Names of older releases.
DTYPES.update({"fp16": "float16", "fp32": "float32", "bool": "bool", "char": "bool"})
IDLE_LAYERS = frozenset(
    # Control flow is listed by the type of its condition; what runs inside is not told.
    ["Input", "Output", "Parameter", "Result", "Const", "Constant", "If", "Loop", "TensorIterator"]
)
MOVERS = frozenset(
    [
        "Reorder",
        "Reshape",
        "Transpose",
        "Convert",
        "Concatenation",
        "Split",
        "Gather",
        "StridedSlice",
        "Pad",
        "Tile",
    ]
)

# Layers of a compiled model that always carry weights. Others do where operations that carry them were fused
# into them, which their original names tell.
WEIGHTED = frozenset(
    ["Convolution", "Deconvolution", "BinaryConvolution", "FullyConnected", "RNNCell", "RNNSeq"]
)

DYNAMIC = "DYNAMIC_QUANTIZATION_GROUP_SIZE"

# What an import of it reads from the disk.
PACKAGES = ("openvino",)
FILES_DECIDE = True


def probe() -> Probe:
    """Whether this Python has OpenVINO."""
    try:
        openvino = _without_telemetry()
    except Exception as error:  # noqa: BLE001 - a broken wheel may raise anything
        problem = faults.missing("OpenVINO", "openvino", error)
        return Probe("", problem.message, problem.fix)
    return Probe(str(openvino.__version__).split("-")[0])


def open(path: str, options: Mapping[str, Any]) -> Session:  # noqa: A001 - the seam's name
    """Load a model. Raises JobError runtime.missing, runtime.device, runtime.load-failed, model.*."""
    try:
        openvino = _without_telemetry()
    except Exception as error:
        raise faults.missing("OpenVINO", "openvino", error) from error
    return Session(openvino, path, options)


def _without_telemetry() -> Any:  # noqa: ANN401 - the openvino module
    """Import OpenVINO so that it reports to nobody.

    Its telemetry package would send a report from the device and, without a network, hold every process
    for seconds at its end.
    """
    sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]
    import openvino

    return openvino


class Session:
    """A compiled model; see ``farm_agent.runtimes.Session``."""

    def __init__(self, openvino: Any, path: str, options: Mapping[str, Any]) -> None:  # noqa: ANN401
        self._openvino = openvino
        device = str(options.get("device") or "CPU")
        core = openvino.Core()
        if device not in core.available_devices:
            raise JobError(
                "OpenVINO sees no device {}; it sees {}".format(device, ", ".join(core.available_devices)),
                code="runtime.device",
                fix="install the driver of that device, or choose another one",
            )
        settings = {
            "INFERENCE_NUM_THREADS": str(threads_of(options)),
            "NUM_STREAMS": "1",
            "PERFORMANCE_HINT": "LATENCY",
            # Never left to OpenVINO: on some CPUs it computes in bfloat16 by itself.
            "INFERENCE_PRECISION_HINT": _hint(core, device, str(options.get("precision", "fp32"))),
        }
        if DYNAMIC in core.get_property(device, "SUPPORTED_PROPERTIES"):
            # Neither left to it: it would round the inputs of layers with compressed weights to 8 bits.
            settings[DYNAMIC] = "0"
        if device != "CPU":
            del settings["INFERENCE_NUM_THREADS"]
        self.device = device
        self._core, self._path, self._settings = core, path, settings
        self._compile()
        self._held: List[Any] = []

    def _compile(self) -> None:
        try:
            self._compiled = self._core.compile_model(
                self._core.read_model(self._path), self.device, self._settings
            )
            self._request = self._compiled.create_infer_request()
        except Exception as error:
            raise faults.runtime_error("OpenVINO", "load", error) from error

    def profile(self, feed: Mapping[str, Any]) -> Any:  # noqa: ANN401 - openvino.InferRequest
        """Compile again with counters per layer and bind; the request that ``call`` runs from now on."""
        self._settings["PERF_COUNT"] = "YES"
        self._compile()
        self.bind(feed)
        return self._request

    def inputs(self) -> List[TensorSpec]:
        return [_spec(port) for port in self._compiled.inputs]

    def outputs(self) -> List[TensorSpec]:
        return [_spec(port) for port in self._compiled.outputs]

    def bind(self, feed: Mapping[str, Any]) -> None:
        aliases = [(port, _names(port)) for port in self._compiled.inputs]
        match_all([next((n for n in names if n in feed), names[0]) for _, names in aliases], feed)
        self._held = []
        for port, names in aliases:
            array = feed[next(name for name in names if name in feed)]
            try:
                # Rank 0 cannot be shared: its array is copied.
                tensor = self._openvino.Tensor(array, shared_memory=bool(array.shape) and array.size > 0)
                self._request.set_tensor(port, tensor)
            except Exception as error:
                raise faults.runtime_error("OpenVINO", "bind", error) from error
            self._held.append((array, tensor))

    @property
    def call(self) -> Callable[[], Any]:
        # With shared outputs no result is copied; the inputs are those that bind set.
        return functools.partial(self._request.infer, None, share_inputs=True, share_outputs=True)

    def fetch(self) -> Dict[str, Any]:
        return {
            _names(port)[0]: self._request.get_tensor(port).data.copy() for port in self._compiled.outputs
        }

    def proof(self) -> Optional[PrecisionProof]:
        """Precision of every layer of the compiled graph, as its runtime model tells."""
        computing: Counter[str] = Counter()
        moving: Counter[str] = Counter()
        weighted: Counter[str] = Counter()
        weights, carriers = openvino_weights.stored(self._core.read_model(self._path))
        for layer in self._compiled.get_runtime_model().get_ops():
            info = layer.get_rt_info()
            kind = _text(info, "layerType") or layer.get_type_name()
            if kind in IDLE_LAYERS:
                continue
            precision = executed(_text(info, "primitiveType"), _text(info, "runtimePrecision"))
            (moving if kind in MOVERS else computing)[precision] += 1
            fused = carriers.intersection(_text(info, "originalLayersNames").split(","))
            if fused or kind in WEIGHTED:
                weighted[precision] += max(1, len(fused))
        hint = str(self._compiled.get_property("INFERENCE_PRECISION_HINT"))
        source = f"OpenVINO runtime model: kernel of every layer (INFERENCE_PRECISION_HINT {hint}"
        if DYNAMIC in self._settings:
            source += f", {DYNAMIC} {self._compiled.get_property(DYNAMIC)}"
        source += ")"
        return summarise(computing, moving, source, weighted, weights)

    def close(self) -> None:
        self._request = None
        self._compiled = None


def _hint(core: Any, device: str, precision: str) -> str:  # noqa: ANN401 - openvino.Core
    """fp16 only where the device computes in it; the proof tells what came of it."""
    capable = "FP16" in core.get_property(device, "OPTIMIZATION_CAPABILITIES")
    return "f16" if precision == "fp16" and capable else "f32"


def executed(primitive: str, declared: str) -> str:
    """The precision of a layer's kernel, from its name (``brgemm_avx512_f32``).

    ``declared`` (runtimePrecision) counts only where the kernel has no name: for a layer with compressed
    weights it names the precision that they are stored in, not the one they are multiplied in.
    """
    kernel, _, suffix = primitive.rpartition("_")
    known = precision_of(suffix.lower()) if kernel and kernel != "unknown" else "other"
    return known if known != "other" else precision_of(declared)


def _names(port: Any) -> Tuple[str, ...]:  # noqa: ANN401 - openvino.ConstOutput
    """All names of a port, the one that it reports itself first; its node's name when it has none."""
    names = sorted(port.get_names())
    if not names:
        return (str(port.get_node().get_friendly_name()),)
    first = str(port.get_any_name())
    return (first, *(name for name in names if name != first))


def _spec(port: Any) -> TensorSpec:  # noqa: ANN401
    name, kind = _names(port)[0], str(port.get_element_type().get_type_name())
    if kind not in DTYPES:
        raise JobError(
            f"{name} has the type {kind}, which cannot be measured",
            code="model.unsupported-type",
            fix="export the model with numeric tensors as inputs and outputs",
        )
    shape = port.get_partial_shape()
    if shape.rank.is_dynamic:
        return TensorSpec(name, DTYPES[kind], (-1,))
    sizes = tuple(-1 if size.is_dynamic else int(size.get_length()) for size in shape)
    return TensorSpec(name, DTYPES[kind], sizes)


def _text(info: Any, key: str) -> str:  # noqa: ANN401 - RTMap
    try:
        value = info[key]
    except (KeyError, RuntimeError):
        return ""
    return str(getattr(value, "value", value))
