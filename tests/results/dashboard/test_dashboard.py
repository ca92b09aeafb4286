"""The dashboard without a browser: every page, its CSV, what it refuses, what it changes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from farm_agent.errors import InfrastructureError
from farm_results.dashboard import changed, files
from farm_results.dashboard.access import Access
from farm_results.dashboard.app import Dashboard
from farm_results.dashboard.fleet import DeviceView
from farm_results.dashboard.guard import CONTENT_SECURITY_POLICY
from farm_results.finding import ACKNOWLEDGED, INVALID
from farm_results.history import findings, points
from farm_results.store import open_store
from tests.results.dashboard.client import TOKEN, Attributes, Client, Fleet
from tests.results.dashboard.scene import DAY_S, FIRST_S, HOSTILE, NIGHTS, STEP, Scene, scene


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """A store for tests that only look."""
    found = scene(tmp_path_factory.mktemp("store"))
    yield found
    found.store.close()


NUMBERLESS = ("/login", "/queue", "/runs", "/devices", "/devices/jetson")
"""Pages that show no measured number."""


def client_of(scene: Scene, **changes: Any) -> Client:
    access = changes.pop("access", Access(TOKEN, open_reading=True, port=8787))
    known = {"fleet": Fleet(), "now": lambda: scene.now_unix_s, "complain": pytest.fail, **changes}
    return Client(Dashboard(scene.store, access, **known))


def pages_of(scene: Scene) -> list[str]:
    return [
        *("/", "/devices", "/devices/pi", "/devices/jetson", "/findings", "/findings?state=all", "/runs"),
        *("/runs/last", "/runs/2026-night-039", "/results/job-1", "/results/job-2", "/results/job-5"),
        *(
            "/results/night-m-039",
            "/trend",
            f"/trend/{scene.series}",
            "/compare",
            "/compare?a=@baseline&b=2026-night-039",
        ),
        *("/compare?a=2026-night-010&b=2026-night-039&metric=p99", "/compare?a=20261121&by=runtime"),
        *("/pareto", "/pareto?model=mobilenet", "/pareto?run=20261121&p50=6&accuracy=96", "/layers"),
        *("/layers?job=job-1&with=job-3", "/models", "/models/mobilenet", "/models/nightnet", "/queue"),
        *("/findings/finding-1", "/findings/finding-3"),
        *("/nights", "/nights/night-39", "/comparisons/ab-1", "/compare?a=2026-night-010&b=last&all=1"),
        *("/login", f"/devices/{quote(HOSTILE, safe='')}"),
    ]


def test_every_page_is_made_escaped_and_with_its_policy(made: Scene) -> None:
    """No foreign text becomes markup on any page, and no page allows inline scripts or styles."""
    client = client_of(made)
    for url in pages_of(made):
        answer = client.get(url)
        assert answer.status_code == 200, (url, answer.text)
        assert answer.headers["content-security-policy"] == CONTENT_SECURITY_POLICY
        assert answer.headers["cache-control"] == "no-store"
        assert "<script>alert" not in answer.text, url
        assert "<img src=x" not in answer.text, url
        assert not Attributes.inline(answer.text), url
        assert "\x1b" not in answer.text, url
        for inline in re.findall(r"<script(.*?)>", answer.text):
            assert "src=" in inline or 'type="application/json"' in inline, url
    assert "unsafe" not in CONTENT_SECURITY_POLICY


def test_every_table_has_its_csv(made: Scene) -> None:
    """Each CSV link of each page gives rows with a header, and no cell that a spreadsheet would run."""
    client, seen = client_of(made), 0
    for url in pages_of(made):
        for address in re.findall(r'href="([^"]*csv=[^"]*)"', client.get(url).text):
            answer = client.get(address.replace("&amp;", "&"))
            assert answer.status_code == 200, address
            assert answer.headers["content-type"].startswith("text/csv")
            assert answer.text.count("\r\n") >= 1, address
            assert not re.search(r"(^|,)\"?[=@+]", answer.text, re.MULTILINE), address
            seen += 1
    assert seen > 40
    trend = client.get(f"/trend/{made.series}?csv=trend").text.splitlines()
    assert len(trend) == 41
    failed = client.get("/runs/20261121-060000-aaaa?csv=failed").text
    assert "outputs differ,farm inspect m.onnx" in failed, "why, and what helps"
    turns = client.get("/compare?csv=ab").text.splitlines()
    assert turns[0].startswith("when [time],says,kind,model,target,device,")
    assert "same,A/A,nightnet," in turns[1] + turns[2]
    assert "kind,change" in client.get(f"/trend/{made.series}?csv=ab").text
    assert "/pareto?run=" in client.get("/runs/2026-night-038").text
    assert client.get("/runs?csv=nothing").status_code == 404


def test_what_is_asked_for_is_bounded(made: Scene) -> None:
    """A million points or rows become the most there may be, and the page says so."""
    client = client_of(made)
    page = client.get(f"/trend/{made.series}?points=1000000")
    assert "outside 1 to 10000" in page.text
    few = client.get("/findings?limit=2").text
    assert "the newest 2 findings" in few
    assert 'href="/findings?limit=8"' in few
    assert "1 finding<" in client.get("/findings?device=jetson").text
    assert "none on a device called nope" in client.get("/findings?device=nope").text
    page = client.get("/runs?limit=99999999999999999999&page=-1")
    assert "outside 1 to 2000" in page.text
    assert client.get("/runs?limit=many").text.count("is not a whole number") == 1
    assert "is none of" in client.get("/findings?state=nonsense").text
    assert client.get("/devices/pi?page=10000").status_code == 200
    assert client.get("/pareto?p50=nan&energy=-1").text.count("not a number that can be a limit") >= 2


def test_what_is_not_there_is_said_so(made: Scene) -> None:
    """Unknown names are pages with the code of the error and status 404, or 400 for what makes no sense."""
    client = client_of(made)
    for url, status, code in (
        ("/nowhere", 404, "dashboard.unknown-page"),
        ("/runs/never", 404, "results.unknown-run"),
        ("/results/never", 404, "results.unknown-job"),
        ("/trend/never", 404, "results.unknown-series"),
        ("/models/never", 404, "dashboard.unknown-model"),
        ("/devices/never", 404, "device.unknown"),
        ("/compare?a=never", 404, "results.unknown-ref"),
        ("/compare?a=last&b=last", 400, "compare.itself"),
        ("/download/exe", 404, "dashboard.unknown-page"),
        ("/static/../../app.py", 404, "dashboard.unknown-page"),
        ("/metrics", 404, "dashboard.unknown-page"),
        ("/nights/never", 404, "results.unknown-night"),
        ("/comparisons/never", 404, "results.unknown-comparison"),
    ):
        answer = client.get(url)
        assert (answer.status_code, code in answer.text) == (status, True), (url, answer.status_code)
        assert "Traceback" not in answer.text


def test_limits_leave_what_keeps_them(made: Scene) -> None:
    """A slider at its loose end limits nothing; elsewhere what was not measured does not keep it."""
    client = client_of(made)
    rows = client.get("/pareto?model=mobilenet&csv=configurations").text.splitlines()[1:]
    assert len(rows) == 5
    kept = client.get("/pareto?model=mobilenet&p50=6&csv=configurations").text.splitlines()[1:]
    assert {line.split(",")[1].split(" ")[0] for line in kept} < {
        line.split(",")[1].split(" ")[0] for line in rows
    }
    assert not any("litert" in line for line in kept)
    page = client.get("/pareto?model=mobilenet&p50=6").text
    assert "farm convert mobilenet.onnx" in page
    assert "Without limits" in page


def test_a_models_page_tells_its_versions_files_and_where_it_runs(made: Scene) -> None:
    """All of its results are counted, each file has its newest result, each place the last outcome, however
    few rows are shown; what is counted is bounded from the newest on."""
    client, url = client_of(made), "/models/nightnet?limit=5"

    def rows(name: str) -> list[list[str]]:
        answer = client.get(f"{url}&csv={name}").text
        return [line.split(",") for line in answer.splitlines()[1:]]

    days = (FIRST_S, FIRST_S + (NIGHTS - 1) * DAY_S)
    assert [[row[1], float(row[2]), float(row[3])] for row in rows("versions")] == [["60", *days]]
    assert [(row[3], row[5]) for row in rows("artifacts")] == [
        ("b" * 16, "night-m-039"),
        ("a" * 16, "night-m-031"),
    ]
    # The board that fell silent shares the profile: its last outcome is older than the other's.
    assert len(rows("matrix")) == 1
    assert (
        "/results/night-m-039" in client.get(url).text.partition('id="matrix"')[2].partition("</section>")[0]
    )
    assert len(rows("results")) == 5
    series = [row.series for row in points.series_rows(made.store, model="nightnet")]
    last = files.used(made.store, "nightnet", series, most=7)
    assert [(one.artifact_sha256[0], one.results) for one in last] == [("b", 7)]
    assert [line.job_id for line in files.converted(made.store, "nightnet", last)] == ["night-m-039"]


def test_what_changed_in_a_day_is_told_by_series(made: Scene) -> None:
    """The newest ok results before and after a time, among the newest of the store, however they arrived."""
    found = changed.changed_since(made.store, FIRST_S + (STEP - 0.5) * DAY_S)
    told = [(one.what, one.before, one.after, one.device, one.series) for one in found.changes]
    assert told == [("onnxruntime", "1.23.0", "1.24.0", "pi", made.series)]
    assert (found.looked_at, found.origin) == (made.store.count(), "")
    few = changed.changed_since(made.store, FIRST_S + (STEP - 0.5) * DAY_S, most=3)
    assert (few.changes, few.looked_at) == ((), 3), "what came before was not looked at"


def test_models_are_told_in_a_line_each(made: Scene) -> None:
    """The last measured first; what they run in and on is named once."""
    rows = client_of(made).get("/models?csv=models").text.splitlines()[1:]
    names = [row.split(",")[0] for row in rows]
    assert set(names) >= {"mobilenet", "nightnet"}
    lasts = [float(row.rsplit(",", 1)[1]) for row in rows]
    assert lasts == sorted(lasts, reverse=True)
    nightnet = rows[names.index("nightnet")].split(",")
    assert nightnet == ["nightnet", "2", "2", "onnx", "onnxruntime", "fp32", str(FIRST_S + 39 * DAY_S)]
    assert client_of(made).get("/models?q=NIGHT&csv=models").text.splitlines()[1:] == [",".join(nightnet)]


def test_downloads_are_whole(made: Scene) -> None:
    """A run as CSV, JSON, Markdown and Parquet; a result as JSON."""
    client = client_of(made)
    for kind in ("csv", "json", "md", "tsv", "parquet"):
        answer = client.get(f"/download/{kind}?run=20261121")
        assert answer.status_code == 200
        assert "attachment" in answer.headers["content-disposition"]
        assert len(answer.content) > 200
    assert "◆</span> NOISY" in client.get("/results/job-2").text
    assert client.get("/results/job-1?as=json").json()["results"][0]["job_id"] == "job-1"


def test_a_simulation_says_so_on_every_page(tmp_path: Path) -> None:
    """Wherever a simulated number is shown, the banner is on top."""
    made = scene(tmp_path, origin="simulated")
    client = client_of(made)
    for url in pages_of(made):
        if url not in NUMBERLESS:
            assert 'class="banner"' in client.get(url).text, url
    made.store.close()


def test_another_host_origin_or_method_is_refused(made: Scene) -> None:
    """DNS rebinding, other sites' forms and other methods do not get through."""
    client = client_of(made, hosts=("farm.lan",)).log_in()
    assert client.get("/", headers={"host": "evil.example"}).status_code == 421
    assert client.get("/", headers={"host": "farm.lan:99"}).status_code == 200
    assert client.get("/", headers={"host": "[::1]:8787"}).status_code == 200
    assert client.get("/", headers={"host": "127.0.0.1.evil.example"}).status_code == 421
    assert client.ask("PUT", "/").status_code == 405
    form = {"secret": client.secret(f"/trend/{made.series}"), "state": ACKNOWLEDGED, "note": "x"}
    address = f"/findings/{made.finding}"
    assert client.post(address, form, origin="http://evil.example").status_code == 403
    assert client.post(address, form, origin="null").status_code == 403
    assert client.post(address, form, **{"sec-fetch-site": "cross-site"}).status_code == 403
    assert client.ask("POST", address, data=form).status_code == 403
    assert client.post(address, form | {"secret": "0" * 64}).status_code == 400
    assert client.post(address, form | {"note": "x" * 70_000}).status_code == 413
    assert findings.get(made.store, made.finding).state == "new"


def test_a_server_for_others_answers_only_with_the_token(made: Scene) -> None:
    """Without open reading a page leads to the log-in, and a program is told what it lacks."""
    client = client_of(made, access=Access(TOKEN, open_reading=False, port=8787))
    for url in ("/", "/runs?limit=3", f"/trend/{made.series}?csv=trend"):
        answer = client.get(url)
        assert answer.status_code == 303
        assert answer.headers["location"].startswith("/login?next=%2F")
    assert client.get("/metrics").status_code == 401
    assert client.get("/static/style.css").status_code == 200
    wrong = client.post("/login", {"token": "wrong", "name": "ann"})
    assert wrong.status_code == 403
    assert "set-cookie" not in wrong.headers
    bearer = {"authorization": f"Bearer {TOKEN}"}
    assert client.get("/", headers=bearer).status_code == 200
    assert client.get("/", headers={"authorization": "Bearer nonsense"}).status_code == 401
    client.log_in()
    assert client.get("/").status_code == 200
    client.cookie = client.cookie[:-1] + ("0" if client.cookie[-1] != "0" else "1")
    assert client.get("/").status_code == 303
    for there in ("https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)"):
        answer = client.post("/login", {"token": TOKEN, "name": "ann", "next": there})
        assert answer.headers["location"] == "/", there


def test_a_session_ends(made: Scene) -> None:
    """After its time, by another token, or on another port's server."""
    access = Access(TOKEN, open_reading=False)
    cookie = access.begin(1000.0, "ann")
    assert access.session(cookie, 1000.0 + 11 * 3600)
    assert not access.session(cookie, 1000.0 + 13 * 3600)
    assert not replace(access, token="x" * 30).session(cookie, 1000.0)
    assert not access.session("99999999999999.aa.bb.cc", 1000.0)
    assert not access.session("", 1000.0)


def test_without_a_session_or_read_only_nothing_changes(made: Scene) -> None:
    """No form is shown, and none is taken."""
    looking = client_of(made)
    assert 'name="secret"' not in looking.get(f"/trend/{made.series}").text
    answer = looking.post(f"/findings/{made.finding}", {"state": INVALID, "note": "x"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/login?lost=1&next=%2F")
    for sent_from, there in (
        ("http://127.0.0.1:8787/trend/a?b=c", "%2Ftrend%2Fa%3Fb%3Dc"),
        ("//evil/x", "%2F"),
    ):
        answer = looking.post(f"/findings/{made.finding}", {"state": INVALID}, referer=sent_from)
        assert answer.headers["location"] == f"/login?lost=1&next={there}"
    assert "Nothing was changed" in looking.get(answer.headers["location"]).text
    access = Access(TOKEN, open_reading=True, read_only=True, port=8787)
    reader = client_of(made, access=access).log_in()
    assert 'name="secret"' not in reader.get(f"/trend/{made.series}").text
    bearer = {"authorization": f"Bearer {TOKEN}"}
    assert reader.post(f"/findings/{made.finding}", {"state": INVALID}, **bearer).status_code == 403
    assert findings.get(made.store, made.finding).state == "new"


def test_a_store_that_fails_is_a_page(made: Scene, tmp_path: Path) -> None:
    """A fleet that cannot be read, a store that was cut off: status 503 and the error's own words."""

    class Broken(Fleet):
        def devices(self) -> tuple[DeviceView, ...]:
            raise InfrastructureError("the store is locked", code="store.locked", fix="wait")

    answer = client_of(made, fleet=Broken()).get("/devices")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "10")
    assert "store.locked" in answer.text
    store = open_store(tmp_path)
    file = tmp_path / "farm.db"
    store.close()
    file.write_bytes(file.read_bytes()[:5000])
    answer = client_of(replace(made, store=store)).get("/runs")
    assert answer.status_code == 503
    assert "store.corrupt" in answer.text

    class Wrong(Fleet):
        def devices(self) -> tuple[DeviceView, ...]:
            raise ZeroDivisionError("secret detail")

    heard: list[BaseException] = []
    answer = client_of(made, fleet=Wrong(), complain=heard.append).get("/devices")
    assert answer.status_code == 500
    assert "secret detail" not in answer.text
    assert str(heard[0]) == "secret detail"
