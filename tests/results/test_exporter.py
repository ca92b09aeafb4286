"""``/metrics`` over real stores, and that Grafana's dashboards ask for what is there."""

from __future__ import annotations

import json
import re
from math import inf, nan
from pathlib import Path
from typing import Any

import prometheus_client
import pytest
from prometheus_client import parser

from farm_results.exporter import metrics_of
from farm_results.finding import REGRESSION, Finding
from farm_results.history import findings, nights
from farm_results.model import Energy, Result, Verdict
from farm_results.night import Night
from farm_results.report.openmetrics import Gauge, label_text, text_of
from farm_results.storage.schema import DEVICE_HEALTH
from farm_results.storage.session import changing
from farm_results.store import Store, open_store
from tests.postgres import Server
from tests.results.made import HOSTILE, result, run
from tests.support import ROOT

GRAFANA = ROOT / "docs" / "grafana"
USED = Energy("rapl", "package-0", "package", gross_j=0.02)


def filled(where: str) -> Store:
    """A store with a bit of everything that the page tells of."""
    store = open_store(where)
    store.add_run(run())
    results: list[Result] = [
        result("old", created_unix_s=500.0),
        result("new", created_unix_s=900.0, energy=(USED,), accuracy=0.9, accuracy_metric="top-1"),
        result("fast", scenario="throughput", metrics={"throughput_best_per_s": 210.0}),
        result("wrong", model="third", verdict=Verdict("invalid")),
        result("made up", origin="simulated", verdict=Verdict("noisy")),
        *(result(f"h{n}", model=text, device=text, options={text: text}) for n, text in enumerate(HOSTILE)),
    ]
    for one in results:
        store.add_result(one)
    findings.add(store, Finding("f1", "n1", "s", "pi", "mobilenet", 900.0, REGRESSION))
    nights.begin(store, Night("n1", 800.0))
    with changing(store) as connection:
        connection.execute(
            DEVICE_HEALTH.insert().values(
                device="pi", health="healthy", since_unix_s=1.0, reason="", strikes=0, until_unix_s=0.0,
                seen_unix_s=950.0, checked_unix_s=0.0, record="{}",
            )
        )  # fmt: skip
    return store


def test_the_text_is_what_the_real_client_writes(tmp_path: Path) -> None:
    """Hostile names, all kinds of numbers: prometheus-client makes the same text of what it reads there."""
    store = filled(str(tmp_path / "store"))
    try:
        ours = metrics_of(store) + text_of(
            [
                Gauge(
                    "farm_odd",
                    "numbers",
                    [(label_text({"n": str(x)}), x) for x in (nan, inf, -inf, 1e300, 0)],
                )
            ]
        )
    finally:
        store.close()
    registry = prometheus_client.CollectorRegistry(auto_describe=False)

    class Once:
        def collect(self) -> Any:
            """What our text says."""
            yield from parser.text_string_to_metric_families(ours)

    registry.register(Once())
    theirs = prometheus_client.generate_latest(registry).decode()
    number = re.compile(r" (\S+)$")
    assert len(theirs.splitlines()) > 100
    for mine, real in zip(ours.splitlines(), theirs.splitlines(), strict=True):
        assert number.sub("", mine) == number.sub("", real)
        if not mine.startswith("#"):
            assert repr(float(number.search(mine)[1])) == repr(float(number.search(real)[1]))  # type: ignore[index]


def samples_of(text: str) -> list[Any]:
    """What Prometheus' own parser reads."""
    return [one for family in parser.text_string_to_metric_families(text) for one in family.samples]


def test_the_page_tells_the_newest_of_each_series(store_address: str) -> None:
    """On both engines: base units, verdict and origin on every number; nothing that must not be believed."""
    store = filled(store_address)
    try:
        samples = samples_of(metrics_of(store))
        few = samples_of(metrics_of(store, most_series=2))
    finally:
        store.close()

    def of(name: str) -> list[Any]:
        return [one for one in samples if one.name == name]

    mine = [one for one in of("farm_latency_p50_seconds") if one.labels["model"] == "mobilenet"]
    assert {(one.labels["origin"], one.labels["verdict"]) for one in mine} == {
        ("measured", "valid"),
        ("simulated", "noisy"),
    }
    assert mine[0].value == pytest.approx(0.00491)
    assert [one.value for one in of("farm_energy_joules")] == [0.02]
    assert [one.value for one in of("farm_throughput_best_per_second")] == [210.0]
    assert "third" not in {one.labels["model"] for one in of("farm_latency_p50_seconds")}
    assert 500.0 not in {one.value for one in of("farm_measured_timestamp_seconds")}
    assert of("farm_series")[0].value == 4 + len(HOSTILE)
    assert [(one.labels, one.value) for one in of("farm_findings_open")] == [
        ({"word": "regression", "origin": "measured"}, 1.0)
    ]
    assert of("farm_night_started_timestamp_seconds")[0].value == 800.0
    assert of("farm_device_health")[0].labels == {"device": "pi", "health": "healthy"}
    assert len([one for one in few if one.name == "farm_result_info"]) == 2
    assert next(one.value for one in few if one.name == "farm_series") == 4 + len(HOSTILE)


def queries_of(name: str, key: str) -> list[str]:
    """Every query of a dashboard's panels and variables."""
    document = json.loads((GRAFANA / name).read_text(encoding="utf-8"))
    found = [target[key] for panel in document["panels"] for target in panel["targets"]]
    variables = [one["query"] for one in document["templating"]["list"] if one["type"] == "query"]
    assert len(found) >= 10
    return [*found, *variables]


def test_the_prometheus_dashboard_asks_for_what_is_there(tmp_path: Path) -> None:
    """Every metric of every query is on a real page, with the labels that the legends and filters name."""
    store = filled(str(tmp_path / "store"))
    try:
        samples = samples_of(metrics_of(store))
    finally:
        store.close()
    labels: dict[str, set[str]] = {}
    for one in samples:
        labels.setdefault(one.name, set()).update(one.labels)
    for query in queries_of("prometheus.json", "expr"):
        names = re.findall(r"\bfarm_\w+", query)
        assert names, query
        for name in names:
            assert name in labels, query
            asked = re.findall(rf"{name}\{{([^}}]*)\}}", query)
            for label in re.findall(r"(\w+)[!=]~?\"", "".join(asked)):
                assert label in labels[name], query
    document = json.loads((GRAFANA / "prometheus.json").read_text(encoding="utf-8"))
    for panel in document["panels"]:
        for target in panel["targets"]:
            name = re.findall(r"\bfarm_\w+", target["expr"])[0]
            assert set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])) <= labels[name], panel["title"]


def test_the_postgresql_dashboard_asks_the_real_schema(postgres: Server) -> None:
    """Every query runs on a real server as Grafana would send it, and finds the rows."""
    from sqlalchemy import text

    store = filled(postgres.create())
    try:
        for query in queries_of("postgresql.json", "rawSql"):
            sql = re.sub(r"\$__unixEpochFilter\((\w+)\)", r"\1 >= 0 AND \1 <= 4102444800", query)
            sql = re.sub(r"\$\{(\w+):sqlstring\}", r"'pi','mobilenet'", sql)
            assert "$" not in sql, query
            with store.engine.connect() as connection:
                rows = connection.execute(text(sql.replace(":", "\\:"))).mappings().all()
            if "FROM result WHERE status = 'ok' AND verdict IN" in sql:
                assert rows, query
                assert {"time", "metric"} <= set(rows[0])
                names = {row["metric"] for row in rows}
                assert not any("third" in name for name in names)
                if "energy" not in sql:
                    assert any(
                        name.startswith("SIMULATED · ") and name.endswith(" · NOISY") for name in names
                    )
    finally:
        store.close()
