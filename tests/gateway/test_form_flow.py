"""Forms that take their time: large files, early answers, and what becomes of a transcript for an OpenAI client."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gantry.core.vocabulary import Outcome
from gantry.gateway.call import Call
from tests.gateway.conftest import Heard, RawClient, Upstream, json_answer, running_node
from tests.gateway.uploads import (
    FORM_TYPE,
    MISTRAL,
    OPENAI,
    SOUND,
    TRANSCRIBED,
    TRANSCRIPT,
    Taken,
    file,
    form,
    hears,
    part,
    post,
    take_request,
    taking,
)

Runner = Callable[[Any], Any]
BARE, PREFIXED = part("model", b"voxtral-mini-latest"), part("model", b"mistral/voxtral-mini-latest")
MEGABYTE = 1 << 20


@pytest.mark.slow
@pytest.mark.parametrize("model", [BARE, PREFIXED], ids=["bare", "prefixed"])
def test_a_large_file_flows_in_bounded_memory_at_the_pace_of_the_provider(
    run: Runner, tmp_path: Path, model: bytes
) -> None:
    content = SOUND * (30 * MEGABYTE // len(SOUND))
    body = form(model, file(content))

    async def main() -> None:
        go_on = asyncio.Event()
        taken: list[Taken] = []

        async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, heard: Heard) -> None:
            heard.data += await reader.readexactly(10)
            await go_on.wait()
            rest = asyncio.StreamReader(limit=1 << 20)
            rest.feed_data(heard.data)
            heard.data = b""
            pump = asyncio.ensure_future(_feed(reader, rest))
            taken.append(await take_request(rest, Heard()))
            writer.write(TRANSCRIBED)
            await pump

        async with Upstream(script).running() as upstream, running_node(tmp_path, upstream.url) as node:
            client = await node.connect()
            client.send(post(node, body, FORM_TYPE, MISTRAL))
            await hears(upstream, b"POST")
            assert await standstill(client) > 0, "what nobody reads is taken in to its end"
            (call,) = node.worker._state.calls
            assert isinstance(call, Call)
            assert call.connection is not None
            assert call.connection.transport is not None
            assert call.connection.transport.get_write_buffer_size() < 4 * MEGABYTE
            assert node.worker._state.bytes_held < MEGABYTE
            go_on.set()
            assert (await client.answer()).body == TRANSCRIPT
            assert taken[0].body == form(BARE, file(content))
            _, closed, _ = await node.one_call()
            assert closed.request_bytes == len(body)
            client.leave()

    run(main())


async def _feed(reader: asyncio.StreamReader, rest: asyncio.StreamReader) -> None:
    while data := await reader.read(1 << 18):
        rest.feed_data(data)


async def standstill(client: RawClient) -> int:
    """Return how much of what a client sent waits, once nothing moves any more."""
    transport, before = client.writer.transport, -1
    for _ in range(200):
        now = transport.get_write_buffer_size()
        if now == before:
            return now
        before = now
        await asyncio.sleep(0.1)
    raise AssertionError("the upload never stands still")


@pytest.mark.parametrize("model", [BARE, PREFIXED], ids=["bare", "prefixed"])
def test_an_answer_that_comes_before_the_end_of_the_form_reaches_the_client(
    run: Runner, tmp_path: Path, model: bytes
) -> None:
    refusal = b'{"message":"too large"}'

    async def main() -> None:
        async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, heard: Heard) -> None:
            await reader.readuntil(b"audio/mpeg")
            writer.write(json_answer(refusal, b"413 Payload Too Large"))
            await reader.read()

        async with Upstream(script).running() as upstream, running_node(tmp_path, upstream.url) as node:
            client = await node.connect()
            request = post(node, form(model, file(SOUND * 90)), FORM_TYPE, MISTRAL)
            client.send(request[:-1000])
            answer = await client.answer()
            assert (answer.status, answer.body, answer.headers["connection"]) == (413, refusal, "close")
            client.send(request[-1000:])
            _, closed, captured = await node.one_call()
            assert (closed.outcome, closed.status, captured) == (Outcome.UPSTREAM_ERROR, 413, refusal)
            client.leave()

    run(main())


@pytest.mark.parametrize("whole", [True, False])
def test_a_form_for_a_provider_that_cannot_be_reached(run: Runner, tmp_path: Path, whole: bool) -> None:
    async def main() -> None:
        async with running_node(tmp_path, "http://127.0.0.1:1") as node:
            client = await node.connect()
            request = post(node, form(PREFIXED, file(SOUND * 90)), FORM_TYPE, MISTRAL)
            client.send(request if whole else request[:-1000])
            assert (await client.answer()).status == 502
            _, closed, _ = await node.one_call()
            assert (closed.outcome, closed.status) == (Outcome.UPSTREAM_UNREACHABLE, 502)
            assert node.worker._state.bytes_held == 0
            client.leave()

    run(main())


def test_a_client_may_wait_to_be_told_to_go_on(run: Runner, tmp_path: Path) -> None:
    body = form(PREFIXED, file())
    taken: list[Taken] = []

    async def main() -> None:
        async with (
            Upstream(taking(TRANSCRIBED, taken)).running() as upstream,
            running_node(tmp_path, upstream.url) as node,
        ):
            client = await node.connect()
            request = post(node, body, FORM_TYPE, MISTRAL, b"Expect: 100-continue")
            client.send(request[: -len(body)])
            assert await client.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
            client.send(body)
            assert (await client.answer()).status == 200
            assert taken[0].body == form(BARE, file())
            assert b"expect" not in taken[0].head.lower()
            client.leave()

    run(main())


JSON, TEXT = "application/json", "text/plain; charset=utf-8"


@pytest.mark.parametrize("behind", [False, True])
@pytest.mark.parametrize(
    ("wanted", "content_type", "starts", "times"),
    [
        (None, JSON, b'{"text":"hello there"', False),
        (b"json", JSON, b'{"text":"hello there"', False),
        (b"text", TEXT, b"hello there\n", False),
        (b"srt", TEXT, b"1\n00:00:00,500 --> 00:00:01,500\nhello there", True),
        (b"vtt", TEXT, b"WEBVTT\n", True),
        (b"verbose_json", JSON, b'{"task":"transcribe"', True),
        (b"diarized_json", JSON, b'{"task":"transcribe"', True),
    ],
)
def test_an_openai_client_gets_the_format_it_asks_of_mistral(
    run: Runner, tmp_path: Path, wanted: bytes | None, content_type: str, starts: bytes, times: bool, behind: bool
) -> None:
    asked = [] if wanted is None else [part("response_format", wanted)]
    taken: list[Taken] = []

    async def main() -> None:
        async with (
            Upstream(taking(TRANSCRIBED, taken)).running() as upstream,
            running_node(tmp_path, upstream.url) as node,
        ):
            client = await node.connect()
            extra = [part("prompt", b"names")]
            parts = [PREFIXED, *extra, file(), *asked] if behind else [*asked, PREFIXED, *extra, file()]
            request = post(node, form(*parts), FORM_TYPE, OPENAI)
            client.send(request[:-300])
            await asyncio.sleep(0.01)
            client.send(request[-300:])
            answer = await client.answer()
            assert (answer.status, answer.headers["content-type"]) == (200, content_type)
            assert answer.body.startswith(starts)
            assert (b'name="timestamp_granularities"' in taken[0].body) == times
            assert (b'name="diarize"' in taken[0].body) == (wanted == b"diarized_json")
            assert b"prompt" not in taken[0].body
            assert b"response_format" not in taken[0].body
            assert SOUND in taken[0].body
            _, closed, captured = await node.one_call()
            assert "prompt: dropped" in closed.changes
            assert captured == TRANSCRIPT
            client.leave()

    run(main())


@pytest.mark.parametrize("behind", [False, True])
@pytest.mark.parametrize("whole", [False, True])
def test_a_strict_caller_is_refused_wherever_in_a_form_the_drop_is(
    run: Runner, tmp_path: Path, behind: bool, whole: bool
) -> None:
    drop = part("prompt", b"names")

    async def main() -> None:
        async with (
            Upstream(taking(TRANSCRIBED, [])).running() as upstream,
            running_node(tmp_path, upstream.url) as node,
        ):
            client = await node.connect()
            parts = [PREFIXED, part("strict_parameters", b"true"), file(SOUND * 9), drop]
            if not behind:
                parts = [drop, *parts[:-1]]
            request = post(node, form(*parts), FORM_TYPE, OPENAI)
            client.send(request if whole else request[:-2000])
            if not whole:
                if behind:
                    await hears(upstream, SOUND[:50])
                client.send(request[-2000:])
            answer = await client.answer()
            assert (answer.status, json.loads(answer.body)["error"]["param"]) == (400, "prompt")
            _, closed, _ = await node.one_call()
            assert (closed.outcome, closed.status) == (Outcome.REFUSED, 400)
            if upstream.connections:
                await upstream.connections[0].closed.wait()
            client.leave()

    run(main())


def test_a_pooled_connection_that_the_provider_closed_does_not_fail_a_form_that_is_here(
    run: Runner, tmp_path: Path
) -> None:
    """What came whole can be sent again; the upstream closes each connection after its first answer."""

    async def main() -> None:
        async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, heard: Heard) -> None:
            await take_request(reader, heard)
            writer.write(TRANSCRIBED)
            await take_request(reader, heard)

        async with (
            Upstream(once, taking(TRANSCRIBED, [])).running() as upstream,
            running_node(tmp_path, upstream.url) as node,
        ):
            for _ in range(2):
                client = await node.connect()
                client.send(post(node, form(BARE, file()), FORM_TYPE, MISTRAL))
                assert (await client.answer()).body == TRANSCRIPT
                client.leave()
            assert [closed.outcome for _, closed, _ in node.calls() if closed] == [Outcome.SUCCESS, Outcome.SUCCESS]

    run(main())
