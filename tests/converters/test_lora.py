"""A toy transformer with low-rank adapters: merged before the export, then with int4 weights."""

from __future__ import annotations

import collections
import subprocess
from pathlib import Path

import numpy as np
import pytest

from farm_converters import environment
from farm_converters.convert import convert
from farm_converters.recipe import Recipe
from tests.converters import made
from tests.support import share_environments

MAKE = """
import sys, torch
from torch import nn
torch.manual_seed(0)
class Adapted(nn.Module):
    def __init__(self, size, rank=4):
        super().__init__()
        self.base = nn.Linear(size, size)
        self.down, self.up = nn.Linear(size, rank, bias=False), nn.Linear(rank, size, bias=False)
        self.scale = 0.5
    def forward(self, x):
        return self.base(x) + self.scale * self.up(self.down(x))
class Toy(nn.Module):
    def __init__(self, size=128):
        super().__init__()
        self.words = nn.Embedding(50, size)
        self.query, self.key, self.value = Adapted(size), Adapted(size), Adapted(size)
        self.out = nn.Linear(size, 50)
    def forward(self, tokens):
        x = self.words(tokens)
        scores = self.query(x) @ self.key(x).transpose(1, 2) / 11.3
        return self.out(x + torch.softmax(scores, -1) @ self.value(x))
def save(network, name):
    example = torch.zeros(1, 12, dtype=torch.long)
    torch.onnx.export(network, (example,), name, dynamo=False, opset_version=17, input_names=["tokens"],
                      output_names=["scores"])
toy = Toy().eval()
save(toy, sys.argv[1])
with torch.no_grad():
    for name in ("query", "key", "value"):
        layer = getattr(toy, name)
        layer.base.weight += layer.scale * layer.up.weight @ layer.down.weight
        setattr(toy, name, layer.base)
save(toy, sys.argv[2])
"""


@pytest.mark.toolchain
@pytest.mark.timeout(600)
def test_merged_adapters_cost_nothing_and_take_int4_weights(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    import onnx
    import onnxruntime

    store = share_environments(tmp_path_factory, tmp_path / "store")
    python = environment.prepare("torch", store, lambda _text: None).python
    apart, merged = tmp_path / "apart.onnx", tmp_path / "merged.onnx"
    subprocess.run([python, "-c", MAKE, str(apart), str(merged)], check=True, capture_output=True)

    products = {
        path: collections.Counter(node.op_type for node in onnx.load(path).graph.node)["MatMul"]
        for path in (apart, merged)
    }
    assert products[apart] == products[merged] + 6
    tokens = {"tokens": np.arange(12, dtype=np.int64)[None]}
    one, other = (onnxruntime.InferenceSession(path).run(None, tokens)[0] for path in (apart, merged))
    assert np.abs(one - other).max() < 1e-5

    artifact = convert(made.inspected(merged), Recipe("onnx", "int4-weights"), store, report=made.quiet)

    assert artifact.check is not None
    assert artifact.check.cosine > 0.95
    assert artifact.size_bytes < 0.6 * merged.stat().st_size
