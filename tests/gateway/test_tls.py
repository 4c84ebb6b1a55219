"""Clients that speak TLS: calls, WebSockets, handshakes that take their time, and certificates that are renewed."""

import asyncio
import os
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gantry.core.vocabulary import Outcome
from gantry.gateway.limits import WorkerLimits
from tests.dial.certificates import Authority
from tests.gateway.conftest import Node, RawClient, Upstream, answering, json_answer, running_node
from tests.gateway.test_relay import ANSWER, BODY, CHAT, MISTRAL
from tests.gateway.test_tunnel import CLIENTS_BYE, END, accepting, offer, said_goodbye, to_the_end

Runner = Callable[[Any], Any]
NAME = "gantry.test"


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


async def connect(node: Node, context: ssl.SSLContext) -> RawClient:
    return RawClient(*await asyncio.open_connection("127.0.0.1", node.port, ssl=context, server_hostname=NAME))


def serial_of(client: RawClient) -> object:
    certificate: dict[str, object] = client.writer.get_extra_info("peercert")
    return certificate["serialNumber"]


def test_calls_over_tls(run: Runner, tmp_path: Path, authority: Authority) -> None:
    pair = authority.issue(NAME)

    async def main() -> None:
        async with Upstream(answering(json_answer(ANSWER))).running() as upstream:
            async with running_node(tmp_path, upstream.url, certificate=pair) as node:
                client = await connect(node, authority.trusting())
                for _ in range(2):
                    client.send(node.request(CHAT, BODY, MISTRAL))
                    answer = await asyncio.wait_for(client.answer(), 10)
                    assert (answer.status, answer.body) == (200, ANSWER)
                client.leave()
                assert len(node.calls()) == 2

    run(main())


def test_a_websocket_over_tls_ends_in_order(run: Runner, tmp_path: Path, authority: Authority) -> None:
    pair = authority.issue(NAME)
    script = accepting(b"\x81\x02{}", until=END, abort=True)

    async def main() -> None:
        async with Upstream(script).running() as upstream:
            async with running_node(tmp_path, upstream.url, certificate=pair) as node:
                client = await connect(node, authority.trusting())
                client.send(offer(node))
                assert (await asyncio.wait_for(client.reader.readuntil(b"\r\n\r\n"), 10)).startswith(b"HTTP/1.1 101 ")
                client.send(END)
                wire = await asyncio.wait_for(client.reader.readuntil(b"\x88"), 10)
                rest = await asyncio.wait_for(client.reader.read(1000), 10)
                client.send(CLIENTS_BYE)
                assert said_goodbye(wire + rest)[0] == 1011
                await to_the_end(client)
                assert (await node.one_call())[1].outcome == Outcome.UPSTREAM_BROKE

    run(main())


def test_older_tls_is_refused(run: Runner, tmp_path: Path, authority: Authority) -> None:
    pair = authority.issue(NAME)
    context = authority.trusting()
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.maximum_version = ssl.TLSVersion.TLSv1_1

    async def main() -> None:
        async with running_node(tmp_path, "http://127.0.0.1:1", certificate=pair) as node:
            with pytest.raises((ssl.SSLError, ConnectionError)):
                await connect(node, context)

    run(main())


@pytest.mark.parametrize("first", [b"", b"\x16\x03\x01", b"GET /healthz HTTP/1.1\r\nHost: g\r\n\r\n"])
def test_a_handshake_that_does_not_come_is_cut(run: Runner, tmp_path: Path, authority: Authority, first: bytes) -> None:
    pair = authority.issue(NAME)

    async def main() -> None:
        limits = WorkerLimits(header_timeout=0.2, drain_timeout=0.2)
        async with running_node(tmp_path, "http://127.0.0.1:1", certificate=pair, limits=limits) as node:
            client = await node.connect()
            client.send(first)
            assert b"HTTP/1.1" not in await asyncio.wait_for(client.closed(), 10)
            client.leave()

    run(main())


@pytest.mark.slow
def test_a_renewed_certificate_is_shown_without_a_restart(run: Runner, tmp_path: Path, authority: Authority) -> None:
    pair = authority.issue(NAME)
    renewed = authority.issue(NAME, "other.test").read_bytes()

    async def shown(node: Node) -> object:
        client = await connect(node, authority.trusting())
        client.send(node.request("/healthz", method="GET"))
        assert (await asyncio.wait_for(client.answer(), 10)).status == 200
        client.leave()
        return serial_of(client)

    async def main() -> None:
        async with running_node(tmp_path, "http://127.0.0.1:1", certificate=pair) as node:
            before = await shown(node)
            aside = tmp_path / "aside.pem"
            aside.write_bytes(renewed)
            os.replace(aside, pair)
            for _ in range(100):
                if await shown(node) != before:
                    return
                await asyncio.sleep(0.1)
            raise AssertionError("the old certificate is still shown")

    run(main())
