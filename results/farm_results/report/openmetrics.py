"""Prometheus' text format: for node_exporter's textfile collector, and the body of ``/metrics``.

No timestamps stand behind the values, because the textfile collector refuses them: each series says by
``farm_measured_timestamp_seconds`` how old its numbers are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from farm_agent.errors import UsageError
from farm_results.model import Result
from farm_results.report.exposed import FAMILIES, LABELS, Exposed, headline
from farm_results.series import key_of, number_of, series_id
from farm_results.storage.columns import energy_of

SUFFIX = "prom"


def render(results: Sequence[Result]) -> str:
    """The newest result of each series. Raises UsageError ``report.needs-prometheus``."""
    newest: dict[str, Result] = {}
    for result in sorted(results, key=lambda one: one.created_unix_s):
        newest[series_id(key_of(result))] = result
    exposed = [_exposed(series, result) for series, result in newest.items()]
    return text_of([*families(exposed)])


def families(exposed: Sequence[Exposed]) -> Iterator[Any]:
    """prometheus-client's families: one for each name that some series has, and ``farm_result_info``."""
    gauge = gauge_family()
    found: dict[str, list[tuple[list[str], float]]] = {}
    info = gauge("farm_result_info", "1 for the newest result of a series.", labels=LABELS)
    for one in exposed:
        labels = one.labels()
        info.add_metric(labels, 1.0)
        for name, value in one.numbers():
            found.setdefault(name, []).append((labels, value))
    yield info
    for name, (family_name, text, _) in FAMILIES.items():
        if name in found:
            family = gauge(family_name, text, labels=LABELS)
            for labels, value in found[name]:
                family.add_metric(labels, value)
            yield family


def gauge_family() -> Any:  # noqa: ANN401 - a class of an optional package
    """prometheus-client's GaugeMetricFamily. Raises UsageError ``report.needs-prometheus``."""
    try:
        from prometheus_client.core import GaugeMetricFamily
    except ImportError as error:
        raise UsageError(
            "Prometheus' format needs prometheus-client, which is not installed",
            code="report.needs-prometheus",
            fix="pip install 'edgefarm[serve]'",
        ) from error
    return GaugeMetricFamily


def text_of(found: Iterable[Any]) -> str:
    """The exposition of some families."""
    from prometheus_client import CollectorRegistry, generate_latest
    from prometheus_client.registry import Collector

    class Once(Collector):
        def collect(self) -> Iterable[Any]:
            return found

    registry = CollectorRegistry(auto_describe=False)
    registry.register(Once())
    return generate_latest(registry).decode("utf-8")


def _exposed(series: str, result: Result) -> Exposed:
    number, latency = number_of(result), result.latency
    closed_loop = latency is not None and result.scenario == "latency"
    values: dict[str, float | None] = {
        **headline(number.metric, number.value, number.low, number.high),
        "p99_ns": latency.p99_ns if latency is not None and closed_loop else None,
        "energy_j": energy_of(result),
        "peak_memory_bytes": result.peak_memory_bytes,
        "artifact_bytes": result.artifact_bytes,
        "accuracy": result.accuracy,
        "at_unix_s": result.created_unix_s,
    }
    verdict = result.verdict.word if result.status == "ok" else result.status
    return Exposed(key_of(result), series, verdict, values)
