"""The user's own functions, named ``module:function`` or ``file.py:function``: run in processes of their own.

A preprocess takes one sample's array (for several inputs: a dict of them) and returns what the model takes.
A metric takes the outputs (an array [N, ...] when there is one, else a list) and the labels, and returns a
number, or one score per sample, [N].
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from farm_agent.errors import FarmError, UsageError

if TYPE_CHECKING:
    import numpy as np

    from farm_converters.preprocess import Target

TIMEOUT_S = 900.0
RESAMPLES = 1000
RESAMPLING_S = 60.0
SEED = 0


def preprocess(
    name: str, packed: Path, count: int, wanted: Sequence[Target], workdir: Path
) -> dict[str, np.ndarray[Any, Any]]:
    """Run ``name`` over the samples s.K.I of ``packed``: in.I, [count, ...]. Raises UsageError."""
    request = {
        "name": name,
        "samples": str(packed),
        "count": count,
        "inputs": [[target.name, target.dtype, list(target.shape)] for target in wanted],
    }
    _call("farm_converters.custom:run_preprocess", request, workdir, f"run the preprocess {name}")
    return _load(workdir / "prepared.npz")


def metric(
    name: str, outputs: Path, reference: Path | None, labels: np.ndarray[Any, Any], workdir: Path
) -> dict[str, Any]:
    """``value`` and ``reference`` of a metric over out.J of both files, ``scores`` per sample where it gives
    them, and ``differences`` (value - reference) over seeded resamples of the samples where it does not.

    Raises UsageError metric.custom.
    """
    from farm_converters.golden_onnx import save_npz

    workdir.mkdir(parents=True, exist_ok=True)
    save_npz(workdir / "labels.npz", {"labels": labels})
    request = {
        "name": name,
        "outputs": str(outputs),
        "reference": str(reference) if reference else "",
        "labels": str(workdir / "labels.npz"),
    }
    return _call("farm_converters.custom:run_metric", request, workdir, f"run the metric {name}")


def _call(function: str, request: dict[str, Any], workdir: Path, what: str) -> dict[str, Any]:
    from farm_converters import sandbox

    request["folder"] = str(Path.cwd())
    try:
        return sandbox.call(
            function,
            request,
            workdir=workdir,
            what=what,
            limits=sandbox.Limits(timeout_s=TIMEOUT_S),
            python=sys.executable,
        )
    except FarmError as error:
        raise UsageError(
            error.message, code="metric.custom", fix=error.fix or "correct the function; run it alone first"
        ) from error


def _load(path: Path) -> dict[str, np.ndarray[Any, Any]]:
    import numpy as np

    try:
        with np.load(path, allow_pickle=False) as archive:
            return {key: archive[key] for key in archive.files}
    except (OSError, ValueError) as error:
        raise UsageError(f"its answer cannot be read: {error}", code="metric.custom") from error


# ------------------------------------------------------------------ inside the process


def run_preprocess(request: dict[str, Any], workdir: Path) -> dict[str, Any]:
    """Write prepared.npz."""
    import numpy as np

    function = _function(request["name"], request["folder"])
    names = [name for name, _, _ in request["inputs"]]
    columns: list[Any] = []
    with np.load(request["samples"], allow_pickle=False) as archive:
        for place in range(int(request["count"])):
            arrays = {name: archive[f"s.{place}.{i}"] for i, name in enumerate(names)}
            made = function(arrays if len(names) > 1 else arrays[names[0]])
            made = made if isinstance(made, dict) else {names[0]: made}
            for number, (name, dtype, shape) in enumerate(request["inputs"]):
                array = np.asarray(made.get(name))
                if array.dtype.hasobject or list(array.shape) != shape or str(array.dtype) != dtype:
                    raise UsageError(
                        f"sample {place}: {request['name']} gave {array.dtype}{list(array.shape)}; "
                        f"{name} takes {dtype}{shape}",
                        code="metric.custom",
                        fix="return one array of that type and shape",
                    )
                if not place:
                    columns.append(np.empty((int(request["count"]), *shape), dtype))
                columns[number][place] = array
    np.savez(workdir / "prepared.npz", **{f"in.{i}": column for i, column in enumerate(columns)})
    return {}


def run_metric(request: dict[str, Any], workdir: Path) -> dict[str, Any]:  # noqa: ARG001 - a sandbox's call
    """Answer value, reference, scores, reference_scores, differences."""
    import numpy as np

    function = _function(request["name"], request["folder"])
    labels = _load(Path(request["labels"]))["labels"]
    outputs = _outputs(request["outputs"])
    value, scores = _score(function, outputs, labels)
    answer: dict[str, Any] = {"value": value, "scores": scores}
    if not request["reference"]:
        return answer
    reference = _outputs(request["reference"])
    answer["reference"], answer["reference_scores"] = _score(function, reference, labels)
    if scores is None:
        answer["differences"] = _resampled(function, outputs, reference, labels)
    return answer if np.isfinite(value) else {**answer, "value": None}


def _resampled(function: Callable[..., Any], ours: list[Any], theirs: list[Any], labels: Any) -> list[float]:  # noqa: ANN401
    import time

    import numpy as np

    generator = np.random.Generator(np.random.PCG64(SEED))
    end = time.monotonic() + RESAMPLING_S
    found: list[float] = []
    while len(found) < RESAMPLES and time.monotonic() < end:
        rows = generator.integers(0, len(labels), len(labels))
        one, _ = _score(function, [array[rows] for array in ours], labels[rows])
        two, _ = _score(function, [array[rows] for array in theirs], labels[rows])
        found.append(one - two)
    return found


def _score(function: Callable[..., Any], outputs: list[Any], labels: Any) -> tuple[float, list[float] | None]:  # noqa: ANN401
    import numpy as np

    own = [array.copy() for array in outputs]  # a function that writes into them changes only its own
    given = np.asarray(function(own[0] if len(own) == 1 else own, labels.copy()))
    if given.dtype.kind not in "iufb" or given.shape not in ((), (len(labels),)):
        raise UsageError(
            f"the metric gave {given.dtype}{list(given.shape)}; a number, or one per sample, is wanted",
            code="metric.custom",
            fix="return a float, or an array [N]",
        )
    if not np.isfinite(given.astype(np.float64)).all():
        raise UsageError(
            "the metric gave NaN or infinity", code="metric.custom", fix="give wrong samples a finite score"
        )
    scores = given.astype(np.float64)
    return float(scores.mean()), None if given.ndim == 0 else scores.tolist()


def _outputs(path: str) -> list[Any]:
    arrays = _load(Path(path))
    return [arrays[f"out.{number}"] for number in range(len(arrays))]


def _function(name: str, folder: str) -> Callable[..., Any]:
    """Raises UsageError metric.custom when there is no such function."""
    place, _, attribute = name.rpartition(":")
    sys.path.insert(0, folder)
    try:
        if place.endswith(".py"):
            path = Path(folder) / place
            sys.path.insert(0, str(path.parent))
            spec = importlib.util.spec_from_file_location("farm_custom", path)
            if spec is None or spec.loader is None:
                raise ImportError(f"{path} is no module")  # noqa: TRY301
            module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
        else:
            module = importlib.import_module(place)
        function = getattr(module, attribute)
    except (ImportError, OSError, AttributeError, SyntaxError, ValueError) as error:
        raise UsageError(
            f"{name} cannot be loaded: {error}",
            code="metric.custom",
            fix="name it module:function, or file.py:function, seen from the current folder",
        ) from error
    if not callable(function):
        raise UsageError(f"{name} is no function", code="metric.custom", fix="name a function")
    return function  # type: ignore[no-any-return]
