"""One line of a check-up: a word, what was seen, and what to do about it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from farm.errors import FarmError

OK, WARN, FAIL = "ok", "warn", "fail"


@dataclass(frozen=True)
class Finding:
    """``state``: ok, warn (works, but mind it) or fail (will not work). ``code``: of the error behind it."""

    subject: str
    check: str
    state: str
    text: str
    fix: str = ""
    code: str = ""


Report = Callable[[Finding], None]


def failed(subject: str, check: str, error: FarmError) -> Finding:
    """An error as a finding."""
    return Finding(subject, check, FAIL, error.message, error.fix, error.code)
