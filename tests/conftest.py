"""Fixtures every folder of tests may use."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest
import uvloop
from hypothesis import HealthCheck, settings

from tests.clickhouse.homes import ARE_CHOSEN, clients_of_a_test, logs_on
from tests.clickhouse.server import running_clickhouse
from tests.postgresql import IS_CHOSEN, connections_of_a_test, drop_homes_in, homes_on, running_server

# How long an example takes, or making it, says how busy the machine is, and nothing about what is tested.
settings.register_profile("gantry", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("gantry")

T = TypeVar("T")
ROOT = Path(__file__).resolve().parent.parent
RECORDED = (
    "mistral_chat",
    "openai_chat",
    "openai_responses",
    "anthropic_messages",
    "gemini_generate",
    "bedrock_converse",
    "cohere_chat",
)


@pytest.fixture(scope="session", autouse=IS_CHOSEN)
def homes_on_postgresql(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep all homes on a server of this run, where GANTRY_TEST_DATABASE says so."""
    with running_server(tmp_path_factory.mktemp("homes") / "data") as server, homes_on(server):
        yield


@pytest.fixture(autouse=IS_CHOSEN)
def connections_closed(request: pytest.FixtureRequest) -> Iterator[None]:
    """Close what a test leaves open on that server: a driver warns of each, in whichever test it is collected."""
    with connections_of_a_test():
        yield
    folder: Path | None = request.node.funcargs.get("tmp_path")
    if folder is not None:
        drop_homes_in(folder)


@pytest.fixture(scope="session", autouse=ARE_CHOSEN)
def logs_on_clickhouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep the logs of all homes in a ClickHouse of this run, where GANTRY_TEST_LOGS says so."""
    with running_clickhouse(tmp_path_factory.mktemp("logs")) as server, logs_on(server):
        yield


@pytest.fixture(autouse=ARE_CHOSEN)
def clients_closed() -> Iterator[None]:
    """Close what a test leaves open to that ClickHouse."""
    with clients_of_a_test():
        yield


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder beside the repository with recordings and references; it is never part of the product."""
    folder = ROOT.parent / "shared"
    if not (folder / "recordings").is_dir():
        pytest.skip(f"no recordings: {folder} is absent")
    # Most tests go through what they find: what was moved or renamed would be passed by tests that read nothing.
    for name in RECORDED:
        assert any((folder / "recordings").glob(f"*/{name}/*.json")), f"no recording of {name} is in {folder}"
    return folder


@pytest.fixture
def run() -> Callable[[Awaitable[T]], T]:
    """Run a coroutine on the loop that the product runs on."""

    def runner(main: Awaitable[T]) -> T:
        async def bounded() -> T:
            return await asyncio.wait_for(main, 60)

        return uvloop.run(bounded())

    return runner
