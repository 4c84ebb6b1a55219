"""Every page, as the navigation lists them: it opens, complains of nothing, and looks well."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.ui.look import Look

pytestmark = pytest.mark.slow

LISTED = Path(__file__).resolve().parents[2] / "ui" / "src" / "app" / "pages.ts"
PAGES = re.findall(r'path: "/([a-z-]+)",\s+label: "([^"]+)"', LISTED.read_text(encoding="utf-8"))


def test_the_list_of_pages_is_read() -> None:
    assert len(PAGES) >= 16


@pytest.mark.parametrize(("path", "label"), PAGES)
def test_a_page_opens_and_looks_well(page: Page, look: Look, path: str, label: str) -> None:
    page.goto(f"/ui/{path}")
    expect(page.get_by_role("heading", level=1)).to_have_text(label)
    expect(page.get_by_role("navigation").get_by_role("link", name=label, exact=True)).to_have_attribute(
        "aria-current", "page"
    )
    expect(page.get_by_role("status", name="Loading")).to_have_count(0)
    look(page, path)
