"""Pages in Debian's chromium, at a gateway that is in use. A page that complains anywhere fails its test."""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Route, sync_playwright

from gantry.console.ui import STATIC
from tests.ui.look import Look, Watch
from tests.ui.site import Site, seeded_site

CHROMIUM = next((found for name in ("chromium", "chromium-browser") if (found := shutil.which(name))), None)
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
SCREENSHOTS = os.environ.get("GANTRY_SCREENSHOTS")  # a folder, where they are to be kept

NewPage = Callable[..., Page]


@pytest.fixture(scope="module")  # while it is there, its loop runs in this thread, and no other can
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("there is no chromium here; install the package `chromium`")
    if not (STATIC / "index.html").is_file():
        pytest.skip("the web console is not built; run scripts/ui")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A claimed gateway with some use behind it. Tests add to it and must not mind what others added."""
    with seeded_site(tmp_path_factory.mktemp("site")) as site:
        yield site


@pytest.fixture
def watch() -> Iterator[Watch]:
    """What pages complained of; a test that expects a complaint takes it out."""
    watch = Watch()
    yield watch
    assert watch.complaints == []


@pytest.fixture
def new_page(browser: Browser, watch: Watch) -> Iterator[NewPage]:
    """Open pages in contexts of their own: `new_page(site)` as its owner; nobody with `signed_in=False`."""
    contexts: list[BrowserContext] = []

    def open_page(site: Site, *, signed_in: bool = True, width: int = 1440) -> Page:
        context = browser.new_context(
            base_url=site.url, viewport={"width": width, "height": 900}, reduced_motion="reduce"
        )
        context.set_default_timeout(15_000)
        context.grant_permissions(["clipboard-read", "clipboard-write"], origin=site.url)
        context.route(lambda url: not url.startswith(site.url), lambda route: _refuse(route, watch))
        contexts.append(context)
        if signed_in:
            name, _, value = site.cookie.partition("=")
            context.add_cookies([{"name": name, "value": value, "url": site.url, "httpOnly": True}])
        page = context.new_page()
        watch.over(page)
        return page

    yield open_page
    for context in contexts:
        context.close()


@pytest.fixture
def page(site: Site, new_page: NewPage) -> Page:
    """A page that is signed in at the site."""
    return new_page(site)


@pytest.fixture(scope="session")
def look() -> Look:
    """Look at a page as `look(page, "logs")`: light and dark, wide and narrow, with axe, and keep what is seen."""
    axe = Path(__file__).resolve().parents[2] / "ui" / "node_modules" / "axe-core" / "axe.min.js"
    return Look(axe.read_text(encoding="utf-8"), Path(SCREENSHOTS) if SCREENSHOTS else None)


def _refuse(route: Route, watch: Watch) -> None:
    if route.request.url.startswith(("data:", "blob:")):
        route.continue_()
        return
    watch.complaints.append(f"asked for {json.dumps(route.request.url)}, which is not ours")
    route.abort()
