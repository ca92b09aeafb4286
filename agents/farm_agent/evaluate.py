"""Accuracy over labelled samples on the device: ``_evaluate REQUEST.json RESPONSE.json``."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Dict, List, Mapping, NoReturn, Optional, Sequence, Tuple

from farm_agent import check, feed, runtimes, task
from farm_agent.errors import JobError
from farm_agent.wire import Accuracy, ArtifactSpec, Dataset, Failure, TensorMap


@dataclass(frozen=True)
class EvaluateRequest:
    """``directory``: where the artifact's files lie under their names."""

    runtime: str
    artifact: ArtifactSpec
    directory: str
    dataset: Dataset
    dataset_path: str
    options: Dict[str, Any] = field(default_factory=dict)
    memory_limit_bytes: int = 0


@dataclass(frozen=True)
class EvaluateResponse:
    """Exactly one of accuracy and failure."""

    ok: bool
    accuracy: Optional[Accuracy] = None
    failure: Optional[Failure] = None


def main(request_path: str, response_path: str) -> NoReturn:
    """The process."""
    task.serve(
        EvaluateRequest,
        run,
        lambda failure: EvaluateResponse(ok=False, failure=failure),
        request_path,
        response_path,
    )


def run(request: EvaluateRequest) -> EvaluateResponse:
    """Top-1 over the whole data set. Raises JobError data.*, runtime.*."""
    import numpy as np

    task.limit_memory(request.memory_limit_bytes)
    task.die_with_parent()
    if request.dataset.metric != "top-1":
        raise JobError(
            f"the metric {request.dataset.metric!r} is not known here", code="data.metric", fix="use top-1"
        )
    module = runtimes.load(request.runtime)
    options = {"precision": request.artifact.precision, **request.options}
    session = check.open_artifact(module, request.artifact, request.directory, options)
    inputs = request.artifact.inputs or feed.identity(session.inputs())
    data = feed.load_npz(request.dataset_path)
    labels = feed.read(data, "labels")
    arrays = [feed.read(data, f"in.{i}") for i in range(len(inputs))]
    _same_count(arrays, labels)
    correct = position = 0
    while position < len(labels):
        arrays_fed, width = batch(arrays, inputs, position)
        session.bind(_mapped(arrays_fed, inputs))
        outputs = check.infer(request.runtime, session)
        maps = request.artifact.outputs or feed.identity(session.outputs())
        scores = class_scores(check.in_source_order(maps, outputs), width)
        wanted = labels[position : position + width]
        rows = scores[: len(wanted)]
        hits = (rows.argmax(axis=-1) == wanted) & ~np.isnan(rows.astype(np.float64)).any(axis=-1)
        correct += int(hits.sum())
        position += width
    count = len(labels)
    accuracy = Accuracy("top-1", correct / count, count, correct, request.dataset.blob.sha256)
    return EvaluateResponse(ok=True, accuracy=accuracy)


def batch(arrays: Sequence[Any], inputs: Sequence[TensorMap], position: int) -> Tuple[List[Any], int]:
    """Source tensors for the samples from ``position`` on, and how many samples they hold.

    A last, short batch is filled up with its last sample. Raises JobError ``data.shape``.
    """
    import numpy as np

    fed, widths = [], []
    for array, entry in zip(arrays, inputs):
        shape, per_sample = entry.source.shape, tuple(array.shape[1:])
        if per_sample == shape:
            fed.append(array[position])
            widths.append(1)
        elif shape[1:] == per_sample and shape and shape[0] > 0:
            part = array[position : position + shape[0]]
            fill = [part[-1:]] * (shape[0] - len(part))
            fed.append(np.concatenate([part, *fill]) if fill else part)
            widths.append(shape[0])
        else:
            raise JobError(
                f"samples for {entry.source.name} are {list(per_sample)}, the model wants {list(shape)}",
                code="data.shape",
                fix="give labelled samples in the model's shape",
            )
    if len(set(widths)) > 1:
        raise JobError(
            "the inputs have unequal batch sizes", code="data.shape", fix="fix the batch with --shape"
        )
    return fed, widths[0] if widths else 1


def class_scores(outputs: Sequence[Any], width: int) -> Any:  # noqa: ANN401 - numpy array
    """The first output that is [width, classes] once trailing ones are gone. Raises ``data.no-classes``."""
    for output in outputs:
        scores = output
        while scores.ndim > 2 and scores.shape[-1] == 1:
            scores = scores[..., 0]
        if scores.ndim == 1 and width == 1 and scores.shape[0] > 1:
            scores = scores[None]
        if scores.ndim == 2 and scores.shape[0] == width and scores.shape[1] > 1:
            return scores
    raise JobError(
        "no output holds one score per class; the outputs have the shapes {}".format(
            ", ".join(str(list(output.shape)) for output in outputs)
        ),
        code="data.no-classes",
        fix="leave the labels away, or use a classifier",
    )


def _mapped(arrays: Sequence[Any], inputs: Sequence[TensorMap]) -> Mapping[str, Any]:
    return {entry.artifact.name: feed.to_artifact(array, entry) for array, entry in zip(arrays, inputs)}


def _same_count(arrays: Sequence[Any], labels: Any) -> None:  # noqa: ANN401 - numpy array
    counts = [len(array) if array.ndim else 0 for array in arrays]
    if labels.ndim != 1 or not len(labels) or any(count != len(labels) for count in counts):
        raise JobError(
            f"the data set has {list(labels.shape)} labels for {counts} samples",
            code="data.count",
            fix="give as many labels as samples",
        )
