"""What the trials share: options, networks, a farm of their own, one line per run in a file, intervals of
shares. A trial measures the checkout that it lies in, whatever checkout its environment was made for."""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

RUN_LIMIT_S = 900.0
ROOT = Path(__file__).resolve().parents[1]
SOURCES = tuple(str(ROOT / name) for name in ("", "agents", "converters", "device_profiles", "results"))
sys.path[:0] = SOURCES


def options(doc: str | None, name: str) -> argparse.ArgumentParser:
    """The options of every trial that is a series of ``farm bench``; each adds its own."""
    parser = argparse.ArgumentParser(description=(doc or "").partition("\n")[0])
    parser.add_argument("--min-time", default="1s", help="of each process, as farm bench takes it")
    parser.add_argument("--runtime", default="onnxruntime")
    parser.add_argument("--no-gate", dest="gate", action="store_false", help="measure on a busy machine, too")
    parser.add_argument("--out", type=Path, default=Path(f"{name}.jsonl"))
    parser.add_argument(
        "--folder", type=Path, default=Path(f"{name}-trial"), help="store and agent of the trial"
    )
    parser.add_argument("--report", action="store_true", help="measure nothing more")
    parser.add_argument("--json", action="store_true")
    return parser


def carry_out(
    name: str,
    chosen: argparse.Namespace,
    own: Sequence[str],
    measure: Callable[[Lines, argparse.Namespace, Path], None],
    summary: Callable[[Lines], dict[str, Any]],
    show: Callable[[dict[str, Any]], None],
) -> None:
    """Measure what is missing, then report. ``own``: the options that make it another trial, beside those
    that every trial has."""
    folder = chosen.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    names = ("runtime", *own, "min_time", "gate")
    lines = Lines(chosen.out, {"trial": name, **{each: getattr(chosen, each) for each in names}})
    if not chosen.report:
        measure(lines, chosen, folder)
    found = summary(lines)
    if chosen.json:
        print(json.dumps(found, indent=2))
    else:
        show(found)


def words_of(chosen: argparse.Namespace) -> list[str]:
    """The words of ``farm bench`` that these options stand for."""
    gate = "--gate" if chosen.gate else "--no-gate"
    return ["-r", chosen.runtime, "--min-time", chosen.min_time, gate]


def conv_net(path: Path, channels: int = 8, layers: int = 5, size: int = 128) -> Path:
    """[1,channels,size,size] through ``layers`` 3 by 3 convolutions: about 2 ms on one core of 2024."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    rng = np.random.default_rng(0)
    names = ["x", *(f"h{index}" for index in range(1, layers)), "y"]
    nodes, weights = [], []
    for index in range(layers):
        values = rng.normal(scale=0.1, size=(channels, channels, 3, 3)).astype("float32")
        weights.append(numpy_helper.from_array(values, f"w{index}"))
        nodes.append(
            helper.make_node("Conv", [names[index], f"w{index}"], [names[index + 1]], pads=[1, 1, 1, 1])
        )
    shape = [1, channels, size, size]
    graph = helper.make_graph(
        nodes,
        "conv_net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, shape)],
        weights,
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def models(folder: Path) -> list[Path]:
    """The bundled network (some 10 µs) and the one above."""
    from farm.sample import sample_model

    return [sample_model(), conv_net(folder / "conv.onnx")]


@dataclass(frozen=True)
class Farm:
    """A user with a store and an agent of their own below ``folder``; converted models are the caller's."""

    folder: Path
    settings: Mapping[str, str] = field(default_factory=dict)

    @property
    def store(self) -> Path:
        """Where the results lie."""
        return self.folder / "store"

    def start(self, *words: str) -> subprocess.Popen[str]:
        """Begin a command; the caller ends it."""
        mine = {"FARM_STORE": str(self.store), "FARM_STATE_DIR": str(self.folder / "state"), "NO_COLOR": "1"}
        return subprocess.Popen(
            [sys.executable, "-m", "farm", *words],
            env={**os.environ, **_sources(), **mine, **self.settings},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def results(self, process: subprocess.Popen[str]) -> list[dict[str, Any]]:
        """The rows that ``farm --json bench`` printed. Raises SystemExit with what it said instead."""
        try:
            out, err = process.communicate(timeout=RUN_LIMIT_S)
        finally:
            process.kill()
            process.wait()
        try:
            rows: list[dict[str, Any]] = json.loads(out)["results"]
        except (ValueError, KeyError):
            raise SystemExit(f"farm printed no results (exit code {process.returncode}):\n{err}") from None
        return rows


def _sources() -> dict[str, str]:
    """This checkout before the one that the environment was made for."""
    known = os.environ.get("PYTHONPATH", "")
    return {"PYTHONPATH": os.pathsep.join([*SOURCES, *([known] if known else [])])}


class Lines:
    """A file with one JSON object per line, each written at once, so that an aborted trial can go on."""

    def __init__(self, path: Path, parameters: Mapping[str, Any]) -> None:
        """Raises SystemExit when the file belongs to a trial with other parameters."""
        self.path = path
        self.rows: list[dict[str, Any]] = []
        if path.exists():
            for line in path.read_text().splitlines():
                try:
                    self.rows.append(json.loads(line))
                except ValueError:
                    continue  # the line that an abort cut
        wanted = {"parameters": dict(parameters)}
        if not self.rows:
            self.add(wanted)
        elif self.rows[0] != wanted:
            raise SystemExit(f"{path} belongs to {self.rows[0]}, not to {wanted}: give another --out")
        self.rows = self.rows[:1] + [row for row in self.rows[1:] if "parameters" not in row]

    def add(self, row: Mapping[str, Any]) -> None:
        """Keep a row, here and on disk."""
        self.rows.append(dict(row))
        torn = self.path.exists() and not self.path.read_bytes().endswith(b"\n") and self.path.stat().st_size
        with self.path.open("a") as file:
            file.write(("\n" if torn else "") + json.dumps(row) + "\n")
            file.flush()
            os.fsync(file.fileno())

    @property
    def runs(self) -> list[dict[str, Any]]:
        """All rows but the parameters."""
        return self.rows[1:]


def wilson(hits: int, count: int, z: float = 1.96) -> tuple[float, float]:
    """The 95 % interval of a share (E. B. Wilson, JASA 22 (1927) 209); (0, 1) of nothing."""
    if count == 0:
        return 0.0, 1.0
    share, zz = hits / count, z * z
    centre = (share + zz / (2 * count)) / (1 + zz / count)
    half = z * math.sqrt(share * (1 - share) / count + zz / (4 * count * count)) / (1 + zz / count)
    return max(0.0, centre - half), min(1.0, centre + half)


def share_text(hits: int, count: int) -> str:
    """``1 of 30 = 3.3 % (0.6–16.7)``."""
    if count == 0:
        return "none"
    low, high = wilson(hits, count)
    return f"{hits} of {count} = {100 * hits / count:.1f} % ({100 * low:.1f}–{100 * high:.1f})"


def two_sided_p(differences: Sequence[float]) -> float:
    """Of Student's t test that the mean difference is zero; 1 with fewer than two or where all are zero.

    With v degrees of freedom and a = atan(t / sqrt(v)), p is the share of the integral of cos^(v-1) over
    [0, pi/2] that lies above a.
    """
    count = len(differences)
    if count < 2:
        return 1.0
    mean, stdev = float(np.mean(differences)), float(np.std(differences, ddof=1))
    if stdev == 0.0:
        return 1.0 if mean == 0.0 else 0.0
    angle = math.atan(abs(mean) / (stdev / math.sqrt(count)) / math.sqrt(count - 1))

    def integral(low: float) -> float:
        grid = np.linspace(low, math.pi / 2, 20001)
        return float(np.trapezoid(np.cos(grid).clip(0.0) ** (count - 2), grid))

    return integral(angle) / integral(0.0)
