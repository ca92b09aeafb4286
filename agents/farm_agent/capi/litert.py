"""LiteRT through the C API of libLiteRt.so: a compiled model run on buffers made once.

The Python session uses the interpreter, which no wheel exports to C. The compiled model computes with the
same delegate (XNNPACK on the CPU, the same threads); the wheel's own ``litert-benchmark`` times it, too.
"""

from __future__ import annotations

import ctypes
from importlib import metadata
from typing import Any, Callable, Dict, List, Mapping, Tuple

from farm_agent import faults, native
from farm_agent.capi import Library, Sizes, copied, dlopen, find
from farm_agent.errors import FarmError, JobError
from farm_agent.runtimes import match_all, threads_of
from farm_agent.wire import TensorSpec

# Functions changed their arguments between releases (an environment came first with 2.1.6): only those that
# were tried are called.
KNOWN = ("2.1.6", "2.2.", "2.3.")
# LiteRtElementType
TYPES = {
    1: "float32",
    2: "int32",
    3: "uint8",
    4: "int64",
    6: "bool",
    7: "int16",
    9: "int8",
    10: "float16",
    11: "float64",
    13: "uint64",
    16: "uint32",
    17: "uint16",
}
# LiteRtStatus; the library does not export their words.
STATUSES = {
    1: "invalid argument",
    2: "Failed to allocate memory",
    3: "runtime failure",
    4: "missing input tensor",
    5: "unsupported",
    6: "not found",
    500: "file cannot be read",
    501: "Model provided has model identifier or contents that are invalid",
    504: "compilation failed",
}
CPU = 1
READ, WRITE = 0, 1
RANK_BITS = 0x7F
FREE = ctypes.CFUNCTYPE(None, ctypes.c_void_p)


class _Layout(ctypes.Structure):
    """``LiteRtLayout``: seven bits of rank, one that says whether there are strides."""

    _fields_ = (
        ("rank", ctypes.c_uint32),
        ("dimensions", ctypes.c_int32 * 8),
        ("strides", ctypes.c_uint32 * 8),
    )


class _TensorType(ctypes.Structure):
    """``LiteRtRankedTensorType``."""

    _fields_ = (("element_type", ctypes.c_int32), ("layout", _Layout))


class Api:
    """The C functions, with statuses turned into errors."""

    def __init__(self, handle: Any) -> None:  # noqa: ANN401 - ctypes.CDLL
        self.handle = handle

    def do(self, action: str, name: str, *arguments: Any) -> None:  # noqa: ANN401
        """Call a function that returns a status. Raises its failure to ``action`` (load, bind, run)."""
        status = getattr(self.handle, name)(*arguments)
        if status:
            raise self.error(action, status, name)

    def pointer(self, action: str, name: str, *arguments: Any) -> ctypes.c_void_p:  # noqa: ANN401
        """Call a function whose last argument is where it writes a pointer."""
        out = ctypes.c_void_p()
        self.do(action, name, *arguments, ctypes.byref(out))
        return out

    def size(self, name: str, *arguments: Any) -> int:  # noqa: ANN401
        """Call a function whose last argument is where it writes a size_t."""
        out = ctypes.c_size_t()
        self.do("load", name, *arguments, ctypes.byref(out))
        return out.value

    def destroy(self, kind: str, what: Any) -> None:  # noqa: ANN401 - a handle
        """Free an object of a kind (Model, TensorBuffer)."""
        if what:
            getattr(self.handle, f"LiteRtDestroy{kind}")(what)

    def error(self, action: str, status: int, name: str) -> FarmError:
        """A status in words."""
        words = STATUSES.get(status, "failed")
        return faults.runtime_error("LiteRT", action, RuntimeError(f"{words} (status {status} of {name})"))


def library() -> Library:
    """libLiteRt.so of the installed wheel. Raises Unavailable."""
    path = find("ai_edge_litert", ["libLiteRt.so"])
    version = metadata.version("ai-edge-litert")
    if not version.startswith(KNOWN):
        raise native.Unavailable(f"the C API of ai-edge-litert {version} is not known to this agent")
    return Library(Api(dlopen(path)), f"ai-edge-litert {version}")


def refusal(options: Mapping[str, Any]) -> str:
    """There are no options that Python alone could serve."""
    del options
    return ""


def open(library: Library, path: str, options: Mapping[str, Any], sizes: Sizes) -> Session:  # noqa: A001
    """Load a model. Raises JobError runtime.*, model.*, and Unavailable for one that leaves sizes open."""
    return Session(library.handle, path, options, sizes)


class Session:
    """A compiled model; see ``farm_agent.runtimes.Session``."""

    def __init__(self, api: Api, path: str, options: Mapping[str, Any], sizes: Sizes) -> None:
        self._api = api
        self._environment = self._model = self._compiled = ctypes.c_void_p()
        self._in = self._out = (ctypes.c_void_p * 0)()
        try:
            self._load(path, threads_of(options), sizes)
        except BaseException:
            self.close()
            raise

    def _load(self, path: str, threads: int, sizes: Sizes) -> None:
        self._environment = self._api.pointer("load", "LiteRtCreateEnvironment", 0, None)
        create = "LiteRtCreateModelFromFile"
        self._model = self._api.pointer("load", create, self._environment, path.encode())
        if self._api.size("LiteRtGetNumModelSignatures", self._model) != 1:
            raise native.Unavailable("the model has several signatures")
        first = ctypes.c_size_t(0)
        self._signature = self._api.pointer("load", "LiteRtGetModelSignature", self._model, first)
        self._inputs = self._tensors("Input")
        self._outputs = self._tensors("Output")
        self._refuse_other_sizes(sizes)
        self._compiled = self._compile(threads)
        self._in = self._buffers("Input", [kind for _, kind in self._inputs])
        self._out = self._buffers("Output", [kind for _, kind in self._outputs])

    def _compile(self, threads: int) -> ctypes.c_void_p:
        """For the CPU, whose delegate reads its options as TOML under the name xnnpack."""
        payload = ctypes.create_string_buffer(f"num_threads = {threads}\n".encode())
        kept = FREE(lambda _: None)
        settings = self._api.pointer("load", "LiteRtCreateOptions")
        try:
            self._api.do("load", "LiteRtSetOptionsHardwareAccelerators", settings, CPU)
            arguments = (b"xnnpack", payload, kept)
            opaque = self._api.pointer("load", "LiteRtCreateOpaqueOptions", *arguments)
            self._api.do("load", "LiteRtAddOpaqueOptions", settings, opaque)
            create = "LiteRtCreateCompiledModel"
            return self._api.pointer("load", create, self._environment, self._model, settings)
        finally:
            self._api.destroy("Options", settings)

    def _refuse_other_sizes(self, sizes: Sizes) -> None:
        """Raises Unavailable unless every tensor is as large as its file says.

        The buffers are made by the file's sizes. A larger output, or an input that must be resized first,
        would be written beyond them; the C API does not tell which ones the file leaves open.
        """
        for spec, _ in (*self._inputs, *self._outputs):
            if sizes.get(spec.name) != spec.shape:
                raise native.Unavailable(f"the file does not tell the size of {spec.name}")

    def _tensors(self, kind: str) -> List[Tuple[TensorSpec, _TensorType]]:
        count = self._api.size(f"LiteRtGetNumSignature{kind}s", self._signature)
        by_index = f"LiteRtGetSignature{kind}TensorByIndex"
        found = []
        for index in range(count):
            tensor = self._api.pointer("load", by_index, self._signature, ctypes.c_size_t(index))
            found.append(_tensor(self._api, tensor))
        return found

    def _buffers(self, kind: str, types: List[_TensorType]) -> Any:  # noqa: ANN401 - a ctypes array
        create = "LiteRtCreateManagedTensorBufferFromRequirements"
        needs = f"LiteRtGetCompiledModel{kind}BufferRequirements"
        found = (ctypes.c_void_p * len(types))()
        for index, kind_of in enumerate(types):
            place = ctypes.c_size_t(index)
            need = self._api.pointer("load", needs, self._compiled, ctypes.c_size_t(0), place)
            buffer = self._api.pointer("load", create, self._environment, ctypes.byref(kind_of), need)
            found[index] = buffer.value
        return found

    def inputs(self) -> List[TensorSpec]:
        return [spec for spec, _ in self._inputs]

    def outputs(self) -> List[TensorSpec]:
        return [spec for spec, _ in self._outputs]

    def bind(self, feed: Mapping[str, Any]) -> None:
        """Copy the arrays into the buffers."""
        match_all([spec.name for spec, _ in self._inputs], feed)
        for index, (spec, _) in enumerate(self._inputs):
            array = feed[spec.name]
            if (tuple(array.shape), str(array.dtype)) != (spec.shape, spec.dtype):
                raise JobError(
                    f"the input {spec.name} is {array.dtype} {list(array.shape)}, the model wants "
                    f"{spec.dtype} {list(spec.shape)}",
                    code="input.shape",
                    fix="convert the model again with these shapes",
                )

            def write(address: int, data: bytes = array.tobytes()) -> None:
                ctypes.memmove(address, data, len(data))

            self._locked(index, self._in, WRITE, write)

    def _locked(self, index: int, buffers: Any, mode: int, use: Callable[[int], Any]) -> Any:  # noqa: ANN401
        buffer, address = ctypes.c_void_p(buffers[index]), ctypes.c_void_p()
        self._api.do("bind", "LiteRtLockTensorBuffer", buffer, ctypes.byref(address), mode)
        try:
            return use(int(address.value or 0))
        finally:
            self._api.do("bind", "LiteRtUnlockTensorBuffer", buffer)

    @property
    def native_call(self) -> native.Call:
        """``LiteRtRunCompiledModel(model, signature 0, count, inputs, count, outputs)``."""
        function = ctypes.cast(self._api.handle.LiteRtRunCompiledModel, ctypes.c_void_p)
        arguments = (
            *(int(self._compiled.value or 0), 0, len(self._inputs), ctypes.addressof(self._in)),
            *(len(self._outputs), ctypes.addressof(self._out)),
        )
        return native.Call(
            int(function.value or 0),
            arguments,
            4,
            lambda status: self._api.error("run", status, "LiteRtRunCompiledModel"),
        )

    @property
    def call(self) -> Callable[[], Any]:
        return native.once(self.native_call)

    def fetch(self) -> Dict[str, Any]:
        found = {}
        for index, (spec, _) in enumerate(self._outputs):

            def read(address: int, spec: TensorSpec = spec) -> Any:  # noqa: ANN401 - numpy array
                return copied(address, spec.dtype, spec.shape)

            found[spec.name] = self._locked(index, self._out, READ, read)
        return found

    def proof(self) -> None:
        """The check's Python session tells."""

    def close(self) -> None:
        for buffers in (self._in, self._out):
            for index in range(len(buffers)):
                self._api.destroy("TensorBuffer", ctypes.c_void_p(buffers[index]))
                buffers[index] = None
        self._api.destroy("CompiledModel", self._compiled)
        self._api.destroy("Model", self._model)
        self._api.destroy("Environment", self._environment)
        self._compiled = self._model = self._environment = ctypes.c_void_p()


def _tensor(api: Api, tensor: ctypes.c_void_p) -> Tuple[TensorSpec, _TensorType]:
    """Raises Unavailable unless its sizes are fixed, JobError for a type that cannot be measured."""
    text = ctypes.c_char_p()
    api.do("load", "LiteRtGetTensorName", tensor, ctypes.byref(text))
    name = (text.value or b"").decode(errors="replace")
    kind = _TensorType()
    if api.handle.LiteRtGetRankedTensorType(tensor, ctypes.byref(kind)):
        raise native.Unavailable(f"the rank of {name} is not fixed")
    dtype = TYPES.get(kind.element_type)
    if dtype is None:
        raise JobError(
            f"{name} has a type that cannot be measured",
            code="model.unsupported-type",
            fix="export the model with numeric tensors as inputs and outputs",
        )
    shape = _sizes(kind.layout)
    if any(size < 0 for size in shape):
        raise native.Unavailable(f"the size of {name} is not fixed")
    return TensorSpec(name, dtype, shape), kind


def _sizes(layout: _Layout) -> Tuple[int, ...]:
    return tuple(layout.dimensions[: min(8, layout.rank & RANK_BITS)])
