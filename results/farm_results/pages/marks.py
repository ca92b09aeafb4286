"""The marks that a number cannot lose: its verdict, and that nobody measured it."""

from __future__ import annotations

from dataclasses import dataclass

from farm_results.model import Result
from farm_results.text import printable

SIMULATED = "simulated"
# A shape for each word, so that nothing is told by colour alone.
SHAPES = {
    "valid": "●",
    "noisy": "◆",
    "throttled": "▲",
    "invalid": "✖",
    "failed": "✖",
    "skipped": "○",
    SIMULATED: "▧",
    "slower": "▲",
    "faster": "▼",
    "same": "●",
    "inconclusive": "◇",
    "regression": "▲",
    "improvement": "▼",
    "environment changed": "■",
    "device changed": "■",
    "silent": "○",
}
_QUIET = ("valid", "skipped", "same")


@dataclass(frozen=True)
class Mark:
    """A word with its shape; ``kind`` is its style: one of ``SHAPES``, or unknown."""

    word: str
    title: str = ""

    @property
    def kind(self) -> str:
        """The style's name."""
        return self.word.replace(" ", "-") if self.word in SHAPES else "unknown"

    @property
    def shape(self) -> str:
        """A character that tells the word without colour."""
        return SHAPES.get(self.word, "?")

    @property
    def text(self) -> str:
        """The word as it is shown: in capitals where something is wrong."""
        word = printable(self.word, 40)
        return word if self.word in _QUIET else word.upper()


@dataclass(frozen=True)
class Marks:
    """All marks of one number, the worst first."""

    marks: tuple[Mark, ...]

    def __str__(self) -> str:
        return " ".join(mark.text for mark in self.marks)


def marks(word: str, *, origin: str = "", title: str = "") -> Marks:
    """The marks of a number by its verdict's word and its origin."""
    own = (Mark(word, printable(title, 400)),) if word else ()
    made_up = (Mark(SIMULATED, "made up by a simulation: no device measured this"),) if origin else ()
    return Marks((*made_up, *own))


def marks_of(result: Result) -> Marks:
    """The marks of a result: failed and skipped ones say so instead of a verdict."""
    word = result.verdict.word if result.status == "ok" else result.status
    why = result.error_message or "; ".join(caveat.evidence for caveat in result.verdict.caveats)
    return marks(word or "unknown", origin=result.origin, title=why)
