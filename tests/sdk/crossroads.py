"""Where every client meets every provider: one gateway before four of them, each simulated.

A driver asks each provider the same things in its client's own words, and prints one JSON line for each:

    {"surface": "chat", "case": "text", "provider": "gemini", "result": {…}}  or  {…, "error": [classes], "status": 429}

Law: a result has the same form whatever the client, so one table says what all of them must come to. Each question
names its surface, case and provider (`question`), so that the row which a call left is found by its words.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import requests
from msgspec import Struct

from tests.e2e.node import await_true
from tests.sdk.logs import Log, await_stored, read_logs
from tests.sdk.roads import GANTRY, listening, run

MODELS = {
    "mistral": "mistral/mistral-small-latest",
    "openai": "openai/gpt-4.1-mini",
    "anthropic": "anthropic/claude-sonnet-4-5",
    "gemini": "gemini/gemini-2.5-flash",
}
THINKERS = {
    "mistral": "mistral/magistral-medium-latest",
    "openai": "openai/gpt-5-mini",
    "anthropic": "anthropic/claude-sonnet-4-5",
    "gemini": "gemini/gemini-3-pro-preview",
}
EMBEDDERS = {
    "mistral": "mistral/mistral-embed",
    "openai": "openai/text-embedding-3-small",
    "gemini": "gemini/gemini-embedding-001",
}
PROVIDERS = tuple(MODELS)
PROVIDER_IDS = {**{name: name for name in PROVIDERS}, "gemini": "google_gemini_ai"}
SCOPES = ("inference", "own_logs")


class Crossroads(Struct, frozen=True):
    """A gateway in front of Mistral, OpenAI, Anthropic and Gemini. `url` is its root, without `/api`."""

    url: str
    simulator: str
    home: tuple[str, str]

    def new_key(self, name: str) -> str:
        """Return an API key that may call, and see the logs of its own calls."""
        words = [word for scope in SCOPES for word in ("--scope", scope)]
        return run((*GANTRY, "keys", "create", name, *self.home, *words)).split()[-1]

    def logs(self, key: str) -> list[Log]:
        """Return all that a key's calls left in the log once the clerk has stored it, the newest first."""
        await_stored(self.home)
        return read_logs(self.url, key)


@contextmanager
def open_crossroads(folder: Path) -> Iterator[Crossroads]:
    """Run the simulator, and the gateway before it, for the life of the block."""
    home = ("--home", str(folder / "home"))
    simulate = (*GANTRY, "simulate", "--port", "0", "--tokens-per-second", "400")  # so that a stream comes in pieces
    serve = (*GANTRY, "serve", *home, "--port", "0", "--workers", "1")
    with (
        listening(simulate, "simulator listening on ", folder / "simulator.log") as simulator,
        listening(serve, "gantry listening on ", folder / "gateway.log") as url,
    ):
        for name, provider in PROVIDER_IDS.items():
            run((*GANTRY, "providers", "add", provider, *home, "--api-key", "k", "--base-url", f"{simulator}/{name}"))
        await_true(lambda: requests.get(f"{url}/health-check", timeout=30).ok, "a console that answers")
        yield Crossroads(url, simulator, home)


def question(surface: str, case: str, provider: str) -> str:
    """Return the words that a case asks with. Drivers make the same ones."""
    return f"Hello from {surface} {case} {provider}!"


def asked(logs: list[Log], words: str) -> list[Log]:
    """Return the logs of the calls that asked with these words, the oldest first."""
    return [log for log in reversed(logs) if words in (log["input"] or "")]
