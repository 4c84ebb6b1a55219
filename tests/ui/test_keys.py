"""API keys in the browser: made with limits, shown once, changed, rotated, revoked; and what each does to calls."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.ui.look import Look
from tests.ui.site import Site

pytestmark = pytest.mark.slow

CHAT = "/api/chat/completions"
HELLO = {"model": "mistral/mistral-small-latest", "messages": [{"role": "user", "content": "Hello!"}]}


def test_the_life_of_a_key(site: Site, page: Page, look: Look) -> None:
    page.goto("/ui/keys")
    page.get_by_role("button", name="New key").click()
    dialog = page.get_by_role("dialog", name="New API key")
    dialog.get_by_label("Name").fill("checkout")
    dialog.get_by_label("Calls in all").fill("2")
    dialog.get_by_label("Read", exact=True).check()
    look(page, "keys-new")
    dialog.get_by_role("button", name="Make the key").click()
    secret = page.get_by_test_id("secret").inner_text()
    assert secret in page.get_by_role("tabpanel").inner_text()
    page.get_by_role("button", name="I have copied it").click()

    assert [site.call(CHAT, HELLO, secret).status for _ in range(3)] == [200, 200, 429]
    row = page.get_by_role("row", name=re.compile("checkout"))
    row.click()
    panel = page.get_by_role("dialog", name="API key")
    expect(panel.get_by_label("Calls in all")).to_have_value("2")
    panel.get_by_label("Calls in all").fill("100")
    panel.get_by_role("button", name="Save").click()
    expect(page.get_by_text("The key is changed.")).to_be_visible()
    assert site.call(CHAT, HELLO, secret).status == 200
    look(page, "keys-open")

    panel.get_by_role("button", name="Rotate…").click()
    page.get_by_role("dialog", name="Rotate “checkout”").get_by_role("button", name="Rotate").click()
    renewed = page.get_by_test_id("secret").inner_text()
    page.get_by_role("button", name="I have copied it").click()
    assert renewed != secret
    assert [site.call(CHAT, HELLO, one).status for one in (secret, renewed)] == [200, 200]

    page.get_by_role("row", name=re.compile(f"checkout.*{renewed[:11]}", re.DOTALL)).click()
    page.get_by_role("dialog", name="API key").get_by_role("button", name="Revoke…").click()
    page.get_by_role("dialog", name="Revoke “checkout”?").get_by_role("button", name="Revoke").click()
    expect(page.get_by_text("The key is revoked.")).to_be_visible()
    assert site.call(CHAT, HELLO, renewed).status == 401
    expect(page.get_by_role("row", name=re.compile(renewed[:11]))).to_have_count(0)
    page.get_by_role("switch", name="Show expired and revoked").press("Space")
    expect(page.get_by_role("row", name=re.compile(renewed[:11]))).to_contain_text("revoked")
