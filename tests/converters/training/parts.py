"""A tiny network on the bundled digits, and recipes for it."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from farm.sample import sample_data
from farm_converters.training import environments, launch, recipe

NET = """
import os
import signal
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self, width=8):
        super().__init__()
        self.first = nn.Conv2d(1, width, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(width)
        self.depthwise = nn.Conv2d(width, width, 3, padding=1, groups=width)
        self.second = nn.Conv2d(width, 2 * width, 3, padding=1)
        self.pool = nn.MaxPool2d(2)
        self.out = nn.Linear(2 * width * 16, 10)

    def forward(self, image):
        hidden = torch.relu(self.norm(self.first(image)))
        hidden = hidden + torch.relu(self.depthwise(hidden))
        return self.out(self.pool(torch.relu(self.second(hidden))).flatten(1))


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.memory = nn.GRU(8, 8, batch_first=True)
        self.out = nn.Linear(8, 10)

    def forward(self, image):
        return self.out(self.memory(image[:, 0])[0][:, -1])


class Deciding(Net):
    def forward(self, image):
        return super().forward(image if image.sum() > 0 else -image)


def build():
    return Net()


def student():
    return Net(2)


def recurrent():
    return Recurrent()


def deciding():
    return Deciding()


def broken():
    return Net(width=1 // 0)


def number():
    return 7


def mortal(outputs, labels):
    # Dies as by kill -9 when called as often as the file "fatal" says, which it removes; slow before that
    mortal.calls += 1
    fatal = Path(__file__).with_name("fatal")
    if fatal.exists():
        left = int(fatal.read_text()) - mortal.calls
        if left == 0:
            fatal.unlink()
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(0.2 if left < 12 else 0.0)
    return nn.functional.cross_entropy(outputs, labels)


mortal.calls = 0


def overflowing(outputs, labels):
    # Finite, with gradients that are not
    return torch.sqrt((outputs * 0.0).sum()) + nn.functional.cross_entropy(outputs, labels)


def data(split):
    with np.load(Path(__file__).with_name("digits.npz")) as archive:
        image, labels = archive["image"], archive["labels"]
    part = {"train": slice(0, 240), "validation": slice(240, 300), "test": slice(300, 360)}[split]
    return image[part], labels[part]


def no_numbers(split):
    image, labels = data(split)
    return np.full_like(image, np.nan), labels


def other_lengths(split):
    image, labels = data(split)
    return image, labels[:-1]
"""


def network(folder: Path) -> Path:
    """net.py and its data in ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "net.py").write_text(NET)
    shutil.copyfile(sample_data(), folder / "digits.npz")
    return folder


def written(folder: Path, steps: str = "", **changes: str) -> Path:
    """A recipe of 4 epochs; ``changes`` replace top-level keys by TOML values."""
    keys = {
        "schema": "1",
        "framework": '"torch"',
        "model": '"net.py:build"',
        "data": '"net.py:data"',
        "train": "{epochs = 4, lr = 0.01, batch = 24}",
        **changes,
    }
    text = "\n".join(f"{key} = {value}" for key, value in keys.items())
    path = network(folder) / "digits.toml"
    path.write_text(f"{text}\n{textwrap.dedent(steps)}")
    return path


def job(path: Path, store: Path, seed: int = 0, out: str = "run") -> launch.Job:
    """The job of one seed of the recipe at ``path``."""
    found = recipe.load(path)
    env = environments.prepare(found.framework, found.environment, path.parent, store, lambda _text: None)
    root = path.parent / out
    root.mkdir(exist_ok=True)
    return launch.Job(
        found,
        path.parent,
        seed,
        root / str(seed),
        root / "test.npz",
        root / "calibration.npz",
        root / "facts.json",
        env.python,
    )


def trained(path: Path, store: Path, seed: int = 0, out: str = "run") -> dict[str, Any]:
    """The answer of a seed's process."""
    return launch.run(job(path, store, seed, out), lambda _event: None)


def onnx_of(path: Path, step: Mapping[str, Any], seed: int = 0, out: str = "run") -> Path:
    """The file of a step."""
    return path.parent / out / str(seed) / str(step["files"]["onnx"])
