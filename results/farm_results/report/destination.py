"""A file that results are to be written to: which format its name asks for, and whether it can be written.

Asked before anything is measured, so that an hour of measuring does not end in a typing error.
"""

from __future__ import annotations

import importlib.util
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from farm_agent.errors import UsageError
from farm_results import report
from farm_results.model import Result

BY_SUFFIX = {
    "csv": "csv",
    "htm": "html",
    "html": "html",
    "json": "json",
    "md": "md",
    "parquet": "parquet",
    "prom": "openmetrics",
    "tsv": "tsv",
    "xml": "junit",
}
BY_NAME = {"metrics.txt": "gitlab"}
_NEEDS = {"parquet": ("pyarrow", "report.needs-pyarrow", "parquet")}


_WORD = re.compile(r"[a-z][a-z_-]*")


@dataclass(frozen=True)
class Destination:
    """A file and the name of its format."""

    format: str
    path: Path

    def write(self, results: Sequence[Result]) -> int:
        """Write them; how many results the format leaves out, because they may not be followed over time.

        Raises as ``report.write``.
        """
        from farm_results.report.figures import left_out

        report.write(self.format, results, self.path)
        return left_out(results) if getattr(report.load(self.format), "USABLE_ONLY", False) else 0


def destination(text: str, format_name: str = "") -> Destination:
    """``FORMAT=FILE``, or a FILE whose name tells: ``bmf.json``, ``metrics.txt``, ``results.csv``.

    Raises UsageError report.unknown-format, report.not-writable, report.needs-*.
    """
    named, sign, rest = text.partition("=")
    if format_name:
        found = Destination(format_name, Path(text))
    elif sign and _WORD.fullmatch(named):
        report.load(named.replace("-", "_"))
        found = Destination(named.replace("-", "_"), Path(rest))
    else:
        found = Destination(format_of(Path(text)), Path(text))
    _check(found)
    return found


def format_of(path: Path) -> str:
    """The format that a file's name asks for. Raises UsageError ``report.unknown-format``."""
    if name := BY_NAME.get(path.name.lower()):
        return name
    stem, suffix = path.stem.lower().replace("-", "_"), path.suffix.lower().removeprefix(".")
    known = report.names()
    if stem in known and suffix == report.load(stem).SUFFIX:
        return stem
    if BY_SUFFIX.get(suffix) in known:
        return BY_SUFFIX[suffix]
    raise UsageError(
        f"{path} does not tell which format is wanted",
        code="report.unknown-format",
        fix=f"write FORMAT=FILE with one of: {', '.join(known)}",
    )


def _check(wanted: Destination) -> None:
    module, code, extra = _NEEDS.get(wanted.format, ("", "", ""))
    if module and importlib.util.find_spec(module) is None:
        raise UsageError(
            f"the format {wanted.format} needs {module.replace('_', '-')}, which is not installed",
            code=code,
            fix=f"pip install 'edgefarm[{extra}]'",
        )
    path = wanted.path
    if path.is_dir() or not path.parent.is_dir() or not os.access(path.parent, os.W_OK):
        why = "it is a folder" if path.is_dir() else f"{path.parent} is no folder that you may write into"
        raise UsageError(
            f"{path} cannot be written: {why}",
            code="report.not-writable",
            fix="name a file in a folder that exists and is yours",
        )
