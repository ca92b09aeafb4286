"""Train the bundled network: a small convolutional classifier of scikit-learn's handwritten digits.

    python scripts/train_sample.py [FOLDER]

writes digits.onnx, digits_test.npz and README.md into FOLDER (default farm/sample). Plain numpy, one
thread, fixed seed: the same versions on the same kind of processor give the same bytes.
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"

import sys
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

SEED = 20
EPOCHS = 30
BATCH = 64
RATE = 2e-3
HELD_OUT = 360
CHANNELS = (1, 16, 32, 32)
HIDDEN = 64


def patches(x: Array) -> Array:
    """[N,C,H,W] -> [N,H*W,C*9]: the 3x3 neighbourhoods of every pixel, zeros outside."""
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    view = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(2, 3))
    n, c, h, w = x.shape
    columns: Array = np.ascontiguousarray(view.transpose(0, 2, 3, 1, 4, 5)).reshape(n, h * w, c * 9)
    return columns


@dataclass
class Conv:
    """3x3 convolution with padding 1, then ReLU. ``weight`` is [out,in,3,3]."""

    weight: Array
    bias: Array
    saved: tuple[Array, Array, tuple[int, ...]] = field(init=False)

    def forward(self, x: Array) -> Array:
        columns = patches(x)
        raw = columns @ self.weight.reshape(len(self.weight), -1).T + self.bias
        out: Array = np.maximum(raw, 0).transpose(0, 2, 1).reshape(len(x), -1, *x.shape[2:])
        self.saved = (columns, out, x.shape)
        return out

    def backward(self, gradient: Array) -> tuple[Array, list[Array]]:
        columns, out, (n, c, h, w) = self.saved
        flat = (gradient * (out > 0)).reshape(n, -1, h * w).transpose(0, 2, 1)
        weight = np.tensordot(flat, columns, axes=((0, 1), (0, 1))).reshape(self.weight.shape)
        spread = (flat @ self.weight.reshape(len(self.weight), -1)).reshape(n, h, w, c, 3, 3)
        padded = np.zeros((n, c, h + 2, w + 2), np.float32)
        for i in range(3):
            for j in range(3):
                padded[:, :, i : i + h, j : j + w] += spread[..., i, j].transpose(0, 3, 1, 2)
        return padded[:, :, 1:-1, 1:-1], [weight, flat.sum((0, 1))]


@dataclass
class Pool:
    """2x2 maximum."""

    saved: tuple[Array, Array] = field(init=False)

    def forward(self, x: Array) -> Array:
        n, c, h, w = x.shape
        windows = x.reshape(n, c, h // 2, 2, w // 2, 2)
        out: Array = windows.max((3, 5))
        self.saved = (windows, out)
        return out

    def backward(self, gradient: Array) -> tuple[Array, list[Array]]:
        windows, out = self.saved
        hit = windows == out[:, :, :, None, :, None]
        share = gradient[:, :, :, None, :, None] * hit / hit.sum((3, 5), keepdims=True)
        n, c, h, _, w, _ = windows.shape
        return share.astype(np.float32).reshape(n, c, 2 * h, 2 * w), []


@dataclass
class Dense:
    """x @ weight + bias, with ReLU unless it is the last. ``weight`` is [in,out]."""

    weight: Array
    bias: Array
    last: bool
    saved: tuple[Array, Array, tuple[int, ...]] = field(init=False)

    def forward(self, x: Array) -> Array:
        flat = x.reshape(len(x), -1)
        raw = flat @ self.weight + self.bias
        out: Array = raw if self.last else np.maximum(raw, 0)
        self.saved = (flat, out, x.shape)
        return out

    def backward(self, gradient: Array) -> tuple[Array, list[Array]]:
        flat, out, shape = self.saved
        gradient = gradient if self.last else gradient * (out > 0)
        return (gradient @ self.weight.T).reshape(shape), [flat.T @ gradient, gradient.sum(0)]


Layer = Conv | Pool | Dense


def network(random: np.random.Generator) -> list[Layer]:
    """Fresh layers with He-normal weights."""

    def draw(*shape: int, fan_in: int) -> Array:
        drawn: Array = (random.standard_normal(shape) * np.sqrt(2 / fan_in)).astype(np.float32)
        return drawn

    def conv(i: int) -> Conv:
        weight = draw(CHANNELS[i + 1], CHANNELS[i], 3, 3, fan_in=9 * CHANNELS[i])
        return Conv(weight, np.zeros(CHANNELS[i + 1], np.float32))

    flat = CHANNELS[-1] * 4
    hidden = Dense(draw(flat, HIDDEN, fan_in=flat), np.zeros(HIDDEN, np.float32), last=False)
    scores = Dense(draw(HIDDEN, 10, fan_in=HIDDEN), np.zeros(10, np.float32), last=True)
    return [conv(0), conv(1), Pool(), conv(2), Pool(), hidden, scores]


def forward(layers: list[Layer], x: Array) -> Array:
    """Scores [N,10]."""
    for layer in layers:
        x = layer.forward(x)
    return x


def gradients(layers: list[Layer], x: Array, labels: NDArray[np.int64]) -> list[Array]:
    """Gradients of the mean cross-entropy, in the order of ``parameters``."""
    scores = forward(layers, x)
    chances = np.exp(scores - scores.max(1, keepdims=True))
    chances /= chances.sum(1, keepdims=True)
    chances[np.arange(len(labels)), labels] -= 1
    gradient, found = (chances / len(labels)).astype(np.float32), []
    for layer in reversed(layers):
        gradient, own = layer.backward(gradient)
        found.append(own)
    return [item for own in reversed(found) for item in own]


def parameters(layers: list[Layer]) -> list[Array]:
    """The arrays that training changes in place."""
    return [item for layer in layers if not isinstance(layer, Pool) for item in (layer.weight, layer.bias)]


def train(x: Array, labels: NDArray[np.int64]) -> list[Layer]:
    """Adam (Kingma and Ba, 2015) with a rate that falls linearly to zero."""
    random = np.random.default_rng(SEED)
    layers = network(random)
    mean = [np.zeros_like(item) for item in parameters(layers)]
    square = [np.zeros_like(item) for item in parameters(layers)]
    step, steps = 0, EPOCHS * (len(x) // BATCH)
    for _ in range(EPOCHS):
        for rows in np.array_split(random.permutation(len(x)), len(x) // BATCH):
            step += 1
            rate = RATE * (1 - step / steps) * np.sqrt(1 - 0.999**step) / (1 - 0.9**step)
            found = gradients(layers, x[rows], labels[rows])
            for i, item in enumerate(parameters(layers)):
                mean[i] += 0.1 * (found[i] - mean[i])
                square[i] += 0.001 * (found[i] * found[i] - square[i])
                item -= (rate * mean[i] / (np.sqrt(square[i]) + 1e-8)).astype(np.float32)  # noqa: PLW2901
    return layers


def write_onnx(layers: list[Layer], path: Path) -> None:
    """Write the trained layers as an ONNX model: opset 17, IR 8, one image at a time."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    nodes, weights, value, count = [], [], "image", 0
    for index, layer in enumerate(layers):
        out = "scores" if index == len(layers) - 1 else f"layer{index}"
        if isinstance(layer, Pool):
            nodes.append(helper.make_node("MaxPool", [value], [out], kernel_shape=[2, 2], strides=[2, 2]))
            value = out
            continue
        names = [f"weight{count}", f"bias{count}"]
        weights += [
            numpy_helper.from_array(array, name)
            for array, name in zip((layer.weight, layer.bias), names, strict=True)
        ]
        count += 1
        last = isinstance(layer, Dense) and layer.last
        raw = out if last else f"{out}_raw"
        if isinstance(layer, Conv):
            nodes.append(
                helper.make_node("Conv", [value, *names], [raw], kernel_shape=[3, 3], pads=[1, 1, 1, 1])
            )
        else:
            if not isinstance(layers[index - 1], Dense):
                nodes.append(helper.make_node("Flatten", [value], ["flat"]))
                value = "flat"
            nodes.append(helper.make_node("Gemm", [value, *names], [raw]))
        if not last:
            nodes.append(helper.make_node("Relu", [raw], [out]))
        value = out
    graph = helper.make_graph(
        nodes,
        "digits",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 1, 8, 8])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, [1, 10])],
        weights,
    )
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8, producer_name="farm train_sample"
    )
    onnx.checker.check_model(model, full_check=True)
    path.write_bytes(model.SerializeToString(deterministic=True))


def accuracy(model: Path, data: Path) -> tuple[int, int]:
    """How many of the labelled samples ONNX Runtime gets right, and how many there are."""
    import onnxruntime

    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    with np.load(data, allow_pickle=False) as file:
        images, labels = file["image"], file["labels"]
    guesses = [int(session.run(None, {"image": image[None]})[0].argmax()) for image in images]
    return int((np.array(guesses) == labels).sum()), len(labels)


README = """\
# The bundled network

`digits.onnx` tells handwritten digits (8 x 8 grey pixels) apart: three 3x3 convolutions with ReLU, two
2x2 maximum poolings, two fully connected layers; {parameters} parameters, opset 17.

| | name | type | shape | meaning |
|---|---|---|---|---|
| input | `image` | float32 | [1, 1, 8, 8] | 0 is paper, 1 is ink |
| output | `scores` | float32 | [1, 10] | the largest names the digit |

`digits_test.npz` holds {count} labelled samples that training never saw: `image` float32 [{count}, 1, 8, 8]
and `labels` int64 [{count}]. ONNX Runtime gets {right} of them right: accuracy {accuracy:.4f}.

Both come from `python scripts/train_sample.py`, which trains on the other {trained} samples of
scikit-learn's `load_digits`: the test part of "Optical Recognition of Handwritten Digits" by E. Alpaydin
and C. Kaynak, UCI Machine Learning Repository, CC BY 4.0, https://doi.org/10.24432/C50P49.
"""


def main(folder: Path) -> None:
    """Train, write and measure."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    images = (digits.images / 16).astype(np.float32)[:, None]
    labels = digits.target.astype(np.int64)
    order = np.random.default_rng(SEED).permutation(len(images))
    test, rest = order[:HELD_OUT], order[HELD_OUT:]
    layers = train(images[rest], labels[rest])
    folder.mkdir(parents=True, exist_ok=True)
    model, data = folder / "digits.onnx", folder / "digits_test.npz"
    write_onnx(layers, model)
    np.savez_compressed(data, image=images[test], labels=labels[test])
    right, count = accuracy(model, data)
    size = sum(item.size for item in parameters(layers))
    text = README.format(parameters=size, count=count, right=right, accuracy=right / count, trained=len(rest))
    (folder / "README.md").write_text(text, encoding="utf-8")
    print(f"{model}: {model.stat().st_size} bytes, {right} of {count} right ({right / count:.4f})")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent.parent / "farm" / "sample")
