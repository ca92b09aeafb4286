"""The series that a cell's results will belong to, known before there is one."""

from __future__ import annotations

from farm.measure import Measure, conditions
from farm.plan import Cell


def series_of(cell: Cell, measure: Measure) -> str:
    """The id of the series, as ``farm_results.series`` will find it in the cell's result."""
    from farm_results.series import SeriesKey, options_of, series_id

    target = cell.target
    batch = {} if cell.batch is None else {"batch": str(cell.batch)}
    key = SeriesKey(
        model=cell.model_name,
        device=cell.device.name,
        profile=cell.profile.name,
        format=target.format,
        runtime=target.runtime,
        precision=target.precision,
        threads=target.threads,
        scenario=measure.scenario,
        options=options_of({**target.options, **batch}, conditions(measure)),
    )
    return series_id(key)
