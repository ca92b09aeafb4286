"""TensorRT, from release 8.5 on. It opens engines that this very device built (see ``build``).

A call is the computing alone: inputs lie on the GPU after ``bind``, outputs are copied by ``fetch``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Callable, Dict, List, Mapping, Optional, Tuple

from farm_agent import cuda, faults, trt_inspect, trt_log
from farm_agent.errors import FarmError, JobError
from farm_agent.feed import cast
from farm_agent.runtimes import Probe, match_all
from farm_agent.wire import PrecisionProof, TensorSpec

ABSENT = "TensorRT is not installed for this Python; it comes with JetPack or NVIDIA's packages"
FIX = (
    "install NVIDIA's python3-libnvinfer for the device's Python (or choose that Python with `python` in "
    "the inventory), or use onnxruntime"
)
OLDEST = (8, 5)
DTYPES = {
    "FLOAT": "float32",
    "HALF": "float16",
    "INT8": "int8",
    "INT32": "int32",
    "INT64": "int64",
    "UINT8": "uint8",
    "BOOL": "bool",
}

# What an import of it reads from the disk.
PACKAGES = ("tensorrt", "tensorrt_libs", "tensorrt_bindings")
FILES_DECIDE = False  # a driver and a GPU do, too


def probe() -> Probe:
    """Its version, or why it cannot be used here: not installed, too old, no driver, no GPU."""
    try:
        trt = load()
        cuda.Cuda()  # before anything of TensorRT: parts of it crash without a driver
    except FarmError as error:
        return Probe("", error.message, error.fix)
    return Probe(str(trt.__version__))


def load() -> Any:  # noqa: ANN401 - the tensorrt module
    """Import it. Raises JobError runtime.missing."""
    try:
        import tensorrt
    except Exception as error:
        if isinstance(error, ModuleNotFoundError) and error.name == "tensorrt":
            raise JobError(ABSENT, code="runtime.missing", fix=FIX) from error
        text = faults.shorten(f"{type(error).__name__}: {error}", 300)
        raise JobError(
            f"TensorRT is installed but cannot be imported: {text}", code="runtime.missing", fix=FIX
        ) from error
    parts = str(tensorrt.__version__).split(".")[:2]
    if not all(part.isdigit() for part in parts) or tuple(int(part) for part in parts) < OLDEST:
        raise JobError(
            f"TensorRT {tensorrt.__version__} is installed; this agent drives release 8.5 and newer",
            code="runtime.missing",
            fix="update JetPack or TensorRT, or use onnxruntime",
        )
    return tensorrt


def open(path: str, options: Mapping[str, Any]) -> Session:  # noqa: A001, ARG001 - the seam's name
    """Load an engine. Raises JobError runtime.missing, runtime.device, runtime.load-failed."""
    trt = load()
    gpu = cuda.Cuda()
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise JobError(
            f"{path}: {error.strerror}", code="runtime.load-failed", fix="run the command again"
        ) from error
    return Session(trt, gpu, data, owns_gpu=True)


class Session:
    """A loaded engine; see ``farm_agent.runtimes.Session``. ``owns_gpu``: closing it lets go of the GPU's
    context, too."""

    def __init__(self, trt: Any, gpu: cuda.Cuda, data: bytes, *, owns_gpu: bool = False) -> None:  # noqa: ANN401
        self._trt, self._cuda, self._owns_gpu = trt, gpu, owns_gpu
        self._logger = trt_log.logger(trt)
        self._runtime = trt.Runtime(self._logger)
        self._engine = self._runtime.deserialize_cuda_engine(data)
        if self._engine is None:  # no exception: it was built elsewhere, or is no engine
            raise trt_log.refused("cannot load the engine", self._logger.errors, "runtime.load-failed")
        self._context = self._engine.create_execution_context()
        if self._context is None:
            raise trt_log.refused("has no room for the engine", self._logger.errors, "runtime.out-of-memory")
        self._stream = gpu.stream()
        self._buffers: Dict[str, int] = {}
        self._sizes: Dict[str, int] = {}
        self._shapes: Dict[str, Tuple[int, ...]] = {}
        names = [str(self._engine.get_tensor_name(index)) for index in range(self._engine.num_io_tensors)]
        given = trt.TensorIOMode.INPUT
        self._inputs = [self._spec(name) for name in names if self._engine.get_tensor_mode(name) == given]
        self._outputs = [self._spec(name) for name in names if self._engine.get_tensor_mode(name) != given]

    def inputs(self) -> List[TensorSpec]:
        return list(self._inputs)

    def outputs(self) -> List[TensorSpec]:
        return list(self._outputs)

    def bind(self, feed: Mapping[str, Any]) -> None:
        import numpy as np

        match_all([spec.name for spec in self._inputs], feed)
        for spec in self._inputs:
            # TensorRT up to 9 takes int32 where the file says int64
            array = np.ascontiguousarray(cast(feed[spec.name], spec.dtype, spec.name))
            if -1 in spec.shape and not self._context.set_input_shape(spec.name, array.shape):
                raise trt_log.refused(
                    f"refuses the shape {array.shape} of {spec.name}",
                    self._logger.errors,
                    "runtime.bind-failed",
                )
            self._shapes[spec.name] = tuple(array.shape)
            self._cuda.to_device(self._place(spec.name, array.nbytes), array)
        for spec in self._outputs:
            shape = tuple(int(size) for size in self._context.get_tensor_shape(spec.name))
            if any(size < 0 for size in shape):
                raise JobError(
                    f"the size of the output {spec.name} follows the data: not driven on TensorRT",
                    code="runtime.unsupported-op",
                    fix="use onnxruntime for this model",
                )
            self._shapes[spec.name] = shape
            self._place(spec.name, int(np.dtype(spec.dtype).itemsize * np.prod(shape, dtype=np.int64)))

    @property
    def call(self) -> Callable[[], Any]:
        if len(self._buffers) < len(self._inputs) + len(self._outputs):
            raise JobError("no inputs were bound", code="input.missing")
        enqueue, wait, stream = self._context.execute_async_v3, self._cuda.synchronise, self._stream

        def infer() -> None:
            if not enqueue(stream):
                raise trt_log.refused("did not run the engine", self._logger.errors, "runtime.run-failed")
            wait(stream)

        return infer

    def fetch(self) -> Dict[str, Any]:
        import numpy as np

        found = {}
        for spec in self._outputs:
            array = np.empty(self._shapes[spec.name], spec.dtype)
            if array.nbytes:
                self._cuda.to_host(array, self._buffers[spec.name])
            found[spec.name] = array
        return found

    def proof(self) -> Optional[PrecisionProof]:
        return trt_inspect.proof(self.described())

    def described(self) -> str:
        """The engine inspector's JSON."""
        inspector = self._engine.create_engine_inspector()
        inspector.execution_context = self._context
        return str(inspector.get_engine_information(self._trt.LayerInformationFormat.JSON))

    def close(self) -> None:
        for address in self._buffers.values():
            self._cuda.free(address)
        self._buffers.clear()
        self._context = self._engine = self._runtime = None
        self._cuda.destroy(self._stream)
        if self._owns_gpu:
            self._cuda.close()

    def _place(self, name: str, size_bytes: int) -> int:
        """The tensor's buffer, made anew when it is too small, with the engine told where it is."""
        if self._sizes.get(name, -1) < size_bytes:
            if name in self._buffers:
                self._cuda.free(self._buffers.pop(name))
            self._buffers[name] = self._cuda.allocate(size_bytes)
            self._sizes[name] = size_bytes
            self._context.set_tensor_address(name, self._buffers[name])
        return self._buffers[name]

    def _spec(self, name: str) -> TensorSpec:
        kind = str(self._engine.get_tensor_dtype(name)).rpartition(".")[2]
        if kind not in DTYPES:
            raise JobError(
                f"{name} has the type {kind}, which cannot be measured",
                code="model.unsupported-type",
                fix="export the model with numeric tensors as inputs and outputs",
            )
        return TensorSpec(
            name, DTYPES[kind], tuple(int(size) for size in self._engine.get_tensor_shape(name))
        )
