"""The exception tree. Each error says who is to blame, what happened, and what to do next.

    FarmError
    ├── UsageError            the command or a setting is wrong; nothing was started
    ├── InfrastructureError   device or link; the device is checked, the job re-attached
    ├── JobError              the model or target cannot run there; never retried
    ├── MeasurementError      it ran, the number cannot be trusted; retried within the budget
    └── FarmBug               our defect; please report

``code`` is a dotted, stable name (``model.truncated``): public API, one heading in docs/errors.md.
It lives in the agent because every layer, down to the device, raises these.
"""

from __future__ import annotations

import re
from typing import Any, ClassVar, Dict, Match, Tuple, Type

_UNSAFE = re.compile("[\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f\\ud800-\\udfff]")


def spelled_out(text: str) -> str:
    """Control characters other than tabs and line ends, and halves of surrogate pairs, as ``\\xNN``.

    Messages quote what devices, models and programs say: none of it may drive a terminal, or break a store.
    """
    return _UNSAFE.sub(_spelled, text)


def _spelled(match: Match[str]) -> str:
    return match.group().encode("unicode_escape", "surrogatepass").decode("ascii")


class FarmError(Exception):
    """Base of everything farm raises on purpose; a person can read it and act on it."""

    blame: ClassVar[str] = "bug"

    def __init__(self, message: str, *, code: str, fix: str = "") -> None:
        self.message = spelled_out(message)
        self.code = code
        self.fix = spelled_out(fix)
        super().__init__(self.message)

    def __reduce__(self) -> Tuple[Any, ...]:
        return (_rebuild, (type(self), self.message, self.code, self.fix))


class UsageError(FarmError):
    """The command line, the configuration or an input file names something that cannot be used."""

    blame = "usage"


class InfrastructureError(FarmError):
    """The device, its disk or the link to it failed; the job itself may be fine."""

    blame = "infrastructure"


class JobError(FarmError):
    """This model cannot be converted for, or cannot run on, this target; a retry changes nothing."""

    blame = "job"


class MeasurementError(FarmError):
    """It ran, but no honest number came out of it."""

    blame = "measurement"


class FarmBug(FarmError):
    """A defect in farm itself."""

    blame = "bug"


BLAMES: Dict[str, Type[FarmError]] = {
    kind.blame: kind for kind in (UsageError, InfrastructureError, JobError, MeasurementError, FarmBug)
}


def from_blame(blame: str, message: str, *, code: str, fix: str = "") -> FarmError:
    """Build the exception for a blame word that came over the wire; an unknown word is our bug."""
    return BLAMES.get(blame, FarmBug)(message, code=code, fix=fix)


def _rebuild(kind: Type[FarmError], message: str, code: str, fix: str) -> FarmError:
    return kind(message, code=code, fix=fix)
