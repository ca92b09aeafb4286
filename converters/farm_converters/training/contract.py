"""What the host and a training process exchange; standard library only, for it runs in every environment.

A framework lives in ``training/FRAMEWORK/`` with ``run.py`` and one file per technique (``finetune.py``,
``prune.py``, ``qat.py``, ``distil.py``, ``cluster.py``). The host calls, once per seed and in a process of
its own under the environment's Python,

    farm_converters.training.FRAMEWORK.run:train(request, workdir) -> answer

``request``:
    recipe    codec.encode(TrainingRecipe); each of its steps has technique, name, parameters, train
    folder    absolute folder of the recipe: first on sys.path, relative paths count from it
    seed      seeds Python, numpy and the framework; the same seed on the same machine gives the same weights
    test      absolute path: write the test split there (``write_test``), whether or not it exists
    facts     absolute path: what all processes of the run have in common (``identity.agree``)
    calibration  absolute path: write inputs of the training split there (``write_inputs``), at most
                 ``CALIBRATION_SAMPLES``, drawn by ``CALIBRATION_SEED``: a split may be sorted by class
``workdir`` survives the process: a second call with the same request goes on where the first was killed. Step
k (0 is the baseline, k = 1.. the recipe's steps) owns ``workdir/KK-NAME/`` (``step_folder``): checkpoints
while it runs, its exported files, and last of all ``result.json`` (``write_result``: its presence means:
done).

``answer``:
    steps     list of StepResult as JSON, baseline first
    versions  {"torch": "2.13.0", ...}: what the numbers depend on
    inputs    [{"name", "dtype", "shape"}]: of the exported network; the batch dimension is named "batch"
    test      {"sha256", "samples"} of the test split

Progress: ``Progress(workdir).tell(...)`` appends JSON lines to ``workdir/progress.jsonl``; the host reads
them while the process runs, for people and for the time left.

Errors: JobError train.diverged (``diverged``), train.user-code (``user_code``), train.untraceable, ... ; the
host turns a death into train.crashed or train.out-of-memory.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import json
import os
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from farm_agent.errors import FarmError, JobError

CALIBRATION_SAMPLES = 256
CALIBRATION_SEED = 0
SPLITS = ("train", "validation", "test")
RESULT, PROGRESS = "result.json", "progress.jsonl"


@dataclass(frozen=True)
class StepResult:
    """One step of one seed. ``metric``: the recipe's metric of the network in the framework on the test
    split.

    ``parameters``: trainable ones of the deployed network; ``nonzero``: those that are not 0. ``files``:
    format to path below the seed's folder. ``epochs``: per epoch {"epoch", "loss", "metric", "lr",
    "seconds"}, the metric on the validation split. ``notes``: sentences for the report.
    """

    step: int
    name: str
    technique: str
    metric: float
    parameters: int
    nonzero: int
    files: Mapping[str, str]
    seconds: float
    epochs: tuple[Mapping[str, float], ...] = ()
    notes: tuple[str, ...] = ()
    parameters_of_step: Mapping[str, Any] = field(default_factory=dict)


class Progress:
    """Appends what happens to ``workdir/progress.jsonl``."""

    def __init__(self, workdir: Path) -> None:
        self._path = workdir / PROGRESS

    def tell(self, event: str, **values: object) -> None:
        """``event``: "start" (step, name, epochs), "epoch" (step, epoch, epochs, loss, metric), "step" (step,
        metric: done), "note" (text)."""
        line = json.dumps({"event": event, "unix_s": time.time(), **values})
        with self._path.open("a") as file:
            file.write(line + "\n")


def step_folder(workdir: Path, step: int, name: str) -> Path:
    """The folder of step ``step``; made when absent."""
    folder = workdir / f"{step:02d}-{name}"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def write_result(folder: Path, result: StepResult) -> None:
    """Mark the step as done: appears whole or not at all."""
    write_json(folder / RESULT, asdict(result))


def read_result(folder: Path) -> StepResult | None:
    """The step's result when it is done."""
    try:
        found = json.loads((folder / RESULT).read_bytes())
        return StepResult(**{**found, "epochs": tuple(found["epochs"]), "notes": tuple(found["notes"])})
    except (OSError, ValueError, TypeError, KeyError):
        return None


def write_json(path: Path, value: object) -> None:
    """Replace ``path`` in one piece."""
    temporary = path.with_suffix(".part")
    with temporary.open("w") as file:
        json.dump(value, file, sort_keys=True)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def write_test(path: Path, inputs: Mapping[str, Any], labels: Any) -> dict[str, Any]:  # noqa: ANN401 - arrays
    """Write the labelled test split as ``farm bench --data`` reads it: arrays by input name and ``labels``.

    Fixed dates: the same arrays give the same bytes. Answers {"sha256", "samples"}. Raises JobError
    train.data-changes when the split written before was another one.
    """
    import numpy as np

    from farm_converters.golden_onnx import save_npz

    temporary = path.with_suffix(f".{os.getpid()}.part")
    save_npz(temporary, {**{name: np.asarray(array) for name, array in inputs.items()}, "labels": labels})
    sha256 = hashlib.sha256(temporary.read_bytes()).hexdigest()
    if path.exists() and hashlib.sha256(path.read_bytes()).hexdigest() != sha256:
        temporary.unlink()
        raise JobError(
            "data('test') gives other samples than before: seeds and steps could not be compared",
            code="train.data-changes",
            fix="make the split fixed: the function must return the same test samples on every call",
        )
    temporary.replace(path)
    return {"sha256": sha256, "samples": len(labels)}


def write_inputs(path: Path, inputs: Mapping[str, Any]) -> None:
    """Write samples to calibrate from: arrays by input name. The same arrays give the same bytes."""
    from farm_converters.golden_onnx import save_npz

    temporary = path.with_suffix(f".{os.getpid()}.part")
    save_npz(temporary, dict(inputs))
    temporary.replace(path)


def load_entry(entry: str, folder: Path, key: str) -> Callable[..., Any]:
    """The user's function ``module:name`` or ``file.py:name``; ``key`` names it in errors.

    Raises JobError train.user-code, train.no-function.
    """
    where, _, name = entry.rpartition(":")
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
    with user_code(key, folder):
        module = _from_file(folder / where) if where.endswith(".py") else importlib.import_module(where)
    found = getattr(module, name, None)
    if not callable(found):
        raise JobError(
            f"{key}: {where} has no function {name!r}",
            code="train.no-function",
            fix=f"define it in {where}, or correct {key} in the recipe",
        )
    called: Callable[..., Any] = found
    return called


def _from_file(path: Path) -> Any:  # noqa: ANN401 - a module
    path = Path(os.path.abspath(path))  # noqa: PTH100 - resolving would follow links
    name = f"farm_user_{path.stem}_{hashlib.sha256(bytes(path)).hexdigest()[:12]}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None or not path.is_file():
        raise FileNotFoundError(f"there is no file {path}")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


@contextmanager
def user_code(key: str, folder: Path) -> Iterator[None]:
    """Turn what the user's code raises into JobError train.user-code with file and line of that code."""
    try:
        yield
    except (FarmError, MemoryError, KeyboardInterrupt):
        raise
    except BaseException as error:
        raise JobError(
            f"{key}: {_place(error, folder)}{type(error).__name__}: {' '.join(str(error).split())[:300]}",
            code="train.user-code",
            fix="correct the code that the message names, then run the same command again",
        ) from error


def _place(error: BaseException, folder: Path) -> str:
    """ "net.py:12 in build: " of the innermost frame below the recipe's folder."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{_shown(error.filename, folder)}:{error.lineno}: "
    own = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if Path(frame.filename).is_relative_to(folder)
    ]
    return f"{_shown(own[-1].filename, folder)}:{own[-1].lineno} in {own[-1].name}: " if own else ""


def _shown(name: str, folder: Path) -> str:
    path = Path(name)
    return str(path.relative_to(folder)) if path.is_relative_to(folder) else path.name


def diverged(step: str, epoch: int, batch: int, what: str) -> JobError:
    """The error for a value that is no number any more. ``batch``: 0 for the end of the epoch."""
    where = f"epoch {epoch}, batch {batch}" if batch else f"epoch {epoch}"
    return JobError(
        f"step {step}: {what} in {where}",
        code="train.diverged",
        fix="lower lr, set clip_norm or warmup_steps in [train], or look for NaN in the data",
    )
