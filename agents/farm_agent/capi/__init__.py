"""The runtimes' own C entry points, called through ctypes from the shared libraries in their wheels.

One file per runtime, named like it. A file must provide:

    library() -> Library                         raises native.Unavailable when there is none to call
    refusal(options) -> str                      why these options need the Python package ("": they do not)
    open(library, path, options, sizes) -> Session   raises Unavailable, and what the Python file does

``sizes``: what is known of the model's inputs and outputs, by name.
A session is a ``runtimes.Session`` (without a proof: that is the check's business) with ``native_call``.
Nothing here imports a runtime's Python package.
"""

from __future__ import annotations

import ctypes
import importlib
import importlib.util
from pathlib import Path
from typing import Any, Mapping, Sequence, Tuple

from farm_agent.late import dataclass
from farm_agent.native import Unavailable

ALIGNMENT = 64
Sizes = Mapping[str, Tuple[int, ...]]


@dataclass(frozen=True)
class Library:
    """A runtime's shared library; ``version`` as the runtime's probe words it."""

    handle: Any
    version: str


def load(name: str) -> Any:  # noqa: ANN401 - a module with the functions above
    """The module of a runtime. Raises Unavailable when it has no C entry point here."""
    module = f"{__name__}.{name}"
    if importlib.util.find_spec(module) is None:
        raise Unavailable(f"{name} has no native entry point")
    return importlib.import_module(module)


def find(package: str, patterns: Sequence[str]) -> Path:
    """The newest file of an installed package that matches; the package is not imported.

    Raises Unavailable.
    """
    try:
        spec = importlib.util.find_spec(package)
    except (ImportError, ValueError):
        spec = None
    places = [Path(place) for place in spec.submodule_search_locations or ()] if spec else []
    found = [path for place in places for pattern in patterns for path in sorted(place.glob(pattern))]
    if not found:
        raise Unavailable(f"this {package} comes without {patterns[0]}")
    return found[-1]


def dlopen(path: Path) -> Any:  # noqa: ANN401 - ctypes.CDLL
    """Raises Unavailable with the loader's reason."""
    try:
        return ctypes.CDLL(str(path))
    except OSError as error:
        raise Unavailable(f"{path.name} cannot be loaded: {error}") from error


def aligned(array: Any) -> Any:  # noqa: ANN401 - numpy arrays
    """A copy in C order that begins at a multiple of 64 bytes, as the runtimes' own buffers do."""
    import numpy as np

    store = np.empty(array.nbytes + ALIGNMENT, np.uint8)
    first = -store.ctypes.data % ALIGNMENT
    copy = store[first : first + array.nbytes].view(array.dtype).reshape(array.shape)
    copy[...] = array
    return copy


def copied(address: int, dtype: str, shape: Sequence[int]) -> Any:  # noqa: ANN401 - numpy array
    """A numpy array of what lies at an address of this process."""
    import numpy as np

    kind = np.dtype(dtype)
    size = kind.itemsize
    for length in shape:
        size *= length
    data = ctypes.string_at(address, size) if size else b""
    return np.frombuffer(data, kind).reshape(tuple(shape)).copy()
