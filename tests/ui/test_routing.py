"""Routing in the browser: rules are drafted, tried out, saved, gone back to; calls go by them, as their logs show."""

import pytest
from playwright.sync_api import Page, expect

from tests.ui.look import Look, Watch
from tests.ui.site import Site

pytestmark = pytest.mark.slow

# The simulator fails every call to it. No other test calls it, so its rule is in nobody's way.
FAILING = "mistral/mistral-small-latest--sim-status-502"
SPARE = "openai/gpt-4o-mini"


def save(page: Page, note: str) -> None:
    page.get_by_role("region", name="Draft").get_by_role("button", name="Review and save…").click()
    dialog = page.get_by_role("dialog", name="Save the rules")
    dialog.get_by_label("Note").fill(note)
    dialog.get_by_role("button", name="Save").click()
    expect(page.get_by_text("The rules are saved, and calls go by them.")).to_be_visible()
    expect(page.get_by_role("region", name="Draft")).to_have_count(0)


def test_a_fallback_is_drafted_tried_out_saved_and_taken_by_a_call(site: Site, page: Page, look: Look) -> None:
    call = {"model": FAILING, "messages": [{"role": "user", "content": "Is the bridge open?"}]}
    assert site.call("/api/chat/completions", call).status == 502
    page.goto("/ui/routing?tab=models")
    page.get_by_role("button", name="Add a rule").click()
    dialog = page.get_by_role("dialog", name="Add a rule by model")
    dialog.get_by_role("combobox", name="Models").fill(FAILING)
    field = dialog.get_by_role("combobox", name="Fallback of the rule: another model")
    field.fill(SPARE)
    field.press("Enter")
    field.blur()
    expect(dialog.get_by_role("listitem", name=f"1. {SPARE}")).to_be_visible()
    look(page, "routing-rule")
    dialog.get_by_role("button", name="Put it into the draft").click()
    expect(page.get_by_role("listitem", name=f"Rule for {FAILING}")).to_contain_text(f"If it fails: {SPARE}.")
    assert site.call("/api/chat/completions", call).status == 502, "a draft holds for nobody"

    page.get_by_role("tab", name="Simulate").click()
    page.get_by_role("combobox", name="Model", exact=True).fill(FAILING)
    attempts = page.get_by_role("list", name="Attempts").get_by_role("listitem")
    page.get_by_text("By the rules that hold", exact=True).click()
    page.get_by_role("button", name="Where would it go?").click()
    expect(attempts).to_have_count(1)
    page.get_by_text("By the draft", exact=True).click()
    page.get_by_role("button", name="Where would it go?").click()
    expect(attempts).to_have_count(2)
    expect(attempts.nth(1)).to_contain_text("openai / gpt-4o-mini")
    expect(attempts.nth(1)).to_contain_text("The next model")
    look(page, "routing-simulate")

    save(page, "the bridge has a way around it")
    answer = site.call("/api/chat/completions", call)
    assert answer.status == 200
    log_id = next(value for name, value in answer.headers.items() if name.lower() == "x-gantry-log-id")
    page.goto(f"/ui/logs?log={log_id}&tab=timing")
    attempts = page.get_by_role("list", name="Attempts").get_by_role("listitem")
    expect(attempts).to_have_count(2, timeout=30_000)
    expect(attempts.nth(0)).to_contain_text("502")
    expect(attempts.nth(1)).to_contain_text("The next model")


def test_the_fallback_of_all_calls_is_put_in_order_by_keyboard(page: Page, look: Look) -> None:
    page.goto("/ui/routing?tab=fallback")
    field = page.get_by_role("combobox", name="Fallback models: another model")
    for model in ("mistral/mistral-small-latest", SPARE, "cohere/command-r"):
        field.fill(model)
        field.press("Enter")
    row = page.get_by_role("listitem", name="3. cohere/command-r")
    row.focus()
    row.press("Alt+ArrowUp")
    expect(page.get_by_role("listitem", name="2. cohere/command-r")).to_be_focused()
    page.get_by_role("button", name="Move cohere/command-r up").click()
    page.get_by_role("button", name=f"Take {SPARE} out").click()
    expect(page.get_by_role("list", name="Fallback models").get_by_role("listitem")).to_have_text(
        ["1cohere/command-r", "2mistral/mistral-small-latest"]
    )
    look(page, "routing-fallback")
    page.reload()  # a draft outlives it
    expect(page.get_by_role("listitem", name="1. cohere/command-r")).to_be_visible()
    page.get_by_role("button", name="Discard").click()
    page.get_by_role("dialog", name="Discard the draft?").get_by_role("button", name="Discard").click()
    expect(page.get_by_text("There is none: a call whose model fails is told the failure.")).to_be_visible()


def test_a_group_is_made_called_and_gone_back_from(site: Site, page: Page, look: Look) -> None:
    page.goto("/ui/routing")
    page.get_by_role("button", name="Add a group").click()
    dialog = page.get_by_role("dialog", name="Add a group")
    dialog.get_by_label("Id").fill("ferry")
    dialog.get_by_role("combobox", name="Model 1").fill("mistral/mistral-small-latest")
    dialog.get_by_label("Weight 1").fill("3")
    dialog.get_by_role("button", name="Another member").click()
    dialog.get_by_role("combobox", name="Model 2").fill(SPARE)
    dialog.get_by_role("combobox", name="Model 2").blur()
    expect(dialog.get_by_role("listitem").nth(1)).to_contain_text("25 %")
    look(page, "routing-group")
    dialog.get_by_role("button", name="Put it into the draft").click()
    save(page, "a ferry beside the bridge")
    expect(page.get_by_role("region", name="Group ferry")).to_contain_text("75 %")
    expect(page.get_by_role("dialog")).to_have_count(0)
    look(page, "routing-groups")
    call = {"load_balance_group": {"group_id": "ferry"}, "messages": [{"role": "user", "content": "Over there!"}]}
    assert site.call("/api/chat/completions", call).status == 200

    page.get_by_role("button", name="What to do with ferry").click()
    page.get_by_role("menuitem", name="Remove").click()
    save(page, "the ferry rusts")
    page.get_by_role("tab", name="History").click()
    version = page.get_by_role("row").filter(has_text="a ferry beside the bridge")
    version.click()
    panel = page.get_by_role("dialog", name="Version")
    expect(panel.get_by_role("region", name="What differs")).to_contain_text('+ "id": "ferry"')
    look(page, "routing-history")
    panel.get_by_role("button", name="Go back to this version…").click()
    page.get_by_role("dialog", name="Go back to version").get_by_role("button", name="Go back").click()
    expect(panel).to_have_count(0)
    page.get_by_role("tab", name="Groups").click()
    expect(page.get_by_role("region", name="Group ferry")).to_be_visible()
    assert site.call("/api/chat/completions", call).status == 200


def test_a_change_by_somebody_else_is_not_overwritten_unseen(site: Site, page: Page, watch: Watch) -> None:
    page.goto("/ui/routing?tab=defaults")
    page.get_by_label("Try again").check(force=True)
    page.get_by_label("At most so often").fill("1")
    assert site.ask("PATCH", "/api/routing", {"document": {"cache": {"ttl": 60}}}).status == 200
    page.get_by_role("button", name="Review and save…").click()
    dialog = page.get_by_role("dialog", name="Save the rules")
    dialog.get_by_role("button", name="Save").click()
    expect(dialog.get_by_text("Read them again, and make the change to that.")).to_be_visible()
    assert watch.take("Precondition Failed")
    expect(dialog.get_by_role("region", name="What is changed")).to_contain_text('-     "ttl": 60')
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Discard").click()
    page.get_by_role("dialog", name="Discard the draft?").get_by_role("button", name="Discard").click()
    expect(page.get_by_label("An answer serves for so many seconds")).to_have_value("60")
    assert site.ask("PATCH", "/api/routing", {"document": {"cache": None}}).status == 200


def test_what_is_declared_in_the_file_is_shown_and_not_changed(site: Site, page: Page, look: Look) -> None:
    rules = site.ask("GET", "/api/routing").body
    document = {"groups": [{"id": "declared", "members": [{"model": SPARE}]}]}
    warned = ["the group declared names a/b, and there is no credential for a yet"]
    declared = {**rules, "managed_by": "gantry.toml", "document": document, "warnings": warned}
    page.route("**/api/routing", lambda route: route.fulfill(json=declared))
    page.goto("/ui/routing")
    expect(page.get_by_text("Declared in gantry.toml")).to_be_visible()
    expect(page.get_by_text(warned[0])).to_be_visible()
    expect(page.get_by_role("region", name="Group declared")).to_be_visible()
    expect(page.get_by_role("button", name="Add a group")).to_have_count(0)
    look(page, "routing-declared")
    page.get_by_role("tab", name="Retries and cache").click()
    expect(page.get_by_label("Try again")).to_be_disabled()
    look(page, "routing-defaults")
