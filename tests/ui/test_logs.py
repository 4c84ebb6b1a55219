"""Logs: found by words, conditions and time, shown in full, live, marked, replayed, saved as a view."""

import re
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Page, expect

from tests.ui.conftest import NewPage
from tests.ui.look import Look
from tests.ui.site import Site

pytestmark = pytest.mark.slow

IMAGE = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAABAAAAAQCAIAAACQkWg2AAAAF0lEQVR4nGNgaLhEGhrVMKphVMOI1QAAoAQ8Dr+o4MsA"
    "AAAASUVORK5CYII="
)


def say(site: Site, text: str, **more: Any) -> str:
    """Make a call, and return the id of its log."""
    body = {"model": "mistral/mistral-small-latest", "messages": [{"role": "user", "content": text}], **more}
    answer = site.call("/api/chat/completions", body)
    assert answer.status == 200, answer.body
    return next(value for name, value in answer.headers.items() if name.lower() == "x-gantry-log-id")


def logged(site: Site, page: Page, text: str, **more: Any) -> str:
    """Make a call, and return the id of its log when that can be read."""
    log_id = say(site, text, **more)
    for _ in range(200):
        if site.ask("GET", f"/api/request-logs/{log_id}").status == 200:
            return log_id
        page.wait_for_timeout(50)
    pytest.fail("the log did not come")


def rows(page: Page) -> Any:
    return page.get_by_role("table", name="Logs").get_by_role("row")


def test_from_a_search_to_a_log_in_full(site: Site, page: Page, look: Look) -> None:
    content = [{"type": "text", "text": "Which weighbridge is it?"}, {"type": "image_url", "image_url": {"url": IMAGE}}]
    messages = [{"role": "system", "content": "Be **brief**."}, {"role": "user", "content": content}]
    logged(site, page, "", messages=messages, metadata={"team": "red"})
    page.goto("/ui/logs")
    page.get_by_label("Search what was said").fill("weighbridge")
    page.keyboard.press("Enter")
    expect(page.get_by_label("Sums of what is shown")).to_contain_text("1 log")
    page.keyboard.press("Escape")  # out of the search
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    panel = page.get_by_label("Log", exact=True)
    expect(panel).to_contain_text("Be brief.")
    expect(panel.get_by_role("img", name="In the log")).to_be_visible()
    look(page, "logs-conversation")
    for section, told in {"Timing": "mistral / mistral-small", "Cost": "Output tokens", "Details": '"red"'}.items():
        panel.get_by_role("tab", name=section).click()
        expect(panel).to_contain_text(told)
    panel.get_by_role("tab", name="Raw").click()
    expect(panel.get_by_role("button", name=re.compile(r"^messages \[2\]"))).to_be_visible()
    page.keyboard.press("Escape")
    expect(panel).to_have_count(0)
    assert "log" not in parse_qs(urlsplit(page.url).query)


def test_conditions_are_chips_of_the_address(site: Site, page: Page, look: Look) -> None:
    logged(site, page, "for the first", customer_identifier="toll-one")
    logged(site, page, "for the second", customer_identifier="toll-two")
    page.goto("/ui/logs?customer_identifier=toll-one")
    sums = page.get_by_label("Sums of what is shown")
    expect(sums).to_contain_text("1 log")
    page.keyboard.press("f")
    form = page.get_by_role("dialog", name="Filter")
    form.get_by_role("combobox", name="Field").fill("Customer")
    form.get_by_role("option", name="Customer", exact=True).click()
    form.get_by_role("combobox", name="Customer").fill("toll-two")
    look(page, "logs-filter")
    form.get_by_role("button", name="Add filter").click()
    expect(sums).to_contain_text("0 logs")
    expect(page.get_by_role("heading", name="No log is like that")).to_be_visible()
    page.get_by_label("Joined by AND; change").click()
    expect(sums).to_contain_text("2 logs")
    page.reload()
    expect(rows(page)).to_have_count(3)  # with the head
    page.get_by_label("Remove the filter: Customer is toll-one").click()
    expect(sums).to_contain_text("1 log")


def test_a_condition_on_metadata(site: Site, page: Page) -> None:
    logged(site, page, "paid", metadata={"lane": "seven"})
    page.goto("/ui/logs")
    page.get_by_role("button", name="Filter").click()
    form = page.get_by_role("dialog", name="Filter")
    form.get_by_role("combobox", name="Field").fill("Metadata key")
    form.get_by_role("option", name="Metadata key…").click()
    form.get_by_label("Key of the metadata").fill("lane")
    form.get_by_role("combobox", name="Metadata: lane").fill("seven")
    form.get_by_role("button", name="Add filter").click()
    expect(page.get_by_label("Sums of what is shown")).to_contain_text("1 log")


def test_logs_come_live(site: Site, page: Page) -> None:
    page.goto("/ui/logs?customer_identifier=live-one")
    expect(page.get_by_role("heading", name="No log is like that")).to_be_visible()
    page.get_by_role("button", name="Live", exact=True).click()
    expect(page.get_by_role("button", name="Live", exact=True)).to_have_attribute("data-state", "on")
    say(site, "Is anybody watching?", customer_identifier="live-one")
    expect(rows(page).filter(has_text="Is anybody watching?")).to_contain_text("$0.0000")


def test_a_log_is_marked_and_deleted(site: Site, page: Page) -> None:
    log_id = logged(site, page, "Mark me", customer_identifier="marked-one")
    page.goto(f"/ui/logs?customer_identifier=marked-one&log={log_id}")
    page.get_by_role("button", name="Good answer").click()
    expect(page.get_by_role("button", name="Good answer")).to_have_attribute("aria-pressed", "true")
    page.get_by_role("button", name="Add a note").click()
    page.get_by_label("Note").fill("as it should be")
    page.get_by_role("button", name="Keep the note").click()
    expect(page.get_by_role("button", name="as it should be")).to_be_visible()
    stored = site.ask("GET", f"/api/request-logs/{log_id}").body
    assert (stored["positive_feedback"], stored["note"]) == (True, "as it should be")
    page.get_by_label("More to do with this log").click()
    page.get_by_role("menuitem", name="Delete").click()
    page.get_by_role("button", name="Delete", exact=True).click()
    expect(page.get_by_role("heading", name="No log is like that")).to_be_visible()
    assert site.ask("GET", f"/api/request-logs/{log_id}").status == 404


def test_a_log_as_code(site: Site, page: Page) -> None:
    log_id = logged(site, page, "It's code", temperature=0.5, stream=True)
    page.goto(f"/ui/logs?log={log_id}")
    told = {
        "curl": f"curl {site.url}/api/chat/completions",
        "Python": 'content": "It\'s code"',
        "TypeScript": "for await (const event of response)",
    }
    for name, text in told.items():
        page.get_by_label("More to do with this log").click()
        page.get_by_role("menuitem", name=name).click()
        assert text in page.evaluate("navigator.clipboard.readText()"), name
    assert '"model": "mistral/mistral-small-latest"' in page.evaluate("navigator.clipboard.readText()")


def test_a_log_is_replayed_against_another_model(site: Site, page: Page, look: Look) -> None:
    log_id = logged(site, page, "Weigh it again", temperature=0.5)
    page.goto(f"/ui/logs?log={log_id}&tab=replay")
    page.get_by_role("combobox", name="Model").fill("openai/gpt-5.5")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Replay").click()
    its_log = page.get_by_role("link", name="Its log")
    expect(its_log).to_be_visible()
    look(page, "logs-replay")
    its_log.click()
    expect(page.get_by_role("heading", name="gpt-5.5")).to_be_visible()
    replayed = site.ask("GET", f"/api/request-logs/{parse_qs(urlsplit(page.url).query)['log'][0]}").body
    assert replayed["metadata"] == {"replay_of": log_id}
    assert replayed["prompt_messages"] == [{"role": "user", "content": "Weigh it again"}]


def test_a_question_is_saved_as_a_view(page: Page) -> None:
    page.goto("/ui/logs?failed=true&range=7d")
    page.get_by_label("Saved views").click()
    page.get_by_role("menuitem", name="Save this view…").click()
    page.get_by_label("Name").fill("What failed")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.goto("/ui/logs?model=gpt-5.5")
    page.get_by_label("Saved views").click()
    page.get_by_role("menuitem", name="What failed", exact=True).click()
    expect(page.get_by_label("Remove the filter: Failed is yes")).to_be_visible()
    asked = parse_qs(urlsplit(page.url).query)
    assert (asked["range"], "model" in asked) == (["7d"], False)


def test_an_export_is_a_file(page: Page) -> None:
    page.goto("/ui/logs?model=gpt-5.5")
    page.get_by_label("Export").click()
    with page.expect_download() as download:
        page.get_by_role("menuitem", name="CSV").click()
    text = download.value.path().read_text(encoding="utf-8")
    assert text.startswith("id,unique_id,")
    assert "mistral-small-latest" not in text


def test_on_a_phone_a_log_lies_above_the_list(site: Site, new_page: NewPage, look: Look) -> None:
    page = new_page(site, width=390)
    page.goto("/ui/logs")
    cards = page.get_by_role("list", name="Logs").get_by_role("listitem")
    cards.first.click()
    panel = page.get_by_label("Log", exact=True)
    expect(panel.get_by_role("tab", name="Conversation")).to_be_visible()
    box = panel.bounding_box()
    assert box is not None
    assert box["width"] == 390
    panel.get_by_role("button", name="Close").click()
    expect(panel).to_have_count(0)
