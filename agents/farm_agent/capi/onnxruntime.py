"""ONNX Runtime through its C API: a session whose Run is called with values made once.

The library is libonnxruntime.so of the Python wheel: the same build as the Python module's own.
"""

from __future__ import annotations

import ctypes
from typing import Any, Callable, Dict, List, Mapping, Sequence, Tuple

from farm_agent import native
from farm_agent.capi import Library, Sizes, aligned, copied, dlopen, find
from farm_agent.capi.ort_api import Api
from farm_agent.errors import JobError
from farm_agent.runtimes import match_all, threads_of
from farm_agent.runtimes.onnxruntime import ACCURACY_LEVEL, accuracy_level
from farm_agent.wire import TensorSpec

# enum ONNXTensorElementDataType
TYPES = {
    1: "float32",
    2: "uint8",
    3: "int8",
    4: "uint16",
    5: "int16",
    6: "int32",
    7: "int64",
    9: "bool",
    10: "float16",
    11: "float64",
    12: "uint32",
    13: "uint64",
}
NUMBERS = {name: number for number, name in TYPES.items()}
SEVERITY_ERROR = 3
ARENA_ALLOCATOR, MEMORY_DEFAULT = 1, 0


def library() -> Library:
    """libonnxruntime.so of the installed wheel. Raises Unavailable."""
    api = Api(dlopen(find("onnxruntime", ["capi/libonnxruntime.so*"])))
    return Library(api, api.version)


def refusal(options: Mapping[str, Any]) -> str:
    """Other execution providers are set up by the Python package."""
    provider = str(options.get("provider") or "CPUExecutionProvider")
    return "" if provider == "CPUExecutionProvider" else f"{provider} is called through Python"


def open(library: Library, path: str, options: Mapping[str, Any], sizes: Sizes) -> Session:  # noqa: A001
    """Load a model with the settings of the Python session. Raises JobError runtime.*, model.*."""
    del sizes  # outputs are allocated by the runtime
    return Session(library.handle, path, options)


class Session:
    """A loaded model; see ``farm_agent.runtimes.Session``."""

    def __init__(self, api: Api, path: str, options: Mapping[str, Any]) -> None:
        self._api = api
        self._environment = self._memory = self._session = ctypes.c_void_p()
        self._feed: List[Any] = []
        self._values = self._results = (ctypes.c_void_p * 0)()
        try:
            self._load(path, options)
        except BaseException:
            self.close()
            raise

    def _load(self, path: str, options: Mapping[str, Any]) -> None:
        self._environment = self._api.pointer("load", "CreateEnv", SEVERITY_ERROR, b"farm")
        self._memory = self._api.pointer("load", "CreateCpuMemoryInfo", ARENA_ALLOCATOR, MEMORY_DEFAULT)
        self._session = _create(self._api, self._environment, path, options)
        self._inputs = self._specs("Input")
        self._outputs = self._specs("Output")
        self._values = (ctypes.c_void_p * len(self._inputs))()
        self._results = (ctypes.c_void_p * len(self._outputs))()
        self._input_names = _strings([spec.name for spec in self._inputs])
        self._output_names = _strings([spec.name for spec in self._outputs])

    def _specs(self, kind: str) -> List[TensorSpec]:
        count = self._api.size(f"SessionGet{kind}Count", self._session)
        return [_spec(self._api, self._session, kind, index) for index in range(count)]

    def inputs(self) -> List[TensorSpec]:
        return list(self._inputs)

    def outputs(self) -> List[TensorSpec]:
        return list(self._outputs)

    def bind(self, feed: Mapping[str, Any]) -> None:
        """Values over copies of the arrays. The first run allocates each output, the others fill it again."""
        match_all([spec.name for spec in self._inputs], feed)
        self._release_values()
        for index, spec in enumerate(self._inputs):
            array = aligned(feed[spec.name])
            self._feed.append(array)
            shape = (ctypes.c_int64 * max(1, array.ndim))(*array.shape)
            number = NUMBERS.get(str(array.dtype), 0)
            arguments = (self._memory, array.ctypes.data, array.nbytes, shape, array.ndim, number)
            value = self._api.pointer("bind", "CreateTensorWithDataAsOrtValue", *arguments)
            self._values[index] = value.value

    @property
    def native_call(self) -> native.Call:
        """``Run(session, no options, names, values, count, names, count, results)``."""
        if not self._feed and self._inputs:
            raise JobError("no inputs were bound", code="input.missing")
        address = ctypes.addressof
        arguments = (
            *(self._session.value or 0, 0, address(self._input_names), address(self._values)),
            *(len(self._inputs), address(self._output_names), len(self._outputs), address(self._results)),
        )
        return native.Call(
            self._api.address("Run"),
            arguments,
            ctypes.sizeof(ctypes.c_void_p),
            lambda status: self._api.error("run", status),
        )

    @property
    def call(self) -> Callable[[], Any]:
        return native.once(self.native_call)

    def fetch(self) -> Dict[str, Any]:
        return {spec.name: self._copy(self._results[index]) for index, spec in enumerate(self._outputs)}

    def _copy(self, value: Any) -> Any:  # noqa: ANN401 - an OrtValue, then a numpy array
        info = self._api.pointer("run", "GetTensorTypeAndShape", value)
        try:
            dtype, shape = _type_and_shape(self._api, info)
        finally:
            self._api.release("TensorTypeAndShapeInfo", info)
        data = self._api.pointer("run", "GetTensorMutableData", value)
        return copied(data.value or 0, dtype, shape)

    def proof(self) -> None:
        """The check's Python session tells."""

    def close(self) -> None:
        self._release_values()
        self._api.release("Session", self._session)
        self._api.release("MemoryInfo", self._memory)
        self._api.release("Env", self._environment)
        self._session = self._memory = self._environment = ctypes.c_void_p()

    def _release_values(self) -> None:
        for values in (self._values, self._results):
            for index in range(len(values)):
                self._api.release("Value", values[index])
                values[index] = None
        self._feed = []


def _create(api: Api, environment: Any, path: str, options: Mapping[str, Any]) -> ctypes.c_void_p:  # noqa: ANN401
    """The settings are those of ``runtimes.onnxruntime``; what is not set has the same default in both."""
    settings = api.pointer("load", "CreateSessionOptions")
    try:
        api.do("load", "SetIntraOpNumThreads", settings, threads_of(options))
        api.do("load", "SetInterOpNumThreads", settings, 1)
        api.do("load", "SetSessionLogSeverityLevel", settings, SEVERITY_ERROR)
        spinning = str(options.get("allow_spinning", "0")).encode()
        api.do("load", "AddSessionConfigEntry", settings, b"session.intra_op.allow_spinning", spinning)
        level = accuracy_level(options).encode()
        api.do("load", "AddSessionConfigEntry", settings, ACCURACY_LEVEL.encode(), level)
        return api.pointer("load", "CreateSession", environment, path.encode(), settings)
    finally:
        api.release("SessionOptions", settings)


def _spec(api: Api, session: Any, kind: str, index: int) -> TensorSpec:  # noqa: ANN401
    allocator = api.pointer("load", "GetAllocatorWithDefaultOptions")
    text = api.pointer("load", f"SessionGet{kind}Name", session, index, allocator)
    name = ctypes.string_at(text.value or 0).decode(errors="replace")
    api.do("load", "AllocatorFree", allocator, text)
    info = api.pointer("load", f"SessionGet{kind}TypeInfo", session, index)
    try:
        tensor = api.pointer("load", "CastTypeInfoToTensorInfo", info)  # belongs to info
        dtype, shape = _type_and_shape(api, tensor) if tensor else ("", ())
    finally:
        api.release("TypeInfo", info)
    if not dtype:
        raise JobError(
            f"{name} has a type that cannot be measured",
            code="model.unsupported-type",
            fix="export the model with numeric tensors as inputs and outputs",
        )
    return TensorSpec(name, dtype, tuple(size if size >= 0 else -1 for size in shape))


def _type_and_shape(api: Api, tensor: Any) -> Tuple[str, Tuple[int, ...]]:  # noqa: ANN401
    kind = ctypes.c_int()
    api.do("load", "GetTensorElementType", tensor, ctypes.byref(kind))
    rank = api.size("GetDimensionsCount", tensor)
    shape = (ctypes.c_int64 * max(1, rank))()
    api.do("load", "GetDimensions", tensor, shape, rank)
    return TYPES.get(kind.value, ""), tuple(shape[:rank])


def _strings(words: Sequence[str]) -> Any:  # noqa: ANN401 - a ctypes array
    return (ctypes.c_char_p * len(words))(*[word.encode() for word in words])
