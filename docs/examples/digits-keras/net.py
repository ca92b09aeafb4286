"""Handwritten digits with tf_keras: the network, its student and the data of recipe.toml."""

from __future__ import annotations

from typing import Any

import numpy as np
import tf_keras
from tf_keras import layers


def build() -> tf_keras.Model:
    """The network that is made smaller: 37,450 weights."""
    return tf_keras.Sequential(
        [
            layers.Input((8, 8, 1), name="image"),
            layers.Conv2D(16, 3, padding="same", use_bias=False, name="conv1"),
            layers.BatchNormalization(name="norm1"),
            layers.ReLU(name="relu1"),
            layers.MaxPooling2D(name="pool"),
            layers.Conv2D(32, 3, padding="same", activation="relu", name="conv2"),
            layers.Flatten(name="flat"),
            layers.Dropout(0.2, name="drop"),
            layers.Dense(64, activation="relu", name="hidden"),
            layers.Dense(10, name="digit"),
        ]
    )


def student() -> tf_keras.Model:
    """For a distil step: a fiftieth of it."""
    return tf_keras.Sequential(
        [
            layers.Input((8, 8, 1), name="image"),
            layers.Conv2D(8, 3, strides=2, activation="relu", name="conv"),
            layers.Flatten(name="flat"),
            layers.Dense(10, name="digit"),
        ]
    )


def data(split: str) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """scikit-learn's digits: 60 % to train, 15 % to validate, 25 % to test; always the same ones."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    order = np.random.default_rng(0).permutation(len(digits.target))
    cuts = {"train": (0.0, 0.6), "validation": (0.6, 0.75), "test": (0.75, 1.0)}[split]
    chosen = order[int(cuts[0] * len(order)) : int(cuts[1] * len(order))]
    return digits.images[chosen][..., None].astype("float32") / 16.0, digits.target[chosen]
