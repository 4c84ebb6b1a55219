"""The client's connection: no request is lost, nobody waits for ever, and no client fills our memory."""

import asyncio
import gzip
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gantry.board.board import Word
from gantry.core.vocabulary import Outcome
from gantry.gateway.limits import WorkerLimits
from gantry.wire.body import encode_chunk
from tests.gateway.conftest import (
    STREAM_HEAD,
    Heard,
    RawClient,
    Upstream,
    answering,
    json_answer,
    read_request,
    running_node,
)
from tests.gateway.test_faults import STREAMED
from tests.gateway.test_relay import ANSWER, BODY, CHAT, EVENTS, MISTRAL

Runner = Callable[[Any], Any]


async def next_answer(client: RawClient) -> int:
    return (await asyncio.wait_for(client.answer(), 5)).status


def upload(key: str, body: bytes) -> bytes:
    head = "POST /v1/files HTTP/1.1\r\nHost: g\r\nContent-Type: audio/mpeg\r\n"
    return f"{head}Authorization: Bearer {key}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


def test_pipelined_requests_that_are_answered_at_once_are_all_answered(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        async with running_node(tmp_path, "http://127.0.0.1:1") as node:
            client = await node.connect()
            client.send(node.request("/healthz", method="GET") * 3 + node.request("/readyz", method="GET"))
            assert [await next_answer(client) for _ in range(4)] == [200] * 4
            client.leave()

    run(main())


@pytest.mark.parametrize("path", ["/v1/files", "/ui/"])
def test_a_connection_goes_on_after_an_upstream_that_is_not_there(run: Runner, tmp_path: Path, path: str) -> None:
    async def main() -> None:
        async with running_node(tmp_path, "http://127.0.0.1:1") as node:
            client = await node.connect()
            client.send(upload(node.key, b"a" * 100) if path != "/ui/" else node.request(path, method="GET"))
            assert await next_answer(client) in (502, 503)
            client.send(node.request("/healthz", method="GET"))
            assert await next_answer(client) == 200
            client.leave()

    run(main())


def test_an_upload_keeps_to_the_upstreams_pace_from_its_first_read_on(run: Runner, tmp_path: Path) -> None:
    """The first read may fill the upstream before the client is read again."""
    size, piece = 64 * 1024 * 1024, b"x" * (256 * 1024)

    async def main() -> None:
        over = asyncio.Event()

        async def not_reading(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, heard: Heard) -> None:
            await over.wait()

        async with Upstream(not_reading).running() as upstream, running_node(tmp_path, upstream.url) as node:
            client = await node.connect()
            head = upload(node.key, b"").replace(b"Content-Length: 0", b"Content-Length: %d" % size)
            sent = 0

            async def send() -> None:
                nonlocal sent
                client.send(head)
                while sent < size:
                    client.send(piece)
                    await client.writer.drain()
                    sent += len(piece)

            sending = asyncio.create_task(send())
            before = -1
            while before != sent or sent == 0:
                before = sent
                await asyncio.sleep(0.3)
            assert sent < size / 2, "the upload gathers somewhere"
            sending.cancel()
            client.leave()
            over.set()
            await upstream.connections[0].closed.wait()

    run(main())


def test_a_client_that_asks_without_reading_is_answered_no_further(run: Runner, tmp_path: Path) -> None:
    body = b'{"x":"' + b"y" * 2_000_000 + b'"}'

    async def main() -> None:
        async with (
            Upstream(answering(json_answer(body))).running() as upstream,
            running_node(tmp_path, upstream.url) as node,
        ):
            client = await node.connect()
            client.writer.transport.pause_reading()  # type: ignore[attr-defined]
            client.send(node.request(CHAT, BODY, MISTRAL) * 40)
            before = -1
            while before != (done := node.slot[Word.REQUESTS]) or done == 0:
                before = done
                await asyncio.sleep(0.3)
            assert done < 20
            client.writer.transport.resume_reading()  # type: ignore[attr-defined]
            for _ in range(40):
                assert (await asyncio.wait_for(client.answer(), 20)).body == body
            client.leave()

    run(main())


def test_a_client_that_stops_reading_is_given_up(run: Runner, tmp_path: Path) -> None:
    limits = WorkerLimits(drain_timeout=0.2, idle_timeout=0.5)

    async def main() -> None:
        async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, heard: Heard) -> None:
            await read_request(reader, heard)
            writer.write(STREAM_HEAD)
            while True:
                writer.write(encode_chunk(b": " + b"x" * 65_000 + b"\n\n"))
                await writer.drain()

        async with Upstream(flood).running() as upstream, running_node(tmp_path, upstream.url, limits=limits) as node:
            client = await node.connect()
            client.writer.transport.pause_reading()  # type: ignore[attr-defined]
            client.send(node.request(CHAT, STREAMED, MISTRAL))
            _, closed, _ = await node.one_call()
            assert closed.outcome == Outcome.CLIENT_GONE
            assert "did not read" in (closed.error or "")
            await upstream.connections[0].closed.wait()
            client.leave()

    run(main())


def test_headers_that_trickle_have_the_time_of_headers_that_stall(run: Runner, tmp_path: Path) -> None:
    limits = WorkerLimits(drain_timeout=0.2, header_timeout=0.5)

    async def main() -> None:
        async with running_node(tmp_path, "http://127.0.0.1:1", limits=limits) as node:
            client = await node.connect()
            started = time.monotonic()
            answer = asyncio.create_task(client.answer())
            client.send(b"GET /healthz HTTP/1.1\r\nx-slow: ")
            while not answer.done() and time.monotonic() - started < 10:
                client.send(b"a")
                await asyncio.sleep(0.05)
            assert answer.done()
            assert answer.result().status == 408
            client.leave()

    run(main())


def test_a_client_of_http_1_0_gets_its_answer_and_the_end(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        async with (
            Upstream(answering(json_answer(ANSWER))).running() as upstream,
            running_node(tmp_path, upstream.url) as node,
        ):
            client = await node.connect()
            request = node.request(CHAT, BODY, MISTRAL, b"Connection: keep-alive").replace(b"HTTP/1.1", b"HTTP/1.0", 1)
            client.send(request)
            answer = await client.answer()
            assert (answer.body, answer.headers["connection"]) == (ANSWER, "close")
            assert await asyncio.wait_for(client.closed(), 5) == b""
            client.leave()

    run(main())


FRAMED = b"".join(EVENTS)


def test_a_comment_never_counts_against_a_length(run: Runner, tmp_path: Path) -> None:
    limits = WorkerLimits(drain_timeout=0.2, ping_interval=0.2)
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: %d\r\n\r\n" % len(FRAMED)

    async def main() -> None:
        async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, heard: Heard) -> None:
            await read_request(reader, heard)
            writer.write(head + EVENTS[0])
            await asyncio.sleep(1)
            writer.write(b"".join(EVENTS[1:]))

        async with Upstream(script).running() as upstream, running_node(tmp_path, upstream.url, limits=limits) as node:
            answer = await node.ask(CHAT, STREAMED, MISTRAL)
            assert answer.body.replace(b": ping\n\n", b"") == FRAMED

    run(main())


def test_a_stream_that_is_whole_ends_well_though_its_upstream_stays(run: Runner, tmp_path: Path) -> None:
    limits = WorkerLimits(drain_timeout=0.2, idle_timeout=0.3)

    async def main() -> None:
        async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, heard: Heard) -> None:
            await read_request(reader, heard)
            writer.write(STREAM_HEAD + encode_chunk(FRAMED))
            await reader.read()

        async with Upstream(script).running() as upstream, running_node(tmp_path, upstream.url, limits=limits) as node:
            assert (await node.ask(CHAT, STREAMED, MISTRAL)).body == FRAMED
            _, closed, _ = await node.one_call()
            assert closed.outcome == Outcome.SUCCESS

    run(main())


def test_fields_that_connection_names_go_no_further(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        reply = json_answer(ANSWER, b"200 OK", b"connection: keep-alive, X-Up-Hop", b"x-up-hop: 1", b"x-stays: 1")
        async with Upstream(answering(reply)).running() as upstream, running_node(tmp_path, upstream.url) as node:
            answer = await node.ask(CHAT, BODY, MISTRAL, b"Connection: keep-alive, X-Hop", b"X-Hop: 1", b"X-Stays: 1")
            assert b"x-hop" not in upstream.heard.lower()
            assert b"x-stays" in upstream.heard.lower()
            assert "x-up-hop" not in answer.headers
            assert answer.headers["x-stays"] == "1"

    run(main())


def test_an_adapted_answer_is_unpacked_first(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        packed = gzip.compress(ANSWER)
        reply = json_answer(packed, b"200 OK", b"content-encoding: gzip")
        async with Upstream(answering(reply)).running() as upstream, running_node(tmp_path, upstream.url) as node:
            answer = await node.ask("/api/chat/completions", BODY)
            assert answer.status == 200
            assert json.loads(answer.body)["choices"][0]["message"]["content"] == "hello"
            assert "content-encoding" not in answer.headers

    run(main())


def test_an_adapted_error_says_what_it_is(run: Runner, tmp_path: Path) -> None:
    page = b"<html>bad gateway</html>"
    reply = b"HTTP/1.1 502 Bad Gateway\r\ncontent-type: text/html\r\ncontent-length: %d\r\n\r\n%b" % (len(page), page)

    async def main() -> None:
        async with Upstream(answering(reply)).running() as upstream, running_node(tmp_path, upstream.url) as node:
            answer = await node.ask("/api/chat/completions", BODY)
            assert (answer.status, answer.headers["content-type"]) == (502, "application/json")
            assert "error" in json.loads(answer.body)

    run(main())


def test_an_adapted_stream_that_is_compressed_is_refused_in_words(run: Runner, tmp_path: Path) -> None:
    head = STREAM_HEAD.replace(b"transfer", b"content-encoding: gzip\r\ntransfer")

    async def main() -> None:
        script = answering(head + encode_chunk(b"\x1f\x8b" + b"x" * 50))
        async with Upstream(script).running() as upstream, running_node(tmp_path, upstream.url) as node:
            answer = await node.ask("/api/chat/completions", STREAMED)
            assert b'"error"' in answer.body
            _, closed, _ = await node.one_call()
            assert closed.outcome == Outcome.UPSTREAM_BROKE

    run(main())


def test_a_snapshot_that_is_too_old_fails_closed(run: Runner, tmp_path: Path) -> None:
    limits = WorkerLimits(drain_timeout=0.2, max_snapshot_age=0.5)

    async def main() -> None:
        async with (
            Upstream(answering(json_answer(ANSWER))).running() as upstream,
            running_node(tmp_path, upstream.url, limits=limits) as node,
        ):
            statuses: list[int] = []
            while 503 not in statuses and len(statuses) < 100:
                statuses.append((await node.ask(CHAT, BODY, MISTRAL)).status)
                await asyncio.sleep(0.05)
            assert statuses[-1] == 503
            assert (await node.ask("/api/request-logs/create/", b'{"model":"m"}')).status == 503

    run(main())
