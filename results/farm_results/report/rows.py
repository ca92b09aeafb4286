"""Results as rows of strings: what the terminal's table, TSV and Markdown show alike.

Every string is safe to print (see ``printable``) and carries its unit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from farm_agent import precisions
from farm_results import text
from farm_results.model import Latency, Result
from farm_results.text import printable

NOTHING = "–"
SHORT_NS = 500_000


@dataclass(frozen=True)
class Table:
    """``align``: "left" or "right" per column."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    align: tuple[str, ...]


@dataclass(frozen=True)
class _Column:
    name: str
    cell: Callable[[Result], str]
    align: str = "right"


def table_of(results: Sequence[Result], *, brief: bool = False) -> Table:
    """One row per result. Columns for what all rows share are left out, and those of a scenario, a native
    tool or energy appear only where some row has them: their numbers never share a column.

    ``brief`` leaves the messages of failures to ``lines_of_caveats``.
    """
    columns = [
        *_identity(results),
        *(_LATENCY if _has_latency(results) else ()),
        *_scenarios(results),
        *(_TOOL if any(map(is_tool, results)) else ()),
        *((_Column("energy", energy_text),) if any(map(asked_energy, results)) else ()),
        _Column("peak memory", _memory),
        *((_Column("accuracy", accuracy_text),) if any(r.accuracy is not None for r in results) else ()),
        *((_Column("agreement", agreement_text),) if any(map(_only_agreement, results)) else ()),
        _Column("verdict", _brief_verdict if brief else verdict_text, "left"),
    ]
    return Table(
        tuple(column.name for column in columns),
        tuple(tuple(column.cell(result) for column in columns) for result in results),
        tuple(column.align for column in columns),
    )


def _identity(results: Sequence[Result]) -> list[_Column]:
    """What tells the rows apart."""

    def differ(read: Callable[[Result], object]) -> bool:
        return len({read(result) for result in results}) > 1

    columns = [
        _Column("device", lambda result: printable(result.device), "left"),
        _Column("runtime", lambda result: runtime_text(result) or NOTHING, "left"),
    ]
    if differ(lambda result: (result.model, result.model_sha256)):
        columns.insert(0, _Column("model", lambda result: printable(result.model), "left"))
    if differ(lambda result: result.threads):
        columns.append(_Column("threads", lambda result: str(result.threads)))
    if differ(_batch):
        columns.append(_Column("batch", _batch))
    columns.append(_Column("prec", precision_text, "left"))
    if _harness_matters(results):
        columns.append(_Column("harness", lambda result: printable(result.harness) or NOTHING, "left"))
    return columns


def _batch(result: Result) -> str:
    return printable(result.options.get("batch", "")) or NOTHING


def _harness_matters(results: Sequence[Result]) -> bool:
    """Where rows were timed by different loops, or another than the native one timed short runs."""
    timed = [result for result in results if result.latency is not None and result.harness]
    short = any(
        result.harness != "native" and result.latency is not None and result.latency.p50_ns < SHORT_NS
        for result in timed
    )
    return short or len({result.harness for result in timed}) > 1


def measured_text(result: Result) -> str:
    """What was measured: ``latency``, or another scenario's or a tool's number, which has no column of its
    own in a list of everything."""
    from farm_results import scenarios

    if is_tool(result):
        median = result.metrics.get("tool_median_ns")
        return printable(result.protocol) + (f" median {text.duration(median)}" if median is not None else "")
    own = "" if result.scenario == "latency" else scenarios.headline(result)
    return printable(own or result.scenario)


def closed_loop(result: Result) -> Latency | None:
    """The summary that the latency's columns show; another scenario's times are no latency of a loop."""
    return result.latency if result.scenario == "latency" else None


def _has_latency(results: Sequence[Result]) -> bool:
    """Also where nothing was measured at all, so that a table never lacks its numbers' names."""
    measured = [result for result in results if result.latency is not None or is_tool(result)]
    return not measured or any(closed_loop(result) is not None for result in measured)


def _p50(result: Result) -> str:
    latency = closed_loop(result)
    return NOTHING if latency is None else text.duration(latency.p50_ns)


def _between(result: Result) -> str:
    latency = closed_loop(result)
    return NOTHING if latency is None else between_text(latency)


_LATENCY = (
    _Column("p50", _p50),
    _Column("95 % interval", lambda result: interval_text(closed_loop(result))),
    _Column("between", _between),
    _Column("p99", lambda result: percentile_text(closed_loop(result), "p99_ns")),
)


def _scenarios(results: Sequence[Result]) -> list[_Column]:
    """The columns of other scenarios than latency, in the order in which they appear."""
    from farm_results import scenarios

    cells = {result.job_id: dict(scenarios.columns(result)) for result in results}
    names = dict.fromkeys(name for found in cells.values() for name in found)

    def column(name: str) -> _Column:
        return _Column(name, lambda result: printable(cells[result.job_id].get(name, NOTHING)))

    return [column(name) for name in names]


def is_tool(result: Result) -> bool:
    """Whether a runtime's own tool measured, by its protocol."""
    return any(name.startswith("tool_") for name in result.metrics)


def _tool_time(name: str) -> Callable[[Result], str]:
    def cell(result: Result) -> str:
        value = result.metrics.get(name)
        return NOTHING if value is None else text.duration(value)

    return cell


_TOOL = (
    _Column("tool's protocol", lambda r: printable(r.protocol) if is_tool(r) else NOTHING, "left"),
    _Column("tool's median", _tool_time("tool_median_ns")),
    _Column("tool's mean", _tool_time("tool_mean_ns")),
)


def asked_energy(result: Result) -> bool:
    """Whether energy was to be measured; it may have ended in an error."""
    spec = result.document.get("spec")
    return bool(result.energy) or (isinstance(spec, Mapping) and bool(spec.get("energy")))


def energy_text(result: Result) -> str:
    """Energy per inference, or that it was not measured: never zero, never an estimate."""
    from farm_results.energy import energy

    return printable(energy.energy_text(result))


def _memory(result: Result) -> str:
    return NOTHING if result.peak_memory_bytes is None else text.size(result.peak_memory_bytes)


def _brief_verdict(result: Result) -> str:
    whole = verdict_text(result)
    return whole.partition(":")[0] if result.status == "failed" else whole


def runtime_text(result: Result) -> str:
    """``onnxruntime``, or ``onnxruntime (CUDA)`` where the target names an execution provider."""
    provider = result.options.get("provider", "").removesuffix("ExecutionProvider")
    return printable(f"{result.runtime} ({provider})" if provider else result.runtime)


def precision_text(result: Result) -> str:
    """``fp32``; ``fp16→fp32`` when another precision ran than was asked for; ``int8 (94 %)`` when a share of
    what the precision promises did not come true, rounded down."""
    asked, executed = printable(result.precision), printable(result.executed_precision)
    share = result.precision_share
    if share is not None and precisions.of(asked).quantised:
        return asked if share >= 1 else f"{asked} ({text.kept(share)})"
    return asked if executed in ("", asked, "other") else f"{asked}→{executed}"


def interval_text(latency: Latency | None) -> str:
    """``4.87–4.96 ms``, or why there is none."""
    if latency is None:
        return NOTHING
    if latency.p50_low_ns is None or latency.p50_high_ns is None:
        return f"n/a (n={latency.count})"
    return text.duration_range(latency.p50_low_ns, latency.p50_high_ns, latency.p50_ns)


def between_text(latency: Latency) -> str:
    """How far the processes lie apart: the CV of their medians, the error that matters."""
    if latency.between_cv is None:
        return NOTHING if latency.blocks > 1 else "n/a (1 process)"
    return f"{latency.between_cv * 100:.2f} %"


def percentile_text(latency: Latency | None, field: str) -> str:
    """A percentile, or ``n/a (n=100)`` when so few samples do not support it."""
    if latency is None:
        return NOTHING
    value = getattr(latency, field)
    if value is None:
        return f"n/a (n={latency.count})" if latency.count < least_count(field) else NOTHING
    return text.duration(value)


def least_count(field: str) -> int:
    """From how many samples on a percentile is shown. One that lacks it nevertheless was stored by an older
    farm, which did not take it."""
    from farm_results.statistics.stats import minimum_count
    from farm_results.statistics.summary import PERCENTILES

    return minimum_count(PERCENTILES[field.removesuffix("_ns")])


def accuracy_text(result: Result) -> str:
    """``98.6 % (−0.3 pp, ±0.6)``: with the difference to the source model and half its 95 % interval; without
    a difference its count, ``97.2 % (n=360)``."""
    from farm_results import accuracy

    if result.accuracy is None:
        return NOTHING
    value = accuracy.value_text(result.accuracy_metric, result.accuracy)
    if result.accuracy_delta is None:
        return f"{value} (n={result.accuracy_count})"
    return f"{value} ({accuracy.delta_text(result)})"


def agreement_text(result: Result) -> str:
    """``top-1 99.3 %, 31.2 dB``: outputs against the source model's, where there are no labels."""
    from farm_results import agreement

    return agreement.text_of(result.agreement) or NOTHING


def _only_agreement(result: Result) -> bool:
    return bool(result.agreement) and result.accuracy is None


def verdict_text(result: Result) -> str:
    """The verdict's word, or FAILED and SKIPPED with the reason; what no device measured says so."""
    own = _verdict(result)
    return f"{printable(result.origin.upper(), 40)} {own}" if result.origin else own


def _verdict(result: Result) -> str:
    message = printable(result.error_message, 160)
    if result.status == "failed":
        return f"FAILED {printable(result.error_code)}: {message}"
    if result.status == "skipped":
        return f"skipped: {message}"
    word = printable(result.verdict.word)
    return word if word == "valid" else word.upper()
