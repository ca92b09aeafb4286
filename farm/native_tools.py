"""``--tool``: which runtimes a benchmark tool measures; what does not fit is refused before all else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from farm.errors import UsageError
from farm.measure import Measure
from farm_agent.tools import RUNTIMES, names

if TYPE_CHECKING:
    from farm_profiles import Target


def runtimes_for(measure: Measure, asked: Sequence[str]) -> tuple[str, ...]:
    """The runtimes to plan for: those asked for; else the tool's, if one measures.

    Raises UsageError tool.unknown, tool.wrong-runtime, tool.conflict.
    """
    tool = measure.tool
    if not tool:
        return tuple(asked)
    if tool not in RUNTIMES:
        raise UsageError(
            f"no tool is called {tool!r}; farm knows {', '.join(names())}",
            code="tool.unknown",
            fix="give one of these names to --tool",
        )
    fits = RUNTIMES[tool]
    wrong = [runtime for runtime in asked if runtime not in fits]
    if wrong:
        others = [name for name in names() if wrong[0] in RUNTIMES[name]]
        raise UsageError(
            f"{tool} measures {' and '.join(fits)}, not {wrong[0]}",
            code="tool.wrong-runtime",
            fix=f"use --runtimes {','.join(fits)}"
            + (f", or for {wrong[0]} --tool {' or '.join(others)}" if others else ""),
        )
    _refuse_extras(measure)
    return tuple(asked) or fits


def fitted(tool: str, target: Target) -> Target:
    """The target as the tool takes it: trtexec builds its engine itself, from ONNX."""
    return replace(target, format="onnx") if tool == "trtexec" else target


def _refuse_extras(measure: Measure) -> None:
    """A tool measures in its own way: none of farm's scenarios, windows of energy or profiles."""
    extras = {
        f"--scenario {measure.scenario}": measure.scenario != "latency",
        "--energy": measure.energy is not None,
        "--profile-ops": measure.profile_ops,
    }
    found = [option for option, given in extras.items() if given]
    if found:
        raise UsageError(
            f"{measure.tool} measures in its own way: it cannot be combined with {', '.join(found)}",
            code="tool.conflict",
            fix=f"leave out --tool, or {', '.join(found)}",
        )
