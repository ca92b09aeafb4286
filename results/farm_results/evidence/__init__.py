"""What the rules look at, one subject per file. Each function returns a sentence with the numbers, or "".

``Case`` is one measurement before the rules.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from farm_agent.messages.observed import Observed
from farm_agent.wire import JobResult, JobSpec
from farm_results.accuracy import Assessment
from farm_results.model import Energy, Latency, Outliers


@dataclass(frozen=True)
class Case:
    """``native``: the reduced precision that the source model itself holds (a quantised or half-precision
    file), or ""; ``outliers``: one per process, where they were looked at;
    ``energy``: what its sensors and meters gave; ``assessment``: of its outputs over a data set;
    ``calibration``: what the artifact was calibrated on; ``drift``: what changed of the device since somebody
    accepted it, a line each."""

    spec: JobSpec
    job: JobResult
    latency: Latency
    native: str = ""
    outliers: tuple[Outliers, ...] = ()
    energy: tuple[Energy, ...] = ()
    assessment: Assessment | None = None
    calibration: str = ""
    drift: tuple[str, ...] = ()

    @property
    def asked(self) -> str:
        return self.spec.artifact.precision

    @property
    def executed(self) -> str:
        """ "" when the runtime did not tell."""
        proof, tool = self.job.proof, self.job.tool
        if proof is None and tool is not None:
            return tool.executed_precision
        return "" if proof is None or proof.executed == "other" else proof.executed

    def observed(self) -> Iterator[Observed]:
        """What was seen of each process that was watched; a tool is one."""
        tool = (self.job.tool.observed,) if self.job.tool is not None else ()
        seen = (*(block.observed for block in self.job.blocks), *tool)
        return (observed for observed in seen if observed is not None)


def worst(case: Case, read: Callable[[Observed], float | None]) -> float | None:
    """The largest value over the processes; None when the kernel told it of none."""
    values = (read(observed) for observed in case.observed())
    return max((value for value in values if value is not None), default=None)


def above(case: Case, threshold: float, read: Callable[[Observed], float | None], text: str) -> str:
    """``text`` with the largest value in place of ``{}``, when that reaches the threshold."""
    value = worst(case, read)
    return text.format(value) if value is not None and value >= threshold else ""


def listed(words: Iterator[str] | list[str], most: int = 3) -> str:
    """The first few of them, each once."""
    unique = list(dict.fromkeys(words))
    more = f" and {len(unique) - most} more" if len(unique) > most else ""
    return ", ".join(unique[:most]) + more
