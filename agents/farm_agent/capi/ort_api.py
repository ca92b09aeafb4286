"""The function table of ONNX Runtime's C API.

``struct OrtApi`` (onnxruntime_c_api.h) only ever grows at its end; the functions here are all of version 5
or older, so one set of places serves every release. Asserted there: ReleaseCustomOpDomain has place 101,
ReleaseModelMetadata 118, ReleaseAvailableProviders 126.
"""

from __future__ import annotations

import ctypes
from typing import Any, Dict, Tuple

from farm_agent import faults
from farm_agent.errors import FarmError
from farm_agent.native import Unavailable

API_VERSION = 12

_KINDS = {"p": ctypes.c_void_p, "s": ctypes.c_char_p, "i": ctypes.c_int, "z": ctypes.c_size_t}
# Name -> place in the table and arguments: pointer, string, int or enum, size_t.
FUNCTIONS: Dict[str, Tuple[int, str]] = {
    "GetErrorMessage": (2, "p"),
    "CreateEnv": (3, "isp"),
    "CreateSession": (7, "pspp"),
    "Run": (9, "ppppzpzp"),
    "CreateSessionOptions": (10, "p"),
    "SetSessionLogSeverityLevel": (22, "pi"),
    "SetIntraOpNumThreads": (24, "pi"),
    "SetInterOpNumThreads": (25, "pi"),
    "SessionGetInputCount": (30, "pp"),
    "SessionGetOutputCount": (31, "pp"),
    "SessionGetInputTypeInfo": (33, "pzp"),
    "SessionGetOutputTypeInfo": (34, "pzp"),
    "SessionGetInputName": (36, "pzpp"),
    "SessionGetOutputName": (37, "pzpp"),
    "CreateTensorWithDataAsOrtValue": (49, "ppzpzip"),
    "GetTensorMutableData": (51, "pp"),
    "CastTypeInfoToTensorInfo": (55, "pp"),
    "GetTensorElementType": (60, "pp"),
    "GetDimensionsCount": (61, "pp"),
    "GetDimensions": (62, "ppz"),
    "GetTensorTypeAndShape": (65, "pp"),
    "CreateCpuMemoryInfo": (69, "iip"),
    "AllocatorFree": (76, "pp"),
    "GetAllocatorWithDefaultOptions": (78, "p"),
    "ReleaseEnv": (92, "p"),
    "ReleaseStatus": (93, "p"),
    "ReleaseMemoryInfo": (94, "p"),
    "ReleaseSession": (95, "p"),
    "ReleaseValue": (96, "p"),
    "ReleaseTypeInfo": (98, "p"),
    "ReleaseTensorTypeAndShapeInfo": (99, "p"),
    "ReleaseSessionOptions": (100, "p"),
    "AddSessionConfigEntry": (130, "pss"),
}


class _Base(ctypes.Structure):
    """``struct OrtApiBase``."""

    _fields_ = (
        ("get_api", ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_uint32)),
        ("get_version", ctypes.CFUNCTYPE(ctypes.c_char_p)),
    )


class Api:
    """The table of a loaded libonnxruntime. Raises Unavailable when the library does not serve it."""

    def __init__(self, handle: Any) -> None:  # noqa: ANN401 - ctypes.CDLL
        get_base = getattr(handle, "OrtGetApiBase", None)
        if get_base is None:
            raise Unavailable("this ONNX Runtime does not export OrtGetApiBase")
        get_base.restype = ctypes.POINTER(_Base)
        base = get_base().contents
        self.version = base.get_version().decode(errors="replace")
        table = base.get_api(API_VERSION)
        if not table:
            raise Unavailable(f"ONNX Runtime {self.version} does not serve its C API {API_VERSION}")
        self._handle = handle
        self.addresses = ctypes.cast(table, ctypes.POINTER(ctypes.c_void_p))
        self._functions = {name: self._function(name) for name in FUNCTIONS}

    def _function(self, name: str) -> Any:  # noqa: ANN401 - a ctypes function
        kinds = FUNCTIONS[name][1]
        result: Any = ctypes.c_void_p
        if name.startswith("Release"):
            result = None
        elif name == "GetErrorMessage":
            result = ctypes.c_char_p
        return ctypes.CFUNCTYPE(result, *[_KINDS[kind] for kind in kinds])(self.address(name))

    def address(self, name: str) -> int:
        """Where a function begins."""
        return int(self.addresses[FUNCTIONS[name][0]] or 0)

    def do(self, action: str, name: str, *arguments: Any) -> None:  # noqa: ANN401
        """Call a function that returns a status. Raises its failure to ``action`` (load, bind, run)."""
        status = self._functions[name](*arguments)
        if status:
            raise self.error(action, status)

    def release(self, name: str, what: Any) -> None:  # noqa: ANN401 - a pointer
        """Free an object of a class (Session, Value)."""
        if what:
            self._functions[f"Release{name}"](what)

    def error(self, action: str, status: int) -> FarmError:
        """What a status says; it is freed."""
        text = self._functions["GetErrorMessage"](status).decode(errors="replace")
        self._functions["ReleaseStatus"](status)
        return faults.runtime_error("ONNX Runtime", action, RuntimeError(text))

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
