"""The texts that the tests of tools and profilers read."""

from __future__ import annotations

from pathlib import Path

SAMPLES = Path(__file__).parent / "samples"


def sample(name: str) -> str:
    """A text of a real tool."""
    return (SAMPLES / name).read_text(encoding="utf-8")
