"""A whole data set on the device: ``_evaluate REQUEST.json RESPONSE.json``. Counts hits and keeps outputs."""

from __future__ import annotations

import hashlib
import json
import os
import time
import zipfile
from dataclasses import field
from pathlib import Path
from typing import Any, Dict, List, Mapping, NoReturn, Optional, Sequence

from farm_agent import check, collect, feed, files, runtimes, task
from farm_agent.errors import JobError
from farm_agent.late import dataclass
from farm_agent.messages.evaluation import Evaluation
from farm_agent.wire import Accuracy, ArtifactSpec, Blob, Dataset, Failure, TensorMap

OUTPUTS = "outputs.npz"
TELL_EVERY_S = 2.0
TOP_1 = "top-1"


@dataclass(frozen=True)
class EvaluateRequest:
    """``directory``: where the artifact's files lie under their names. ``outputs_path``: where all outputs
    go when the data set asks for them."""

    runtime: str
    artifact: ArtifactSpec
    directory: str
    dataset: Dataset
    dataset_path: str
    options: Dict[str, Any] = field(default_factory=dict)
    memory_limit_bytes: int = 0
    outputs_path: str = ""


@dataclass(frozen=True)
class EvaluateResponse:
    """``accuracy`` where the metric is counted here; or why nothing was evaluated."""

    ok: bool
    accuracy: Optional[Accuracy] = None
    failure: Optional[Failure] = None
    evaluation: Optional[Evaluation] = None


@dataclass(frozen=True)
class Progress:
    """A line that the process prints now and then."""

    done: int
    count: int


def main(request_path: str, response_path: str) -> NoReturn:
    """The process."""
    told = os.dup(1)  # before the runtime's own prints are turned away from it
    task.serve(
        EvaluateRequest,
        lambda request: run(request, told),
        lambda failure: EvaluateResponse(ok=False, failure=failure),
        request_path,
        response_path,
    )


def run(request: EvaluateRequest, told: Optional[int] = None) -> EvaluateResponse:
    """Every sample once. ``told``: descriptor for progress. Raises JobError data.*, runtime.*."""
    task.limit_memory(request.memory_limit_bytes)
    task.die_with_parent()
    dataset = request.dataset
    if dataset.metric not in ("", TOP_1):
        raise JobError(
            f"the metric {dataset.metric!r} is not known here", code="data.metric", fix=f"use {TOP_1}"
        )
    module = runtimes.load(request.runtime)
    options = {"precision": request.artifact.precision, **request.options}
    session = check.open_artifact(module, request.artifact, request.directory, options)
    inputs = request.artifact.inputs or feed.identity(session.inputs())
    data = feed.load_npz(request.dataset_path)
    labels = feed.read(data, "labels") if dataset.metric else None
    if labels is not None and (labels.ndim != 1 or labels.dtype.kind not in "iu"):
        raise JobError(
            f"the labels are {labels.dtype} {list(labels.shape)}, not one whole number per sample",
            code="data.labels",
            fix="give the number of each sample's class",
        )
    arrays = [feed.read(data, f"in.{i}") for i in range(len(inputs))]
    count = collect.count_of(arrays, labels)
    shapes = {entry.source.name: entry.source.shape for entry in inputs}
    collector = collect.Collector(count) if dataset.keep_outputs else None
    correct = position = elapsed_ns = 0
    tell = _Teller(told, count)
    while position < count:
        fed, width = collect.batch(arrays, shapes, position)
        session.bind(_mapped(fed, inputs))
        began = time.monotonic_ns()
        outputs = check.infer(request.runtime, session)
        elapsed_ns += time.monotonic_ns() - began
        maps = request.artifact.outputs or feed.identity(session.outputs())
        found = collect.rows(check.in_source_order(maps, outputs), width)
        if labels is not None:
            wanted = labels[position : position + width]
            correct += int(collect.hits(collect.class_scores(found)[: len(wanted)], wanted).sum())
        if collector is not None:
            collector.add(found)
        position += width
        tell.done(min(position, count))
    accuracy = None
    if labels is not None:
        accuracy = Accuracy(TOP_1, correct / count, count, correct, dataset.blob.sha256)
    kept = _keep(request.outputs_path, collector.arrays) if collector is not None else None
    return EvaluateResponse(ok=True, accuracy=accuracy, evaluation=Evaluation(count, kept, elapsed_ns / 1e9))


class _Teller:
    """Progress now and then, so that a long data set does not look like a hang."""

    def __init__(self, told: Optional[int], count: int) -> None:
        self._told, self._count = told, count
        self._next_s = time.monotonic() + TELL_EVERY_S

    def done(self, done: int) -> None:
        if self._told is None or time.monotonic() < self._next_s:
            return
        self._next_s = time.monotonic() + TELL_EVERY_S
        try:
            os.write(self._told, json.dumps({"done": done, "count": self._count}).encode() + b"\n")
        except OSError:
            self._told = None


def _keep(path: str, arrays: List[Any]) -> Optional[Blob]:
    """Write out.J (fixed dates: equal outputs give equal bytes) and say what was written."""
    import numpy as np

    if not path:
        return None
    with files.disk_errors(Path(path)):
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, allowZip64=True) as archive:
            for number, array in enumerate(arrays):
                info = zipfile.ZipInfo(f"out.{number}.npy", (1980, 1, 1, 0, 0, 0))
                info.compress_type = zipfile.ZIP_DEFLATED
                with archive.open(info, "w", force_zip64=True) as file:
                    np.lib.format.write_array(file, array, allow_pickle=False)
        sha = hashlib.sha256()
        with open(path, "rb") as written:
            for chunk in iter(lambda: written.read(1 << 20), b""):
                sha.update(chunk)
        return Blob(sha.hexdigest(), Path(path).stat().st_size, Path(path).name)


def _mapped(arrays: Sequence[Any], inputs: Sequence[TensorMap]) -> Mapping[str, Any]:
    return {entry.artifact.name: feed.to_artifact(array, entry) for array, entry in zip(arrays, inputs)}
