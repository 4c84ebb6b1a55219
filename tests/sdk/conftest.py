"""A simulator and a gateway in front of it, both as processes of their own, for the official clients."""

from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest
from msgspec import Struct

from tests.sdk import mistral_table, openai_table
from tests.sdk.crossroads import Crossroads, open_crossroads
from tests.sdk.environments import Client, NoClient
from tests.sdk.logs import Log, await_stored, read_logs
from tests.sdk.roads import GANTRY, Results, Road, Target, drive, listening, run

CALLER = ("inference", "own_logs", "native")  # finds its own logs, and nobody else's
READER = (*CALLER, "read", "ingest")
OPENAI_MODELS = {
    "MODEL": "gpt-4o",
    "OLDER_MODEL": "gpt-4o",
    "UNKNOWN_MODEL": "gpt-no-such-model",
    "REASONING_MODEL": "gpt-5-mini",
    "EMBEDDING_MODEL": "text-embedding-3-small",
    "SHAPED_EMBEDDING_MODEL": "text-embedding-3-small",
    "TRANSCRIPTION_MODEL": "gpt-4o-transcribe",
    "TIMED_TRANSCRIPTION_MODEL": "whisper-1",
    "SPEECH_MODEL": "gpt-4o-mini-tts",
    "MODERATION_MODEL": "omni-moderation-latest",
}
MISTRAL_MODELS = {
    "MODEL": "mistral-small-latest",
    "OLDER_MODEL": "open-mistral-nemo",
    "UNKNOWN_MODEL": "mistral-no-such-model",
    "REASONING_MODEL": "magistral-medium-latest",
    "EMBEDDING_MODEL": "mistral-embed",
    "SHAPED_EMBEDDING_MODEL": "codestral-embed",
    "TRANSCRIPTION_MODEL": "voxtral-mini-latest",
    "TIMED_TRANSCRIPTION_MODEL": "voxtral-mini-latest",
    "SPEECH_MODEL": "voxtral-mini-tts-latest",
    "MODERATION_MODEL": "mistral-moderation-latest",
}
MODELS = {
    Road.DIRECT: {**OPENAI_MODELS, "VOICE": "alloy"},
    Road.RELAYED: {**{name: f"openai/{model}" for name, model in OPENAI_MODELS.items()}, "VOICE": "alloy"},
    Road.GATEWAY: {**{name: f"mistral/{model}" for name, model in MISTRAL_MODELS.items()}, "VOICE": "en_paul_neutral"},
}

Drive = Callable[[Client, Road], Results]
ReadLogs = Callable[[Client], list[Log]]


class Gateway(Struct, frozen=True):
    """A gateway with a key for whoever asks, and keys for the clients, so that each finds its own logs."""

    url: str
    key: str
    home: tuple[str, str]

    def new_key(self, name: str, scopes: tuple[str, ...]) -> str:
        words = [word for scope in scopes for word in ("--scope", scope)]
        return run((*GANTRY, "keys", "create", name, *self.home, *words)).split()[-1]


@pytest.fixture(scope="session")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The simulator's URL."""
    command = (*GANTRY, "simulate", "--port", "0")
    log = tmp_path_factory.mktemp("simulator") / "stderr.log"
    with listening(command, "simulator listening on ", log) as url:
        yield url


@pytest.fixture(scope="session")
def gateway(simulator: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway whose Mistral and OpenAI are the simulator."""
    folder = tmp_path_factory.mktemp("gateway")
    home = ("--home", str(folder / "home"))
    command = (*GANTRY, "serve", *home, "--port", "0", "--workers", "1")
    with listening(command, "gantry listening on ", folder / "stderr.log") as url:
        run((*GANTRY, "providers", "add", "mistral", *home, "--api-key", "k", "--base-url", simulator))
        run((*GANTRY, "providers", "add", "openai", *home, "--api-key", "k", "--base-url", f"{simulator}/openai"))
        nobody = Gateway(url, "", home)
        yield Gateway(url, nobody.new_key("sdk", READER), home)


@pytest.fixture(scope="session")
def key_of(gateway: Gateway) -> Callable[[Client], str]:
    """The API key of a client."""
    return cache(lambda client: gateway.new_key(client, CALLER))


@pytest.fixture(scope="session")
def drive_client(request: pytest.FixtureRequest) -> Drive:
    """Drive a client down a road, once in a session."""

    def target(client: Client, road: Road) -> Target:
        if road is Road.DIRECT:
            simulator: str = request.getfixturevalue("simulator")
            url = simulator if client.speaks_mistral else f"{simulator}/openai/v1"
            return Target(url, f"sk-{client}", MODELS[road])
        gateway: Gateway = request.getfixturevalue("gateway")
        key_of: Callable[[Client], str] = request.getfixturevalue("key_of")
        return Target(f"{gateway.url}/api", key_of(client), MODELS[road])

    @cache
    def driven(client: Client, road: Road) -> Results:
        table = (mistral_table if client.speaks_mistral else openai_table).TABLE
        try:
            return drive(client, target(client, road), table.cases(client, road))
        except NoClient as error:
            pytest.skip(str(error))

    return driven


@pytest.fixture(scope="session")
def logs_of(gateway: Gateway, key_of: Callable[[Client], str], drive_client: Drive) -> ReadLogs:
    """All that a client's calls through the gateway left in the log, the newest first."""

    @cache
    def logs(client: Client) -> list[Log]:
        drive_client(client, Road.GATEWAY)
        await_stored(gateway.home)
        return read_logs(gateway.url, key_of(client))

    return logs


@pytest.fixture(scope="session")
def crossroads(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Crossroads]:
    """A gateway before Mistral, OpenAI, Anthropic and Gemini, each of them simulated."""
    with open_crossroads(tmp_path_factory.mktemp("crossroads")) as opened:
        yield opened


@pytest.fixture(scope="session")
def product_page(shared: Path) -> str:
    return (shared / "reference" / "product-page.txt").read_text(encoding="utf-8")
