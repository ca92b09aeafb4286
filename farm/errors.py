"""The exception tree (see ``farm_agent.errors``, where it lives) and what each class means to a shell.

Exit codes are public API:

    0 all ok · 1 a gate failed · 2 usage or configuration · 3 partial: some jobs failed, results kept
    4 nothing selected or nothing ran · 5 inconclusive (only when asked for) · 70 internal error
    130, 143 interrupted
"""

from __future__ import annotations

from farm_agent.errors import (
    FarmBug,
    FarmError,
    InfrastructureError,
    JobError,
    MeasurementError,
    UsageError,
    from_blame,
)

__all__ = [
    "EXIT_BUG",
    "EXIT_GATE",
    "EXIT_INCONCLUSIVE",
    "EXIT_INTERRUPTED",
    "EXIT_NOTHING",
    "EXIT_OK",
    "EXIT_PARTIAL",
    "EXIT_USAGE",
    "FarmBug",
    "FarmError",
    "InfrastructureError",
    "JobError",
    "MeasurementError",
    "UsageError",
    "exit_code",
    "from_blame",
]

EXIT_OK = 0
EXIT_GATE = 1
EXIT_USAGE = 2
EXIT_PARTIAL = 3
EXIT_NOTHING = 4
EXIT_INCONCLUSIVE = 5
EXIT_BUG = 70
EXIT_INTERRUPTED = 130


def exit_code(error: FarmError) -> int:
    """The exit code of a command that ``error`` ended."""
    if isinstance(error, UsageError):
        return EXIT_USAGE
    return EXIT_BUG if isinstance(error, FarmBug) else EXIT_PARTIAL
