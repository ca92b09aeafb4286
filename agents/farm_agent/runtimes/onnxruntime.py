"""ONNX Runtime. Options: provider (execution provider), allow_spinning (0 or 1, default 0), accuracy_level
(what products with weight-only 4 and 8 bits multiply in: 1 float32, default; 4 int8, the runtime's own)."""

from __future__ import annotations

import functools
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any, Callable, Dict, List, Mapping, Optional, Set, Tuple

from farm_agent import faults, onnx_file, onnx_weights
from farm_agent.errors import JobError
from farm_agent.runtimes import Probe, match_all, threads_of
from farm_agent.trace import ort_precisions
from farm_agent.wire import PrecisionProof, TensorSpec

DTYPES = {
    "float": "float32",
    "double": "float64",
    "float16": "float16",
    "bool": "bool",
    **{f"{sign}int{bits}": f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)},
}

ACCURACY_LEVEL = "session.qdq_matmulnbits_accuracy_level"

# What an import of it reads from the disk.
PACKAGES = ("onnxruntime",)
FILES_DECIDE = True


def probe() -> Probe:
    """Whether this Python has ONNX Runtime."""
    try:
        import onnxruntime
    except Exception as error:  # noqa: BLE001 - a broken wheel may raise anything
        problem = faults.missing("ONNX Runtime", "onnxruntime numpy", error)
        return Probe("", problem.message, problem.fix)
    return Probe(str(onnxruntime.__version__))


def open(path: str, options: Mapping[str, Any]) -> Session:  # noqa: A001 - the seam's name
    """Load a model. Raises JobError runtime.missing, runtime.provider, runtime.load-failed, model.*."""
    try:
        import onnxruntime
    except Exception as error:
        raise faults.missing("ONNX Runtime", "onnxruntime numpy", error) from error
    return Session(onnxruntime, path, options)


class Session:
    """A loaded model; see ``farm_agent.runtimes.Session``."""

    def __init__(self, ort: Any, path: str, options: Mapping[str, Any]) -> None:  # noqa: ANN401
        self._ort = ort
        self._path = path
        self._options = options
        self._provider = str(options.get("provider") or "CPUExecutionProvider")
        self._session = self._create(ort.SessionOptions())
        self._feed: Dict[str, Any] = {}
        self._binding: Any = None
        self._call: Optional[Callable[[], Any]] = None
        self._input_specs = [_spec(node) for node in self._session.get_inputs()]
        self._output_specs = [_spec(node) for node in self._session.get_outputs()]

    def _create(self, settings: Any) -> Any:  # noqa: ANN401
        """A session with our settings. A provider that falls back to the CPU silently is refused."""
        available = self._ort.get_available_providers()
        if self._provider not in available:
            raise JobError(
                f"this ONNX Runtime has no {self._provider}; it has {', '.join(available)}",
                code="runtime.provider",
                fix="install the ONNX Runtime build that has it, or choose another provider",
            )
        settings.intra_op_num_threads = threads_of(self._options)
        settings.inter_op_num_threads = 1
        settings.log_severity_level = 3
        settings.add_session_config_entry(
            "session.intra_op.allow_spinning", str(self._options.get("allow_spinning", "0"))
        )
        # Not left to it: it would round the inputs of weight-only products to 8 bits.
        settings.add_session_config_entry(ACCURACY_LEVEL, accuracy_level(self._options))
        try:
            session = self._ort.InferenceSession(self._path, settings, providers=[self._provider])
        except Exception as error:
            raise faults.runtime_error("ONNX Runtime", "load", error) from error
        if session.get_providers()[:1] != [self._provider]:
            raise JobError(
                f"ONNX Runtime could not use {self._provider} and fell back to {session.get_providers()}",
                code="runtime.provider",
                fix="check the provider's drivers on the device",
            )
        return session

    def inputs(self) -> List[TensorSpec]:
        return list(self._input_specs)

    def outputs(self) -> List[TensorSpec]:
        return list(self._output_specs)

    def bind(self, feed: Mapping[str, Any]) -> None:
        match_all([spec.name for spec in self._input_specs], feed)
        self._feed = {spec.name: feed[spec.name] for spec in self._input_specs}
        names = [spec.name for spec in self._output_specs]
        fixed = all(size > 0 for spec in self._output_specs for size in spec.shape)
        if not fixed:
            # A bound output keeps its buffer; one whose size follows the data, or is zero, has none.
            self._binding = None
            self._call = functools.partial(self._session.run, names, self._feed)
            return
        try:
            binding = self._session.io_binding()
            for name, array in self._feed.items():
                binding.bind_ortvalue_input(name, self._ort.OrtValue.ortvalue_from_numpy(array))
            for name in names:
                binding.bind_output(name, "cpu")
        except Exception as error:
            raise faults.runtime_error("ONNX Runtime", "bind", error) from error
        self._binding = binding
        self._call = functools.partial(self._session.run_with_iobinding, binding)

    @property
    def call(self) -> Callable[[], Any]:
        if self._call is None:
            raise JobError("no inputs were bound", code="input.missing")
        return self._call

    def fetch(self) -> Dict[str, Any]:
        # Outputs that cannot be bound are handed out by the call alone: run it once more.
        arrays = self._binding.copy_outputs_to_cpu() if self._binding is not None else self.call()
        return {spec.name: array for spec, array in zip(self._output_specs, arrays)}

    @property
    def provider(self) -> str:
        """The execution provider that was asked for."""
        return self._provider

    def profiled(self, prefix: str) -> Any:  # noqa: ANN401 - onnxruntime.InferenceSession
        """A second session with the same settings that writes a profile to a file that begins so."""
        settings = self._ort.SessionOptions()
        settings.enable_profiling = True
        settings.profile_file_prefix = prefix
        return self._create(settings)

    def proof(self) -> Optional[PrecisionProof]:
        """One profiled run in a session of its own; the profile names every kernel's tensor types.

        In which types the weights are stored is read from the file itself.
        """
        weights, levels = self._stored()
        eight_bits = levels == {4} or (not levels and accuracy_level(self._options) == "4")
        with tempfile.TemporaryDirectory(prefix="farm-") as folder:
            session = self.profiled(str(Path(folder) / "profile"))
            try:
                session.run(None, self._feed)
            finally:
                path = session.end_profiling()
            found = ort_precisions(Path(path), "int8" if eight_bits else "")
        if found is None:
            return None
        # No interface of the runtime tells that: what was set is told as what was set.
        allowed = (
            "; accuracy_level 4: int8 in products with weight-only types, where this CPU has such kernels"
        )
        return replace(found, weights=weights, source=found.source + (allowed if eight_bits else ""))

    def _stored(self) -> Tuple[Dict[str, int], Set[int]]:
        """Nothing where the file is none that we can read (ORT's own format)."""
        try:
            return onnx_weights.stored(Path(self._path))
        except (onnx_file.Malformed, OSError, ValueError):
            return {}, set()

    def close(self) -> None:
        self._call = None
        self._binding = None
        self._session = None


def accuracy_level(options: Mapping[str, Any]) -> str:
    """The option, or float32."""
    return str(options.get("accuracy_level") or "1")


def _spec(node: Any) -> TensorSpec:  # noqa: ANN401 - onnxruntime.NodeArg
    kind = str(node.type)
    dtype = DTYPES.get(kind[len("tensor(") : -1]) if kind.startswith("tensor(") else None
    if dtype is None:
        raise JobError(
            f"{node.name} has the type {kind}, which cannot be measured",
            code="model.unsupported-type",
            fix="export the model with numeric tensors as inputs and outputs",
        )
    # A rank that the file does not tell reads as [] too; a run shows which it is.
    shape = tuple(size if isinstance(size, int) and size >= 0 else -1 for size in node.shape or ())
    return TensorSpec(str(node.name), dtype, shape)
