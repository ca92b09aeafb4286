"""Apache Parquet, for analysis of many results; needs the extra ``parquet``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from farm_agent.errors import UsageError
from farm_results.model import Result
from farm_results.report import flat

SUFFIX = "parquet"
ROWS_AT_ONCE = 10_000


def write(results: Sequence[Result], path: Path) -> None:
    """One row per result with the columns of ``flat``. Raises UsageError ``report.needs-pyarrow``."""
    write_parts([results], flat.metrics_of(results), path)


def write_parts(batches: Iterable[Sequence[Result]], metrics: Sequence[str], path: Path) -> None:
    """The same a part at a time, of results that do not fit into memory together. Raises as ``write``."""
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError as error:
        raise UsageError(
            "Parquet needs pyarrow, which is not installed",
            code="report.needs-pyarrow",
            fix="pip install 'edgefarm[parquet]'",
        ) from error
    types = {"text": pa.string(), "int": pa.int64(), "float": pa.float64()}
    schema = pa.schema([(name, types[kind]) for name, kind in flat.table([], metrics)[0].items()])
    with parquet.ParquetWriter(path, schema) as writer:
        waiting: list[dict[str, Any]] = []
        for results in batches:
            waiting += flat.table(results, metrics)[1]
            if len(waiting) >= ROWS_AT_ONCE:
                writer.write_table(pa.Table.from_pylist(waiting, schema=schema))
                waiting = []
        writer.write_table(pa.Table.from_pylist(waiting, schema=schema))
