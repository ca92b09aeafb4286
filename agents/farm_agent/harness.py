"""Which timed loop a block uses: native where the runtime and the machine allow it, else Python."""

from __future__ import annotations

from typing import Any, Dict, Tuple

from farm_agent import check
from farm_agent.loop import Loop, PythonLoop
from farm_agent.runtimes import Session
from farm_agent.wire import ArtifactSpec


def open_session(
    module: Any,  # noqa: ANN401 - a module of farm_agent.runtimes
    artifact: ArtifactSpec,
    directory: str,
    options: Dict[str, Any],
    harness: str,
) -> Tuple[Session, str]:
    """The loaded model and why it cannot be called natively ("" when it can, or was not to be)."""
    del harness
    return check.open_artifact(module, artifact, directory, options), ""


def loop_of(session: Session, fallback: str) -> Loop:
    """The loop over a session whose inputs are bound."""
    return PythonLoop(session.call, fallback)
