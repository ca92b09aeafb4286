"""Hold the outputs of a runtime's C entry point against those of its Python package, before C is timed.

The check proves what the Python session computes; a block that is timed natively computes through another
door of the runtime, and for LiteRT through another of its interfaces.
"""

from __future__ import annotations

from typing import Any, Mapping

from farm_agent import check, compare, feed, harness
from farm_agent.errors import FarmError, JobError


def run(request: check.CheckRequest, module: Any, python: Mapping[str, Any], samples: int) -> bool:  # noqa: ANN401
    """Whether the native session ran; ``python`` holds the Python session's outputs (keys out.K.J).

    The samples run in the same order: a model may keep a state. Where there is no native session there is
    nothing to prove. Raises JobError ``check.native-mismatch``.
    """
    if request.harness == "python" or request.golden is None or request.golden_path is None or not samples:
        return False
    options = {"precision": request.artifact.precision, **request.options}
    try:
        session, _ = harness.open_session(module, request.artifact, request.directory, options, "native")
    except FarmError:
        return False  # the block falls back, or says why it cannot
    inputs = request.artifact.inputs or feed.identity(session.inputs())
    maps = request.artifact.outputs or feed.identity(session.outputs())
    data = feed.load_npz(request.golden_path)
    comparison = compare.Comparison(request.golden.tolerance)
    for index in range(samples):
        session.bind(feed.sample(data, index, inputs))
        outputs = check.in_source_order(maps, check.infer(request.runtime, session))
        for number, (entry, got) in enumerate(zip(maps, outputs)):
            comparison.add(number, entry.source.name, got, python[f"out.{index}.{number}"])
    worst = comparison.worst()
    if worst is not None and worst.excess > 1.0:
        raise JobError(
            f"{request.runtime} gives other outputs through its C interface than through Python: "
            f"{worst.name} differs by {worst.max_abs_error:.3g}",
            code="check.native-mismatch",
            fix="measure with --harness python, and report the model",
        )
    session.close()
    return True
