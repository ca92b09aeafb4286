"""Handwritten digits: the network, its teacher and the data of recipe.toml."""

from __future__ import annotations

import numpy as np
from torch import Tensor, nn


class Digits(nn.Module):
    """Three convolutions and a classifier; ``width`` channels in the first."""

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        self.features = nn.Sequential(
            *block(1, width),
            *block(width, 2 * width),
            nn.MaxPool2d(2),
            *block(2 * width, 2 * width),
            nn.MaxPool2d(2),
        )
        self.classifier = nn.Linear(2 * width * 2 * 2, 10)

    def forward(self, image: Tensor) -> Tensor:
        """Scores [n, 10] of images [n, 1, 8, 8], values 0 to 1."""
        return self.classifier(self.features(image).flatten(1))


def block(before: int, after: int) -> list[nn.Module]:
    """Convolution, batch norm, activation."""
    return [nn.Conv2d(before, after, 3, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU()]


def build() -> nn.Module:
    """The network that is made smaller and faster."""
    return Digits(16)


def student() -> nn.Module:
    """A quarter of its width."""
    return Digits(4)


def data(split: str) -> tuple[np.ndarray, np.ndarray]:
    """scikit-learn's digits: 60 % to train, 15 % to validate, 25 % to test; always the same ones."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    order = np.random.default_rng(0).permutation(len(digits.target))
    cuts = {"train": (0.0, 0.6), "validation": (0.6, 0.75), "test": (0.75, 1.0)}[split]
    chosen = order[int(cuts[0] * len(order)) : int(cuts[1] * len(order))]
    images = digits.images[chosen, None].astype("float32") / 16.0
    return images, digits.target[chosen]
