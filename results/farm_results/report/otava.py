"""CSV for Apache Otava: a row per usable result, oldest first, for its importer of type ``csv``.

``branch`` is the series, because Otava chooses rows by that column alone: ``otava analyze --branch SERIES``.
"""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Sequence

from farm_results.model import Result
from farm_results.report.csv import cell
from farm_results.report.figures import name_of, usable
from farm_results.series import key_of, number_of, series_id

SUFFIX = "csv"
USABLE_ONLY = True
COLUMNS = (
    "time",
    "branch",
    "value",
    "metric",
    "better",
    "verdict",
    "origin",
    "name",
    "run",
    "job",
    "model_sha256",
)


def render(results: Sequence[Result]) -> str:
    """``value``: the number that the series follows, in the unit that ``metric`` ends with."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for result in sorted(results, key=lambda one: one.created_unix_s):
        number = number_of(result)
        if usable(result) and number.value is not None:
            writer.writerow(
                (
                    time.strftime("%Y-%m-%d %H:%M:%S +0000", time.gmtime(result.created_unix_s)),
                    series_id(key_of(result)),
                    repr(number.value),
                    number.metric,
                    number.better,
                    result.verdict.word,
                    result.origin or "measured",
                    cell(name_of(result)),
                    cell(result.run_id),
                    cell(result.job_id),
                    cell(result.model_sha256),
                )
            )
    return text.getvalue()
