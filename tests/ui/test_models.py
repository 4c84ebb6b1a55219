"""The catalogue in the browser: searched, filtered, sorted; a model's prices and snippets; a model of one's own."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.ui.look import Look
from tests.ui.site import Site

pytestmark = pytest.mark.slow


def test_a_model_is_found_and_known(page: Page, look: Look) -> None:
    page.goto("/ui/models")
    table = page.get_by_role("table")
    expect(table.get_by_role("row").nth(1)).to_be_visible()
    page.keyboard.press("/")
    page.keyboard.type("mistral-large")
    page.get_by_role("radiogroup").get_by_text("All", exact=True).click()
    expect(table).to_contain_text("not connected")
    page.get_by_role("radiogroup").get_by_text("Connected").click()
    expect(table).not_to_contain_text("not connected")
    table.get_by_role("row", name=re.compile("mistral-large-2512")).click()
    panel = page.get_by_role("dialog", name="Model")
    expect(panel.get_by_role("table")).to_contain_text("1M tokens")
    expect(panel).to_contain_text("mistral/simulator · 100 %")
    panel.get_by_role("tab", name="OpenAI · Python").click()
    expect(panel.get_by_role("tabpanel")).to_contain_text('model="mistral-large-2512"')
    look(page, "models-open")


def test_the_whole_catalogue_is_sorted_by_price(page: Page) -> None:
    page.goto("/ui/models?connected=false&type=chat&can=%5B%22reasoning_support%22%5D")
    with page.expect_response(re.compile("sort_by=-output_cost")):
        page.get_by_role("button", name="Output/1M").click()
    expect(page).to_have_url(re.compile("sort=-output_cost"))
    expect(page.get_by_role("columnheader", name="Output/1M")).to_have_attribute("aria-sort", "descending")
    prices = page.locator("tbody tr td:nth-child(4)")
    expect(prices.first).to_contain_text(re.compile(r"\$\d{3}"))
    shown = [float(text.strip("$").replace(",", "")) for text in prices.all_inner_texts()]
    assert shown == sorted(shown, reverse=True)
    assert len(shown) == 50


def test_a_model_of_ones_own_is_made_and_called(site: Site, page: Page) -> None:
    page.goto("/ui/models?model=mistral-large-2512")
    page.get_by_role("button", name="Make your own of it…").click()
    form = page.get_by_role("dialog", name="A model of your own")
    expect(form.get_by_label("Leads to")).to_have_value("mistral-large-2512")
    form.get_by_role("textbox", name="Name", exact=True).fill("our-best")
    form.get_by_label("Input, 1M tokens").fill("7")
    form.get_by_role("button", name="Make it").click()
    expect(page.get_by_text("The model is made.")).to_be_visible()
    answer = site.call(
        "/api/chat/completions", {"model": "our-best", "messages": [{"role": "user", "content": "Hello!"}]}
    )
    assert answer.status == 200, answer.body
    page.goto("/ui/models?own=true&model=our-best")
    panel = page.get_by_role("dialog", name="Model")
    expect(panel.get_by_role("table")).to_contain_text("$7.00")
    panel.get_by_role("button", name="Change…").click()
    page.get_by_role("dialog", name="Change our-best").get_by_role("button", name="Remove…").click()
    page.get_by_role("dialog", name="Remove our-best?").get_by_role("button", name="Remove").click()
    expect(page.get_by_text("The model is removed.")).to_be_visible()
    expect(page.get_by_text("No model is like that")).to_be_visible()
