"""A store whose every field was written by an attacker: every page, file and address that leads from it."""

from __future__ import annotations

import csv
import html
import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import quote, urlsplit

import pytest

from farm_results.comparison import Comparison, Effect, Side
from farm_results.dashboard.access import Access
from farm_results.dashboard.app import Dashboard
from farm_results.dashboard.fleet import AuditEntry, DeviceView, JobView, Ticket
from farm_results.finding import NEW, REGRESSION, Cause, Finding
from farm_results.history import baselines, comparisons, findings, nights
from farm_results.model import Caveat, Result, Verdict
from farm_results.night import DONE, Night
from farm_results.pages.sections.against import Against
from farm_results.report import html as report
from farm_results.series import key_of, series_id
from farm_results.storage.batch import insert_results
from farm_results.storage.session import changing
from farm_results.store import Store
from tests.results import made
from tests.results.dashboard.client import HOST, TOKEN, Attributes, Client, Fleet
from tests.results.pages import stage

EVIL = (
    "=HYPERLINK(1)<script>alert(1)</script>'\"><img src=x onerror=alert(2)>{{7*7}}\x1b[31m\r\nX-Evil: 1\u202e"
)
ID = "../..//evil.example/?a=b#c%00%2e&amp;<b>\"' \\"
NOW = 1_795_100_000.0
MOST_ADDRESSES = 400
PAGES = ("/", "/nights", "/devices", "/findings", "/runs", "/trend", "/models", "/layers", "/queue")


class EvilFleet(Fleet):
    """Devices, jobs and an audit trail of foreign words."""

    def devices(self) -> tuple[DeviceView, ...]:
        """One of everything."""
        words: dict[str, Any] = dict.fromkeys(
            ("profile", "transport", "health", "reason", "holder", "job_id", "reserved_by"), EVIL
        )
        evil = DeviceView(EVIL, tags=(EVIL,), drift=(EVIL,), facts={EVIL: EVIL}, origin=EVIL)
        return (replace(evil, **words),)

    def jobs(self) -> tuple[JobView, ...]:
        """One."""
        return (JobView(ID, ID, EVIL, EVIL, 1.0, EVIL),)

    def waiting(self) -> tuple[Ticket, ...]:
        """One."""
        return (Ticket(EVIL, ID, EVIL, 1, 1.0),)

    def audit(self, device: str | None, limit: int) -> tuple[AuditEntry, ...]:
        """One."""
        return (AuditEntry(NOW, EVIL, EVIL, EVIL, EVIL),)[:limit]


def evil_result(number: int, base: Result, **changes: Any) -> Result:
    """A result whose every text is foreign."""
    document = {**base.document, "facts": {"cpu": EVIL, "details": {EVIL: EVIL}}}
    document["artifact"] = {"toolchain": {EVIL: EVIL}, "caveats": [EVIL, {"evidence": EVIL}]}
    texts: dict[str, Any] = dict.fromkeys(
        ("model", "device", "profile", "format", "runtime", "runtime_version", "precision", "harness"), EVIL
    )
    texts |= dict.fromkeys(("executed_precision", "protocol", "calibration", "accuracy_metric"), EVIL)
    texts |= dict.fromkeys(("model_sha256", "artifact_sha256"), EVIL)
    found = replace(
        base, **texts, job_id=f"{ID}{number}", run_id=ID, document=document,
        options={EVIL: EVIL, "batch": EVIL},
        created_unix_s=NOW - 1000 + number, verdict=Verdict(EVIL, (Caveat(EVIL, EVIL, EVIL, EVIL),)),
    )  # fmt: skip
    return replace(found, **changes)


@pytest.fixture(scope="module")
def evil(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """The store."""
    store = stage.filled(tmp_path_factory.mktemp("evil"))
    base = store.result("job-1")
    run = made.run(ID, NOW - 2000)
    store.add_run(replace(run, command=("farm", EVIL, ID), host=EVIL, farm_version=EVIL, labels={EVIL: EVIL}))
    failed: dict[str, Any] = {
        "status": "failed",
        "latency": None,
        "error_blame": EVIL,
        "error_code": EVIL,
        "error_fix": EVIL,
    }
    results = [
        evil_result(0, base, sample_hashes=(), trace_hashes=()),
        evil_result(1, base, origin=EVIL, sample_hashes=(), trace_hashes=()),
        evil_result(2, base, **failed, error_message=EVIL, scenario=EVIL),
    ]
    with changing(store) as connection:
        insert_results(connection, results)
    series = series_id(key_of(results[0]))
    reason: dict[str, Any] = {"actor": EVIL, "event": EVIL, "reason": EVIL, "at_unix_s": NOW}
    baselines.put(store, series=series, job_id=results[0].job_id, artifact_sha256=EVIL, **reason)
    side = Side(EVIL, EVIL, EVIL, EVIL, EVIL, EVIL, results[0].job_id, (5e6, 5e6))
    effect = Effect(0.05, 0.04, 0.06, 0.99, 0.01)
    caveats = (Caveat(EVIL, EVIL, EVIL, EVIL),)
    one = Comparison(ID, NOW, "ab", series, EVIL, ID, side, side, EVIL, 2, effect, (EVIL, EVIL), caveats)
    comparisons.add(store, replace(one, environment={EVIL: EVIL}, origin=EVIL))
    nights.begin(store, Night(ID, NOW, origin=EVIL))
    cell = dict.fromkeys(("device", "what", "state", "outcome", "comparison_id", "why", "text"), EVIL)
    record = {
        "cells": [{**cell, "series": series, "job_ids": [results[0].job_id], "comparison_id": ID}],
        "notes": [EVIL],
    }
    nights.end(store, ID, ended_unix_s=NOW + 60, state=DONE, record=record)
    causes = (Cause(EVIL, EVIL),)
    for number, word, state in ((1, EVIL, EVIL), (2, REGRESSION, NEW)):
        findings.add(
            store,
            Finding(
                f"{ID}{number}", ID, series, EVIL, EVIL, NOW, word, results[1].job_id, results[0].job_id, ID,
                0.05, 0.04, 0.06, 4.0, causes, EVIL, state, EVIL, EVIL,
            ),
        )  # fmt: skip
    yield store
    store.close()


def looking_at(store: Store) -> Client:
    """Somebody who looks at all of it; a defect of ours ends the test."""
    access = Access(TOKEN, open_reading=True, port=8787)
    return Client(
        Dashboard(
            store, access, EvilFleet(), now=lambda: NOW, complain=lambda error: pytest.fail(repr(error))
        )
    )


def test_no_page_and_no_file_does_what_its_store_says(evil: Store) -> None:
    """From the menu on, every link of every page: each answers, as text, under our own headers."""
    client = looking_at(evil)
    client.log_in(EVIL)
    todo = [*PAGES, "/pareto", f"/compare?a={quote(ID, safe='')}&b=20261121", "/login"]
    seen: set[str] = set()
    kinds: set[str] = set()
    todo += [f"/download/{kind}?run={quote(ID, safe='')}" for kind in ("csv", "json", "md", "tsv", "parquet")]
    while todo and len(seen) < MOST_ADDRESSES:
        address = todo.pop(0)
        if address in seen:
            continue
        seen.add(address)
        answer = client.get(address)
        no_baseline = "%40baseline" in address  # what a run may lack
        allowed = (200, 303, 400) if no_baseline else (200, 303)
        assert answer.status_code in allowed, (address, answer.status_code, answer.text[-800:])
        assert not {"x-evil", "set-cookie"} & set(answer.headers), address
        kinds.add(urlsplit(address).path.split("/")[1])
        if answer.headers.get("content-type", "").startswith("text/html"):
            todo += harmless(address, answer.text)
        elif answer.headers.get("content-type", "").startswith("text/csv"):
            no_formula(address, answer.text)
    assert {"", "nights", "devices", "findings", "runs", "results", "trend", "models", "comparisons"} <= kinds
    assert {"compare", "pareto", "layers", "queue", "download"} <= kinds
    assert sum("csv=" in address for address in seen) > 60


def harmless(address: str, page: str) -> list[str]:
    """Nothing of it is markup or script of somebody else. The addresses of this server that it names."""
    for bad in ("<script>alert", "<img src=x", "\x1b", "\u202e", "<b>", ">49<", "49'"):
        assert bad not in page, (address, bad)
    assert not Attributes.inline(page), address
    found = [html.unescape(each) for each in re.findall(r'(?:href|action)="([^"]*)"', page)]
    for each in found:
        own = each.startswith(("/", "#", "data:,")) and not each.startswith("//")
        assert own, (address, each)
        assert "\\" not in urlsplit(each).path, (address, each)
    return [
        each.partition("#")[0]
        for each in found
        if each.startswith("/") and not each.startswith(("/static", "/findings/", "/logout"))
    ]


def no_formula(address: str, text: str) -> None:
    """No cell begins as a spreadsheet's formula does; every row has as many cells as the heading."""
    rows = list(csv.reader(io.StringIO(text)))
    assert len({len(row) for row in rows}) == 1, address
    for cell in (cell for row in rows for cell in row):
        plain = re.fullmatch(r"[+-]?[0-9.]+(e[+-]?[0-9]+)?", cell)
        assert plain or cell.lstrip()[:1] not in ("=", "+", "-", "@", "\t"), (address, cell)


def test_a_finding_with_any_id_can_be_decided(evil: Store) -> None:
    """The form's address leads to the finding, whatever its id is."""
    client = looking_at(evil).log_in()
    found = findings.get(evil, f"{ID}2")
    page = client.get(f"/trend/{found.series}").text
    address = html.unescape(re.findall(r'action="(/findings/[^"]*)"', page)[0])
    secret = re.findall(r'name="secret" value="([0-9a-f]{64})"', page)[0]
    was = {"secret": secret, "was": NEW, "note": EVIL, "next": f"//evil.example/{EVIL}"}
    answer = client.post(address, was | {"state": "expected"})
    assert (answer.status_code, answer.headers.get("location")) == (303, "/"), answer.text
    assert findings.get(evil, f"{ID}2").state == "expected"


def test_the_report_of_it_is_text_as_well(evil: Store) -> None:
    """With its run, comparisons and another run beside it."""
    results = evil.results(ID)
    run = evil.run(ID)
    sources = report.Sources(
        run, evil.objects, tuple(comparisons.of_run(evil, ID)), Against(EVIL, tuple(results)), EVIL
    )
    page = report.page(results, sources)
    body = page.partition("<body>")[2]
    for script in re.findall(r"<script>.*?</script>", body, re.DOTALL):
        body = body.replace(script, "")  # farm's own, by their hashes
    assert harmless("report", body) == []
    assert report.page([], replace(sources, against=None)).count("pair by pair")


ODD = (
    "%00",
    "..%2f..%2fetc%2fpasswd",
    "%2e%2e/%2e%2e/app.py",
    "%0d%0aX-Evil:%201",
    "%ff%fe",
    "a" * 8000,
    "-1",
    "🦊",
)


PARTS = "static static/dashboard results runs trend nights comparisons devices models download findings"
ASKED = {
    "/runs": "limit page state csv",
    "/devices": "q tag limit",
    "/trend": "model limit",
    "/pareto": "model p50 place run",
    "/compare": "a b by metric",
    "/layers": "job with",
    "/models": "q",
    "/findings": "state device",
    "/login": "next",
    "/queue": "device limit",
}


def test_odd_addresses_are_answered_in_order(evil: Store) -> None:
    """Paths that climb, control characters, bytes that are no text, parameters without end: no defect."""
    client = looking_at(evil)
    for part in ODD:
        for path in PARTS.split():
            answer = client.get(f"/{path}/{part}")
            assert answer.status_code in (400, 404, 405), (path, part, answer.status_code)
            assert "def app" not in answer.text
            assert "x-evil" not in answer.headers
    huge = "x" * 60_000  # more is refused before it comes here
    for path, names in ASKED.items():
        for name in names.split():
            for value in (huge, "-1", "%00%ff", "1e999", "%0d%0aX-Evil:1"):
                answer = client.get(f"{path}?{name}={value}")
                assert answer.status_code in (200, 400, 404), (path, name, value[:20], answer.status_code)
                assert len(answer.content) < 3_000_000, (path, name)
                assert "x-evil" not in answer.headers


def test_only_our_own_pages_and_sessions_change_anything(evil: Store) -> None:
    """Missing, wrong and foreign hosts, origins, cookies, secrets and tokens."""
    access = Access(TOKEN, True, port=8787)
    client = Client(Dashboard(evil, access, EvilFleet(), now=lambda: NOW)).log_in()
    own = client.cookie
    form = {
        "state": "expected",
        "note": "x",
        "secret": access.form_secret(own.partition("=")[2].rpartition(".")[0]),
    }
    address = f"/findings/{quote(ID, safe='')}1"

    def sent(cookie: str = own, data: Mapping[str, str] = form, **headers: str) -> int:
        client.cookie = cookie
        return int(client.post(address, dict(data), **headers).status_code)

    for host in (
        "",
        "evil.example",
        "127.0.0.1@evil.example",
        "localhost.evil.example",
        "[::1",
        "1.2.3",
        "a" * 5000,
    ):
        assert sent(host=host, origin=f"http://{host}") == 421, host
    for origin in (
        "",
        "null",
        "http://evil.example",
        f"http://{HOST}.evil.example",
        f"http://user@{HOST}",
        "//",
    ):
        assert sent(origin=origin) == 403, origin
    for site in ("cross-site", "same-site", "none", ""):
        assert sent(own, form, **{"sec-fetch-site": site}) == 403, site
    other = Access(TOKEN, True, port=8788)
    stranger = f"{other.cookie}={other.begin(NOW, 'eve')}"
    forged = f"{access.cookie}={Access('y' * 30, True).begin(NOW, 'eve')}"
    for cookie in (
        "",
        stranger,
        forged,
        f"{access.cookie}=",
        f"{access.cookie}=a.b.c.d",
        "=;;=\x7f",
        "x" * 20_000,
    ):
        assert sent(cookie) == 303, cookie  # to the log-in
    for secret in ("", "0" * 64, form["secret"][:-1], other.form_secret(own)):
        assert sent(data={**form, "secret": secret}) == 400, secret
    for token in ("", "Bearer", "Bearer ", "Bearer x", f"Basic {TOKEN}", f"Bearer {TOKEN[:-1]}"):
        assert sent("", authorization=token) in (303, 401), token
    assert client.ask(
        "POST", address, content=b"\xff" * 100, headers={"content-type": "multipart/form-data"}
    ).status_code in (303, 400, 403)
    client.cookie = own
    for kind in (
        "multipart/form-data",
        "multipart/form-data; boundary=x",
        "application/json",
        "text/plain",
        "",
    ):
        answer = client.ask(
            "POST",
            address,
            content=b"--x\r\n\xff" * 100,
            headers={"content-type": kind, "origin": f"http://{HOST}"},
        )
        assert answer.status_code == 400, (kind, answer.status_code)
        assert "Traceback" not in answer.text
