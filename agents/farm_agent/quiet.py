"""Python's garbage collector kept off while something is timed."""

from __future__ import annotations

import contextlib
import gc
from typing import Iterator


@contextlib.contextmanager
def no_collection() -> Iterator[None]:
    """Collect once, then not again until the end; on again afterwards where it was on."""
    was_enabled = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
