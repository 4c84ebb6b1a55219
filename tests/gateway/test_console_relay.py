"""The relay to the console: how long it waits for an answer, and what it does about a connection that is gone."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from gantry.core.vocabulary import Dialect
from gantry.dial.origin import Origin
from gantry.gateway.client_address import TrustedProxies
from gantry.gateway.console_relay import ConsoleRelay
from tests.gateway.conftest import Heard, json_answer, read_request, running_node


class Recorded:
    """Takes any call and remembers its name."""

    def __init__(self) -> None:
        self.called: list[str] = []
        self.started = False

    def __getattr__(self, name: str) -> Any:
        return lambda *_, **__: self.called.append(name)


@pytest.fixture
def state() -> Any:
    return SimpleNamespace(now=0.0, calls=set(), dialler=SimpleNamespace(pool=lambda origin: Recorded()))


def make_relay(state: Any, client: Recorded, responder: Recorded) -> ConsoleRelay:
    head = SimpleNamespace(chunked=False, has_body=True, content_length=100)
    surface = SimpleNamespace(dialect=Dialect.OPENAI_CHAT)
    return ConsoleRelay(
        state,
        Origin("http", "console", 80, True, "/nowhere"),
        cast(Any, client),
        cast(Any, head),
        cast(Any, responder),
        cast(Any, surface),
        TrustedProxies(()),
    )


@pytest.mark.plain
def test_the_minute_counts_from_the_last_byte_of_the_upload(state: Any) -> None:
    client, responder = Recorded(), Recorded()
    relay = make_relay(state, client, responder)
    relay.begin(None)
    for second in (50.0, 100.0, 150.0):
        state.now = second
        relay.on_request_body(b"x")
        relay.check(second + 59)
    state.now = 200.0
    relay.on_request_end()
    relay.check(259.0)
    assert "finish_exchange" not in client.called
    relay.check(261.0)
    assert client.called[-1] == "finish_exchange"
    assert responder.called == ["start", "finish"]


@pytest.mark.parametrize(("method", "status", "asked"), [("GET", 200, 2), ("POST", 503, 1)])
def test_a_kept_connection_that_is_closed_costs_a_reader_nothing(
    run: Callable[[Any], Any], tmp_path: Path, method: str, status: int, asked: int
) -> None:
    """A console closes a connection just as a request comes. Only what changes nothing may be asked twice."""
    connections = 0
    heard = Heard()

    async def console(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await read_request(reader, heard)
        writer.write(json_answer(b"{}"))
        if connections == 1:
            await read_request(reader, heard)
        writer.close()

    async def main() -> None:
        async with running_node(tmp_path, "http://127.0.0.1:9") as node:
            node.home.console_socket.parent.mkdir(exist_ok=True)
            async with await asyncio.start_unix_server(console, node.home.console_socket):
                assert (await node.ask("/api/users/", method="GET")).status == 200
                assert (await node.ask("/api/users/", method=method)).status == status
                assert connections == asked

    run(main())
