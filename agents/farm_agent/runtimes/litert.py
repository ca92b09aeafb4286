"""LiteRT (ai-edge-litert), else the older tflite-runtime, whichever this Python has."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Callable, Dict, List, Mapping, Optional, Tuple

from farm_agent import faults, tflite_file, tflite_precisions
from farm_agent.errors import JobError
from farm_agent.runtimes import Probe, match_all, threads_of
from farm_agent.wire import PrecisionProof, TensorSpec

DISTRIBUTIONS = (("ai_edge_litert", "ai-edge-litert"), ("tflite_runtime", "tflite-runtime"))
# What an import of it reads from the disk.
PACKAGES = tuple(package for package, _ in DISTRIBUTIONS)
FILES_DECIDE = True


def probe() -> Probe:
    """Which of the two packages this Python has."""
    try:
        _, version = _interpreter()
    except JobError as error:
        return Probe("", error.message, error.fix)
    return Probe(version)


def open(path: str, options: Mapping[str, Any]) -> Session:  # noqa: A001 - the seam's name
    """Load a model. Raises JobError runtime.missing, runtime.unsupported-op, runtime.load-failed, model.*."""
    module, _ = _interpreter()
    return Session(module, path, options)


class Session:
    """A loaded model; see ``farm_agent.runtimes.Session``."""

    def __init__(self, module: Any, path: str, options: Mapping[str, Any]) -> None:  # noqa: ANN401
        self._module = module
        self._path = path
        self._threads = threads_of(options)
        self._interpreter = self._create()
        self._allocated = False
        details = self._interpreter.get_input_details()
        if not any(-1 in _signature(detail) for detail in details):
            self._allocate()

    def _create(self, **settings: Any) -> Any:  # noqa: ANN401
        try:
            return self._module.Interpreter(model_path=self._path, num_threads=self._threads, **settings)
        except Exception as error:
            raise faults.runtime_error("LiteRT", "load", error) from error

    def _allocate(self) -> None:
        try:
            self._interpreter.allocate_tensors()
        except Exception as error:
            raise faults.runtime_error("LiteRT", "load", error) from error
        self._allocated = True

    def inputs(self) -> List[TensorSpec]:
        return [_spec(detail, _signature(detail)) for detail in self._interpreter.get_input_details()]

    def outputs(self) -> List[TensorSpec]:
        details = self._interpreter.get_output_details()
        if self._allocated:
            return [_spec(detail, detail["shape"]) for detail in details]
        return [_spec(detail, _signature(detail)) for detail in details]

    def bind(self, feed: Mapping[str, Any]) -> None:
        details = self._interpreter.get_input_details()
        match_all([detail["name"] for detail in details], feed)
        for detail in details:
            shape = tuple(feed[detail["name"]].shape)
            if shape != tuple(int(size) for size in detail["shape"]):
                self._resize(detail, shape)
        if not self._allocated:
            self._allocate()
        for detail in details:
            try:
                self._interpreter.set_tensor(detail["index"], feed[detail["name"]])
            except Exception as error:
                raise faults.runtime_error("LiteRT", "bind", error) from error

    def _resize(self, detail: Mapping[str, Any], shape: Tuple[int, ...]) -> None:
        signature = _signature(detail)
        fits = len(signature) == len(shape) and all(a in (-1, b) for a, b in zip(signature, shape))
        if not fits:
            raise JobError(
                "the input {} has the shape {}, the model wants {}".format(
                    detail["name"], list(shape), list(signature)
                ),
                code="input.shape",
                fix="convert the model again with these shapes",
            )
        self._interpreter.resize_tensor_input(detail["index"], shape)
        self._allocated = False

    @property
    def call(self) -> Callable[[], Any]:
        return self._interpreter.invoke  # type: ignore[no-any-return]

    def fetch(self) -> Dict[str, Any]:
        # Shapes may follow the data: details are read after the run.
        return {
            detail["name"]: self._interpreter.get_tensor(detail["index"])
            for detail in self._interpreter.get_output_details()
        }

    def proof(self) -> Optional[PrecisionProof]:
        """Tensor types of every operator of the file, with what LiteRT makes of them.

        The file is read, since LiteRT names neither constants nor 4-bit types (see ``tflite_precisions``).
        """
        source = f"tensor types of every operator of the loaded model{self._delegated()}"
        try:
            return tflite_precisions.proof(Path(self._path), f"LiteRT: {source}")
        except (tflite_file.Malformed, OSError):
            return None

    def _delegated(self) -> str:
        """How many parts of the model the default delegate took; "" where this release does not tell."""
        list_operators = getattr(self._interpreter, "_get_ops_details", None)
        if list_operators is None:
            return ""
        parts = sum(operator["op_name"] == "DELEGATE" for operator in list_operators())
        return f" ({parts} parts run by XNNPACK)" if parts else " (no part run by a delegate)"

    def close(self) -> None:
        self._interpreter = None


def _interpreter() -> Tuple[Any, str]:
    """The interpreter's module and "package version". Raises JobError runtime.missing, runtime.numpy."""
    problems: List[BaseException] = []
    for package, distribution in DISTRIBUTIONS:
        try:
            module = __import__(f"{package}.interpreter", fromlist=["Interpreter"])
        except Exception as error:  # noqa: BLE001 - a broken wheel may raise anything
            problems.append(error)
            continue
        if package == "tflite_runtime":
            _refuse_numpy_2()
        return module, f"{distribution} {_version(package, distribution)}"
    wanted = "ai-edge-litert" if sys.version_info >= (3, 9) else "tflite-runtime 'numpy<2'"
    # A package that is there and fails tells more than one that is not there
    broken = [error for error in problems if getattr(error, "name", None) not in PACKAGES]
    raise faults.missing("LiteRT", wanted, (broken or problems)[0])


def _refuse_numpy_2() -> None:
    """tflite-runtime was built for numpy 1: with numpy 2 it fails when a model is opened."""
    import numpy as np

    if int(np.__version__.split(".")[0]) >= 2:
        raise JobError(
            f"tflite-runtime cannot work with numpy {np.__version__}",
            code="runtime.numpy",
            fix=faults.pip_command("'numpy<2'"),
        )


def _version(package: str, distribution: str) -> str:
    from importlib import metadata

    for name in (distribution, f"{distribution}-nightly"):
        try:
            return metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return str(getattr(sys.modules.get(package), "__version__", "unknown"))


def _signature(detail: Mapping[str, Any]) -> Tuple[int, ...]:
    shape = detail.get("shape_signature")
    if shape is None or len(shape) == 0:
        shape = detail["shape"]
    return tuple(int(size) for size in shape)


def _spec(detail: Mapping[str, Any], shape: Any) -> TensorSpec:  # noqa: ANN401 - numpy array or tuple
    dtype = _dtype(detail["dtype"])
    if dtype not in ("float32", "float16", "float64", "bool") and "int" not in dtype:
        raise JobError(
            "{} has the type {}, which cannot be measured".format(detail["name"], dtype),
            code="model.unsupported-type",
            fix="export the model with numeric tensors as inputs and outputs",
        )
    return TensorSpec(str(detail["name"]), dtype, tuple(int(size) for size in shape))


def _dtype(kind: Any) -> str:  # noqa: ANN401 - numpy scalar type
    name = str(getattr(kind, "__name__", kind))
    return "bool" if name == "bool_" else name
