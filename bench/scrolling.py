"""A million logs under somebody's thumb: `python -m bench.scrolling --home DIR`, in the system's chromium.

The database is that of `bench.log_queries`, the gateway and its console are as they are served, and whoever looks is
signed in. The list is turned as a wheel turns it, a hundred pixels for each frame that the browser shows, for so many
frames. What is smooth is told by the time between two frames: 60 a second are 16.7 ms, and one above 50 ms is seen.
Frames in which the list had not loaded what should come into view are counted as well: one that stands is smooth, too.
"""

import argparse
import json
import os
import shutil
import statistics
import sys
import urllib.request
from pathlib import Path
from typing import Any, Final

from playwright.sync_api import Page, sync_playwright

from bench.console_questions import a_key, served
from bench.log_queries import ORGANIZATION, fill
from gantry.core.role import Role
from gantry.core.sign_in_tokens import setup_token
from gantry.home import Home, load_keyring
from gantry.store.control import ControlStore, default_organization
from gantry.store.logs import LogStore
from gantry.store.people import add_member, find_member, find_person, is_claimed

_OWNER: Final = {"email": "bench@example.com", "name": "Bench", "password": "a wheel that turns and turns"}
_PIXELS: Final = 100
# Of each frame: how long after the one before it, and whether the list was at its end, or had no row in its middle.
_TURN: Final = """async ([frames, pixels]) => {
    const list = document.querySelector('section[aria-label="Logs"]');
    const box = list.getBoundingClientRect();
    const seen = [], waited = [];
    let before = await new Promise(requestAnimationFrame);
    for (let count = 0; count < frames; count++) {
        const top = list.scrollTop;
        list.scrollTop = top + pixels;
        const stuck = list.scrollTop < top + pixels - 1;
        const now = await new Promise(requestAnimationFrame);
        seen.push(now - before);
        before = now;
        const at = document.elementFromPoint(box.left + box.width / 2, box.top + box.height / 2);
        waited.push(stuck || !at?.closest('[role="row"]'));
    }
    return {seen, waited, top: list.scrollTop, nodes: list.querySelectorAll('*').length};
}"""


def sign_in(home: Home, url: str) -> str:
    """Return the cookie of a person who owns the organization of these logs."""
    keyring = load_keyring(home)
    with ControlStore(home.control_db) as control:
        with control.reading() as connection:
            first = default_organization(connection)
            claimed = is_claimed(connection)
        if claimed:
            cookie, csrf = _ask(url, "POST", "/api/session", _OWNER)
        else:
            token = setup_token(keyring.session, first)
            cookie, csrf = _ask(url, "POST", "/api/session/claim", {**_OWNER, "token": token})
        with control.changing() as change:
            person = find_person(change.connection, _OWNER["email"])
            assert person is not None
            if find_member(change.connection, ORGANIZATION, person.id) is None:
                add_member(change, ORGANIZATION, person, Role.OWNER)
    _ask(url, "PATCH", "/api/session", {"organization_id": ORGANIZATION}, cookie, csrf)
    return cookie


def _ask(url: str, method: str, path: str, body: dict[str, str], cookie: str = "", csrf: str = "") -> tuple[str, str]:
    headers = {"content-type": "application/json", "cookie": cookie, "x-gantry-csrf": csrf}
    request = urllib.request.Request(url + path, json.dumps(body).encode(), headers, method=method)
    with urllib.request.urlopen(request, timeout=60) as response:
        return response.headers.get("set-cookie", "").partition(";")[0], json.load(response)["csrf"]


def turn(page: Page, frames: int) -> dict[str, Any]:
    """Turn the list, and return what the browser saw."""
    page.goto("/ui/logs?range=all")
    page.get_by_role("table", name="Logs").get_by_role("row").nth(20).wait_for()
    page.wait_for_load_state("networkidle")
    found: dict[str, Any] = page.evaluate(_TURN, [frames, _PIXELS])
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--logs", type=int, default=1_000_000)
    parser.add_argument("--home", type=Path, required=True, help="the folder of `bench.log_queries`")
    parser.add_argument("--frames", type=int, default=1200)
    options = parser.parse_args()
    chromium = shutil.which("chromium")
    if chromium is None:
        sys.exit("there is no chromium here; install the package `chromium`")
    os.umask(0o077)
    home = Home(options.home)
    home.prepare()
    store = LogStore(home.logs_db)
    fill(store, options.logs)
    store.close()
    a_key(home)
    with served(home) as port, sync_playwright() as playwright:
        url = f"http://127.0.0.1:{port}"
        name, _, value = sign_in(home, url).partition("=")
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        context = browser.new_context(base_url=url, viewport={"width": 1440, "height": 900})
        context.add_cookies([{"name": name, "value": value, "url": url, "httpOnly": True}])
        found = turn(context.new_page(), options.frames)
        browser.close()
    seen = sorted(found["seen"])
    hundredths = statistics.quantiles(seen, n=100)
    print(
        f"{options.logs:,} logs, {len(seen):,} frames, {found['top']:,.0f} px down, {found['nodes']:,} elements\n\n"
        "| between frames, p50 | p95 | p99 | longest | above 50 ms | waited for logs |\n"
        "|---:|---:|---:|---:|---:|---:|\n"
        f"| {hundredths[49]:.1f} ms | {hundredths[94]:.1f} ms | {hundredths[98]:.1f} ms | {seen[-1]:.0f} ms "
        f"| {sum(one > 50 for one in seen)} | {sum(found['waited'])} |"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
