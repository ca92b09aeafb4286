"""Which nodes of a model suffer most from int8: measured once, kept while it goes on, resumed, cached."""

from __future__ import annotations

import hashlib
import json
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from farm_agent import codec
from farm_agent.errors import JobError, UsageError
from farm_converters import cache, environment, golden, sandbox
from farm_converters.lock import held
from farm_converters.model import Model
from farm_converters.recipe import Recipe
from farm_converters.sensitivity_onnx import PROGRESS

POLL_S = 0.3
CODE = ("sensitivity_onnx.py", "quantise_onnx.py", "simplify.py", "exclude.py", "graph.py")
METRICS = {"cosine": "cosine", "snr": "snr_db"}


@dataclass(frozen=True)
class Score:
    """Of the worst output: ``snr_db``, signal to noise in dB (200 where equal), and ``cosine``."""

    snr_db: float
    cosine: float


@dataclass(frozen=True)
class NodeScore:
    """The outputs when this node alone is in int8."""

    node: str
    operator: str
    score: Score


@dataclass(frozen=True)
class Until:
    """What the outputs must reach: ``metric`` of METRICS, at least ``value``."""

    metric: str
    value: float


@dataclass(frozen=True)
class Repair:
    """The shortest list of worst nodes without which the target is reached, and what is reached then."""

    reached: bool
    exclude: tuple[str, ...]
    score: Score


@dataclass(frozen=True)
class Sensitivity:
    """``nodes``: worst first. ``everything``: all nodes in int8. ``samples``: how many were compared."""

    nodes: tuple[NodeScore, ...]
    everything: Score
    samples: int
    repair: Repair | None = None


def measure(
    model: Model,
    recipe: Recipe,
    cache_dir: Path,
    *,
    until: Until | None,
    report: Callable[[str], None],
    progress: Callable[[int, int], None],
    limits: sandbox.Limits,
) -> Sensitivity:
    """Score every node; ``recipe`` carries shapes, calibration, options and what is excluded anyway.

    ``progress`` is told nodes done and in total. What was measured before an interrupt is used again.
    Raises UsageError calib.missing; JobError convert.*; InfrastructureError host.*.
    """
    if recipe.calibration is None:
        raise UsageError(
            "the sensitivity of nodes is measured on samples of real inputs",
            code="calib.missing",
            fix="give --calib FOLDER|FILE.npz",
        )
    if model.native_precision == "int8":
        raise JobError(
            f"{model.name} is quantised already",
            code="convert.nothing-to-quantise",
            fix="measure the float32 network that it was made from",
        )
    if model.format != "onnx":
        raise JobError(
            f"the nodes of a {model.format} file cannot be quantised one by one",
            code="convert.unsupported",
            fix="give the network as ONNX, PyTorch or Keras",
        )
    recipe = replace(recipe, format="onnx", precision="int8")
    entry = cache_dir / "sensitivity" / _key(model, recipe)
    with cache.writable(cache_dir):
        source = golden.prepare(model, recipe, cache_dir, report, limits)
        with held(entry.with_suffix(".lock"), report=report, what=f"sensitivity of {model.name}"):
            answer = _answered(entry, until)
            if answer is None:
                answer = _measured(recipe, source, cache_dir, entry, until, progress, limits)
                _answer_path(entry, until).write_text(json.dumps(answer))
    return _decoded(answer)


def _key(model: Model, recipe: Recipe) -> str:
    calibration = recipe.calibration.sha256 if recipe.calibration else ""
    how = (calibration, list(recipe.exclude), dict(recipe.options))
    code = [hashlib.sha256(Path(__file__).with_name(name).read_bytes()).hexdigest() for name in CODE]
    parts = (golden.key_of(model, recipe), *how, environment.fingerprint("onnx"), code)
    return hashlib.sha256(codec.dumps(list(parts)).encode()).hexdigest()


def _answer_path(entry: Path, until: Until | None) -> Path:
    what = f"{until.metric}-{until.value!r}" if until else "all"
    return entry.with_name(f"{entry.name}.{what}.json")


def _answered(entry: Path, until: Until | None) -> Mapping[str, Any] | None:
    try:
        answer = json.loads(_answer_path(entry, until).read_bytes())
        _decoded(answer)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return answer if isinstance(answer, dict) else None


def _measured(
    recipe: Recipe,
    source: golden.Source,
    cache_dir: Path,
    entry: Path,
    until: Until | None,
    progress: Callable[[int, int], None],
    limits: sandbox.Limits,
) -> Mapping[str, Any]:
    assert recipe.calibration is not None  # noqa: S101 - measure() looked
    kept = entry.with_suffix(".jsonl")
    request = {
        "model": str(source.model_path.resolve()),
        "inputs": [{"name": spec.name} for spec in source.inputs],
        "calibration": str(recipe.calibration.path.resolve()),
        "exclude": list(recipe.exclude),
        "options": dict(recipe.options),
        "known": read_scores(kept),
        "until": {"metric": METRICS[until.metric], "value": until.value} if until else None,
    }
    with sandbox.private_directory(cache_dir / "work") as workdir, _kept(workdir / PROGRESS, kept, progress):
        return sandbox.call(
            "farm_converters.sensitivity_onnx:measure",
            request,
            workdir=workdir,
            what="measure the sensitivity of its nodes",
            limits=limits,
            python=sys.executable,
        )


def read_scores(path: Path) -> list[dict[str, Any]]:
    """Whole lines of a file of scores; a line that was cut off is measured again."""
    found = []
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    for line in text.splitlines():
        try:
            entry = json.loads(line)
            score = {"snr_db": float(entry["snr_db"]), "cosine": float(entry["cosine"])}
            words = {"node": str(entry["node"]), "operator": str(entry["operator"])}
            found.append({**words, "total": int(entry["total"]), **score})
        except (ValueError, KeyError, TypeError):
            continue
    return found


class _kept:  # noqa: N801 - used as a function: with _kept(...)
    """While the block runs, copies finished nodes from the sandbox's file to the cache and tells progress."""

    def __init__(self, source: Path, target: Path, progress: Callable[[int, int], None]) -> None:
        self._source, self._target, self._progress = source, target, progress
        self._before = "".join(f"{json.dumps(entry)}\n" for entry in read_scores(target))
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> threading.Thread:
        self._thread.start()
        return self._thread

    def __exit__(self, *_ended: object) -> None:
        self._stop.set()
        self._thread.join()
        self._copy()

    def _watch(self) -> None:
        told = 0
        while not self._stop.wait(POLL_S):
            try:
                scores = self._copy()
            except OSError:  # a full disk, say: __exit__ tells it to the caller
                return
            if len(scores) > told:
                told = len(scores)
                self._progress(told, scores[-1]["total"])

    def _copy(self) -> list[dict[str, Any]]:
        if self._source.is_file():
            new = self._source.read_text(encoding="utf-8", errors="replace")
            self._target.write_text(self._before + new, encoding="utf-8")
        return read_scores(self._target)


def _decoded(answer: Mapping[str, Any]) -> Sensitivity:
    repair = answer["repair"]
    return Sensitivity(
        nodes=tuple(
            NodeScore(str(entry["node"]), str(entry["operator"]), _score(entry)) for entry in answer["nodes"]
        ),
        everything=_score(answer["all"]),
        samples=int(answer["samples"]),
        repair=Repair(bool(repair["reached"]), tuple(map(str, repair["exclude"])), _score(repair))
        if repair
        else None,
    )


def _score(entry: Mapping[str, Any]) -> Score:
    return Score(float(entry["snr_db"]), float(entry["cosine"]))
