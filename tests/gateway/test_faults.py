"""What goes wrong between client and upstream, and how each call still ends in one record and one clear word."""

import asyncio
import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gantry.board.board import Word
from gantry.core.vocabulary import Outcome
from gantry.gateway.limits import WorkerLimits
from gantry.journal.writer import JournalLevel
from gantry.wire.body import LAST_CHUNK, encode_chunk
from tests.gateway.conftest import (
    STREAM_HEAD,
    Heard,
    Script,
    Upstream,
    answering,
    json_answer,
    read_request,
    running_node,
)
from tests.gateway.test_relay import ANSWER, BODY, CHAT, EVENTS, MISTRAL
from tests.journal.levels import hold_at

Runner = Callable[[Any], Any]
STREAMED = BODY[:-1] + b',"stream":true}'


def then_close(*pieces: bytes, abort: bool = False) -> Script:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, heard: Heard) -> None:
        await read_request(reader, heard)
        writer.write(b"".join(pieces))
        await writer.drain()
        if abort:
            writer.transport.abort()

    return script


async def stalling(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, heard: Heard) -> None:
    """Read a request, begin a stream, and say nothing more until the other side leaves."""
    await read_request(reader, heard)
    writer.write(STREAM_HEAD + encode_chunk(EVENTS[0]))
    await reader.read()


async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, heard: Heard) -> None:
    await read_request(reader, heard)
    await reader.read()


@pytest.mark.parametrize(("script", "body"), [(silent, BODY), (stalling, STREAMED)])
def test_a_client_that_leaves_frees_the_upstream(run: Runner, tmp_path: Path, script: Script, body: bytes) -> None:
    async def main() -> None:
        async with Upstream(script).running() as upstream, running_node(tmp_path, upstream.url) as node:
            client = await node.connect()
            client.send(node.request(CHAT, body, MISTRAL))
            await upstream.hears(body)
            client.leave()
            await upstream.connections[0].closed.wait()
            _, closed, _ = await node.one_call()
            assert closed.outcome == Outcome.CLIENT_GONE
            assert node.slot[Word.IN_FLIGHT] == 0

    run(main())


def test_a_half_closed_client_counts_as_gone(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        async with Upstream(silent).running() as upstream, running_node(tmp_path, upstream.url) as node:
            client = await node.connect()
            client.send(node.request(CHAT, BODY, MISTRAL))
            client.writer.write_eof()
            _, closed, _ = await node.one_call()
            assert closed.outcome == Outcome.CLIENT_GONE
            client.leave()

    run(main())


CUTS: list[tuple[str, bytes, bytes, Outcome]] = [
    ("before an answer", b"", BODY, Outcome.UPSTREAM_UNREACHABLE),
    ("inside the head", b"HTTP/1.1 200 OK\r\ncontent-ty", BODY, Outcome.UPSTREAM_UNREACHABLE),
    ("not http", b"\x16\x03\x01\x02\x00 hello\r\n\r\n", BODY, Outcome.UPSTREAM_UNREACHABLE),
    ("two lengths", json_answer(b"{}", b"200 OK", b"content-length: 3"), BODY, Outcome.UPSTREAM_UNREACHABLE),
]


@pytest.mark.parametrize(("name", "said", "body", "outcome"), CUTS, ids=[cut[0] for cut in CUTS])
def test_an_upstream_that_fails_before_its_answer(
    run: Runner, tmp_path: Path, name: str, said: bytes, body: bytes, outcome: Outcome
) -> None:
    async def main() -> None:
        async with Upstream(then_close(said)).running() as upstream, running_node(tmp_path, upstream.url) as node:
            answer = await node.ask(CHAT, body, MISTRAL)
            assert answer.status == 502
            assert json.loads(answer.body)["object"] == "error"
            _, closed, _ = await node.one_call()
            assert (closed.outcome, closed.status) == (outcome, 502)
            assert closed.attempts[0].error

    run(main())


@pytest.mark.parametrize("abort", [False, True])
def test_a_stream_cut_between_events_ends_in_words_the_sdk_understands(
    run: Runner, tmp_path: Path, abort: bool
) -> None:
    async def main() -> None:
        script = then_close(STREAM_HEAD, encode_chunk(EVENTS[0]), abort=abort)
        async with Upstream(script).running() as upstream, running_node(tmp_path, upstream.url) as node:
            answer = await node.ask(CHAT, STREAMED, MISTRAL)
            assert answer.body.startswith(EVENTS[0])
            last = answer.body[len(EVENTS[0]) :]
            assert last.endswith(b"data: [DONE]\n\n")
            assert json.loads(last[6:].partition(b"\n")[0])["choices"][0]["finish_reason"] == "error"
            _, closed, captured = await node.one_call()
            assert closed.outcome == Outcome.UPSTREAM_BROKE
            assert captured == EVENTS[0]

    run(main())


def test_a_stream_cut_inside_an_event_breaks_the_connection(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        script = then_close(STREAM_HEAD, encode_chunk(EVENTS[0] + EVENTS[1][:20]))
        async with Upstream(script).running() as upstream, running_node(tmp_path, upstream.url) as node:
            client = await node.connect()
            client.send(node.request(CHAT, STREAMED, MISTRAL))
            with pytest.raises((asyncio.IncompleteReadError, ConnectionError, ValueError)):
                await client.answer()
            _, closed, _ = await node.one_call()
            assert closed.outcome == Outcome.UPSTREAM_BROKE
            client.leave()

    run(main())


def test_an_answer_cut_short_of_its_length_breaks_the_connection(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        script = then_close(json_answer(ANSWER)[:-10])
        async with Upstream(script).running() as upstream, running_node(tmp_path, upstream.url) as node:
            client = await node.connect()
            client.send(node.request(CHAT, BODY, MISTRAL))
            with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
                await client.answer()
            _, closed, _ = await node.one_call()
            assert closed.outcome == Outcome.UPSTREAM_BROKE
            client.leave()

    run(main())


@pytest.mark.parametrize("close", [False, True])
def test_a_pooled_connection_that_died_is_replaced_without_anybody_noticing(
    run: Runner, tmp_path: Path, close: bool
) -> None:
    async def dying(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, heard: Heard) -> None:
        await read_request(reader, heard)
        writer.write(json_answer(ANSWER))
        await reader.readuntil(b"\r\n")  # of the second request: read nothing of use, answer nothing
        if close:
            writer.close()
        else:
            writer.transport.abort()

    async def main() -> None:
        async with (
            Upstream(dying, answering(json_answer(ANSWER))).running() as upstream,
            running_node(tmp_path, upstream.url) as node,
        ):
            assert (await node.ask(CHAT, BODY, MISTRAL)).status == 200
            assert (await node.ask(CHAT, BODY, MISTRAL)).status == 200
            assert len(upstream.connections) == 2
            assert len(node.calls()) == 2

    run(main())


def test_connections_to_the_upstream_are_reused(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        async with (
            Upstream(answering(json_answer(ANSWER))).running() as upstream,
            running_node(tmp_path, upstream.url) as node,
        ):
            for _ in range(5):
                assert (await node.ask(CHAT, BODY, MISTRAL)).status == 200
            assert len(upstream.connections) == 1

    run(main())


SHAPES: list[tuple[str, bytes, int, bytes]] = [
    ("interim responses are passed over", b"HTTP/1.1 103 Early Hints\r\n\r\n" + json_answer(ANSWER), 200, ANSWER),
    ("a body until close", b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n" + ANSWER, 200, ANSWER),
    ("http/1.0", b"HTTP/1.0 200 OK\r\ncontent-type: application/json\r\n\r\n" + ANSWER, 200, ANSWER),
    ("no content", b"HTTP/1.1 204 No Content\r\n\r\n", 204, b""),
    (
        "trailers and extensions",
        STREAM_HEAD + b"3;a=b\r\nabc\r\n" + b"0\r\nx-trailer: 1\r\n\r\n",
        200,
        b"abc",
    ),
    (
        "an error status",
        json_answer(b'{"detail":"x"}', b"429 Too Many Requests", b"retry-after: 7"),
        429,
        b'{"detail":"x"}',
    ),
]


@pytest.mark.parametrize(("name", "said", "status", "body"), SHAPES, ids=[shape[0] for shape in SHAPES])
def test_answers_of_every_framing_arrive(
    run: Runner, tmp_path: Path, name: str, said: bytes, status: int, body: bytes
) -> None:
    async def main() -> None:
        async with Upstream(then_close(said)).running() as upstream, running_node(tmp_path, upstream.url) as node:
            answer = await node.ask(CHAT, BODY, MISTRAL)
            assert (answer.status, answer.body) == (status, body)
            if status == 429:
                assert answer.headers["retry-after"] == "7"
            _, closed, _ = await node.one_call()
            assert closed.outcome == (Outcome.SUCCESS if status < 400 else Outcome.UPSTREAM_ERROR)

    run(main())


def test_a_head_request_has_no_body(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        said = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 77\r\n\r\n"
        async with Upstream(answering(said)).running() as upstream, running_node(tmp_path, upstream.url) as node:
            client = await node.connect()
            for _ in range(2):
                client.send(node.request("/v1/workflows", method="HEAD"))
                answer = await client.answer("HEAD")
                assert (answer.status, answer.headers["content-length"]) == (200, "77")
            assert upstream.heard.startswith(b"HEAD /v1/workflows HTTP/1.1")
            client.leave()

    run(main())


def test_pipelined_requests_are_answered_in_order(run: Runner, tmp_path: Path) -> None:
    async def slow_then_fast(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, heard: Heard) -> None:
        while True:
            body = await read_request(reader, heard)
            writer.write(json_answer(body))

    async def main() -> None:
        async with Upstream(slow_then_fast).running() as upstream, running_node(tmp_path, upstream.url) as node:
            client = await node.connect()
            bodies = [BODY[:-1] + b',"n":%d}' % number for number in range(20)]
            client.send(b"".join(node.request(CHAT, body, MISTRAL) for body in bodies))
            for body in bodies:
                assert (await client.answer()).body == body
            client.send(node.request("/healthz", method="GET"))
            assert (await client.answer()).status == 200
            client.leave()

    run(main())


def test_expect_continue(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        async with (
            Upstream(answering(json_answer(ANSWER))).running() as upstream,
            running_node(tmp_path, upstream.url) as node,
        ):
            client = await node.connect()
            request = node.request(CHAT, BODY, MISTRAL, b"Expect: 100-continue")
            client.send(request[: -len(BODY)])
            assert await client.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
            client.send(BODY)
            assert (await client.answer()).status == 200
            assert b"expect" not in upstream.heard.lower()
            client.leave()

    run(main())


def test_a_stranger_is_refused_before_its_body_and_leaves_no_record(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        async with running_node(tmp_path, "http://127.0.0.1:1") as node:
            client = await node.connect()
            client.send(
                b"POST /api/v1/chat/completions HTTP/1.1\r\nHost: g\r\nAuthorization: Bearer nope\r\n"
                b"Content-Length: 1000000000\r\nExpect: 100-continue\r\n\r\n"
            )
            answer = await client.answer()
            assert (answer.status, answer.headers["connection"]) == (401, "close")
            assert node.frames() == []
            assert node.slot[Word.STRANGERS] == 1
            client.leave()

    run(main())


def test_back_pressure_reaches_the_upstream(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        written = 0

        async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, heard: Heard) -> None:
            nonlocal written
            await read_request(reader, heard)
            writer.write(STREAM_HEAD)
            piece = encode_chunk(b": " + b"x" * 65_000 + b"\n\n")
            for _ in range(2000):
                writer.write(piece)
                await writer.drain()
                written += len(piece)
            writer.write(LAST_CHUNK)

        async with Upstream(flood).running() as upstream, running_node(tmp_path, upstream.url) as node:
            client = await node.connect()
            client.writer.transport.pause_reading()  # type: ignore[attr-defined]
            client.send(node.request(CHAT, STREAMED, MISTRAL))
            before = -1
            while before != written or written == 0:
                before = written
                await asyncio.sleep(0.2)
            assert written < 40_000_000, "the answer gathers somewhere"
            client.writer.transport.resume_reading()  # type: ignore[attr-defined]
            received = 0
            while data := await client.reader.read(1 << 20):
                received += len(data)
                if data.endswith(LAST_CHUNK):
                    break
            assert received > 0.99 * written  # fewer chunk heads: what is read at once is written at once
            _, closed, _ = await node.one_call()
            assert closed.outcome == Outcome.SUCCESS
            assert closed.truncated
            client.leave()

    run(main())


DEADLINES: list[tuple[str, Script, dict[str, float], bytes, int]] = [
    ("no first byte", silent, {"first_byte_timeout": 0.3}, BODY, 504),
    ("a stall", stalling, {"idle_timeout": 0.3}, STREAMED, 200),
    ("too long in all", stalling, {"total_timeout": 0.3}, STREAMED, 200),
]


@pytest.mark.parametrize(("name", "script", "limits", "body", "status"), DEADLINES, ids=[row[0] for row in DEADLINES])
def test_deadlines(
    run: Runner, tmp_path: Path, name: str, script: Script, limits: dict[str, Any], body: bytes, status: int
) -> None:
    async def main() -> None:
        async with (
            Upstream(script).running() as upstream,
            running_node(tmp_path, upstream.url, limits=WorkerLimits(drain_timeout=0.2, **limits)) as node,
        ):
            answer = await node.ask(CHAT, body, MISTRAL)
            assert answer.status == status
            if status == 200:
                assert b'"finish_reason":"error"' in answer.body
            _, closed, _ = await node.one_call()
            assert closed.outcome == Outcome.TIMEOUT
            await upstream.connections[0].closed.wait()

    run(main())


def test_idle_streams_are_kept_alive_by_comments_between_events_only(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        go_on = asyncio.Event()

        async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, heard: Heard) -> None:
            await read_request(reader, heard)
            writer.write(STREAM_HEAD + encode_chunk(EVENTS[0]))
            await go_on.wait()
            go_on.clear()
            writer.write(encode_chunk(EVENTS[1][:30]))
            await go_on.wait()
            writer.write(encode_chunk(EVENTS[1][30:] + EVENTS[3]) + LAST_CHUNK)

        limits = WorkerLimits(drain_timeout=0.2, ping_interval=0.2)
        async with Upstream(script).running() as upstream, running_node(tmp_path, upstream.url, limits=limits) as node:
            client = await node.connect()
            client.send(node.request(CHAT, STREAMED, MISTRAL))
            await client.reader.readuntil(b": ping\n\n")
            go_on.set()
            await client.reader.readuntil(EVENTS[1][:30] + b"\r\n")
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(client.reader.readexactly(1), 1.0)
            go_on.set()
            rest = await client.reader.readuntil(LAST_CHUNK)
            assert b"ping" not in rest
            _, _, captured = await node.one_call()
            assert b"ping" not in captured
            client.leave()

    run(main())


def test_slow_headers_are_not_waited_for(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        limits = WorkerLimits(drain_timeout=0.2, header_timeout=0.2, keepalive_timeout=0.2, body_timeout=0.2)
        async with running_node(tmp_path, "http://127.0.0.1:1", limits=limits) as node:
            idle, slow, slow_body = await node.connect(), await node.connect(), await node.connect()
            slow.send(b"POST /v1/chat/completions HTTP/1.1\r\nHost: g\r\n")
            slow_body.send(node.request(CHAT, BODY, MISTRAL)[:-5])
            assert (await slow.answer()).status == 408
            assert (await slow_body.answer()).status == 408
            assert await idle.closed() == b""
            for client in (idle, slow, slow_body):
                client.leave()
            ends = [closed.outcome for _, closed, _ in node.calls() if closed is not None]
            assert ends == [Outcome.REFUSED]

    run(main())


def test_bounds_on_bodies(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        limits = WorkerLimits(drain_timeout=0.2, max_body_bytes=1000, max_bytes_held=1500)
        async with running_node(tmp_path, "http://127.0.0.1:1", limits=limits) as node:
            assert (await node.ask(CHAT, b"x" * 1001, MISTRAL)).status == 413
            chunked = await node.connect()
            head = node.request(CHAT, b"", MISTRAL).replace(b"Content-Length: 0", b"Transfer-Encoding: chunked")
            chunked.send(head + encode_chunk(b"x" * 1001))
            assert (await chunked.answer()).status == 413
            first, second = await node.connect(), await node.connect()
            first.send(node.request(CHAT, b"x" * 900, MISTRAL)[:-1])
            await asyncio.sleep(0.1)
            second.send(node.request(CHAT, b"x" * 900, MISTRAL)[:-1])
            assert (await second.answer()).status == 503
            for client in (first, second, chunked):
                client.leave()

    run(main())


def test_the_journals_ladder(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        async with (
            Upstream(answering(json_answer(ANSWER))).running() as upstream,
            running_node(tmp_path, upstream.url) as node,
        ):
            journal = node.worker.journal
            for level, keeps_body, keeps_agent, status in (
                (0, True, True, 200),
                (1, False, True, 200),
                (2, False, False, 200),
                (3, False, False, 503),
            ):
                hold_at(journal, JournalLevel(level))
                answer = await node.ask(CHAT, BODY, MISTRAL)
                assert answer.status == status
                if status == 503:
                    refused = node.calls()[-1][1]
                    assert refused is not None
                    assert refused.outcome == Outcome.GATEWAY_ERROR
                    assert (await node.ask("/readyz", method="GET")).status == 503
                    continue
                opened, closed, captured = node.calls()[-1]
                assert closed is not None
                assert bool(opened.request_body) is keeps_body
                assert (captured == ANSWER) is keeps_body
                assert bool(opened.user_agent) is keeps_agent
                assert keeps_body or json.loads(closed.usage)["total_tokens"] == 7
            hold_at(journal, JournalLevel.NORMAL)
            assert (await node.ask("/readyz", method="GET")).status == 200

    run(main())


def test_draining_finishes_streams_and_refuses_new_connections(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        go_on = asyncio.Event()

        async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, heard: Heard) -> None:
            await read_request(reader, heard)
            writer.write(STREAM_HEAD + encode_chunk(EVENTS[0]))
            await go_on.wait()
            writer.write(encode_chunk(EVENTS[3]) + LAST_CHUNK)

        limits = WorkerLimits(drain_timeout=20)
        async with Upstream(script).running() as upstream, running_node(tmp_path, upstream.url, limits=limits) as node:
            client = await node.connect()
            client.send(node.request(CHAT, STREAMED, MISTRAL))
            await client.reader.readuntil(EVENTS[0])
            signal.raise_signal(signal.SIGTERM)
            await asyncio.sleep(0.1)
            with pytest.raises(OSError, match=r"refused|reset|Connect"):
                await node.connect()
            go_on.set()
            await client.reader.readuntil(LAST_CHUNK)
            assert await client.closed() == b""
            _, closed, _ = await node.one_call()
            assert closed.outcome == Outcome.SUCCESS
            client.leave()

    run(main())


def test_who_has_just_connected_is_still_answered_while_a_worker_drains(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        limits = WorkerLimits(drain_timeout=20)
        script = answering(json_answer(ANSWER))
        async with Upstream(script).running() as upstream, running_node(tmp_path, upstream.url, limits=limits) as node:
            used = await node.connect()
            used.send(node.request("/readyz", method="GET"))
            assert (await used.answer()).status == 200
            new = await node.connect()
            signal.raise_signal(signal.SIGTERM)
            assert await used.closed() == b"", "one that was answered before, and is idle"
            new.send(node.request(CHAT, BODY, MISTRAL))
            answer = await new.answer()
            assert (answer.status, answer.headers["connection"]) == (200, "close")
            assert await new.closed() == b""
            for client in (used, new):
                client.leave()

    run(main())


def test_unknown_paths_answer_in_the_callers_dialect(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        async with running_node(tmp_path, "http://127.0.0.1:1") as node:
            openai = await node.ask("/api/nothing", b"{}", b"User-Agent: OpenAI/Python 3.54.0")
            assert (openai.status, list(json.loads(openai.body))) == (404, ["error", "detail"])
            mistral = await node.ask("/api/nothing", b"{}", MISTRAL)
            assert json.loads(mistral.body)["object"] == "error"
            doubled = await node.ask("/api/v1/v1/chat/completions", BODY, MISTRAL)
            assert doubled.status in (404, 502)
            wrong = await node.ask(CHAT.replace("/v1", ""), method="GET")
            assert wrong.status == 405

    run(main())


def test_the_console_being_away_is_said_plainly(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        async with running_node(tmp_path, "http://127.0.0.1:1") as node:
            answer = await node.ask("/api/request-logs/list/", b"{}")
            assert answer.status == 503
            assert "console" in json.loads(answer.body)["detail"]

    run(main())
