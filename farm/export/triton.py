"""An entry of a Triton model repository: the file, config.pbtxt, and batching chosen by measuring.

Triton batches requests along the first dimension of every tensor. Our files have it fixed, so it is opened
again in a copy, and the copy is run at several batches against the single samples before it may be served.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from farm.config import Config
from farm.errors import FarmError, InfrastructureError, UsageError
from farm.export import curve
from farm.export.bundle import Bundle, from_best
from farm.export.curve import Asked, Choice, Point
from farm.progress import Reporter
from farm.tune import best as bests
from farm.tune import goals
from farm_agent.wire import TensorMap
from farm_converters import sandbox

# Our format -> Triton's backend and the name that it wants for the file.
BACKENDS = {"onnx": ("onnxruntime", "model.onnx"), "openvino": ("openvino", "model.xml")}
DTYPES = {
    "float16": "TYPE_FP16",
    "float32": "TYPE_FP32",
    "float64": "TYPE_FP64",
    "bool": "TYPE_BOOL",
    **{f"int{bits}": f"TYPE_INT{bits}" for bits in (8, 16, 32, 64)},
    **{f"uint{bits}": f"TYPE_UINT{bits}" for bits in (8, 16, 32, 64)},
}


def write(
    plan: Path,
    repository: Path,
    asked: Asked,
    config: Config,
    reporter: Reporter,
    say: Callable[[str], None],
) -> list[Path]:
    """Measure the curve and write ``repository/NAME``; the files written.

    Raises UsageError export.triton-format, export.out-exists, plan.*; what the measurement raises.
    """
    found = bests.read(plan)
    refuse(found.target.format)
    if found.batch > 1:
        raise UsageError(
            f"{plan} was measured at batch {found.batch}",
            code="export.triton-batch",
            fix="tune at --batch 1: what Triton makes of requests is measured by this command",
        )
    bundle, _ = from_best(plan, config, say)
    name = re.sub(r"[^A-Za-z0-9_.-]", "_", bundle.name)
    entry = repository / name
    if entry.exists():
        raise UsageError(
            f"{entry} is there already",
            code="export.out-exists",
            fix="remove it, or choose another repository",
        )
    points = curve.measured(found, asked, config, reporter)
    return _put(bundle, points, found, entry, say)


def refuse(format_name: str) -> None:
    """Raise UsageError export.triton-format for a format that no backend serves."""
    if format_name == "tensorrt":
        raise UsageError(
            "a TensorRT engine is tied to the GPU that built it, so it is no file to export",
            code="export.triton-format",
            fix="export the ONNX target, and let Triton's onnxruntime backend build the engine "
            "(gpu_execution_accelerator tensorrt)",
        )
    if format_name not in BACKENDS:
        raise UsageError(
            f"Triton has no backend for {format_name}",
            code="export.triton-format",
            fix=f"export a target in one of: {', '.join(BACKENDS)}",
        )


def config_text(bundle: Bundle, choice: Choice, *, batched: bool, why: str) -> str:
    """config.pbtxt. ``batched``: the first dimension is free, so it is Triton's and not in ``dims``."""
    backend, _ = BACKENDS[bundle.spec.format]
    lines = [
        f"# {' '.join(bundle.name.split())}, {bundle.spec.precision}, written by farm: {why}",
        f'backend: "{backend}"',
        f"max_batch_size: {choice.most if batched else 0}",
        *_tensors("input", bundle.spec.inputs, batched=batched),
        *_tensors("output", bundle.spec.outputs, batched=batched),
        f"instance_group [ {{ count: 1, kind: {_kind(bundle)} }} ]",
    ]
    if backend == "onnxruntime":
        lines += [
            _parameter("intra_op_thread_count", str(bundle.threads)),
            _parameter("inter_op_thread_count", "1"),
        ]
    else:
        lines += [
            _parameter("INFERENCE_NUM_THREADS", str(bundle.threads)),
            _parameter("NUM_STREAMS", "1"),
        ]
    if batched and choice.preferred:
        sizes = ", ".join(map(str, choice.preferred))
        lines += [
            "dynamic_batching {",
            f"  preferred_batch_size: [ {sizes} ]",
            f"  max_queue_delay_microseconds: {choice.delay_us}",
            "}",
        ]
    return "\n".join(lines) + "\n"


def _put(
    bundle: Bundle, points: Sequence[Point], found: bests.Best, entry: Path, say: Callable[[str], None]
) -> list[Path]:
    _, file_name = BACKENDS[bundle.spec.format]
    choice = curve.choose(points, _limit_ns(found))
    why = choice.why
    parent = Path(os.path.abspath(entry)).parent  # noqa: PTH100 - a link's target is not where it lies
    try:
        parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".farm-export-", dir=parent) as scratch:
            folder = Path(scratch) / entry.name
            version = folder / "1"
            version.mkdir(parents=True)
            batched = False
            if choice.preferred:
                try:
                    opened(bundle, choice.most, version, file_name)
                    batched = True
                except FarmError as error:
                    why = f"no batching: {error.message}"
                    say(why)
            if not batched:
                for path, blob in zip(bundle.paths, bundle.spec.files, strict=True):
                    shutil.copyfile(path, version / _named(blob.name, file_name))
            one_line = " ".join(why.split())
            text = config_text(bundle, choice, batched=batched, why=one_line)
            (folder / "config.pbtxt").write_text(text, encoding="utf-8")
            curve.table(points, folder / "throughput.tsv")
            folder.rename(entry)
    except OSError as error:
        raise InfrastructureError(
            f"cannot write {entry}: {error.strerror}",
            code="host.not-writable",
            fix="choose another repository",
        ) from error
    say(f"{entry.name}: {why}")
    return sorted(path for path in entry.rglob("*") if path.is_file())


def opened(bundle: Bundle, most: int, folder: Path, file_name: str) -> None:
    """Write the artifact with a free first dimension into ``folder``, checked at batches 1, 2 and ``most``.

    Raises JobError export.batch when the graph has the batch built in, and what the sandbox raises.
    """
    import farm.export

    request = {
        "format": bundle.spec.format,
        "path": str(bundle.paths[0]),
        "inputs": [entry.artifact.name for entry in bundle.spec.inputs],
        "outputs": [entry.artifact.name for entry in bundle.spec.outputs],
        "most": most,
        "rtol": 1e-2 if bundle.spec.precision == "fp16" else 1e-3,
        "file": file_name,
    }
    with tempfile.TemporaryDirectory(prefix="farm-") as scratch:
        workdir = Path(scratch)
        answer = sandbox.call(
            "farm_export.batch:open_batch",
            request,
            workdir=workdir,
            what=f"open the batch dimension of {bundle.name}",
            limits=sandbox.Limits(),
            python=sys.executable,
            packages={"farm_export": Path(farm.export.__path__[0])},
        )
        for name in answer["files"]:
            shutil.copyfile(workdir / str(name), folder / str(name))


def _limit_ns(found: bests.Best) -> float | None:
    bounds = [goals.constraint(words) for words in found.measured.constraints]
    return min((one.bound for one in bounds if one.metric in ("latency", "p99")), default=None)


def _tensors(kind: str, entries: Sequence[TensorMap], *, batched: bool) -> list[str]:
    lines = []
    for entry in entries:
        spec = entry.artifact
        dims = ", ".join(str(size) for size in (spec.shape[1:] if batched else spec.shape)) or "1"
        name = spec.name.replace("\\", "\\\\").replace('"', '\\"')
        reshape = " reshape { shape: [ ] }" if not (spec.shape[1:] if batched else spec.shape) else ""
        lines.append(
            f'{kind} [ {{ name: "{name}", data_type: {DTYPES[spec.dtype]}, dims: [ {dims} ]{reshape} }} ]'
        )
    return lines


def _kind(bundle: Bundle) -> str:
    on_gpu = bundle.options.get("provider", "").startswith(("CUDA", "Tensorrt"))
    return "KIND_GPU" if on_gpu or bundle.options.get("device", "").startswith("GPU") else "KIND_CPU"


def _parameter(name: str, value: str) -> str:
    return f'parameters {{ key: "{name}" value: {{ string_value: "{value}" }} }}'


def _named(name: str, first: str) -> str:
    """The artifact's file under the name that the backend looks for; weights beside it likewise."""
    return (
        first if Path(name).suffix == Path(first).suffix else Path(first).with_suffix(Path(name).suffix).name
    )
