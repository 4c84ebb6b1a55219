"""Providers in the browser: a credential is tried, added, given a share, other secrets, and removed."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.ui.look import Look
from tests.ui.site import Site

pytestmark = pytest.mark.slow


def test_a_second_credential_comes_and_goes(site: Site, page: Page, look: Look) -> None:
    page.goto("/ui/providers")
    card = page.get_by_role("region", name="Mistral AI")
    expect(card).to_contain_text("100 % of calls")
    card.get_by_role("button", name="Test mistral/simulator").click()
    expect(page.get_by_text("It works")).to_be_visible()
    page.keyboard.press("Escape")
    card.get_by_role("button", name="Add credential").click()
    dialog = page.get_by_role("dialog", name="Add a credential for Mistral AI")
    dialog.get_by_label(re.compile("^API key")).fill("a-second-key-of-some-length-1234")
    dialog.get_by_label("Base URL").fill(f"{site.simulator}/mistral")
    dialog.get_by_label("Name of the credential").fill("second")
    dialog.get_by_label("Weight").fill("3")
    look(page, "providers-add")
    dialog.get_by_role("button", name="Add").click()
    expect(card).to_contain_text("weight 3, 75 % of calls")
    expect(card).to_contain_text("••••1234")

    card.get_by_role("button", name="second", exact=True).click()
    panel = page.get_by_role("dialog", name="Mistral AI · second")
    panel.get_by_label("Weight").fill("0")
    panel.get_by_role("button", name="Save").click()
    expect(page.get_by_text("The credential is changed.")).to_be_visible()
    panel.get_by_role("button", name="Replace…").click()
    panel.get_by_label(re.compile("^API key")).fill("another-key-of-some-length-5678")
    panel.get_by_role("button", name="Replace", exact=True).click()
    expect(panel).to_contain_text("••••5678")
    panel.get_by_role("button", name="Remove…").click()
    page.get_by_role("dialog", name="Remove mistral/second?").get_by_role("button", name="Remove").click()
    expect(page.get_by_text("The credential is removed.")).to_be_visible()
    expect(card).to_contain_text("100 % of calls")


def test_a_provider_of_ones_own_is_called_by_its_name(site: Site, page: Page) -> None:
    page.goto("/ui/providers?add=your-own")
    dialog = page.get_by_role("dialog", name="Add your own provider")
    dialog.get_by_label("Name of the provider").fill("workshop")
    dialog.get_by_label("Base URL").fill(f"{site.simulator}/openai")
    dialog.get_by_label(re.compile("^API key")).fill("simulated")
    dialog.get_by_role("button", name="Test for free").click()
    expect(dialog.get_by_text("It works")).to_be_visible()
    dialog.get_by_role("button", name="Add").click()
    expect(page.get_by_role("region", name="workshop")).to_contain_text("Your own")
    body = {"model": "workshop/gpt-5.5", "messages": [{"role": "user", "content": "Hello!"}]}
    assert site.call("/api/chat/completions", body).status == 200
    page.get_by_label("Search providers").fill("vert")
    expect(page.get_by_role("button", name="Connect Google Vertex AI")).to_be_visible()
    expect(page.get_by_role("region", name="workshop")).to_have_count(0)
