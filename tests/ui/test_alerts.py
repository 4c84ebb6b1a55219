"""Alerts in the browser: a channel is made and tried; what becomes of a delivery is seen; what is raised is chosen."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.clerk.receivers import WebhookReceiver, receiving
from tests.ui.look import Look, Watch
from tests.ui.site import Site

pytestmark = pytest.mark.slow


@pytest.fixture
def receiver() -> Iterator[WebhookReceiver]:
    with receiving() as receiver:
        yield receiver


def test_a_webhook_is_made_with_its_secret_shown_once_and_removed(page: Page, watch: Watch, look: Look) -> None:
    page.goto("/ui/alerts")
    page.get_by_role("button", name="Add a channel").click()
    dialog = page.get_by_role("dialog", name="Add a channel")
    dialog.get_by_label("Name").fill("weighbridge")
    dialog.get_by_label("URL").fill("http://127.0.0.1:9/hook")
    dialog.get_by_role("button", name="Add").click()
    expect(dialog.get_by_role("alert")).to_contain_text("127.0.0.1")  # a private address is the operator's to name
    assert watch.take("Bad Request")
    dialog.get_by_label("URL").fill("https://hooks.example.com/gantry")
    dialog.get_by_label("These alone").check()
    dialog.get_by_label("Limit blocked").check()
    look(page, "alerts-add")
    dialog.get_by_role("button", name="Add").click()
    made = page.get_by_role("dialog", name="The channel weighbridge is made")
    expect(made.get_by_test_id("secret")).to_contain_text("whsec_")
    expect(made).to_contain_text("def is_ours(")
    look(page, "alerts-secret")
    made.get_by_role("button", name="I have copied it").click()
    row = page.get_by_role("row").filter(has_text="weighbridge")
    expect(row).to_contain_text("Limit blocked")
    row.get_by_role("button", name="What to do with weighbridge").click()
    page.get_by_role("menuitem", name="What it is told of").click()
    page.get_by_role("dialog", name="What weighbridge is told of").get_by_label("Provider errors").check()
    page.get_by_role("dialog").get_by_role("button", name="Save").click()
    expect(row).to_contain_text("Limit blocked, Provider errors")
    expect(page.get_by_role("dialog")).to_have_count(0)
    look(page, "alerts-channels")
    row.get_by_role("button", name="What to do with weighbridge").click()
    page.get_by_role("menuitem", name="Remove").click()
    page.get_by_role("dialog", name="Remove weighbridge?").get_by_role("button", name="Remove").click()
    expect(row).to_have_count(0)


def test_a_test_that_fails_is_tried_again_and_arrives(
    site: Site, page: Page, receiver: WebhookReceiver, look: Look
) -> None:
    receiver.answer = lambda _: 200 if receiver.all else 503
    site.gantry("alerts", "channels", "add", "toll-office", receiver.url())  # the operator may name a private address
    page.goto("/ui/alerts")
    page.get_by_role("button", name="Test toll-office").click()
    panel = page.get_by_role("dialog", name="Delivery")
    expect(panel).to_contain_text("503", timeout=30_000)
    panel.get_by_role("button", name="Try again now").click()
    expect(panel.get_by_text("delivered", exact=True)).to_be_visible(timeout=30_000)
    expect(panel).to_contain_text("This is a test of the channel toll-office.")
    assert [one.headers["x-gantry-event"] for one in receiver.all] == ["test", "test"]
    look(page, "alerts-delivery")
    page.keyboard.press("Escape")
    expect(page.get_by_role("row").filter(has_text="toll-office")).to_contain_text("delivered")
    expect(page.get_by_role("dialog")).to_have_count(0)
    look(page, "alerts-deliveries")
    page.get_by_role("tab", name="Channels").click()
    page.get_by_role("switch", name="toll-office is told").click(force=True)
    expect(page.get_by_text("toll-office is told nothing until it is enabled.")).to_be_visible()
    site.gantry("alerts", "channels", "remove", "toll-office")


def test_what_is_raised_and_when_is_chosen(site: Site, page: Page, look: Look) -> None:
    before = site.ask("GET", "/api/alerts/rules").body
    page.goto("/ui/alerts?tab=rules")
    expect(page.get_by_role("group", name="Events that are raised").get_by_role("checkbox")).to_have_count(12)
    page.get_by_label("Zero cost").uncheck()
    page.get_by_label("Failed, in per cent").fill("75")
    look(page, "alerts-rules")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("The rules are changed.")).to_be_visible()
    after = site.ask("GET", "/api/alerts/rules").body
    assert after == {**before, "off": ["zero_cost"], "error_percent": 75}
    assert site.ask("PATCH", "/api/alerts/rules", before).status == 200


def test_an_alert_that_was_raised_is_listed(site: Site, page: Page, look: Look) -> None:
    body = {"model": "mistral/sim-tokens-5", "messages": [{"role": "user", "content": "Hello!"}]}
    site.call("/api/chat/completions", body)
    page.goto("/ui/alerts?tab=alerts")
    expect(page.get_by_role("table").get_by_text("Unpriced model").first).to_be_visible(timeout=30_000)
    look(page, "alerts-raised")
