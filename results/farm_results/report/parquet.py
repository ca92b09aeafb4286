"""Apache Parquet, for analysis of many results; needs the extra ``parquet``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from farm_agent.errors import UsageError
from farm_results.model import Result
from farm_results.report import flat

SUFFIX = "parquet"


def write(results: Sequence[Result], path: Path) -> None:
    """One row per result with the columns of ``flat``. Raises UsageError ``report.needs-pyarrow``."""
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
    kinds, records = flat.table(results)
    schema = pa.schema([(name, types[kind]) for name, kind in kinds.items()])
    parquet.write_table(pa.Table.from_pylist(records, schema=schema), path)
