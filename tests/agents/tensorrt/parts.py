"""A stand-in for TensorRT's module: it takes the calls in TensorRT's order and forms, so that our own order
of calls, our reading of None and our errors can be tested where no GPU is. It says nothing about TensorRT."""

from __future__ import annotations

import ctypes
import enum
import json
import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from farm_agent.cuda import Cuda
from tests.support import need


def library(folder: Path, name: str = "libcuda-stand-in.so") -> Path:
    """The driver's stand-in, compiled."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    need(compiler, "there is no C compiler")
    target = folder / name
    if not target.exists():
        source = Path(__file__).with_name("cuda_stand_in.c")
        subprocess.run([str(compiler), "-shared", "-fPIC", "-o", str(target), str(source)], check=True)
    return target


def cuda(folder: Path) -> Cuda:
    """Our CUDA calls over a library of our own."""
    return Cuda(str(library(folder)))


def held(gpu: Cuda) -> int:
    """Contexts, buffers and streams that were taken and not given back."""
    return int(gpu._lib.held())


class DataType(enum.Enum):
    FLOAT, HALF, INT8, INT32, INT64, BF16 = range(6)


class Mode(enum.Enum):
    INPUT, OUTPUT = range(2)


class LayerType(enum.Enum):
    CONVOLUTION, QUANTIZE, DEQUANTIZE = range(3)


LAYER = {
    "Name": "conv",
    "LayerType": "CaskConvolution",
    "Inputs": [{"Name": "x", "Format/Datatype": "Row major linear FP32"}],
    "Outputs": [{"Name": "y", "Format/Datatype": "Row major linear FP32"}],
    "Weights": {"Type": "Float", "Count": 100},
}


class Context:
    """y = 2 x + 1 where the addresses say."""

    def __init__(self, engine: Engine) -> None:
        self._engine, self._addresses, self._shape = engine, dict[str, int](), engine.shape

    def set_input_shape(self, _name: str, shape: Any) -> bool:
        self._shape = tuple(shape)
        return len(self._shape) == len(self._engine.shape)

    def set_tensor_address(self, name: str, address: int) -> bool:
        self._addresses[name] = address
        return True

    def get_tensor_shape(self, name: str) -> Any:
        return self._engine.output_shape or self._shape

    def execute_async_v3(self, stream: int) -> bool:
        assert stream
        count = 1
        for size in self._shape:
            count *= size
        kind = ctypes.c_float * count
        source, target = (kind.from_address(self._addresses[name]) for name in ("x", "y"))
        for index in range(count):
            target[index] = 2 * source[index] + 1
        return bool(self._engine.runs)


class Engine:
    num_io_tensors = 2

    def __init__(self, trt: Any, text: str) -> None:
        facts = json.loads(text)
        self.trt, self.layer = trt, facts["layer"]
        self.shape, self.output_shape = tuple(facts["shape"]), tuple(facts.get("output_shape", ()))
        self.dtype, self.runs = DataType[facts.get("dtype", "FLOAT")], facts.get("runs", True)
        self.room = facts.get("room", True)

    def get_tensor_name(self, index: int) -> str:
        return "xy"[index]

    def get_tensor_mode(self, name: str) -> Mode:
        return Mode.INPUT if name == "x" else Mode.OUTPUT

    def get_tensor_shape(self, name: str) -> Any:
        return self.shape if name == "x" or not self.output_shape else self.output_shape

    def get_tensor_dtype(self, _name: str) -> DataType:
        return self.dtype

    def create_execution_context(self) -> Context | None:
        return Context(self) if self.room else None

    def create_engine_inspector(self) -> Any:
        text = json.dumps({"Layers": [self.layer, "plain name"]})
        return SimpleNamespace(get_engine_information=lambda _form: text)


def engine(**facts: Any) -> bytes:
    """What the stand-in's runtime can load."""
    return json.dumps({"layer": LAYER, "shape": [1, 4], **facts}).encode()


class Config:
    def __init__(self, trt: Any) -> None:
        self.trt, self.flags, self.cleared, self.limits = trt, set[str](), set[str](), dict[str, int]()
        self.profiling_verbosity = self.int8_calibrator = self.cache = None
        self.profiles: list[Any] = []

    def set_flag(self, flag: str) -> None:
        self.flags.add(flag)

    def clear_flag(self, flag: str) -> None:
        self.cleared.add(flag)

    def set_memory_pool_limit(self, pool: str, size: int) -> None:
        self.limits[pool] = size

    def add_optimization_profile(self, profile: Any) -> None:
        self.profiles.append(profile)

    def create_timing_cache(self, data: bytes) -> Any:
        return SimpleNamespace(data=data, serialize=lambda: b"cache of " + (data or b"nothing"))

    def set_timing_cache(self, cache: Any, mismatched: bool) -> bool:
        assert mismatched is False
        self.cache = cache
        return bool(cache.data != b"of another GPU")


class Builder:
    def __init__(self, trt: Any) -> None:
        self.trt = trt

    def create_network(self, flags: int) -> Any:
        strong = bool(flags & 1 << 1)
        layers = [
            SimpleNamespace(
                num_outputs=1, type=kind, get_output=lambda _index, dtype=dtype: SimpleNamespace(dtype=dtype)
            )
            for kind, dtype in self.trt.graph
        ]
        tensor = SimpleNamespace(name="x", shape=self.trt.input_shape)
        self.trt.networks.append("strong" if strong else "weak")
        return SimpleNamespace(
            num_layers=len(layers),
            get_layer=layers.__getitem__,
            num_inputs=1,
            get_input=lambda _index: tensor,
        )

    def create_builder_config(self) -> Config:
        self.trt.configs.append(Config(self.trt))
        return self.trt.configs[-1]  # type: ignore[no-any-return]

    def create_optimization_profile(self) -> Any:
        shapes: dict[str, Any] = {}
        return SimpleNamespace(shapes=shapes, set_shape=lambda name, *three: shapes.update({name: three}))

    def build_serialized_network(self, _network: Any, _config: Any) -> bytes | None:
        self.trt.built += 1
        if self.trt.refuses:
            self.trt.logger.log("Severity.ERROR", self.trt.refuses)
            return None
        return engine(number=self.trt.built, layer=self.trt.layer)


def module(version: str = "10.3.0", **facts: Any) -> Any:
    """TensorRT of a release. ``graph``: (layer, dtype) of what the parser reads; ``layer``: the inspector's
    words on what is built; ``refuses``: the builder's error; ``errors``: the parser's."""
    trt: Any = SimpleNamespace(
        __version__=version,
        graph=[(LayerType.CONVOLUTION, DataType.FLOAT)],
        input_shape=(1, 4),
        layer=LAYER,
        refuses="",
        errors=[],
        built=0,
        networks=[],
        configs=[],
        DataType=DataType,
        TensorIOMode=Mode,
        LayerType=LayerType,
        LayerInformationFormat=SimpleNamespace(JSON="json"),
        NetworkDefinitionCreationFlag=SimpleNamespace(EXPLICIT_BATCH=0, STRONGLY_TYPED=1),
        MemoryPoolType=SimpleNamespace(WORKSPACE="workspace"),
        ProfilingVerbosity=SimpleNamespace(DETAILED="detailed"),
        BuilderFlag=SimpleNamespace(FP16="FP16", INT8="INT8", TF32="TF32"),
        ILogger=type("ILogger", (), {}),
        IInt8EntropyCalibrator2=type("IInt8EntropyCalibrator2", (), {}),
    )
    vars(trt).update(facts)

    def runtime(logger: Any) -> Any:
        def deserialise(data: bytes) -> Engine | None:
            if not data.startswith(b"{"):
                logger.log("Severity.ERROR", "Serialization assertion plan->header.magicTag failed")
                return None
            return Engine(trt, data.decode())

        return SimpleNamespace(deserialize_cuda_engine=deserialise)

    def builder(logger: Any) -> Builder:
        trt.logger = logger
        return Builder(trt)

    trt.Runtime, trt.Builder = runtime, builder
    trt.OnnxParser = lambda _network, _logger: SimpleNamespace(
        parse_from_file=lambda _path: not trt.errors,
        num_errors=len(trt.errors),
        get_error=lambda index: trt.errors[index],
    )
    return trt
