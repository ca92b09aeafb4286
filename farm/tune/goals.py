"""What is wanted (objectives) and what must hold (constraints), strictly read from the command line."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from farm.errors import UsageError
from farm_results import text

if TYPE_CHECKING:
    from farm.plan import Request

TIME = {"ns": 1.0, "us": 1e3, "µs": 1e3, "ms": 1e6, "s": 1e9}
SHARE = {"%": 0.01, "": 1.0}
BYTES = {"B": 1.0, "kB": 1e3, "MB": 1e6, "GB": 1e9, "KiB": 1024.0, "MiB": 1024.0**2, "GiB": 1024.0**3}
_CONSTRAINT = re.compile(r"\s*([A-Za-z_0-9]+)\s*(<=|>=|==|=|<|>)\s*([0-9.eE+-]+)\s*([A-Za-zµ%/]*)\s*")


@dataclass(frozen=True)
class Metric:
    """A number that a trial has. ``units``: word -> its size in the stored unit; ``better``: low or high.

    ``objective``: whether it may be optimised, besides being bounded; ``needs``: what a study must have.
    """

    name: str
    units: Mapping[str, float]
    better: str = "low"
    objective: bool = True
    needs: str = ""


METRICS = {
    metric.name: metric
    for metric in (
        Metric("latency", TIME),
        Metric("p99", TIME),
        Metric("throughput", {"/s": 1.0}, better="high"),
        Metric("energy", {"uJ": 1e-6, "µJ": 1e-6, "mJ": 1e-3, "J": 1.0}, needs="energy"),
        Metric("accuracy", SHARE, better="high", needs="data"),
        Metric("accuracy_drop", {"pp": 0.01, "%": 0.01, "": 1.0}, objective=False, needs="data"),
        Metric("size", BYTES),
        Metric("memory", BYTES),
    )
}
OBJECTIVES = tuple(name for name, metric in METRICS.items() if metric.objective)
DEFAULT = ("latency", "size")


@dataclass(frozen=True)
class Constraint:
    """``metric`` is at most (``sense`` "<=") or at least (">=") ``bound``, in the metric's stored unit."""

    metric: str
    sense: str
    bound: float
    text: str

    def excess(self, value: float) -> float:
        """By how much ``value`` misses, as a share of the bound; zero or less where it holds."""
        miss = value - self.bound if self.sense == "<=" else self.bound - value
        return miss / abs(self.bound) if self.bound else miss


@dataclass(frozen=True, kw_only=True)
class Question:
    """What a study answers. ``request``: what to measure on which devices, by the honest protocol.
    ``trials``: how many are tried over all calls; ``time_s``: how long this call may take, 0: no limit;
    ``study``: its name, "": after the question itself."""

    request: Request
    objectives: tuple[Metric, ...]
    constraints: tuple[Constraint, ...] = ()
    trials: int = 0
    time_s: float = 0.0
    study: str = ""


def objectives(names: Sequence[str]) -> tuple[Metric, ...]:
    """The metrics to optimise, in order of importance. Raises UsageError tune.objective."""
    chosen = []
    for name in names or DEFAULT:
        if name not in OBJECTIVES:
            raise UsageError(
                f"{name!r} cannot be an objective",
                code="tune.objective",
                fix=_near(name, OBJECTIVES),
            )
        if METRICS[name] not in chosen:
            chosen.append(METRICS[name])
    return tuple(chosen)


def constraint(words: str) -> Constraint:
    """``latency<=5ms``, ``accuracy_drop<=1pp``, ``accuracy>=97%``. Raises UsageError tune.constraint."""
    found = _CONSTRAINT.fullmatch(words)
    if found is None:
        raise _wrong(words, "expected NAME<=VALUE with a unit", "write for example 'latency<=5ms'")
    name, sense, number, unit = found.groups()
    if name not in METRICS:
        raise _wrong(words, f"there is no metric {name!r}", _near(name, tuple(METRICS)))
    metric = METRICS[name]
    if sense not in ("<=", ">="):
        raise _wrong(words, f"{sense} is neither <= nor >=", f"write '{name}<={number}{unit}'")
    if sense != ("<=" if metric.better == "low" else ">=") and name != "accuracy":
        raise _wrong(words, f"{name}{sense} limits nothing", f"write '{words.replace(sense, _other(sense))}'")
    if unit not in metric.units:
        known = ", ".join(unit or "a plain number" for unit in metric.units)
        raise _wrong(words, f"{unit or 'no unit'} is no unit of {name}", f"use one of: {known}")
    try:
        value = float(number)
    except ValueError as error:
        raise _wrong(words, f"{number} is no number", f"write '{name}{sense}5{unit}'") from error
    if not 0.0 <= value < float("inf"):
        raise _wrong(words, f"{number} is out of range", "give a number of zero or more")
    return Constraint(name, sense, value * metric.units[unit], f"{name}{sense}{number}{unit}")


def shown(name: str, value: float) -> str:
    """A metric's value as people read it."""
    if name in ("latency", "p99"):
        return text.duration(value)
    if name in ("size", "memory"):
        return text.size(value)
    if name == "energy":
        return f"{text.number(value * 1e3)} mJ"
    if name == "throughput":
        return f"{text.number(value)}/s"
    if name == "accuracy_drop":
        return f"{text.number(value * 100)} pp"
    return f"{text.number(value, 4)}"


def _other(sense: str) -> str:
    return "<=" if sense == ">=" else ">="


def _near(name: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return f"did you mean {near[0]!r}?" if near else f"use one of: {', '.join(known)}"


def _wrong(words: str, why: str, fix: str) -> UsageError:
    return UsageError(f"--constraint {words!r}: {why}", code="tune.constraint", fix=fix)
