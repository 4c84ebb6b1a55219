"""A new user, from the first screen on, with no document but the page: in a browser, at a gateway of their own."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.sdk.environments import Client, NoClient, interpreter
from tests.sdk.roads import quiet_environment
from tests.ui.conftest import NewPage
from tests.ui.look import Look, Watch
from tests.ui.site import OWNER, Site, fresh_site

pytestmark = pytest.mark.slow

MOST_CLICKS = 12
SECONDS = 60
PASSWORD = re.compile("^Password")


class Hand:
    """Clicks, and counts them. Typing and looking are free."""

    def __init__(self) -> None:
        self.clicks = 0

    def click(self, target: Locator) -> None:
        target.click()
        self.clicks += 1


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Site]:
    with fresh_site(tmp_path) as site:
        yield site


@pytest.fixture(scope="module")
def python() -> Path:
    """A Python with the Mistral SDK that the first snippet asks for."""
    try:
        return interpreter(Client.MISTRAL_3)
    except NoClient as error:
        pytest.skip(str(error))


def run_snippet(python: Path, code: str, folder: Path) -> subprocess.CompletedProcess[str]:
    program = folder / "first_call.py"
    program.write_text(code, encoding="utf-8")
    return subprocess.run(
        [str(python), str(program)],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        env=quiet_environment(),
        check=False,
    )


def take_key(page: Page, hand: Hand) -> str:
    """Make a key, and copy the first snippet with it."""
    hand.click(page.get_by_role("button", name="Make a key"))
    expect(page.get_by_role("tabpanel")).to_contain_text("gk_")
    hand.click(page.get_by_role("button", name="Copy the Mistral · Python code"))
    text: str = page.evaluate("navigator.clipboard.readText()")
    return text


def claim(page: Page, hand: Hand, site: Site) -> None:
    """From the link that the gateway shows to the first page."""
    page.goto(site.gantry("console", "link").strip().splitlines()[-1])
    page.get_by_label("E-mail").fill(OWNER["email"])
    page.get_by_label("Your name").fill(OWNER["name"])
    page.get_by_label(PASSWORD).fill(OWNER["password"])
    hand.click(page.get_by_role("button", name="Claim it"))
    expect(page.get_by_role("heading", level=1)).to_have_text("Get started")


def connect_mistral(page: Page, hand: Hand, site: Site) -> None:
    hand.click(page.get_by_role("button", name="It is reached at another address"))
    page.get_by_label("Base URL").fill(site.simulator)
    page.get_by_label(re.compile("^API key")).fill("a-key-for-mistral")
    hand.click(page.get_by_role("button", name="Connect"))
    expect(page.get_by_text("Mistral AI is connected.")).to_be_visible()


def test_from_the_first_screen_to_a_found_log_in_a_few_clicks(
    fresh: Site, new_page: NewPage, watch: Watch, look: Look, python: Path, tmp_path: Path
) -> None:
    page, hand = new_page(fresh, signed_in=False), Hand()
    claim(page, hand, fresh)
    connect_mistral(page, hand, fresh)
    code = take_key(page, hand)
    expect(page.get_by_text("Waiting for your first call")).to_be_visible()
    look(page, "first-call")
    ran = run_snippet(python, code, tmp_path)
    assert ran.returncode == 0, ran.stderr

    expect(page.get_by_text("Your first call is here")).to_be_visible(timeout=SECONDS * 1000)
    hand.click(page.get_by_role("link", name="Open its log"))
    panel = page.get_by_role("complementary", name="Log")
    expect(panel).to_contain_text("$0.0")
    assert hand.clicks <= MOST_CLICKS, hand.clicks


def test_a_limit_is_set_and_hit_and_whoever_signs_out_is_out(
    fresh: Site, new_page: NewPage, watch: Watch, python: Path, tmp_path: Path
) -> None:
    page, hand = new_page(fresh, signed_in=False), Hand()
    claim(page, hand, fresh)
    connect_mistral(page, hand, fresh)
    code = take_key(page, hand)

    hand.click(page.get_by_role("link", name="Limits"))
    hand.click(page.get_by_role("button", name="Add a limit"))
    dialog = page.get_by_role("dialog")
    hand.click(dialog.get_by_label("What is counted"))
    hand.click(page.get_by_role("option", name="requests"))
    dialog.get_by_label("At most").fill("1")
    hand.click(dialog.get_by_role("button", name="Add"))
    expect(dialog).to_be_hidden()
    expect(page.get_by_text("1 requests a month")).to_be_visible()

    assert run_snippet(python, code, tmp_path).returncode == 0
    refused = run_snippet(python, code, tmp_path)
    assert refused.returncode != 0
    assert "429" in refused.stderr
    expect(page.get_by_text("1 of 1")).to_be_visible()

    hand.click(page.get_by_role("link", name="Logs", exact=True))
    expect(page.get_by_text("429").first).to_be_visible()

    hand.click(page.get_by_role("button", name="You"))
    hand.click(page.get_by_role("menuitem", name="Sign out"))
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    page.goto("/ui/keys")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    page.get_by_label("E-mail").fill(OWNER["email"])
    page.get_by_label(PASSWORD).fill("not the password")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_contain_text("password")
    assert watch.take("401")
    page.get_by_label(PASSWORD).fill(OWNER["password"])
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("API keys")
