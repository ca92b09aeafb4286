"""The distribution's own Chromium behind playwright: no browser is ever downloaded."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tests.support import need

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
# Only what hangs: the machine may be ten times slower.
PATIENCE_MS = 180_000
WIDE, PHONE = {"width": 1280, "height": 900}, {"width": 375, "height": 812}
_WATCH = """
window.farmProblems = [];
document.addEventListener("securitypolicyviolation", (event) =>
  window.farmProblems.push(["policy", event.violatedDirective, event.blockedURI, event.sample].join(" ")));
window.addEventListener("error", (event) => window.farmProblems.push("error: " + event.message));
"""


@contextmanager
def chromium() -> Iterator[Browser]:
    """A headless browser; skips where there is none."""
    need(shutil.which(CHROMIUM), "chromium is not installed")
    playwright = __import__("playwright.sync_api").sync_api
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def page_of(browser: Browser, **settings: Any) -> Iterator[Page]:
    """A page of a context of its own, which notes every error and every breach of the page's policy."""
    context = browser.new_context(**({"viewport": WIDE} | settings))
    context.set_default_timeout(PATIENCE_MS)
    context.add_init_script(_WATCH)
    page = context.new_page()
    try:
        yield page
    finally:
        context.close()


def problems(page: Page) -> list[str]:
    """What went wrong in the page so far."""
    found: list[str] = page.evaluate("window.farmProblems")
    return found


def sideways(page: Page) -> int:
    """By how many pixels the page is wider than its window: a phone's reader must not scroll sideways."""
    extra: int = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    return extra
