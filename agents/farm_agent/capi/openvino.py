"""OpenVINO through its C API (libopenvino_c of the Python wheel): infer on tensors that were set once."""

from __future__ import annotations

import ctypes
import re
from pathlib import Path
from typing import Any, Callable, Dict, List, Mapping, Tuple

from farm_agent import faults, native
from farm_agent.capi import Library, Sizes, aligned, copied, dlopen, find
from farm_agent.errors import FarmError, JobError
from farm_agent.runtimes import match_all, threads_of
from farm_agent.wire import TensorSpec

# Names of ov_element_type_e. Their numbers moved between releases: they are read from the wheel's own header.
DTYPES = {
    "BOOLEAN": "bool",
    **{f"F{bits}": f"float{bits}" for bits in (16, 32, 64)},
    **{f"I{bits}": f"int{bits}" for bits in (8, 16, 32, 64)},
    **{f"U{bits}": f"uint{bits}" for bits in (8, 16, 32, 64)},
}
HEADER_LIMIT = 1_000_000
DYNAMIC = "DYNAMIC_QUANTIZATION_GROUP_SIZE"


class _Shape(ctypes.Structure):
    """``ov_shape_t``."""

    _fields_ = (("rank", ctypes.c_int64), ("dims", ctypes.POINTER(ctypes.c_int64)))


class _Dimension(ctypes.Structure):
    """``ov_dimension_t``."""

    _fields_ = (("min", ctypes.c_int64), ("max", ctypes.c_int64))


class _PartialShape(ctypes.Structure):
    """``ov_partial_shape_t``."""

    _fields_ = (("rank", _Dimension), ("dims", ctypes.POINTER(_Dimension)))


class _Version(ctypes.Structure):
    """``ov_version_t``."""

    _fields_ = (("build", ctypes.c_char_p), ("description", ctypes.c_char_p))


class Api:
    """The C functions, with statuses turned into errors. ``types``: number of an element type -> numpy's."""

    def __init__(self, handle: Any, types: Mapping[int, str]) -> None:  # noqa: ANN401 - ctypes.CDLL
        self.handle = handle
        self.types = types
        handle.ov_get_last_err_msg.restype = ctypes.c_char_p

    def do(self, action: str, name: str, *arguments: Any) -> None:  # noqa: ANN401
        """Call a function that returns ov_status_e. Raises its failure to ``action`` (load, bind, run)."""
        status = getattr(self.handle, name)(*arguments)
        if status:
            raise self.error(action, status)

    def pointer(self, action: str, name: str, *arguments: Any) -> ctypes.c_void_p:  # noqa: ANN401
        """Call a function whose last argument is where it writes a pointer."""
        out = ctypes.c_void_p()
        self.do(action, name, *arguments, ctypes.byref(out))
        return out

    def free(self, kind: str, what: ctypes.c_void_p) -> None:
        """Free an object of a kind (core, model, tensor)."""
        if what:
            getattr(self.handle, f"ov_{kind}_free")(what)

    def error(self, action: str, status: int) -> FarmError:
        """The library's own words."""
        text = self.handle.ov_get_last_err_msg() or b""
        said = text.decode(errors="replace") or f"status {status}"
        return faults.runtime_error("OpenVINO", action, RuntimeError(said))


def library() -> Library:
    """libopenvino_c of the installed wheel. Raises Unavailable."""
    path = find("openvino", ["libs/libopenvino_c.so*"])
    header = path.parent.parent / "include" / "openvino" / "c" / "ov_common.h"
    types = element_types(header)
    api = Api(dlopen(path), types)
    version = _Version()
    api.do("load", "ov_get_openvino_version", ctypes.byref(version))
    text = (version.build or b"").decode(errors="replace").split("-")[0]
    api.handle.ov_version_free(ctypes.byref(version))
    return Library(api, text)


def element_types(header: Path) -> Dict[int, str]:
    """Numbers of ov_element_type_e as this release has them. Raises Unavailable."""
    try:
        with header.open(encoding="utf-8", errors="replace") as file:
            text = file.read(HEADER_LIMIT)
    except OSError as error:
        raise native.Unavailable(f"this openvino comes without {header.name}") from error
    text = re.sub(r"/\*.*?\*/|//[^\n]*", "", text, flags=re.DOTALL)
    found = re.search(r"enum\s*\{([^}]*)\}\s*ov_element_type_e\s*;", text)
    entries = [entry.strip() for entry in found.group(1).split(",") if entry.strip()] if found else []
    plain = all(re.fullmatch(r"\w+", entry) for entry in entries[1:])
    if not entries or not plain or not re.fullmatch(r"\w+\s*=\s*0U?", entries[0]):
        raise native.Unavailable(f"this openvino's {header.name} cannot be understood")
    return {number: DTYPES[name] for number, name in enumerate(entries) if name in DTYPES}


def refusal(options: Mapping[str, Any]) -> str:
    """Other devices are set up by the Python package."""
    device = str(options.get("device") or "CPU")
    return "" if device == "CPU" else f"OpenVINO's {device} is called through Python"


def open(library: Library, path: str, options: Mapping[str, Any], sizes: Sizes) -> Session:  # noqa: A001
    """Load a model with the settings of the Python session. Raises JobError runtime.*, model.*."""
    del sizes  # outputs are allocated by the runtime
    return Session(library.handle, path, options)


class Session:
    """A compiled model; see ``farm_agent.runtimes.Session``."""

    def __init__(self, api: Api, path: str, options: Mapping[str, Any]) -> None:
        self._api = api
        self._core = self._compiled = self._request = ctypes.c_void_p()
        self._held: List[Tuple[Any, ctypes.c_void_p]] = []
        try:
            self._load(path, options)
        except BaseException:
            self.close()
            raise

    def _load(self, path: str, options: Mapping[str, Any]) -> None:
        self._core = self._api.pointer("load", "ov_core_create")
        words = [word for pair in _settings(self._api, self._core, options).items() for word in pair]
        # The properties are variadic: pairs of C strings.
        pairs = [ctypes.c_char_p(word.encode()) for word in words]
        compiled = ctypes.c_void_p()
        model = self._api.pointer("load", "ov_core_read_model", self._core, path.encode(), None)
        try:
            self._api.do(
                *("load", "ov_core_compile_model", self._core, model, b"CPU"),
                *(ctypes.c_size_t(len(pairs)), ctypes.byref(compiled), *pairs),
            )
        finally:
            self._api.free("model", model)
        self._compiled = compiled
        create = "ov_compiled_model_create_infer_request"
        self._request = self._api.pointer("load", create, self._compiled)
        self._inputs = self._specs("input")
        self._outputs = self._specs("output")

    def _specs(self, kind: str) -> List[TensorSpec]:
        count = ctypes.c_size_t()
        self._api.do("load", f"ov_compiled_model_{kind}s_size", self._compiled, ctypes.byref(count))
        return [self._spec(kind, index) for index in range(count.value)]

    def _spec(self, kind: str, index: int) -> TensorSpec:
        by_index = f"ov_compiled_model_{kind}_by_index"
        port = self._api.pointer("load", by_index, self._compiled, ctypes.c_size_t(index))
        try:
            name = self._name(port)
            number = ctypes.c_int()
            self._api.do("load", "ov_port_get_element_type", port, ctypes.byref(number))
            if number.value not in self._api.types:
                raise JobError(
                    f"{name} has a type that cannot be measured",
                    code="model.unsupported-type",
                    fix="export the model with numeric tensors as inputs and outputs",
                )
            return TensorSpec(name, self._api.types[number.value], self._sizes(port))
        finally:
            self._api.free("output_const_port", port)

    def _name(self, port: ctypes.c_void_p) -> str:
        text = self._api.pointer("load", "ov_port_get_any_name", port)
        name = ctypes.string_at(text.value or 0).decode(errors="replace")
        self._api.handle.ov_free(text)
        return name

    def _sizes(self, port: ctypes.c_void_p) -> Tuple[int, ...]:
        shape = _PartialShape()
        self._api.do("load", "ov_port_get_partial_shape", port, ctypes.byref(shape))
        try:
            if shape.rank.min != shape.rank.max:
                return (-1,)
            sizes = [shape.dims[index] for index in range(shape.rank.max)]
            return tuple(size.max if size.min == size.max else -1 for size in sizes)
        finally:
            self._api.handle.ov_partial_shape_free(ctypes.byref(shape))

    def inputs(self) -> List[TensorSpec]:
        return list(self._inputs)

    def outputs(self) -> List[TensorSpec]:
        return list(self._outputs)

    def bind(self, feed: Mapping[str, Any]) -> None:
        """Tensors over copies of the arrays; an input may go by any of its names."""
        by_name = "ov_compiled_model_input_by_name"
        ports = {name: self._api.pointer("bind", by_name, self._compiled, name.encode()) for name in feed}
        try:
            named = {self._name(port): (port, feed[name]) for name, port in ports.items()}
            match_all([spec.name for spec in self._inputs], named)
            held = [self._set(port, array) for port, array in named.values()]
        finally:
            for port in ports.values():
                self._api.free("output_const_port", port)
        self._release()
        self._held = held

    def _set(self, port: ctypes.c_void_p, array: Any) -> Tuple[Any, ctypes.c_void_p]:  # noqa: ANN401
        numbers = {dtype: number for number, dtype in self._api.types.items()}
        number = ctypes.c_int(numbers.get(str(array.dtype), -1))
        shape = _Shape(array.ndim, (ctypes.c_int64 * max(1, array.ndim))(*array.shape))
        copy = aligned(array)
        if copy.ndim and copy.size:
            address = ctypes.c_void_p(copy.ctypes.data)
            tensor = self._api.pointer("bind", "ov_tensor_create_from_host_ptr", number, shape, address)
        else:  # cannot be shared
            tensor = self._api.pointer("bind", "ov_tensor_create", number, shape)
            data = self._api.pointer("bind", "ov_tensor_data", tensor) if copy.size else ctypes.c_void_p()
            ctypes.memmove(data, copy.ctypes.data, copy.nbytes)
        self._api.do("bind", "ov_infer_request_set_tensor_by_const_port", self._request, port, tensor)
        return copy, tensor

    @property
    def native_call(self) -> native.Call:
        """``ov_infer_request_infer(request)``."""
        function = ctypes.cast(self._api.handle.ov_infer_request_infer, ctypes.c_void_p)
        request = int(self._request.value or 0)
        return native.Call(
            int(function.value or 0), (request,), 4, lambda status: self._api.error("run", status)
        )

    @property
    def call(self) -> Callable[[], Any]:
        return native.once(self.native_call)

    def fetch(self) -> Dict[str, Any]:
        return {spec.name: self._copy(index, spec) for index, spec in enumerate(self._outputs)}

    def _copy(self, index: int, spec: TensorSpec) -> Any:  # noqa: ANN401 - numpy array
        by_index = "ov_infer_request_get_output_tensor_by_index"
        tensor = self._api.pointer("run", by_index, self._request, ctypes.c_size_t(index))
        shape = _Shape()
        try:
            if spec.shape:  # the shape of a scalar is refused
                self._api.do("run", "ov_tensor_get_shape", tensor, ctypes.byref(shape))
            sizes = tuple(shape.dims[: shape.rank]) if shape.rank else ()
            data = self._api.pointer("run", "ov_tensor_data", tensor) if 0 not in sizes else ctypes.c_void_p()
            return copied(data.value or 0, spec.dtype, sizes)
        finally:
            self._api.handle.ov_shape_free(ctypes.byref(shape))
            self._api.free("tensor", tensor)

    def proof(self) -> None:
        """The check's Python session tells."""

    def close(self) -> None:
        self._release()
        self._api.free("infer_request", self._request)
        self._api.free("compiled_model", self._compiled)
        self._api.free("core", self._core)
        self._request = self._compiled = self._core = ctypes.c_void_p()

    def _release(self) -> None:
        for _, tensor in self._held:
            self._api.free("tensor", tensor)
        self._held = []


def _settings(api: Api, core: ctypes.c_void_p, options: Mapping[str, Any]) -> Dict[str, str]:
    """As in ``runtimes.openvino``."""
    capable = "FP16" in _property(api, core, b"OPTIMIZATION_CAPABILITIES").split()
    half = str(options.get("precision", "fp32")) == "fp16" and capable
    settings = {
        "INFERENCE_NUM_THREADS": str(threads_of(options)),
        "NUM_STREAMS": "1",
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": "f16" if half else "f32",
    }
    if DYNAMIC in _property(api, core, b"SUPPORTED_PROPERTIES").split():
        settings[DYNAMIC] = "0"
    return settings


def _property(api: Api, core: ctypes.c_void_p, name: bytes) -> str:
    text = api.pointer("load", "ov_core_get_property", core, b"CPU", name)
    value = ctypes.string_at(text.value or 0).decode(errors="replace")
    api.handle.ov_free(text)
    return value
