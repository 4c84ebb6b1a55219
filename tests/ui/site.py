"""A gateway as a team has it: claimed, with simulated providers, keys, calls of several kinds, a limit, a group.

Law: what is made is made through the doors that users have: the command line, the API, and calls.
"""

import http.cookiejar
import json
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from msgspec import Struct

from gantry.cli.sample_calls import SAMPLES
from gantry.core.sign_in_tokens import setup_token
from gantry.home import Home, load_keyring
from gantry.store.control import ControlStore, default_organization
from tests.sdk.roads import GANTRY, START_SECONDS, listening, run

OWNER = {"email": "ada@example.com", "name": "Ada", "password": "a toll on every road"}
SIMULATED = {
    "mistral": "/mistral",
    "openai": "/openai",
    "anthropic": "/anthropic",
    "google_gemini_ai": "/gemini",
    "cohere": "/cohere",
}


class Answer(Struct, frozen=True):
    status: int
    headers: Mapping[str, str]
    body: Any


class Site(Struct, frozen=True, kw_only=True):
    """A running gateway. `cookie` is the owner's session, `csrf` what its changes are sent with."""

    url: str
    folder: Path
    home: tuple[str, str]
    simulator: str
    cookie: str = ""
    csrf: str = ""
    key: str = ""

    def gantry(self, *words: str) -> str:
        """Run a command on this home, and return what it prints."""
        return run((*GANTRY, *words, *self.home))

    def call(self, path: str, body: object, key: str | None = None) -> Answer:
        """Call the gateway with an API key."""
        return send(self.url + path, "POST", body, {"authorization": f"Bearer {key or self.key}"})

    def ask(self, method: str, path: str, body: object = None) -> Answer:
        """Ask the management API as the owner."""
        return send(self.url + path, method, body, {"cookie": self.cookie, "x-gantry-csrf": self.csrf})


def send(url: str, method: str, body: object, headers: Mapping[str, str]) -> Answer:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"content-type": "application/json", **headers}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            return Answer(response.status, dict(response.headers.items()), _read(response.read()))
    except urllib.error.HTTPError as error:
        with error:
            return Answer(error.code, dict(error.headers.items()), _read(error.read()))


def _read(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return body.decode(errors="replace")


def setup_token_of(home: Path) -> str:
    """Return the token that the start of a gateway shows."""
    keyring = load_keyring(Home(home))
    with ControlStore(Home(home).control_db) as control, control.reading() as connection:
        return setup_token(keyring.session, default_organization(connection))


@contextmanager
def fresh_site(folder: Path) -> Iterator[Site]:
    """Run a gateway that nobody has claimed, and a simulator beside it that no provider's credential leads to yet."""
    home = ("--home", str(folder / "home"))
    simulate, serve = (*GANTRY, "simulate", "--port", "0"), (*GANTRY, "serve", *home, "--port", "0", "--workers", "1")
    with (
        listening(simulate, "simulator listening on ", folder / "simulator.log") as simulator,
        listening(serve, "gantry listening on ", folder / "serve.log") as url,
    ):
        await_console(url)
        yield Site(url=url, folder=folder, home=home, simulator=simulator)


def await_console(url: str) -> None:
    """Return when the console answers, which starts after the workers."""
    deadline = time.monotonic() + START_SECONDS
    while send(f"{url}/api/health-check", "GET", None, {}).status != 200:
        assert time.monotonic() < deadline, "the console does not answer"
        time.sleep(0.05)


@contextmanager
def seeded_site(folder: Path) -> Iterator[Site]:
    """Run a gateway that is in use."""
    with fresh_site(folder) as site:
        cookies = http.cookiejar.CookieJar()
        opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(cookies))
        claim = {**OWNER, "organization": "Toll Roads", "token": setup_token_of(folder / "home")}
        request = urllib.request.Request(
            f"{site.url}/api/session/claim", json.dumps(claim).encode(), {"content-type": "application/json"}
        )
        with opener.open(request, timeout=30) as response:
            csrf = json.load(response)["csrf"]
        cookie = "; ".join(f"{one.name}={one.value}" for one in cookies)
        for provider, path in SIMULATED.items():
            site.gantry(
                "providers", "add", provider, "--api-key", "simulated", "--base-url", site.simulator + path,
                "--name", "simulator",
            )  # fmt: skip
        key = site.gantry("keys", "create", "production").split()[-1]
        claimed = Site(
            url=site.url, folder=folder, home=site.home, simulator=site.simulator, cookie=cookie, csrf=csrf, key=key
        )
        _use(claimed)
        yield claimed


def _use(site: Site) -> None:
    """Make calls, and set what pages show."""
    for number, sample in enumerate((*SAMPLES, *SAMPLES, *SAMPLES)):
        ours = {"customer_identifier": f"user_{number % 3}", "metadata": {"team": ("search", "chat")[number % 2]}}
        is_ours = sample.path == "/api/chat/completions"
        site.call(sample.path, {**sample.body, **(ours if is_ours else {})})
    site.ask("POST", "/api/limits", {"scope": "organization", "unit": "cost", "period": "month", "amount": 50.0})
