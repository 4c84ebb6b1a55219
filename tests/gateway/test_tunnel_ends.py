"""How WebSockets end: in order, broken off, timed out, drained, and with a side that does not read."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from gantry.core.vocabulary import Outcome
from gantry.gateway.limits import WorkerLimits
from gantry.wire.websocket import Opcode, encode_close
from tests.gateway.conftest import Heard, Upstream, read_request, running_node
from tests.gateway.test_tunnel import (
    BYE,
    CLIENTS_BYE,
    CREATED,
    DONE,
    END,
    MASK,
    accepting,
    echoing,
    hearing,
    offer,
    opened,
    said_goodbye,
    switching,
    to_the_end,
)
from tests.wire.test_websocket import frame

Runner = Callable[[Any], Any]


def test_an_upstream_that_says_what_went_wrong(run: Runner, tmp_path: Path) -> None:
    script = accepting(CREATED, last=encode_close(1008, "Unknown voice: x"), until=END)

    async def main() -> None:
        async with Upstream(script).running() as upstream, running_node(tmp_path, upstream.url) as node:
            client, _ = await opened(node)
            client.send(END)
            assert said_goodbye(await to_the_end(client)) == (1008, "Unknown voice: x")
            _, end, _ = await node.one_call()
            assert (end.outcome, end.status) == (Outcome.UPSTREAM_ERROR, 101)
            assert end.error == "the provider closed with the code 1008: Unknown voice: x"

    run(main())


@pytest.mark.parametrize("abort", [False, True])
def test_an_upstream_that_is_gone_between_frames(run: Runner, tmp_path: Path, abort: bool) -> None:
    script = accepting(CREATED, until=END, abort=abort)

    async def main() -> None:
        async with Upstream(script).running() as upstream, running_node(tmp_path, upstream.url) as node:
            client, _ = await opened(node)
            assert await client.reader.readexactly(len(CREATED)) == CREATED
            client.send(END)
            assert said_goodbye(await to_the_end(client))[0] == 1011
            _, end, _ = await node.one_call()
            assert (end.outcome, end.status) == (Outcome.UPSTREAM_BROKE, 101)

    run(main())


def test_an_upstream_that_is_gone_inside_a_frame_cuts_the_client(run: Runner, tmp_path: Path) -> None:
    script = accepting(CREATED, until=END, last=DONE[:20])

    async def main() -> None:
        async with Upstream(script).running() as upstream, running_node(tmp_path, upstream.url) as node:
            client, _ = await opened(node)
            client.send(END)
            received = b""
            with suppress(ConnectionError):
                while data := await asyncio.wait_for(client.reader.read(1000), 10):
                    received += data
            client.leave()
            assert (CREATED + DONE[:20]).startswith(received)
            assert (await node.one_call())[1].outcome == Outcome.UPSTREAM_BROKE

    run(main())


@pytest.mark.parametrize(
    ("farewell", "outcome"), [(b"", Outcome.CLIENT_GONE), (CLIENTS_BYE, Outcome.SUCCESS)], ids=["rude", "polite"]
)
def test_a_client_that_leaves_frees_the_upstream(
    run: Runner, tmp_path: Path, farewell: bytes, outcome: Outcome
) -> None:
    async def main() -> None:
        async with Upstream(hearing).running() as upstream, running_node(tmp_path, upstream.url) as node:
            client, _ = await opened(node)
            client.send(END + farewell)
            await upstream.hears(END + farewell)
            client.leave()
            await asyncio.wait_for(upstream.connections[0].closed.wait(), 10)
            _, end, _ = await node.one_call()
            assert (end.outcome, end.status) == (outcome, 101)

    run(main())


def test_a_client_that_leaves_before_the_answer(run: Runner, tmp_path: Path) -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, heard: Heard) -> None:
        await read_request(reader, heard)
        await reader.read()

    async def main() -> None:
        async with Upstream(silent).running() as upstream, running_node(tmp_path, upstream.url) as node:
            client = await node.connect()
            client.send(offer(node))
            await upstream.hears(b"\r\n\r\n")
            client.leave()
            _, end, _ = await node.one_call()
            assert (end.outcome, end.status) == (Outcome.CLIENT_GONE, 0)
            await asyncio.wait_for(upstream.connections[0].closed.wait(), 10)

    run(main())


def test_an_upstream_that_does_not_answer(run: Runner, tmp_path: Path) -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, heard: Heard) -> None:
        await read_request(reader, heard)
        await reader.read()

    async def main() -> None:
        limits = WorkerLimits(first_byte_timeout=0.1, drain_timeout=0.2)
        async with Upstream(silent).running() as upstream, running_node(tmp_path, upstream.url, limits=limits) as node:
            client = await node.connect()
            client.send(offer(node))
            assert (await asyncio.wait_for(client.answer("GET"), 10)).status == 504
            assert (await node.one_call())[1].outcome == Outcome.TIMEOUT
            client.leave()

    run(main())


async def staying(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, heard: Heard) -> None:
    """Accept, take leave at once, and go only when the other side goes."""
    await read_request(reader, heard)
    writer.write(switching() + BYE)
    await reader.read()


def test_the_end_is_recorded_before_the_close_frame_leaves(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        async with Upstream(staying).running() as upstream, running_node(tmp_path, upstream.url) as node:
            client, _ = await opened(node)
            assert await client.reader.readexactly(len(BYE)) == BYE
            ((_, end, _),) = node.calls()
            assert end is not None
            assert end.outcome == Outcome.SUCCESS
            client.leave()

    run(main())


def test_after_a_close_frame_nobody_is_waited_for_for_ever(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        async with Upstream(staying).running() as upstream, running_node(tmp_path, upstream.url) as node:
            client, _ = await opened(node)
            assert await client.reader.readexactly(len(BYE)) == BYE
            state = node.worker._state
            (tunnel,) = state.calls
            tunnel.check(state.now + 9)
            assert state.calls
            tunnel.check(state.now + 11)
            assert await to_the_end(client) == b""
            await asyncio.wait_for(upstream.connections[0].closed.wait(), 10)

    run(main())


@pytest.mark.slow
@pytest.mark.parametrize("echoes", [True, False])
def test_pings_are_life_and_silence_is_not(run: Runner, tmp_path: Path, echoes: bool) -> None:
    ping = frame(b"", Opcode.PING, mask=MASK)
    script = echoing if echoes else hearing

    async def main() -> None:
        limits = WorkerLimits(idle_timeout=1.0, body_timeout=0.1, keepalive_timeout=0.1, drain_timeout=0.2)
        async with Upstream(script).running() as upstream, running_node(tmp_path, upstream.url, limits=limits) as node:
            client, _ = await opened(node)
            for _ in range(8):
                await asyncio.sleep(0.3)
                client.send(ping)
                assert not echoes or await client.reader.readexactly(len(ping)) == ping
            assert said_goodbye(await to_the_end(client)) == (1011, "neither side said anything for 1 s")
            _, end, _ = await node.one_call()
            assert (end.outcome, end.request_bytes) == (Outcome.TIMEOUT, 8 * len(ping))

    run(main())


def test_a_drain_says_that_we_are_going_away(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        async with Upstream(echoing).running() as upstream, running_node(tmp_path, upstream.url) as node:
            client, _ = await opened(node)
            client.send(END)
            assert await client.reader.readexactly(len(END)) == END
            node.worker.stop(0.05)
            code, reason = said_goodbye(await to_the_end(client))
            assert code == 1001
            assert "shutting down" in reason
            _, end, _ = await node.one_call()
            assert (end.outcome, end.status) == (Outcome.GATEWAY_ERROR, 101)

    run(main())


# Back-pressure

_PIECE = 256 * 1024
_MUCH = 400 * _PIECE


async def write_until_held_back(writer: asyncio.StreamWriter) -> int:
    """Write until the other side takes no more; return the bytes written."""
    written = 0
    while written < _MUCH:
        writer.write(frame(b"x" * (_PIECE - 10), Opcode.BINARY))
        written += _PIECE
        try:
            await asyncio.wait_for(writer.drain(), 1)
        except TimeoutError:
            return written
    return written


@pytest.mark.slow
def test_a_slow_client_holds_the_upstream_back(run: Runner, tmp_path: Path) -> None:
    written = 0
    full = asyncio.Event()

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, heard: Heard) -> None:
        await read_request(reader, heard)
        nonlocal written
        writer.write(switching())
        written = await write_until_held_back(writer)
        full.set()
        await writer.drain()
        writer.write(BYE)

    async def main() -> None:
        async with Upstream(script).running() as upstream, running_node(tmp_path, upstream.url) as node:
            client, _ = await opened(node)
            await asyncio.wait_for(full.wait(), 30)
            assert written < _MUCH // 2
            received = await to_the_end(client)
            assert len(received) == written + len(BYE)
            assert (await node.one_call())[1].outcome == Outcome.SUCCESS

    run(main())


@pytest.mark.slow
def test_a_client_that_reads_nothing_is_given_up(run: Runner, tmp_path: Path) -> None:
    full = asyncio.Event()

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, heard: Heard) -> None:
        await read_request(reader, heard)
        writer.write(switching())
        await write_until_held_back(writer)
        full.set()
        await reader.read()

    async def main() -> None:
        async with Upstream(script).running() as upstream, running_node(tmp_path, upstream.url) as node:
            client, _ = await opened(node)
            await asyncio.wait_for(full.wait(), 30)
            state = node.worker._state
            (tunnel,) = state.calls
            tunnel.check(state.now + state.limits.idle_timeout + 1)
            _, end, _ = await node.one_call()
            assert (end.outcome, end.error) == (Outcome.CLIENT_GONE, "the client read nothing for 300 s")
            await asyncio.wait_for(upstream.connections[0].closed.wait(), 10)
            client.leave()

    run(main())


@pytest.mark.slow
def test_a_slow_upstream_holds_the_client_back(run: Runner, tmp_path: Path) -> None:
    reads = asyncio.Event()

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, heard: Heard) -> None:
        await read_request(reader, heard)
        writer.write(switching())
        await reads.wait()
        while data := await reader.read(65536):
            heard.data += data

    async def main() -> None:
        async with Upstream(script).running() as upstream, running_node(tmp_path, upstream.url) as node:
            client, _ = await opened(node)
            written = await write_until_held_back(client.writer)
            assert written < _MUCH // 2
            reads.set()
            client.send(CLIENTS_BYE)
            await upstream.hears(CLIENTS_BYE)
            client.leave()
            _, end, _ = await node.one_call()
            assert (end.outcome, end.request_bytes) == (Outcome.SUCCESS, written + len(CLIENTS_BYE))

    run(main())
