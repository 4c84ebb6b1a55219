"""A simulator and a gateway in front of it, both as processes of their own, for the official clients."""

from collections.abc import Callable, Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import pytest
from msgspec import Struct

from tests.sdk.environments import Client, NoClient
from tests.sdk.roads import GANTRY, Results, Road, Target, drive, listening, run

SCOPES = ("inference", "own_logs", "read", "native", "ingest")
DIRECT_MODELS = {
    "MODEL": "gpt-4o",
    "UNKNOWN_MODEL": "gpt-no-such-model",
    "EMBEDDING_MODEL": "text-embedding-3-small",
}
GATEWAY_MODELS = {
    "MODEL": "mistral/mistral-small-latest",
    "UNKNOWN_MODEL": "mistral/mistral-no-such-model",
    "EMBEDDING_MODEL": "openai/text-embedding-3-small",
}

Drive = Callable[[Client, Road], Results]


class Gateway(Struct, frozen=True):
    url: str
    key: str


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
    if find_spec("gantry.cli.serve") is None:
        pytest.skip("`gantry serve` does not exist yet")
    folder = tmp_path_factory.mktemp("gateway")
    home = ("--home", str(folder / "home"))
    command = (*GANTRY, "serve", *home, "--port", "0", "--workers", "1")
    with listening(command, "gantry listening on ", folder / "stderr.log") as url:
        run((*GANTRY, "providers", "add", "mistral", *home, "--api-key", "k", "--base-url", simulator))
        run((*GANTRY, "providers", "add", "openai", *home, "--api-key", "k", "--base-url", f"{simulator}/openai"))
        scopes = [word for scope in SCOPES for word in ("--scope", scope)]
        key = run((*GANTRY, "keys", "create", "sdk", *home, *scopes)).split()[-1]
        yield Gateway(url, key)


@pytest.fixture(scope="session")
def drive_client(request: pytest.FixtureRequest) -> Drive:
    """Drive a client down a road, once in a session."""

    def target(road: Road) -> Target:
        if road is Road.DIRECT:
            url: str = request.getfixturevalue("simulator")
            return Target(url, f"{url}/openai/v1", "sk-simulated", DIRECT_MODELS)
        gateway: Gateway = request.getfixturevalue("gateway")
        return Target(f"{gateway.url}/api", f"{gateway.url}/api", gateway.key, GATEWAY_MODELS)

    @cache
    def driven(client: Client, road: Road) -> Results:
        try:
            return drive(client, target(road))
        except NoClient as error:
            pytest.skip(str(error))

    return driven


@pytest.fixture(scope="session")
def product_page(shared: Path) -> str:
    return (shared / "reference" / "product-page.txt").read_text(encoding="utf-8")
