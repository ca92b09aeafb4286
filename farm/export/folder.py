"""Write a bundle as a folder: the artifact, run.py with its two helpers, golden samples, README."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
from importlib import resources
from pathlib import Path
from typing import Any

from farm.errors import InfrastructureError, UsageError
from farm.export.bundle import Bundle
from farm.tune import goals
from farm_agent import codec

SCHEMA = "farm.export/1"
PACKAGES = {"onnxruntime": "onnxruntime", "openvino": "openvino", "litert": "ai-edge-litert"}
# What a number's name ends in, and how people read it.
METRICS = {
    "latency_ns": "latency",
    "p99_ns": "p99",
    "throughput_per_s": "throughput",
    "energy_j": "energy",
    "accuracy": "accuracy",
    "accuracy_drop": "accuracy_drop",
    "size_bytes": "size",
    "memory_bytes": "memory",
}
TITLES = {
    "latency": "latency of one inference (p50)",
    "p99": "latency (p99)",
    "throughput": "inferences per second, one after another",
    "energy": "energy per inference",
    "accuracy": "accuracy",
    "accuracy_drop": "accuracy lost against the source model",
    "size": "size of the model file",
    "memory": "peak memory of the process",
}


def write(bundle: Bundle, out: Path) -> list[Path]:
    """Write the folder whole or not at all. Raises UsageError export.out-exists; InfrastructureError
    host.not-writable."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UsageError(
            f"{out} is there already",
            code="export.out-exists",
            fix="choose another --out, or remove it",
        )
    parent = Path(os.path.abspath(out)).parent  # noqa: PTH100 - a link's target is not where it lies
    try:
        parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".farm-export-", dir=parent) as scratch:
            folder = Path(scratch) / "export"
            folder.mkdir()
            _fill(bundle, folder)
            if out.exists():
                out.rmdir()
            folder.rename(out)
    except OSError as error:
        raise InfrastructureError(
            f"cannot write {out}: {error.strerror}", code="host.not-writable", fix="choose another --out"
        ) from error
    return sorted(path for path in out.iterdir() if path.is_file())


def manifest(bundle: Bundle) -> dict[str, Any]:
    """What run.py reads."""
    spec, golden = bundle.spec, bundle.golden
    return {
        "schema": SCHEMA,
        "model": bundle.name,
        "model_sha256": bundle.model_sha256,
        "format": spec.format,
        "precision": spec.precision,
        "runtime": bundle.runtime,
        "runtime_version": bundle.runtime_version,
        "threads": bundle.threads,
        "options": dict(bundle.options),
        "files": [blob.name for blob in spec.files],
        "sha256": {blob.name: blob.sha256 for blob in spec.files},
        "inputs": [codec.encode(entry) for entry in spec.inputs],
        "outputs": [codec.encode(entry) for entry in spec.outputs],
        "golden": {
            "file": "golden.npz",
            "samples": golden.samples,
            "atol": golden.tolerance.atol,
            "rtol": golden.tolerance.rtol,
            "cosine": golden.tolerance.cosine,
        },
        "measured": {
            "device": bundle.device,
            "profile": bundle.profile,
            "run_id": bundle.run_id,
            "job_id": bundle.job_id,
            "verdict": bundle.verdict,
            **dict(bundle.values),
        },
    }


def requirements(bundle: Bundle) -> str:
    """The measured runtime's package at its version, and numpy."""
    words = bundle.runtime_version.split()
    package = words[0] if len(words) > 1 else PACKAGES[bundle.runtime]
    version = words[-1] if words else ""
    return f"{package}=={version}\nnumpy\n" if version else f"{package}\nnumpy\n"


def readme(bundle: Bundle) -> str:
    """What it is, how to run it, what was measured and how far to believe it."""
    when = time.strftime("%Y-%m-%d", time.gmtime())
    options = "".join(f", {name}={value}" for name, value in bundle.options.items())
    threads = f"{bundle.threads} thread{'s' * (bundle.threads != 1)}"
    lines = [
        f"# {bundle.name}, {bundle.spec.precision}, {bundle.runtime}",
        "",
        f"Exported by farm on {when} for {bundle.profile}. File, version of the runtime, threads and",
        "precision are those that were measured.",
        "",
        "```sh",
        "pip install -r requirements.txt",
        "python run.py --check",
        "python run.py inputs.npz --out outputs.npz",
        "```",
        "",
        "`--check` runs the samples of `golden.npz` and compares with the source model's own outputs: do it",
        "once on every kind of device that you deploy to.",
        "",
        "| input | dtype | shape |",
        "|---|---|---|",
        *(_tensor(entry.source) for entry in bundle.spec.inputs),
        "",
        "| output | dtype | shape |",
        "|---|---|---|",
        *(_tensor(entry.source) for entry in bundle.spec.outputs),
        "",
        f"## Measured on {bundle.device} ({bundle.profile})",
        "",
        f"Verdict: **{bundle.verdict or 'none'}**, run {bundle.run_id}, job {bundle.job_id},",
        f"{bundle.runtime} {bundle.runtime_version}, {threads}{options}.",
        "",
        "| number | value | interval |",
        "|---|---|---|",
        *_numbers(bundle),
        "",
        *(f"- {note}" for note in bundle.notes),
        "",
        f"Source model: sha256 {bundle.model_sha256}",
    ]
    return "\n".join(lines) + "\n"


def _fill(bundle: Bundle, folder: Path) -> None:
    for path, blob in zip(bundle.paths, bundle.spec.files, strict=True):
        shutil.copyfile(path, folder / blob.name)
    shutil.copyfile(bundle.golden_path, folder / "golden.npz")
    templates = resources.files("farm.export") / "templates"
    for source, name in (
        ("run.py", "run.py"),
        ("tensors.py", "tensors.py"),
        (f"runtime_{bundle.runtime}.py", "runtime.py"),
    ):
        (folder / name).write_text((templates / source).read_text(encoding="utf-8"), encoding="utf-8")
    text = json.dumps(manifest(bundle), indent=2, allow_nan=False) + "\n"
    (folder / "manifest.json").write_text(text, encoding="utf-8")
    (folder / "requirements.txt").write_text(requirements(bundle), encoding="utf-8")
    (folder / "README.md").write_text(readme(bundle), encoding="utf-8")


def _tensor(spec: Any) -> str:  # noqa: ANN401 - TensorSpec
    from farm_results.text import printable

    return f"| {printable(spec.name, 80)} | {spec.dtype} | {'x'.join(map(str, spec.shape))} |"


def _numbers(bundle: Bundle) -> list[str]:
    rows = []
    for key, metric in METRICS.items():
        if key not in bundle.values:
            continue
        low, high = bundle.values.get(f"{key}_low"), bundle.values.get(f"{key}_high")
        interval = (
            "" if low is None or high is None else f"{goals.shown(metric, low)} – {goals.shown(metric, high)}"
        )
        rows.append(f"| {TITLES[metric]} | {goals.shown(metric, bundle.values[key])} | {interval} |")
    return rows
