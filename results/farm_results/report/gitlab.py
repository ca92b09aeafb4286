"""GitLab's metrics report (``artifacts: reports: metrics``): one ``name{labels} value`` per line.

Merge requests show what changed by name and labels, so the labels are those that stay the same from run to
run; only a number that is not simply valid says so, and is then a metric of its own.
"""

from __future__ import annotations

from collections.abc import Sequence

from farm_results.model import Result
from farm_results.report.figures import Figure, figures
from farm_results.series import key_of
from farm_results.text import number, printable

SUFFIX = "txt"
USABLE_ONLY = True
_UNITS = {"ms": "_ms", "mJ": "_mj", "MB": "_mb", "1/s": "_per_second", "": ""}


def render(results: Sequence[Result]) -> str:
    """Results that may not be used are left out; of a series measured twice the newest stands."""
    lines: dict[str, str] = {}
    for result in sorted(results, key=lambda one: one.created_unix_s):
        for figure in figures(result):
            lines[f"{_name(figure)}{{{_labels(result)}}}"] = number(figure.value, 4)
    return "".join(f"{name} {value}\n" for name, value in lines.items()) or "# no number can be used\n"


def _name(figure: Figure) -> str:
    return "farm_" + figure.name.replace(" ", "_").replace("-", "_") + _UNITS[figure.unit]


def _labels(result: Result) -> str:
    options = " ".join(f"{name}={value}" for name, value in key_of(result).options.items())
    labels = {
        "model": result.model,
        "device": result.device,
        "runtime": result.runtime,
        "precision": result.precision,
        "threads": str(result.threads),
        "scenario": result.scenario,
        "options": options,
        "verdict": "" if result.verdict.word == "valid" else result.verdict.word,
        "origin": result.origin,
    }
    return ",".join(f'{name}="{_escape(value)}"' for name, value in labels.items() if value)


def _escape(value: str) -> str:
    """Braces too: GitLab takes the labels to end at the first closing one."""
    plain = printable(value, 200).replace("\\", "\\\\").replace('"', '\\"')
    return plain.replace("{", "(").replace("}", ")")
