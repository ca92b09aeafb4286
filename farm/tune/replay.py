"""``farm bench --plan best.toml``: exactly that configuration, on its device or on those asked for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from farm.errors import UsageError
from farm.plan import Plan, Request
from farm.tune import best as bests
from farm.tune.best import Best

# What a best.toml says itself, by the name of the option.
SAYS = {
    "MODEL": "models",
    "--runtimes": "runtimes",
    "--precisions": "precisions",
    "--threads": "threads",
    "--shape": "shapes",
    "--batch": "batch",
    "--inputs": "inputs",
    "--calib": "calib",
    "--calib-random": "calib_random",
    "--exclude": "exclude",
    "--preprocess": "preprocess",
}


def replayed(path: Path, request: Request, devices: tuple[str, ...]) -> tuple[Best, Request]:
    """The file, and the request with its configuration. ``devices``: those asked for, () for its own.

    Raises UsageError plan.conflict for an option that the file answers, and what ``best.read`` raises.
    """
    given = [option for option, name in SAYS.items() if getattr(request, name)]
    if given:
        raise UsageError(
            f"{', '.join(given)}: {path} says that already",
            code="plan.conflict",
            fix=f"leave it out, or edit {path}",
        )
    found = bests.read(path)
    return found, found.request(replace(request, devices=devices))


def check(found: Best, plan: Plan) -> None:
    """Raises UsageError plan.model-changed when the model at the file's path is another one."""
    for cell in plan.cells:
        if cell.model is not None:
            found.check(cell.model)
