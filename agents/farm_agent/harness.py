"""Which timed loop a block uses: native where the runtime and the machine allow it, else Python."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, Tuple

from farm_agent import capi, check, files, native
from farm_agent.errors import JobError
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
    """The loaded model and why it cannot be called natively ("" when it can, or was not to be).

    ``harness``: auto, native (a JobError ``harness.no-native`` where it cannot be) or python. One session
    is loaded, whichever it is.
    """
    if harness == "python":
        return check.open_artifact(module, artifact, directory, options), ""
    try:
        return _open_native(module, artifact, directory, options), ""
    except native.Unavailable as reason:
        if harness == "native":
            raise JobError(
                f"this cannot be timed natively: {reason}",
                code="harness.no-native",
                fix="use --harness auto, which falls back to the loop in Python and says so",
            ) from reason
        return check.open_artifact(module, artifact, directory, options), str(reason)


def loop_of(session: Session, fallback: str) -> Loop:
    """The loop over a session whose inputs are bound."""
    call = getattr(session, "native_call", None)
    if call is None:
        return PythonLoop(session.call, fallback)
    return native.NativeLoop(native.load(), call, keep=session)


def _open_native(module: Any, artifact: ArtifactSpec, directory: str, options: Dict[str, Any]) -> Session:  # noqa: ANN401
    """Raises native.Unavailable."""
    native.load()
    entry = capi.load(str(module.__name__).rpartition(".")[2])
    reason = entry.refusal(options)
    if reason:
        raise native.Unavailable(reason)
    if not artifact.files:
        raise native.Unavailable("the artifact has no files")
    path = Path(directory) / files.safe_name(artifact.files[0].name)
    session: Session = entry.open(entry.library(), str(path), options)
    return session
