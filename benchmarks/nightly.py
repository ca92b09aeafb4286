"""Real nights on this machine: a network with 5 % more work appears on night N of a series.

    python benchmarks/nightly.py --folder /tmp/nights --nights 8 --after 4

A network of 20 equal matrix products is measured night after night by ``farm nightly run``; then one of 21
takes its place. Printed: each night's number, its z, its verdict, what the A/B said, and how many nights
called for an A/B although nothing had changed. The nights follow one another without a pause.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

SETTINGS = """
store = "store"
cache_dir = "cache"
state_dir = "state"
inventory_path = "devices.toml"
[nightly]
models = ["net.onnx"]
devices = ["local"]
runtimes = ["onnxruntime"]
threads = [1]
blocks = {blocks}
min_time = "{min_time}"
max_time = "{max_time}"
min_runs = 50
gate = false
aa = "never"
pairs = {pairs}
"""


def network(path: Path, layers: int, size: int = 256) -> None:
    """A chain of square matrix products."""
    import numpy as np
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    weight = numpy_helper.from_array(np.full((size, size), 1e-3, dtype="float32"), "w")
    names = ["x", *(f"h{number}" for number in range(layers - 1)), "y"]
    nodes = [helper.make_node("MatMul", [a, "w"], [b]) for a, b in itertools.pairwise(names)]
    shape = [size, size]
    graph = helper.make_graph(
        nodes,
        "chain",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, shape)],
        [weight],
    )
    opset = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), path)


def night(folder: Path) -> dict[str, Any]:
    """One night, as JSON."""
    words = [sys.executable, "-m", "farm", "--json", "--quiet", "nightly", "run", "--fail-on", "never"]
    environment = {name: text for name, text in os.environ.items() if not name.startswith("FARM_")}
    done = subprocess.run(
        words, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=3600
    )
    if not done.stdout:
        raise SystemExit(done.stderr)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def number_of(folder: Path, job_id: str) -> float:
    """The p50 of a stored result, in ms."""
    from farm_results.store import open_store

    store = open_store(folder / "store")
    try:
        latency = store.result(job_id).latency
        return latency.p50_ns / 1e6 if latency else float("nan")
    finally:
        store.close()


def main() -> None:
    """Run the nights and print a row for each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--nights", type=int, default=8, help="before the step")
    parser.add_argument("--after", type=int, default=4, help="with the step")
    parser.add_argument("--layers", type=int, default=20)
    parser.add_argument("--more", type=int, default=1, help="layers that the step adds")
    parser.add_argument("--blocks", type=int, default=3)
    parser.add_argument("--min-time", default="200ms")
    parser.add_argument("--max-time", default="400ms")
    parser.add_argument("--pairs", type=int, default=12)
    parser.add_argument("--within-s", type=float, default=480.0, help="no night begins after so many seconds")
    wish = parser.parse_args()
    folder: Path = wish.folder
    folder.mkdir(parents=True, exist_ok=True)
    text = SETTINGS.format(
        blocks=wish.blocks, min_time=wish.min_time, max_time=wish.max_time, pairs=wish.pairs
    )
    begun_s = time.monotonic()
    (folder / "farm.toml").write_text(text)
    print("| night | layers | net p50 ms | z | verdict | what was seen | canary |")
    print("|---|---|---|---|---|---|---|")
    for number in range(1, wish.nights + wish.after + 1):
        if time.monotonic() - begun_s > wish.within_s:
            print(f"\nno time for the other {wish.nights + wish.after + 1 - number} nights")
            break
        layers = wish.layers + (wish.more if number > wish.nights else 0)
        network(folder / "net.onnx", layers)
        found = night(folder)
        cells = {cell["model"]: cell for cell in found["cells"]}
        net, canary = cells["net"], cells["digits"]
        p50 = number_of(folder, net["job_ids"][-1])
        z = "-" if net["trigger_z"] is None else f"{net['trigger_z']:+.1f}"
        row = (number, layers, f"{p50:.3f}", z, net["outcome"], net["text"], canary["outcome"])
        print("| " + " | ".join(map(str, row)) + " |", flush=True)


if __name__ == "__main__":
    main()
