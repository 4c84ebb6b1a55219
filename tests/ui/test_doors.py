"""The pages in front of a session: a password is set by a link, an invitation accepted, and who signs in goes on."""

import re

import pytest
from playwright.sync_api import expect

from tests.ui.conftest import NewPage
from tests.ui.look import Look, Watch
from tests.ui.site import OWNER, Site

pytestmark = pytest.mark.slow

NEW = "New password"
HEADING = "Get started"


def test_a_link_sets_a_password_once(site: Site, new_page: NewPage, look: Look, watch: Watch) -> None:
    link = site.gantry("people", "add", "link@example.com").strip().splitlines()[-1]
    page = new_page(site, signed_in=False)
    page.goto(link)
    expect(page.get_by_role("heading", level=1)).to_have_text("Set a password")
    expect(page.get_by_role("button", name="Set it")).to_be_disabled()
    look(page, "reset")
    page.get_by_label(NEW).fill("a sentence that is long")
    page.get_by_role("button", name="Set it").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(HEADING)
    again = new_page(site, signed_in=False)
    again.goto(link)
    again.get_by_label(NEW).fill("another long sentence")
    again.get_by_role("button", name="Set it").click()
    expect(again.get_by_role("alert")).to_contain_text("This link was used")
    assert watch.take("403")


def test_who_is_known_here_accepts_with_the_password_they_have(site: Site, new_page: NewPage) -> None:
    site.gantry("organizations", "add", "Another")
    site.gantry("people", "add", "known@example.com", "--org", "Another")
    made = site.ask("POST", "/api/invitations", {"email": "known@example.com"})
    page = new_page(site, signed_in=False)
    page.goto(f"/ui/invitation?token={made.body['token']}")
    expect(page.get_by_label("Your password")).to_be_visible()
    expect(page.get_by_label("Your name")).to_have_count(0)


def test_who_signs_in_goes_on_where_they_wanted_to(site: Site, new_page: NewPage) -> None:
    page = new_page(site, signed_in=False)
    page.goto("/ui/keys?revoked=true")
    expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")
    page.get_by_label("E-mail").fill(OWNER["email"])
    page.get_by_label(re.compile("^Password")).fill(OWNER["password"])
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("API keys")
    expect(page).to_have_url(re.compile(r"/ui/keys\?revoked=true$"))
    page.reload()
    expect(page.get_by_role("heading", level=1)).to_have_text("API keys")
