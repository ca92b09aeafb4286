"""Prometheus' text format: for node_exporter's textfile collector, and the body of ``/metrics``.

The text is our own, since two thousand series cost prometheus-client's classes half a second of every scrape;
the tests hold it against what those write and read. No timestamps stand behind the values, because the
textfile collector refuses them: each series says by ``farm_measured_timestamp_seconds`` how old its numbers
are.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from farm_results.model import Result
from farm_results.report.exposed import FAMILIES, LABELS, Exposed, headline
from farm_results.series import key_of, number_of, series_id
from farm_results.storage.columns import energy_of

SUFFIX = "prom"
_ODD = re.compile(r'[\\\n"]')
_NOT_FINITE = {"nan": "NaN", "inf": "+Inf", "-inf": "-Inf"}


@dataclass(frozen=True)
class Gauge:
    """One family. ``samples``: each one's labels as ``label_text`` spells them, and its value."""

    name: str
    help: str
    samples: Sequence[tuple[str, float]]


def render(results: Sequence[Result]) -> str:
    """The newest result of each series."""
    newest: dict[str, Result] = {}
    for result in sorted(results, key=lambda one: one.created_unix_s):
        newest[series_id(key_of(result))] = result
    exposed = [_exposed(series, result) for series, result in newest.items()]
    return text_of(families(exposed))


def families(exposed: Sequence[Exposed]) -> Iterator[Gauge]:
    """One for each name that some series has, and ``farm_result_info``."""
    found: dict[str, list[tuple[str, float]]] = {}
    info: list[tuple[str, float]] = []
    for one in exposed:
        words = one.labels()
        if _ODD.search("".join(words)):
            words = [_escaped(word) for word in words]
        labels = _LABELLED.format(*words)
        info.append((labels, 1.0))
        for name, value in one.numbers():
            found.setdefault(name, []).append((labels, value))
    yield Gauge("farm_result_info", "1 for the newest result of a series.", info)
    for name, (family_name, text, _) in FAMILIES.items():
        if name in found:
            yield Gauge(family_name, text, found[name])


_LABELLED = "{{" + ",".join(f'{name}="{{{LABELS.index(name)}}}"' for name in sorted(LABELS)) + "}}"
"""What ``label_text`` would write of them, two thousand times at every scrape."""


def label_text(labels: Mapping[str, str]) -> str:
    """``{device="pi",model="a \\"b\\""}``, sorted; "" without labels."""
    if not labels:
        return ""
    return "{" + ",".join([f'{name}="{_escaped(labels[name])}"' for name in sorted(labels)]) + "}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


def text_of(found: Iterable[Gauge]) -> str:
    """The exposition of some families."""
    lines: list[str] = []
    for family in found:
        lines.append(f"# HELP {family.name} {family.help}\n# TYPE {family.name} gauge\n")
        lines += [f"{family.name}{labels} {_number(value)}\n" for labels, value in family.samples]
    return "".join(lines)


def _number(value: float) -> str:
    text = repr(float(value))
    return _NOT_FINITE.get(text, text)


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
