"""Settings in the browser: each part looks well; somebody is invited and comes in; a price of one's own is set."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.ui.conftest import NewPage
from tests.ui.look import Look, Watch
from tests.ui.site import Site

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("tab", "label"),
    [
        ("team", "Team"),
        ("organization", "Organization"),
        ("prices", "Prices"),
        ("retention", "Retention"),
        ("privacy", "Privacy"),
        ("exports", "Exports"),
        ("audit", "Audit log"),
    ],
)
def test_each_part_looks_well(page: Page, look: Look, tab: str, label: str) -> None:
    page.goto(f"/ui/settings?tab={tab}")
    expect(page.get_by_role("tab", name=label)).to_have_attribute("aria-selected", "true")
    expect(page.get_by_role("status", name="Loading")).to_have_count(0)
    look(page, f"settings-{tab}")


def test_a_receiver_that_takes_nothing_is_seen(page: Page, look: Look) -> None:
    """As it is told of one that was away for an hour; how it is told, tests/console/test_system.py has."""
    told = {
        "state": "failing",
        "endpoint": "http://collector.internal:4318/v1/traces",
        "content": True,
        "headers": ["x-team"],
        "problem": None,
        "last_success_at": "2026-01-02T03:04:05Z",
        "lag": 1234,
        "exported": 98765,
        "dropped": 1,
        "faults": 60,
        "failures_in_a_row": 12,
    }
    page.route("**/api/system/exports", lambda route: route.fulfill(json={"spans": told}))
    page.goto("/ui/settings?tab=exports")
    expect(page.get_by_role("alert")).to_contain_text("12 requests failed one after the other")
    for text in ("http://collector.internal:4318/v1/traces", "yes, where a log keeps it", "x-team", "1,234", "98,765"):
        expect(page.get_by_text(text, exact=True)).to_be_visible()
    look(page, "settings-exports-failing")


def test_somebody_is_invited_comes_in_and_only_looks(site: Site, page: Page, new_page: NewPage, watch: Watch) -> None:
    page.goto("/ui/settings?tab=team")
    page.get_by_role("button", name="Invite").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("E-mail").fill("grace@example.com")
    dialog.get_by_role("combobox", name="Role").click()
    page.get_by_role("option", name=re.compile("^viewer")).click()
    dialog.get_by_role("button", name="Invite").click()
    link = dialog.locator("code").inner_text()

    guest = new_page(site, signed_in=False)
    guest.goto(link)
    expect(guest.get_by_text("To Toll Roads, as viewer")).to_be_visible()
    guest.get_by_label("Your name").fill("Grace")
    guest.get_by_label(re.compile("^Password")).fill("nanoseconds on a wire")
    guest.get_by_role("button", name="Join").click()
    expect(guest.get_by_role("heading", level=1)).to_have_text("Get started")
    guest.goto("/ui/limits")
    expect(guest.get_by_text("$50.00 a month")).to_be_visible()
    expect(guest.get_by_role("button", name="Add a limit")).to_have_count(0)

    page.reload()
    row = page.get_by_role("row").filter(has_text="grace@example.com")
    expect(row).to_contain_text("Grace")
    row.get_by_role("button", name="Remove").click()
    page.get_by_role("dialog").get_by_role("button", name="Remove").click()
    expect(row).to_have_count(0)
    guest.goto("/ui/limits")
    expect(guest.get_by_role("heading", name="Sign in")).to_be_visible()
    watch.take("401")  # of a page that asked again meanwhile


def test_a_price_of_ones_own_is_set_and_taken_back(site: Site, page: Page) -> None:
    page.goto("/ui/settings?tab=prices")
    page.get_by_label("Provider").fill("mistral")
    page.get_by_label("Model").fill("a-model-of-ours")
    page.get_by_label(re.compile("^Input")).fill("0.25")
    page.get_by_role("button", name="Set", exact=True).click()
    expect(page.get_by_role("row").filter(has_text="mistral/a-model-of-ours")).to_contain_text("input $0.25")
    shown = site.ask("GET", "/api/prices?model=mistral/a-model-of-ours").body
    assert ("input", 0.25, None) in [(one["unit"], one["usd"], one["holds_for"]) for one in shown["prices"]]
    page.get_by_role("button", name="Take back").click()
    expect(page.get_by_text("Published prices hold for all models")).to_be_visible()
