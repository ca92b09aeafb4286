"""Samples in batches, and what a model answers to each: the same on the device and for the source model.

No runtime and nothing of the agent's processes is imported here: the converters use it, too.
"""

from __future__ import annotations

from typing import Any, List, Mapping, Sequence, Tuple

from farm_agent.errors import JobError

# A device holds them in memory once; the link carries them.
MAX_OUTPUT_BYTES = 512 * 1024 * 1024


def batch(
    arrays: Sequence[Any], shapes: Mapping[str, Tuple[int, ...]], position: int
) -> Tuple[List[Any], int]:
    """Source tensors for the samples from ``position`` on, and how many samples they hold.

    ``shapes``: of each input, in the arrays' order. A last, short batch is filled up with its last sample.
    Raises JobError ``data.shape``.
    """
    import numpy as np

    fed, widths = [], []
    for array, (name, shape) in zip(arrays, shapes.items()):
        per_sample = tuple(array.shape[1:])
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
                f"samples for {name} are {list(per_sample)}, the model wants {list(shape)}",
                code="data.shape",
                fix="give samples in the model's shape",
            )
    if len(set(widths)) > 1:
        raise JobError(
            "the inputs have unequal batch sizes", code="data.shape", fix="fix the batch with --shape"
        )
    return fed, widths[0] if widths else 1


def rows(outputs: Sequence[Any], width: int) -> List[Any]:
    """Each output as [width, ...], a row per sample, without the batch dimension where it is 1.

    Raises JobError ``data.shape`` when an output's first axis does not count the samples of a batch.
    """
    found = []
    for output in outputs:
        if output.ndim and output.shape[0] == width:
            found.append(output)
        elif width == 1:
            found.append(output[None])
        else:
            raise JobError(
                f"an output of the shape {list(output.shape)} cannot be divided among {width} samples",
                code="data.shape",
                fix="evaluate with --batch 1",
            )
    return found


def class_scores(found: Sequence[Any]) -> Any:  # noqa: ANN401 - numpy array
    """The first of these [n, ...] outputs that is [n, classes] once trailing ones are gone.

    Raises JobError ``data.no-classes``.
    """
    for output in found:
        scores = output
        while scores.ndim > 2 and scores.shape[-1] == 1:
            scores = scores[..., 0]
        if scores.ndim == 2 and scores.shape[1] > 1:
            return scores
    raise JobError(
        "no output holds one score per class; the outputs have the shapes {}".format(
            ", ".join(str(list(scores.shape[1:])) for scores in found)
        ),
        code="data.no-classes",
        fix="leave the labels away, or use a classifier",
    )


def hits(scores: Any, labels: Any) -> Any:  # noqa: ANN401 - numpy arrays
    """Bool [n]: the first largest score is the label's, and no score of that sample is NaN."""
    import numpy as np

    return (scores.argmax(axis=-1) == labels) & ~np.isnan(scores.astype(np.float64)).any(axis=-1)


class Collector:
    """All outputs of ``count`` samples: [count, ...] each; floats as float32."""

    def __init__(self, count: int, limit_bytes: int = MAX_OUTPUT_BYTES) -> None:
        self.arrays: List[Any] = []
        self._count, self._limit = count, limit_bytes
        self._filled = 0

    def add(self, found: Sequence[Any]) -> None:
        """The next samples' rows; those beyond ``count`` filled up a batch. Raises JobError ``data.shape``,
        ``data.too-large``."""
        import numpy as np

        if not self.arrays:
            self._allocate(found)
        taken = min(len(found[0]) if found else 0, self._count - self._filled)
        for array, output in zip(self.arrays, found):
            if output.shape[1:] != array.shape[1:]:
                raise JobError(
                    f"an output has the shape {list(array.shape[1:])} for one sample and "
                    f"{list(output.shape[1:])} for another",
                    code="data.shape",
                    fix="this model cannot be evaluated: its outputs' size depends on its input's values",
                )
            with np.errstate(over="ignore"):
                array[self._filled : self._filled + taken] = output[:taken]
        self._filled += taken

    def _allocate(self, found: Sequence[Any]) -> None:
        import numpy as np

        kinds = [np.dtype("float32") if output.dtype.kind == "f" else output.dtype for output in found]
        sizes = [int(np.prod(output.shape[1:])) * kind.itemsize for output, kind in zip(found, kinds)]
        if sum(sizes) * self._count > self._limit:
            most = self._limit // max(1, sum(sizes))
            raise JobError(
                f"the outputs of {self._count} samples hold {sum(sizes) * self._count / 2**20:.0f} MiB",
                code="data.too-large",
                fix=f"give at most {most} samples",
            )
        self.arrays = [np.empty((self._count, *output.shape[1:]), kind) for output, kind in zip(found, kinds)]


def count_of(arrays: Sequence[Any], labels: Any) -> int:  # noqa: ANN401 - numpy array, or None
    """How many samples there are. Raises JobError ``data.count`` when labels or inputs disagree, or none."""
    counts = [len(array) if array.ndim else 0 for array in arrays]
    counts += [] if labels is None else [len(labels) if labels.ndim else 0]
    if len(set(counts)) != 1 or 0 in counts:
        raise JobError(
            f"the data set has {counts} samples and labels",
            code="data.count",
            fix="give as many labels as samples",
        )
    return counts[0]
