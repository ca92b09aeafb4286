"""Options of ``farm bench``: files for the results beside the store, and the CI system around it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from farm.cli.output import say
from farm.errors import UsageError

if TYPE_CHECKING:
    from farm_results.comparison import Comparison
    from farm_results.model import Result
    from farm_results.report.destination import Destination

F = Callable[..., Any]
SUMMARY, OUTPUT = "GITHUB_STEP_SUMMARY", "GITHUB_OUTPUT"

_OPTIONS = (
    click.option(
        "--junit", metavar="FILE", help="Write JUnit XML: a case per cell, its numbers as properties."
    ),
    click.option("--html", metavar="FILE", help="Write a report: one file with charts, as farm report does."),
    click.option(
        "--export",
        "exports",
        multiple=True,
        metavar="[FORMAT=]FILE",
        help="Results as .csv .json .md .parquet .prom, bmf.json, gha-bench.json, metrics.txt, otava.csv.",
    ),
    click.option("--github", is_flag=True, help="Write the step summary and annotations of GitHub Actions."),
)


def after_options(function: F) -> F:
    """Decorator: the options; their values arrive as junit, html, exports, github."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


@dataclass(frozen=True)
class After:
    """What is to be done with the results of a run. ``store``: where a report's raw samples lie."""

    files: tuple[Destination, ...]
    summary: Path | None
    github: bool
    store: str | Path = ""

    def write(
        self, results: Sequence[Result], *, run_id: str, failures: Mapping[str, Sequence[str]] | None = None
    ) -> None:
        """``failures``: why a gate did not hold, by job id. Raises as ``report.write``."""
        from farm_results.report import junit

        for file in self.files:
            left = 0
            if file.format == "junit":
                from farm_results.report import write_text

                write_text(junit.render(results, failures), file.path)
            elif file.format == "html" and self.store:
                from farm import report_file

                report_file.write_run(self.store, run_id, file.path)
            else:
                left = file.write(results)
            more = (
                f"; {left} of {len(results)} results left out: failed, throttled or invalid" if left else ""
            )
            say(f"{file.format} written to {file.path}{more}")
        if self.github:
            self._tell_github(results, run_id, failures)

    def refuse_unsaid(self) -> None:
        """For a run in turns: files whose format cannot say a comparison, before anything is measured.

        Raises UsageError report.not-for-ab.
        """
        from farm_results.report import compared

        for file in self.files:
            if file.format != "html":
                compared.refuse(file.format)

    def write_compared(self, found: Sequence[Comparison], *, run_id: str, worst: Collection[str]) -> None:
        """``worst``: the words that are failures. Raises as ``report.write``."""
        from farm_results.report import compared

        for file in self.files:
            left = 0
            if file.format == "html":
                from farm import report_file

                report_file.write_run(self.store, run_id, file.path)
            else:
                left = compared.write(file.format, found, file.path, worst)
            more = f"; {left} of {len(found)} comparisons left out, which say nothing" if left else ""
            say(f"{file.format} written to {file.path}{more}")
        if self.github:
            for line in compared.workflow_commands(found, worst):
                sys.stderr.write(line + "\n")
            if self.summary is not None:
                there = self.summary.stat().st_size if self.summary.exists() else 0
                _append(self.summary, compared.summary(found, there))
            _tell_run(run_id)

    def _tell_github(
        self, results: Sequence[Result], run_id: str, failures: Mapping[str, Sequence[str]] | None
    ) -> None:
        from farm_results.report import github

        for line in github.workflow_commands(results, failures):
            sys.stderr.write(line + "\n")
        if self.summary is not None:
            there = self.summary.stat().st_size if self.summary.exists() else 0
            _append(self.summary, github.render(results, failures, github.SUMMARY_LIMIT - there))
        _tell_run(run_id)


def _tell_run(run_id: str) -> None:
    if output := os.environ.get(OUTPUT):
        _append(Path(output), f"run-id={run_id}\n")


def after_of(values: Mapping[str, Any], store: str | Path = "") -> After:
    """What the options ask for; whatever could not be written is refused now, before anything is measured.

    Raises UsageError report.unknown-format, report.not-writable, report.needs-*.
    """
    from farm_results.report.destination import destination

    files = [destination(values["junit"], "junit")] if values["junit"] else []
    files += [destination(values["html"], "html")] if values.get("html") else []
    files += [destination(text) for text in values["exports"]]
    summary = os.environ.get(SUMMARY, "") if values["github"] else ""
    if values["github"] and not summary:
        say(f"{SUMMARY} is not set, so this is no step of GitHub Actions: annotations only")
    _refuse_twice(files)
    return After(tuple(files), Path(summary) if summary else None, values["github"], store)


def _refuse_twice(files: Sequence[Destination]) -> None:
    paths = [file.path.resolve() for file in files]
    for path in paths:
        if paths.count(path) > 1:
            raise UsageError(
                f"two formats are to be written to {path}",
                code="report.not-writable",
                fix="name a file for each format",
            )


def _append(path: Path, text: str) -> None:
    """GitHub's own files; a run whose numbers are stored does not fail because one of them is gone."""
    try:
        with path.open("a", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        say(f"{path} cannot be written: {error.strerror}")
