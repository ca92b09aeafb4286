"""A file by content."""

from __future__ import annotations

from farm_agent.late import dataclass


@dataclass(frozen=True)
class Blob:
    """A file by content. ``name`` is what a runtime expects it to be called (model.xml beside model.bin)."""

    sha256: str
    size_bytes: int
    name: str
