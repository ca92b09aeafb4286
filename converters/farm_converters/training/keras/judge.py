"""Losses and metrics on tensors."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from farm_agent.errors import JobError
from farm_converters.training.contract import load_entry
from farm_converters.training.keras.data import Split

Tensor = Any
Loss = Callable[[Tensor, Tensor], Tensor]


def loss_of(name: str, folder: Path, *, probabilities: bool) -> Loss:
    """The loss (outputs, labels) -> scalar that ``train.loss`` names.

    ``probabilities``: the network ends in a softmax, so that cross-entropy takes their logarithm.
    """
    import tensorflow as tf

    if ":" in name:
        return load_entry(name, folder, "train.loss")

    def cross_entropy(outputs: Tensor, labels: Tensor) -> Tensor:
        whole = tf.reshape(tf.cast(labels, tf.int64), [-1])
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(whole, logits_of(outputs, probabilities))
        return tf.reduce_mean(losses)

    def mse(outputs: Tensor, labels: Tensor) -> Tensor:
        return tf.reduce_mean(tf.square(outputs - _like(labels, outputs)))

    def mae(outputs: Tensor, labels: Tensor) -> Tensor:
        return tf.reduce_mean(tf.abs(outputs - _like(labels, outputs)))

    named: dict[str, Loss] = {"cross_entropy": cross_entropy, "mse": mse, "mae": mae}
    if name in named:
        return named[name]
    return lambda outputs, labels: (mse if labels.dtype.is_floating else cross_entropy)(outputs, labels)


def logits_of(outputs: Tensor, probabilities: bool) -> Tensor:  # noqa: FBT001
    """Logits; of probabilities their logarithm, which a softmax maps back to the same probabilities."""
    import tensorflow as tf

    return tf.math.log(tf.maximum(outputs, 1e-7)) if probabilities else outputs


def are_probabilities(outputs: Any) -> bool:  # noqa: ANN401 - numpy array
    """Whether every row is non-negative and sums to 1: no network without a softmax does that by chance."""
    import numpy as np

    two = outputs.ndim == 2 and outputs.shape[1] > 1
    return bool(two and (outputs >= 0).all() and np.allclose(outputs.sum(axis=1), 1.0, atol=1e-3))


def score(model: Any, split: Split, metric: str, batch: int) -> float:  # noqa: ANN401 - tf_keras model
    """The metric over a whole split: top-1, top-5 (shares, 0 to 1) or mae."""
    total = 0.0
    for inputs, labels in split.batches(batch):
        outputs = predict(model, inputs).astype("float64")
        total += sum_of(metric, outputs, labels)
    return total / len(split)


def predict(model: Any, inputs: tuple[Any, ...]) -> Any:  # noqa: ANN401 - arrays
    """The network's answers outside of training, as a numpy array."""
    return tensor_of(model(inputs[0] if len(inputs) == 1 else list(inputs), training=False)).numpy()


def tensor_of(outputs: Any) -> Tensor:  # noqa: ANN401 - what the network returned
    """The one output. Raises JobError train.outputs for anything but a tensor."""
    import tensorflow as tf

    if isinstance(outputs, (tuple, list)) and len(outputs) == 1:
        outputs = outputs[0]
    if not tf.is_tensor(outputs):
        raise JobError(
            f"the network returns {type(outputs).__name__}, not one tensor",
            code="train.outputs",
            fix="give the network one output",
        )
    return outputs


def sum_of(metric: str, outputs: Any, labels: Any) -> float:  # noqa: ANN401 - arrays
    """The metric of every sample, added up."""
    import numpy as np

    if metric == "mae":
        difference = np.abs(outputs - labels.reshape(outputs.shape))
        return float(difference.reshape(len(labels), -1).mean(axis=1).sum())
    count = min(5 if metric == "top-5" else 1, outputs.shape[1])
    best = np.argsort(-outputs, axis=1, kind="stable")[:, :count]
    return float((best == labels.reshape(-1, 1)).any(axis=1).sum())


def _like(labels: Tensor, outputs: Tensor) -> Tensor:
    import tensorflow as tf

    return tf.reshape(tf.cast(labels, outputs.dtype), tf.shape(outputs))
