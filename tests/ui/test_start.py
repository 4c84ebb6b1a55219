"""From the first page to a found log, with no document but the page; and that its snippets are the documentation's."""

import json
import re
import subprocess
import urllib.request
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.sdk.quickstarts import ADDRESS, KEY
from tests.ui.conftest import NewPage
from tests.ui.look import Look
from tests.ui.site import OWNER, Site, fresh_site, setup_token_of

pytestmark = pytest.mark.slow

DOCS = Path(__file__).resolve().parents[2] / "docs"
FENCE = re.compile(r"^```\w+\n(.*?)\n```$", re.MULTILINE | re.DOTALL)
CLIENTS = {
    "Mistral · Python": "quickstart-mistral.md",
    "Mistral · TypeScript": "quickstart-mistral.md",
    "OpenAI · Python": "quickstart-openai.md",
    "OpenAI · TypeScript": "quickstart-openai.md",
    "curl": "quickstart-openai.md",
    "Anthropic · Python": "quickstart-anthropic.md",
    "Google GenAI · Python": "quickstart-google.md",
    "Vercel AI SDK": "quickstart-vercel.md",
    "LangChain": "quickstart-frameworks.md",
    "LiteLLM": "quickstart-frameworks.md",
    "Claude Code": "quickstart-claude-code-and-codex.md",
    "Codex": "quickstart-claude-code-and-codex.md",
}


def claimed(site: Site) -> Site:
    """Claim a gateway by API, and return it with its owner's session."""
    body = json.dumps({**OWNER, "token": setup_token_of(site.folder / "home")}).encode()
    request = urllib.request.Request(f"{site.url}/api/session/claim", body, {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as response:
        cookie = response.headers["set-cookie"].partition(";")[0]
    return Site(url=site.url, folder=site.folder, home=site.home, simulator=site.simulator, cookie=cookie)


def test_a_newcomer_finds_the_log_of_a_first_call(tmp_path: Path, new_page: NewPage, look: Look) -> None:
    clicks = 0

    def click(what: Locator) -> None:
        nonlocal clicks
        what.click()
        clicks += 1

    with fresh_site(tmp_path) as fresh:
        site = claimed(fresh)
        page = new_page(site)
        page.goto("/ui/")
        expect(page.get_by_role("heading", level=1)).to_have_text("Get started")
        look(page, "start-empty")
        page.get_by_label(re.compile("^API key")).fill("simulated")
        click(page.get_by_role("button", name="It is reached at another address"))
        page.get_by_label("Base URL").fill(f"{site.simulator}/mistral")
        click(page.get_by_role("button", name="Test for free"))
        expect(page.get_by_text("It works")).to_be_visible()
        click(page.get_by_role("button", name="Connect"))
        expect(page.get_by_text("Mistral AI · default")).to_be_visible()
        click(page.get_by_role("button", name="Make a key"))
        secret = page.get_by_test_id("secret").inner_text()
        expect(page.get_by_text("Waiting for your first call…")).to_be_visible()
        click(page.get_by_role("tab", name="curl"))
        command = page.get_by_role("tabpanel").locator("pre").inner_text()
        assert secret in command
        called = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True, timeout=60)
        assert json.loads(called.stdout)["choices"]
        expect(page.get_by_text("Your first call is here")).to_be_visible()
        expect(page.get_by_text(re.compile(r"^\$0\.\d+$"))).to_be_visible()
        look(page, "start-done")
        click(page.get_by_role("link", name="Open its log"))
        expect(page).to_have_url(re.compile(r"/ui/logs\?.*log="))
        assert clicks <= 12
        page.close()  # before what it asks is gone


def test_the_snippets_are_those_of_the_documentation(site: Site, page: Page) -> None:
    """So what `tests/sdk` runs of the documents is what the page says."""
    page.goto("/ui/start")
    tabs = page.get_by_role("tab")
    expect(tabs).to_have_count(len(CLIENTS))
    assert tabs.all_inner_texts() == list(CLIENTS)
    for client, document in CLIENTS.items():
        page.get_by_role("tab", name=client, exact=True).click()
        panel = page.get_by_role("tabpanel", name=client, exact=True)
        shown = [block.inner_text() for block in panel.locator("pre").all()]
        assert shown
        written = FENCE.findall((DOCS / document).read_text(encoding="utf-8"))
        for block in shown:
            assert site.url in block or "GANTRY_API_KEY" in block
            assert block.replace(site.url, ADDRESS) in written, client
        assert any(KEY in block for block in shown), client
