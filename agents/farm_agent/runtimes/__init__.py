"""One file per runtime; the file's name is the runtime's name.

A file must provide:

    probe() -> Probe                       imports the runtime, never raises
    PACKAGES: Tuple[str, ...]              the installed packages that it reads when it is imported
    FILES_DECIDE: bool                     whether nothing but them and numpy decides what ``probe`` finds
    open(path, options) -> Session         raises errors.JobError (code "runtime.*") when it cannot load

Files are listed without importing any of them. ``options``: threads (int), precision ("fp32", "fp16",
asked for), plus what the profile's target hands over as strings.
"""

from __future__ import annotations

import importlib
import pkgutil
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Tuple

from farm_agent.late import dataclass

try:
    from typing import Protocol
except ImportError:  # pragma: no cover - Python 3.7 and older are refused at start
    Protocol = object  # type: ignore[assignment]

from farm_agent.errors import JobError
from farm_agent.wire import PrecisionProof, TensorSpec


@dataclass(frozen=True)
class Probe:
    """Whether a runtime can be used here. ``unavailable`` and ``fix`` are empty when it can."""

    version: str
    unavailable: str = ""
    fix: str = ""


class Session(Protocol):
    """A loaded model. Arrays are numpy arrays in the artifact's own names, dtypes and layout."""

    def inputs(self) -> List[TensorSpec]:
        """The artifact's inputs; a dimension the file leaves free is -1."""

    def outputs(self) -> List[TensorSpec]:
        """The artifact's outputs; a dimension not known before a run is -1."""

    def bind(self, feed: Mapping[str, Any]) -> None:
        """Copy inputs in and prepare buffers, so that ``call`` does nothing but infer."""

    @property
    def call(self) -> Callable[[], Any]:
        """One inference on what was bound: a zero-argument callable without Python wrapping."""

    def fetch(self) -> Dict[str, Any]:
        """Copies of the outputs of the last call, by artifact output name."""

    def proof(self) -> Optional[PrecisionProof]:
        """Which precision ran, from the runtime itself; None where it cannot tell. Never timed."""

    def close(self) -> None:
        """Free the model."""


def names() -> Tuple[str, ...]:
    """Every runtime this agent knows, without importing any."""
    return tuple(sorted(module.name for module in pkgutil.iter_modules(__path__)))


def load(name: str) -> Any:  # noqa: ANN401 - a module with the functions above
    """The module of a runtime. Raises JobError ``runtime.unknown``."""
    if name not in names():
        raise JobError(
            "no runtime is called {!r}; this agent knows {}".format(name, ", ".join(names())),
            code="runtime.unknown",
        )
    return importlib.import_module(f"farm_agent.runtimes.{name}")


def threads_of(options: Mapping[str, Any]) -> int:
    """The number of threads asked for; at least one."""
    return max(1, int(options.get("threads", 1)))


def match_all(wanted: Sequence[str], got: Mapping[str, Any]) -> None:
    """Raise JobError ``input.missing`` unless every wanted input name was given."""
    missing = [name for name in wanted if name not in got]
    if missing:
        raise JobError("no data for the input {}".format(", ".join(missing)), code="input.missing")
