"""WebSockets under a native surface: bytes pass untouched, and each ends in one record, however it ends."""

import asyncio
import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gantry.core.vocabulary import ContentPolicy, Operation, Outcome
from gantry.journal.frames import Direction, PartCaptured
from gantry.wire.websocket import MessageReader, Opcode, accept_for, read_farewell
from tests.gateway.conftest import (
    UPSTREAM_KEY,
    Answer,
    Heard,
    Node,
    RawClient,
    Script,
    Upstream,
    answering,
    json_answer,
    read_request,
    running_node,
)
from tests.gateway.test_relay import BODY, CHAT
from tests.wire.test_websocket import frame

Runner = Callable[[Any], Any]
KEY = b"dGhlIHNhbXBsZSBub25jZQ=="
MASK = b"\x01\x02\x03\x04"
REALTIME = "/v1/audio/transcriptions/realtime?model=voxtral-mini-transcribe-realtime-2602"
CREATED = frame(b'{"type":"session.created","session":{"request_id":"r1","model":"voxtral"}}')
DONE = frame(b'{"type":"transcription.done","text":"Hi","usage":{"prompt_audio_seconds":3,"total_tokens":7}}')
END = frame(b'{"type":"input_audio.end"}', mask=MASK)
BYE = frame((1000).to_bytes(2, "big"), Opcode.CLOSE)
CLIENTS_BYE = frame((1000).to_bytes(2, "big"), Opcode.CLOSE, mask=MASK)


def offer(node: Node, path: str = REALTIME, *headers: bytes, key: str | None = None, method: str = "GET") -> bytes:
    lines = [
        f"{method} {path} HTTP/1.1".encode(),
        b"Host: gantry",
        b"Authorization: Bearer " + (key or node.key).encode(),
        b"Upgrade: websocket",
        b"Connection: keep-alive, Upgrade",
        b"Sec-WebSocket-Key: " + KEY,
        b"Sec-WebSocket-Version: 13",
        b"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits",
        *headers,
    ]
    return b"\r\n".join((*lines, b"", b""))


def switching(*headers: bytes, accept: bytes = accept_for(KEY)) -> bytes:
    start = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    lines = (b"Sec-WebSocket-Accept: " + accept, *headers)
    return start + b"".join(line + b"\r\n" for line in lines) + b"\r\n"


def accepting(*first: bytes, until: bytes = b"", last: bytes = b"", abort: bool = False) -> Script:
    """Return a script that accepts, says the first bytes, hears up to some others, says the last ones and closes."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, heard: Heard) -> None:
        await read_request(reader, heard)
        heard.data = b""
        writer.write(switching() + b"".join(first))
        if until:
            heard.data += await reader.readuntil(until)
        writer.write(last)
        if abort:
            await writer.drain()
            writer.transport.abort()

    return script


async def echoing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, heard: Heard) -> None:
    """Accept, and give back all bytes until the other side leaves."""
    await read_request(reader, heard)
    heard.data = b""
    writer.write(switching())
    while data := await reader.read(65536):
        heard.data += data
        writer.write(data)
        await writer.drain()


async def hearing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, heard: Heard) -> None:
    """Accept, and listen until the other side leaves."""
    await read_request(reader, heard)
    heard.data = b""
    writer.write(switching())
    while data := await reader.read(65536):
        heard.data += data


async def opened(node: Node, path: str = REALTIME, *headers: bytes) -> tuple[RawClient, Answer]:
    client = await node.connect()
    client.send(offer(node, path, *headers))
    head = await asyncio.wait_for(client.reader.readuntil(b"\r\n\r\n"), 10)
    return client, Answer(head[:-4], b"")


async def to_the_end(client: RawClient) -> bytes:
    """Return what still comes, and leave when nothing more does."""
    rest = await asyncio.wait_for(client.closed(), 10)
    client.leave()
    return rest


def asked(node: Node) -> bytes:
    """Return what was captured of the client's side."""
    parts = [part for part in node.frames() if isinstance(part, PartCaptured)]
    return b"".join(part.data for part in parts if part.direction is Direction.REQUEST)


def said_goodbye(wire: bytes) -> tuple[int, str]:
    """Return code and reason of the close frame with which bytes end."""
    last = MessageReader().feed(wire)[-1]
    assert last.opcode == Opcode.CLOSE
    farewell = read_farewell(last)
    return farewell.code, farewell.reason


def test_bytes_pass_untouched_and_are_recorded(run: Runner, tmp_path: Path) -> None:
    script = accepting(CREATED, until=END, last=DONE + BYE)

    async def main() -> None:
        async with Upstream(script).running() as upstream, running_node(tmp_path, upstream.url) as node:
            client, head = await opened(node)
            client.send(END)
            received = await to_the_end(client)
            assert head.status == 101
            assert received == CREATED + DONE + BYE
            assert upstream.heard == END
            call, end, body = await node.one_call()
            assert (call.operation, call.method, call.stream) == (Operation.REALTIME, "GET", True)
            assert call.path == "/v1/audio/transcriptions/realtime"
            assert call.requested_model == "voxtral-mini-transcribe-realtime-2602"
            assert (end.outcome, end.status, end.error) == (Outcome.SUCCESS, 101, None)
            assert (end.request_bytes, end.response_bytes) == (len(END), len(received))
            assert end.time_to_first_token is not None
            (attempt,) = end.attempts
            assert (attempt.provider_id, attempt.status) == ("mistral", 101)
            assert asked(node) == b'{"type":"input_audio.end"}\n'
            lines = [json.loads(line) for line in body.splitlines()]
            assert [line["type"] for line in lines] == ["session.created", "transcription.done"]

    run(main())


def test_the_offer_goes_up_with_the_providers_credential_and_without_extensions(run: Runner, tmp_path: Path) -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, heard: Heard) -> None:
        await read_request(reader, heard)
        writer.write(switching(b"Sec-WebSocket-Protocol: realtime", b"mistral-correlation-id: m-1") + BYE)

    async def main() -> None:
        async with Upstream(script).running() as upstream, running_node(tmp_path, upstream.url) as node:
            path = "/api/v1/audio/speech/realtime?voice=a%20b&model=mistral%2Fvoxtral%2Btts&x=1"
            client, head = await opened(node, path, b"Sec-WebSocket-Protocol: realtime, other", b"X-Beta: 1")
            await to_the_end(client)
            lines = upstream.heard.split(b"\r\n")
            assert lines[0] == b"GET /v1/audio/speech/realtime?voice=a%20b&model=voxtral%2Btts&x=1 HTTP/1.1"
            assert b"authorization: Bearer " + UPSTREAM_KEY.encode() in lines
            assert {b"upgrade: websocket", b"connection: Upgrade", b"sec-websocket-key: " + KEY} <= set(lines)
            assert {b"sec-websocket-protocol: realtime, other", b"x-beta: 1"} <= set(lines)
            assert b"extensions" not in upstream.heard
            assert node.key.encode() not in upstream.heard
            assert head.headers["sec-websocket-accept"] == accept_for(KEY).decode()
            assert head.headers["sec-websocket-protocol"] == "realtime"
            call, end, _ = await node.one_call()
            assert head.headers["x-respan-log-id"] == call.log_id
            assert (call.requested_model, end.attempts[0].upstream_model) == ("mistral/voxtral+tts", "voxtral+tts")
            assert end.upstream_request_id == "m-1"

    run(main())


def test_what_the_client_says_with_its_offer_follows_the_switch(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        async with Upstream(echoing).running() as upstream, running_node(tmp_path, upstream.url) as node:
            client = await node.connect()
            client.send(offer(node) + END + CLIENTS_BYE[:3])
            await client.reader.readuntil(b"\r\n\r\n")
            client.send(CLIENTS_BYE[3:])
            assert await client.reader.readexactly(len(END + CLIENTS_BYE)) == END + CLIENTS_BYE
            client.leave()
            assert (await node.one_call())[1].outcome == Outcome.SUCCESS

    run(main())


def test_any_pieces_pass(run: Runner, tmp_path: Path) -> None:
    wire = b"".join(frame(b'{"n":%d}' % n, mask=MASK) + frame(b"x" * n * 50, Opcode.BINARY) for n in range(40))

    async def main() -> None:
        async with Upstream(echoing).running() as upstream, running_node(tmp_path, upstream.url) as node:
            client, _ = await opened(node)
            for start in range(0, len(wire), 997):
                client.send(wire[start : start + 997])
                await asyncio.sleep(0)
            assert await client.reader.readexactly(len(wire)) == wire
            assert upstream.heard == wire
            client.leave()
            _, end, body = await node.one_call()
            assert end.outcome == Outcome.CLIENT_GONE
            lines = [json.loads(line) for line in body.splitlines()]
            assert lines[::2] == [{"n": n} for n in range(40)]
            assert lines[3] == {"type": "binary", "data": "[50 bytes]"}

    run(main())


def test_sound_is_kept_as_its_size(run: Runner, tmp_path: Path) -> None:
    sound = base64.b64encode(b"\x7f" * 1000).decode()
    message = json.dumps({"type": "input_audio.append", "audio": sound}, indent=1).encode()

    async def main() -> None:
        async with Upstream(echoing).running() as upstream, running_node(tmp_path, upstream.url) as node:
            client, _ = await opened(node)
            client.send(frame(message, mask=MASK) + frame(b"no JSON\n", mask=MASK) + CLIENTS_BYE)
            await upstream.hears(CLIENTS_BYE)
            client.leave()
            _, _, body = await node.one_call()
            first, second = asked(node).splitlines()
            assert json.loads(first) == {"type": "input_audio.append", "audio": "[1000 bytes]"}
            assert json.loads(second) == "no JSON\n"
            assert body == asked(node)

    run(main())


@pytest.mark.parametrize("policy", [ContentPolicy.METADATA, ContentPolicy.NOTHING])
def test_what_may_not_be_kept_leaves_only_usage(run: Runner, tmp_path: Path, policy: ContentPolicy) -> None:
    script = accepting(CREATED, until=END, last=DONE + BYE)

    async def main() -> None:
        async with Upstream(script).running() as upstream, running_node(tmp_path, upstream.url, content_policy=policy) as node:  # fmt: skip  # noqa: E501
            client, _ = await opened(node)
            client.send(END)
            await to_the_end(client)
            _, end, body = await node.one_call()
            assert (asked(node), body) == (b"", b"")
            assert json.loads(end.usage) == {"prompt_audio_seconds": 3, "total_tokens": 7}
            assert end.response_bytes == len(CREATED + DONE + BYE)

    run(main())


def test_what_is_kept_redacted_is_redacted(run: Runner, tmp_path: Path) -> None:
    said = frame(b'{"type":"transcription.text.delta","text":"I am jane@"}') + frame(
        b'{"type":"transcription.text.delta","text":"example.com"}'
    )

    async def main() -> None:
        policy = ContentPolicy.REDACTED
        async with Upstream(accepting(CREATED, said, last=BYE)).running() as upstream:
            async with running_node(tmp_path, upstream.url, content_policy=policy) as node:
                client, _ = await opened(node)
                await to_the_end(client)
                _, _, body = await node.one_call()
                assert json.loads(body)["text"] == "I am [email]"

    run(main())


# Refusals


@pytest.mark.parametrize(
    ("path", "key_fields", "status", "word"),
    [
        (REALTIME.partition("?")[0], {}, 400, "model"),
        (REALTIME + "&%6dodel=other", {}, 400, "twice"),
        (REALTIME, {"models": ("codestral-*",)}, 403, "codestral"),
        (REALTIME, {"scopes": 2}, 403, "inference"),
        ("/v1/live", {"models": ("codestral-*",)}, 403, "native"),
    ],
    ids=["no model", "two models", "model list", "scope", "opaque for a limited key"],
)
def test_an_offer_is_admitted_like_any_call(
    run: Runner, tmp_path: Path, path: str, key_fields: dict[str, Any], status: int, word: str
) -> None:
    async def main() -> None:
        async with Upstream(echoing).running() as upstream, running_node(tmp_path, upstream.url, **key_fields) as node:
            client = await node.connect()
            client.send(offer(node, path))
            answer = await asyncio.wait_for(client.answer("GET"), 10)
            assert answer.status == status
            assert word in answer.body.decode()
            assert not upstream.connections
            _, end, _ = await node.one_call()
            assert (end.outcome, end.status) == (Outcome.REFUSED, status)
            client.leave()

    run(main())


@pytest.mark.parametrize(("path", "status"), [(REALTIME, 101), ("/v1/live", 403)])
def test_on_a_shared_account_only_realtime_is_open(run: Runner, tmp_path: Path, path: str, status: int) -> None:
    async def main() -> None:
        async with Upstream(echoing).running() as upstream, running_node(tmp_path, upstream.url) as node:
            snapshot = node.worker._state.snapshot
            assert snapshot is not None
            snapshot.shared_providers = {"mistral"}
            client, head = await opened(node, path)
            assert head.status == status
            client.leave()
            await node.one_call()

    run(main())


def test_a_stranger_is_not_recorded(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        async with Upstream(echoing).running() as upstream, running_node(tmp_path, upstream.url) as node:
            client = await node.connect()
            client.send(offer(node, key="gk_nobody"))
            assert (await asyncio.wait_for(client.answer("GET"), 10)).status == 401
            assert not node.calls()
            assert not upstream.connections
            client.leave()

    run(main())


def test_an_upstream_that_refuses_is_relayed_as_the_answer_it_gave(run: Runner, tmp_path: Path) -> None:
    refusal = json_answer(b'{"detail":"Unauthorized"}', b"401 Unauthorized", b"x-kong-request-id: k-1")

    async def main() -> None:
        async with Upstream(answering(refusal)).running() as upstream, running_node(tmp_path, upstream.url) as node:
            client = await node.connect()
            client.send(offer(node))
            answer = await asyncio.wait_for(client.answer("GET"), 10)
            assert (answer.status, answer.body) == (401, b'{"detail":"Unauthorized"}')
            client.send(node.request("/healthz", method="GET"))
            assert (await asyncio.wait_for(client.answer("GET"), 10)).status == 200
            _, end, body = await node.one_call()
            assert (end.outcome, end.status, body) == (Outcome.UPSTREAM_ERROR, 401, answer.body)
            assert (end.attempts[0].status, end.upstream_request_id) == (401, "k-1")
            client.leave()

    run(main())


@pytest.mark.parametrize(
    "answer",
    [
        switching(accept=accept_for(b"another")),
        switching(b"Sec-WebSocket-Extensions: permessage-deflate"),
        switching().replace(b"Upgrade: websocket", b"Upgrade: h2c"),
    ],
    ids=["another key", "an extension", "another protocol"],
)
def test_an_acceptance_of_something_else_is_none(run: Runner, tmp_path: Path, answer: bytes) -> None:
    async def main() -> None:
        async with Upstream(answering(answer)).running() as upstream, running_node(tmp_path, upstream.url) as node:
            client = await node.connect()
            client.send(offer(node))
            assert (await asyncio.wait_for(client.answer("GET"), 10)).status == 502
            _, end, _ = await node.one_call()
            assert (end.outcome, end.status) == (Outcome.UPSTREAM_BROKE, 502)
            await asyncio.wait_for(upstream.connections[0].closed.wait(), 10)
            client.leave()

    run(main())


def test_an_upstream_that_cannot_be_reached(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        async with running_node(tmp_path, "http://127.0.0.1:1") as node:
            client = await node.connect()
            client.send(offer(node))
            assert (await asyncio.wait_for(client.answer("GET"), 10)).status == 502
            assert (await node.one_call())[1].outcome == Outcome.UPSTREAM_UNREACHABLE
            client.leave()

    run(main())


# What is no tunnel


@pytest.mark.parametrize(
    "request_of",
    [
        lambda node: node.request(CHAT, BODY, *offer(node).split(b"\r\n")[3:-2]),
        lambda node: offer(node, method="POST"),
        lambda node: offer(node).replace(b"Upgrade: websocket", b"Upgrade: h2c"),
        lambda node: offer(node).replace(b"Version: 13", b"Version: 7"),
        lambda node: offer(node).replace(KEY, b"x"),
    ],
    ids=["another surface", "another method", "h2c", "another version", "no key"],
)
def test_any_other_upgrade_is_ignored(run: Runner, tmp_path: Path, request_of: Callable[[Node], bytes]) -> None:
    script = answering(json_answer(b'{"detail":"A WebSocket is needed here"}', b"426 Upgrade Required"))

    async def main() -> None:
        async with Upstream(script).running() as upstream, running_node(tmp_path, upstream.url) as node:
            client = await node.connect()
            client.send(request_of(node))
            assert (await asyncio.wait_for(client.answer(), 10)).status == 426
            assert b"upgrade:" not in upstream.heard.lower()
            client.leave()

    run(main())


def test_an_opaque_path_tunnels_without_a_model(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        async with Upstream(echoing).running() as upstream, running_node(tmp_path, upstream.url) as node:
            client, head = await opened(node, "/v1/live?a=1")
            assert head.status == 101
            client.send(CLIENTS_BYE)
            await upstream.hears(CLIENTS_BYE)
            client.leave()
            call, end, _ = await node.one_call()
            assert (call.operation, call.requested_model) == (Operation.OPAQUE, None)
            assert end.outcome == Outcome.SUCCESS

    run(main())
