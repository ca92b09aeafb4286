"""Weights & Biases: a run per result; needs the extra ``wandb``.

Offline unless WANDB_MODE says otherwise: runs land in ./wandb (or WANDB_DIR), `wandb sync` sends them.
A run has the same id whenever it is pushed, so that a second push changes the first one's run.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from farm.errors import InfrastructureError
from farm.trackers import Pushed, key_of, missing, numbers, parameters, tags
from farm_results.model import Result
from farm_results.report.figures import name_of


def push(results: Sequence[Result], *, project: str, uri: str) -> Pushed:
    """Push all. ``uri``: the folder of offline runs, else WANDB_DIR, else the working directory.

    Raises UsageError tracker.missing; InfrastructureError tracker.failed.
    """
    os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
    try:
        import wandb
    except ImportError as error:
        raise missing("wandb", "wandb") from error
    mode = os.environ.get("WANDB_MODE", "offline")
    folder = Path(uri or os.environ.get("WANDB_DIR") or ".").absolute()
    try:
        # Where it cannot write, wandb goes to /tmp and says so in passing.
        with tempfile.TemporaryFile(dir=_made(folder)):
            pass
        for result in results:
            _push_one(wandb, result, project, mode, folder)
    except (wandb.Error, OSError) as error:
        raise InfrastructureError(
            f"Weights & Biases did not take the results: {str(error)[:300] or type(error).__name__}",
            code="tracker.failed",
            fix="check --uri, WANDB_MODE, WANDB_DIR and `wandb login`; push again for the rest",
        ) from error
    finally:
        wandb.teardown()
    where = f"{folder}/wandb, to be sent by `wandb sync`" if mode == "offline" else f"project {project}"
    return Pushed(len(results), 0, where)


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _push_one(wandb: Any, result: Result, project: str, mode: str, folder: Path) -> None:  # noqa: ANN401
    settings = wandb.Settings(
        silent=True, console="off", disable_git=True, disable_code=True, save_code=False, x_disable_stats=True
    )
    words = tags(result)
    run = wandb.init(
        project=project,
        id=key_of(result),
        name=name_of(result)[:120],
        dir=str(folder),
        mode=mode,
        resume="allow" if mode == "online" else None,
        config=parameters(result) | {name.replace(".", "_"): value for name, value in words.items()},
        tags=[words["farm.verdict"][:60], words["farm.origin"]],
        settings=settings,
    )
    run.summary.update(dict(numbers(result)))
    run.finish(exit_code=0 if result.status == "ok" else 1)
