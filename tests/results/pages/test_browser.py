"""The report in a real browser: light, dark, a phone, paper, and without scripts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from farm_results.comparison import Comparison, Effect, Side
from farm_results.report import html
from farm_results.report.html import Sources
from tests.browser import PHONE, chromium, page_of, problems, sideways
from tests.results.pages import stage

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

CANVAS = ".chart .canvas"
REDRAWN = "old => document.querySelector('.canvas canvas').toDataURL() !== old"
# Every piece of text of every chart with how far it reaches over its chart's edges.
CUT = """() => [...document.querySelectorAll(".chart .canvas")].flatMap((box) => {
  const chart = window.echarts.getInstanceByDom(box);
  return chart.getZr().storage.getDisplayList(true).filter((one) => one.type === "tspan").map((one) => {
    const rect = one.getBoundingRect().clone();
    if (one.transform) rect.applyTransform(one.transform);
    const over = Math.max(-rect.x, -rect.y, rect.x + rect.width - chart.getWidth(),
                          rect.y + rect.height - chart.getHeight());
    return [box.parentElement.id, one.style.text, over];
  });
})"""
COLOURS = "one => [getComputedStyle(one).color, getComputedStyle(one).backgroundColor]"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One browser for all tests of the file."""
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The address of a report of everything; half of it simulated."""
    folder = tmp_path_factory.mktemp("report")
    store = stage.filled(folder / "store")
    results = [replace(r, origin="simulated" if r.job_id == "job-4" else "") for r in store.results()]
    side = Side("main", "mobilenet", "d" * 64, "a" * 64, "onnxruntime", "1.23.0")
    effect = Effect(0.031, 0.028, 0.034, 0.99, 0.01)
    turns = Comparison("c1", 1.0, "ab", "s", "pi", stage.RUN_ID, side, side, "slower", 20, effect)
    text = html.page(results, Sources(store.run(stage.RUN_ID), store.objects, (turns,)))
    store.close()
    (folder / "report.html").write_text(text)
    return (folder / "report.html").as_uri()


def opened(page: Page, address: str) -> list[str]:
    """Every request that the page made while it was read from top to bottom, its charts drawn."""
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.goto(address)
    for box in page.locator(CANVAS).all():
        box.scroll_into_view_if_needed()
        box.locator("canvas").first.wait_for()
    return requests


def check_texts(page: Page) -> None:
    """No text of a chart is cut off at its edge, and no result's name loses what tells it from others."""
    found = page.evaluate(CUT)
    assert [one for one in found if one[2] > 1.5] == []
    words = " ".join(text for _, text, _ in found)
    for name in ("pi onnxruntime fp32", "SIMULATED THROTTLED jetson openvino fp32", "SLOWER main over main"):
        assert name in words, words[:3000]


@pytest.mark.parametrize(
    "settings",
    [{"color_scheme": "light"}, {"color_scheme": "dark"}, {"color_scheme": "light", "viewport": PHONE}],
    ids=["light", "dark", "phone"],
)
def test_it_draws_every_chart_and_asks_for_nothing(
    browser: Browser, report: str, settings: dict[str, Any]
) -> None:
    """No request but the file itself, no error, no breach of its policy, no scrolling sideways."""
    with page_of(browser, **settings) as page:
        assert opened(page, report) == [report]
        assert problems(page) == []
        assert sideways(page) <= 0
        count = page.locator(CANVAS).count()
        assert count >= 10
        assert page.locator(f"{CANVAS} canvas").count() >= count
        check_texts(page)
        # Nothing foreign became an element.
        assert page.locator("main img, main b, main script:not([type])").count() == 0


def test_charts_follow_the_reader_to_the_dark(browser: Browser, report: str) -> None:
    """When the system changes at night, ink and ground do, and the charts are drawn anew."""
    with page_of(browser, color_scheme="light") as page:
        page.goto(report)
        first = page.locator(f"{CANVAS} canvas").first
        first.wait_for()
        light = first.evaluate("canvas => canvas.toDataURL()")
        page.emulate_media(color_scheme="dark")
        page.wait_for_function(REDRAWN, arg=light)
        ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert ground == "rgb(20, 23, 27)"


def test_without_scripts_the_tables_are_there(browser: Browser, report: str) -> None:
    """Every number, verdict and reason; the chart's tables open by hand; no empty boxes."""
    with page_of(browser, java_script_enabled=False) as page:
        page.goto(report)
        assert page.locator("h2", has_text="Results").is_visible()
        assert page.locator(CANVAS).first.is_hidden()
        page.locator("summary", has_text="The same as a table").first.click()
        assert page.locator("figure.chart table").first.is_visible()
        assert page.locator("tbody tr").first.is_visible()


def test_marks_stay_on_paper_in_the_dark_and_on_a_phone(browser: Browser, report: str) -> None:
    """The banner and each row's words are visible in every medium, and not in their ground's colour."""
    with page_of(browser, viewport=PHONE, color_scheme="dark") as page:
        page.goto(report)
        assert page.title().startswith("SIMULATED")
        for media in ("screen", "print"):
            page.emulate_media(media=media)
            for word in ("SIMULATED", "NOISY", "THROTTLED", "INVALID", "FAILED"):
                mark = page.locator("#results ~ div .mark", has_text=word).first
                assert mark.is_visible()
                colours = mark.evaluate(
                    "m => [getComputedStyle(m).color, getComputedStyle(m).backgroundColor]"
                )
                assert colours[0] != colours[1]
            assert page.locator(".banner").is_visible()
            ink = page.evaluate("getComputedStyle(document.body).color")
            assert ink == ("rgb(27, 31, 36)" if media == "print" else "rgb(230, 233, 237)"), "paper is white"


def test_tables_are_sorted_by_keyboard(browser: Browser, report: str) -> None:
    """By number, not by text: 1.01 ms before 9.09 ms, and back; what has no number comes last."""
    with page_of(browser) as page:
        page.goto(report)
        head = page.locator("#results ~ div th button", has_text="p50").first
        head.focus()
        page.keyboard.press("Enter")
        column = page.locator("#results ~ div th").all_inner_texts().index("p50 ↑".removesuffix(" ↑"))
        cells = page.locator(f"#results ~ div >> nth=0 >> tbody td:nth-child({column + 1})")
        assert cells.all_inner_texts()[:2] == ["1.01 ms", "3.53 ms"]
        assert head.locator("xpath=..").get_attribute("aria-sort") == "ascending"
        page.keyboard.press("Enter")
        assert head.locator("xpath=..").get_attribute("aria-sort") == "descending"


def test_an_axis_can_be_logarithmic(browser: Browser, report: str) -> None:
    """The button says what it is, and draws the chart anew without an error."""
    with page_of(browser) as page:
        page.goto(report)
        button = page.locator("figcaption button", has_text="log scale").first
        box = page.locator(f"{CANVAS} canvas").first
        box.wait_for()
        before = box.evaluate("canvas => canvas.toDataURL()")
        button.click()
        assert button.get_attribute("aria-pressed") == "true"
        page.wait_for_function(REDRAWN, arg=before)
        assert problems(page) == []


def test_it_prints_every_chart(browser: Browser, report: str, tmp_path: Path) -> None:
    """Paper has no scroll: charts that were never looked at are drawn, on a white ground."""
    with page_of(browser, color_scheme="dark") as page:
        page.goto(report)
        page.pdf(path=tmp_path / "report.pdf", format="A4")
        assert (tmp_path / "report.pdf").stat().st_size > 100_000
        assert problems(page) == []
        assert page.locator(f"{CANVAS}:not([data-drawn])").count() == 0
        page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
        check_texts(page)
