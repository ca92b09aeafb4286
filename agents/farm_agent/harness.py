"""Which timed loop a block uses: native where the runtime and the machine allow it, else Python."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Dict, Mapping, Tuple

from farm_agent import capi, check, files, native
from farm_agent.errors import FarmError, JobError
from farm_agent.loop import Loop, PythonLoop
from farm_agent.runtimes import Probe, Session
from farm_agent.wire import ArtifactSpec


def probe(module: Any, options: Mapping[str, Any], harness: str) -> Probe:  # noqa: ANN401
    """What this block will need of its runtime, imported: the C library alone where that will do.

    Never raises; ``open_session`` says why a runtime cannot be used.
    """
    if harness == "python":
        return module.probe()  # type: ignore[no-any-return]
    try:
        library = _entry(module, options)[1]
        import numpy as np  # every session needs it
    except (native.Unavailable, ImportError):
        return module.probe()  # type: ignore[no-any-return]
    del np
    return Probe(library.version)


def open_session(
    module: Any,  # noqa: ANN401 - a module of farm_agent.runtimes
    artifact: ArtifactSpec,
    directory: str,
    options: Dict[str, Any],
    harness: str,
) -> Tuple[Session, str]:
    """The loaded model and why it cannot be called natively ("" when it can, or was not to be).

    ``harness``: auto, native (a JobError ``harness.no-native`` where it cannot be) or python. One session
    is loaded, whichever it is. A model that loads neither way raises the Python session's error.
    """
    if harness == "python":
        return check.open_artifact(module, artifact, directory, options), ""
    try:
        return _open_native(module, artifact, directory, options), ""
    except native.Unavailable as reason:
        problem = str(reason)
    except FarmError as error:
        if harness == "native":
            raise
        problem = error.message
    if harness == "native":
        raise JobError(
            f"this cannot be timed natively: {problem}",
            code="harness.no-native",
            fix="use --harness auto, which falls back to the loop in Python and says so",
        )
    if not any(package in sys.modules for package in module.PACKAGES):
        problem += "; its load time includes the import of the Python package"
    return check.open_artifact(module, artifact, directory, options), problem


def loop_of(session: Session, fallback: str) -> Loop:
    """The loop over a session whose inputs are bound. Each session may have one of its own."""
    call = getattr(session, "native_call", None)
    if call is None:
        return PythonLoop(session.call, fallback)
    return native.NativeLoop(native.load(), call, keep=session)


def _open_native(module: Any, artifact: ArtifactSpec, directory: str, options: Dict[str, Any]) -> Session:  # noqa: ANN401
    """Raises native.Unavailable, and what the session raises."""
    entry, library = _entry(module, options)
    if not artifact.files:
        raise native.Unavailable("the artifact has no files")
    path = Path(directory) / files.safe_name(artifact.files[0].name)
    sizes = {pair.artifact.name: pair.artifact.shape for pair in (*artifact.inputs, *artifact.outputs)}
    session: Session = entry.open(library, str(path), options, sizes)
    return session


def _entry(module: Any, options: Mapping[str, Any]) -> Tuple[Any, capi.Library]:  # noqa: ANN401
    """The C side of a runtime and its library, loaded. Raises native.Unavailable."""
    native.load()
    entry = capi.load(_name(module))
    reason = entry.refusal(options)
    if reason:
        raise native.Unavailable(reason)
    return entry, entry.library()


def _name(module: Any) -> str:  # noqa: ANN401
    return str(module.__name__).rpartition(".")[2]
