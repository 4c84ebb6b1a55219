"""The relay as transcripts: what the client sent and what the upstream heard, what it answered and what arrived."""

import asyncio
import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gantry.core.errors import GatewayError
from gantry.core.vocabulary import DEFAULT_SCOPES, ContentPolicy, Outcome, Scope
from gantry.gateway.pump import RelayPump
from gantry.wire.body import LAST_CHUNK, encode_chunk
from tests.gateway.conftest import (
    STREAM_HEAD,
    UPSTREAM_KEY,
    Heard,
    Upstream,
    answering,
    json_answer,
    read_request,
    running_node,
)

Runner = Callable[[Any], Any]
CHAT = "/api/v1/chat/completions"
MISTRAL = b"User-Agent: mistral-client-python/3.7.0"
BODY = b'{"model":"mistral-small-latest","messages":[{"role":"user","content":"hi"}]}'
ANSWER = (
    b'{"id":"1","object":"chat.completion","created":1,"model":"mistral-small-latest","choices":[{"index":0,'
    b'"message":{"role":"assistant","content":"hello"},"finish_reason":"stop"}],'
    b'"usage":{"prompt_tokens":5,"completion_tokens":2,"total_tokens":7}}'
)


def heard_body(upstream: Upstream) -> bytes:
    return upstream.heard.partition(b"\r\n\r\n")[2]


def test_every_byte_of_a_request_reaches_the_upstream_but_for_the_prefix(run: Runner, tmp_path: Path) -> None:
    body = (
        b'{ "zeta" : 1.00, "seed":12345678901234567890123,"model":"mistral/mistral-small-latest" ,\n'
        b'\t"messages":[{"role":"user","content":"h\\u00e9"}], "x_unknown":{"b":1,"a":[1e5, 2.50]},"stream":false}'
    )

    async def main() -> None:
        async with (
            Upstream(answering(json_answer(ANSWER))).running() as upstream,
            running_node(tmp_path, upstream.url) as node,
        ):
            answer = await node.ask(CHAT, body, MISTRAL)
            assert (answer.status, answer.body) == (200, ANSWER)
            assert heard_body(upstream) == body.replace(b'"mistral/mistral-small-latest"', b'"mistral-small-latest"')
            opened, closed, captured = await node.one_call()
            assert opened.request_body == heard_body(upstream)
            assert opened.requested_model == "mistral/mistral-small-latest"
            assert captured == ANSWER
            assert (closed.outcome, closed.status) == (Outcome.SUCCESS, 200)
            assert closed.attempts[0].upstream_model == "mistral-small-latest"
            assert answer.headers["x-respan-log-id"] == opened.log_id == answer.headers["x-gantry-log-id"]

    run(main())


def test_headers_that_cross_and_headers_that_do_not(run: Runner, tmp_path: Path) -> None:
    sent = (
        MISTRAL,
        b"Accept: application/json",
        b"Accept-Encoding: gzip, br",
        b"Cookie: session=1",
        b"X-Api-Key: canary",
        b"X-Data-Respan-Params: {}",
        b"X-Respan-Beta: x",
        b"X-Forwarded-For: 10.0.0.1",
        b"traceparent: 00-a-b-01",
        b"x-next-years-beta: on",
        b"Connection: keep-alive",
    )
    answer_headers = (
        b"set-cookie: a=b",
        b"x-ratelimit-remaining-req-minute: 9",
        b"mistral-correlation-id: corr-1",
        b"server: cloudflare",
        b"x-content-type-options: nope",
    )

    async def main() -> None:
        reply = json_answer(ANSWER, b"200 OK", *answer_headers)
        async with Upstream(answering(reply)).running() as upstream, running_node(tmp_path, upstream.url) as node:
            answer = await node.ask(CHAT, BODY, *sent)
            head = upstream.heard.partition(b"\r\n\r\n")[0].lower()
            lines = head.split(b"\r\n")
            assert lines[0] == b"post /v1/chat/completions http/1.1"
            assert b"authorization: bearer " + UPSTREAM_KEY.encode() in lines
            assert head.count(b"authorization") == 1
            for expected in (b"accept-encoding: identity", b"traceparent: 00-a-b-01", b"x-next-years-beta: on"):
                assert expected in lines
            for absent in (b"cookie", b"x-api-key", b"x-data", b"x-respan", b"x-forwarded", b"connection", b"gk_"):
                assert absent not in head
            assert answer.headers["x-ratelimit-remaining-req-minute"] == "9"
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert "set-cookie" not in answer.headers
            assert "server" not in answer.headers
            _, closed, _ = await node.one_call()
            assert closed.upstream_request_id == "corr-1"

    run(main())


def event(choice: bytes, rest: bytes = b"", end: bytes = b"\n\n") -> bytes:
    return b'data: {"id":"1","model":"m","choices":[{"index":0,%b}]%b}%b' % (choice, rest, end)


EVENTS = [
    event(b'"delta":{"role":"assistant","content":""},"finish_reason":null'),
    event(b'"delta":{"content":"h\xc3\xa9\xe2\x80\xa8"},"finish_reason":null', b',"p":"abc"', b"\r\n\r\n"),
    b": comment\n\n"
    + event(
        b'"delta":{"content":"x"},"finish_reason":"stop"',
        b',"usage":{"prompt_tokens":5,"completion_tokens":2,"total_tokens":7}',
    ),
    b"data: [DONE]\n\n",
]


@pytest.mark.parametrize("size", [1, 2, 7, 64, 100_000])
def test_a_stream_arrives_byte_for_byte_however_it_is_cut(run: Runner, tmp_path: Path, size: int) -> None:
    stream = b"".join(EVENTS)
    pieces = [stream[start : start + size] for start in range(0, len(stream), size)]

    async def main() -> None:
        script = answering(STREAM_HEAD, *(encode_chunk(piece) for piece in pieces), LAST_CHUNK)
        async with Upstream(script).running() as upstream, running_node(tmp_path, upstream.url) as node:
            answer = await node.ask(CHAT, BODY[:-1] + b',"stream":true}', MISTRAL)
            assert answer.body == stream
            assert answer.headers["content-type"] == "text/event-stream"
            opened, closed, captured = await node.one_call()
            assert opened.stream
            assert captured == stream
            assert closed.outcome == Outcome.SUCCESS
            assert closed.time_to_first_token is not None
            assert closed.response_bytes == len(stream)

    run(main())


def test_chunks_are_passed_on_at_once_and_the_record_precedes_done(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        go_on = asyncio.Event()

        async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, heard: Heard) -> None:
            await read_request(reader, heard)
            writer.write(STREAM_HEAD + encode_chunk(EVENTS[0]))
            await go_on.wait()
            go_on.clear()
            writer.write(encode_chunk(EVENTS[3][:9]))
            await go_on.wait()
            writer.write(encode_chunk(EVENTS[3][9:]))  # [DONE], cut in two; the chunked body stays open
            await reader.read()

        async with Upstream(script).running() as upstream, running_node(tmp_path, upstream.url) as node:
            client = await node.connect()
            client.send(node.request(CHAT, BODY[:-1] + b',"stream":true}', MISTRAL))
            await client.reader.readuntil(EVENTS[0])
            assert node.calls()[0][1] is None
            go_on.set()
            await client.reader.readuntil(EVENTS[3][:9])
            assert node.calls()[0][1] is None
            go_on.set()
            await client.reader.readuntil(EVENTS[3][9:])
            assert node.calls()[0][1] is not None, "the close frame comes before the bytes of [DONE]"
            client.leave()

    run(main())


def test_the_header_that_crashes_sdks_is_dropped_from_streams_only(run: Runner, tmp_path: Path) -> None:
    deprecation = b"x-model-deprecation-timestamp: 1"

    async def main() -> None:
        stream = STREAM_HEAD[:-2] + deprecation + b"\r\n\r\n" + encode_chunk(EVENTS[3]) + LAST_CHUNK
        plain = json_answer(ANSWER, b"200 OK", deprecation)
        async with (
            Upstream(answering(stream, close=True), answering(plain)).running() as upstream,
            running_node(tmp_path, upstream.url) as node,
        ):
            streamed = await node.ask(CHAT, BODY[:-1] + b',"stream":true}', MISTRAL)
            assert "x-model-deprecation-timestamp" not in streamed.headers
            whole = await node.ask(CHAT, BODY, MISTRAL)
            assert whole.headers["x-model-deprecation-timestamp"] == "1"

    run(main())


PARAMS = {"customer_identifier": "u1", "customer_credentials": {"mistral": {"api_key": "canary-customer"}}}


@pytest.mark.parametrize(
    ("extra", "headers"),
    [
        (json.dumps(PARAMS)[1:-1], ()),
        (f'"respan_params": {json.dumps(PARAMS)}', ()),
        (f'"keywordsai_params": {json.dumps(PARAMS)}', ()),
        (f'"metadata": {{"respan_params": {json.dumps(PARAMS)}, "kept": 1}}', ()),
        ('"temperature": 1', (b"X-Data-Respan-Params: " + base64.b64encode(json.dumps(PARAMS).encode()),)),
        ('"temperature": 1', (b"X-Gantry-Params: " + json.dumps(PARAMS).encode(),)),
    ],
)
def test_gateway_parameters_are_lifted_and_never_forwarded(
    run: Runner, tmp_path: Path, extra: str, headers: tuple[bytes, ...]
) -> None:
    async def main() -> None:
        # The customer's credential goes to the provider's own host, which is not here: the call cannot be made.
        async with (
            Upstream(answering(json_answer(ANSWER))).running() as upstream,
            running_node(tmp_path, upstream.url, limits=None) as node,
        ):
            body = BODY[:-1] + b"," + extra.replace("canary-customer", "canary-other").encode() + b"}"
            params = [line.replace(b"canary-customer", b"canary-other") for line in headers]
            if b"base64" in b"".join(headers):
                params = list(headers)
            body = body.replace(b'"mistral": {"api_key"', b'"openai": {"api_key"')
            answer = await node.ask(CHAT, body, MISTRAL, *_for_another_provider(params))
            assert answer.status == 200, answer.body
            for name in (b"customer_identifier", b"respan_params", b"keywordsai", b"canary-", b"customer_credentials"):
                assert name not in upstream.heard.replace(UPSTREAM_KEY.encode(), b"")
            opened, _, _ = await node.one_call()
            assert msgspec.json.decode(opened.params) == {"customer_identifier": "u1"}
            if "kept" in extra:
                assert msgspec.json.decode(heard_body(upstream))["metadata"] == {"kept": 1}
            for path in node.home.path.rglob("*"):
                if path.is_file():
                    assert b"canary-" not in path.read_bytes(), path

    run(main())


def _for_another_provider(headers: list[bytes]) -> list[bytes]:
    """Turn the customer's Mistral credential in a header into one for a provider that this call does not use."""
    turned = []
    for line in headers:
        name, _, value = line.partition(b": ")
        text = value if value.startswith(b"{") else base64.b64decode(value)
        params = json.loads(text)
        params["customer_credentials"] = {"openai": {"api_key": "canary-other"}}
        encoded = json.dumps(params).encode()
        turned.append(name + b": " + (encoded if value.startswith(b"{") else base64.b64encode(encoded)))
    return turned


@pytest.mark.parametrize("policy", [ContentPolicy.METADATA, ContentPolicy.NOTHING])
@pytest.mark.parametrize("stream", [False, True])
def test_withheld_content_reaches_no_file_and_usage_does(
    run: Runner, tmp_path: Path, policy: ContentPolicy, stream: bool
) -> None:
    body = BODY.replace(b'"hi"', b'"canary-prompt"')[:-1] + b',"metadata":{"note":"canary-note"}}'
    answer = ANSWER.replace(b"hello", b"canary-answer")
    reply = json_answer(answer)
    if stream:
        events = b"".join(EVENTS).replace(b"role", b"canary-answer")
        reply = STREAM_HEAD + encode_chunk(events) + LAST_CHUNK
        body = body[:-1] + b',"stream":true}'

    async def main() -> None:
        async with (
            Upstream(answering(reply)).running() as upstream,
            running_node(tmp_path, upstream.url, content_policy=policy) as node,
        ):
            assert (await node.ask(CHAT, body, MISTRAL)).status == 200
            opened, closed, captured = await node.one_call()
            assert (opened.request_body, captured) == (b"", b"")
            assert msgspec.json.decode(closed.usage)["total_tokens"] == 7
            withheld = [b"canary-prompt", b"canary-answer"] + ([b"canary-note"] if policy == "nothing" else [])
            for path in node.home.path.rglob("*"):
                if path.is_file():
                    assert not any(canary in path.read_bytes() for canary in withheld), path

    run(main())


def test_a_key_limited_to_models(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        async with (
            Upstream(answering(json_answer(ANSWER))).running() as upstream,
            running_node(tmp_path, upstream.url, models=("mistral-small-*", "mistral/codestral-latest")) as node,
        ):
            for model, status in (
                ("mistral-small-latest", 200),
                ("mistral/mistral-small-latest", 200),
                ("codestral-latest", 200),
                ("mistral-large-latest", 403),
            ):
                body = BODY.replace(b"mistral-small-latest", model.encode())
                answer = await node.ask(CHAT, body, MISTRAL)
                assert answer.status == status, model
            assert "may not use the model mistral-large-latest" in json.loads(answer.body)["message"]
            assert (await node.ask("/v1/files", method="GET")).status == 403
            refused = [
                closed for _, closed, _ in node.calls() if closed is not None and closed.outcome == Outcome.REFUSED
            ]
            assert len(refused) == 2
            assert len(upstream.connections) <= 2

    run(main())


def test_scopes(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        async with running_node(tmp_path, "http://127.0.0.1:1", scopes=int(Scope.READ)) as node:
            answer = await node.ask(CHAT, BODY, MISTRAL)
            assert answer.status == 403
            assert "`inference`" in json.loads(answer.body)["message"]

    run(main())
    assert not DEFAULT_SCOPES & Scope.NATIVE


OPAQUE_ANSWER = b"HTTP/1.1 201 Created\r\ncontent-type: text/html\r\ncontent-length: 9\r\n\r\n<b>hi</b>"


def test_an_opaque_call_is_relayed_and_sandboxed(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        async with (
            Upstream(answering(OPAQUE_ANSWER)).running() as upstream,
            running_node(tmp_path, upstream.url) as node,
        ):
            answer = await node.ask("/api/v1/libraries?page=0&x=%7e", b'{"model":"mistral/m", "name": 1.00}')
            assert (answer.status, answer.body) == (201, b"<b>hi</b>")
            assert answer.headers["content-security-policy"] == "sandbox"
            assert upstream.heard.startswith(b"POST /v1/libraries?page=0&x=%7e HTTP/1.1\r\n")
            assert heard_body(upstream) == b'{"model":"m", "name": 1.00}'
            opened, closed, _ = await node.one_call()
            assert (opened.operation, opened.path, closed.status) == ("libraries", "/v1/libraries", 201)

    run(main())


def test_a_large_upload_streams_through(run: Runner, tmp_path: Path) -> None:
    size, piece = 48 * 1024 * 1024, b"x" * (256 * 1024)

    async def main() -> None:
        received = 0

        async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, heard: Heard) -> None:
            nonlocal received
            heard.data += await reader.readuntil(b"\r\n\r\n")
            while received < size:
                received += len(await reader.read(1 << 20))
            writer.write(json_answer(b"{}"))

        async with Upstream(script).running() as upstream, running_node(tmp_path, upstream.url) as node:
            client = await node.connect()
            client.send(
                b"POST /v1/files HTTP/1.1\r\nHost: g\r\nAuthorization: Bearer %b\r\nContent-Type: multipart/form-data; "
                b"boundary=b\r\nContent-Length: %d\r\n\r\n" % (node.key.encode(), size)
            )
            for _ in range(size // len(piece)):
                client.send(piece)
                await client.writer.drain()
            answer = await client.answer()
            assert answer.status == 200
            assert received == size
            _, closed, _ = await node.one_call()
            assert closed.request_bytes == size
            assert sum(path.stat().st_size for path in node.home.journal.rglob("*") if path.is_file()) < size
            client.leave()

    run(main())


def test_a_chunked_upload_stays_chunked(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, heard: Heard) -> None:
            heard.data += await reader.readuntil(LAST_CHUNK)
            writer.write(json_answer(b"{}"))

        async with Upstream(script).running() as upstream, running_node(tmp_path, upstream.url) as node:
            client = await node.connect()
            client.send(
                b"POST /v1/files HTTP/1.1\r\nHost: g\r\nAuthorization: Bearer %b\r\nContent-Type: audio/mpeg\r\n"
                b"Transfer-Encoding: chunked\r\n\r\n" % node.key.encode()
            )
            for data in (b"abc", b"defg"):
                client.send(encode_chunk(data))
                await asyncio.sleep(0)
            client.send(LAST_CHUNK)
            assert (await client.answer()).status == 200
            head, _, body = upstream.heard.partition(b"\r\n\r\n")
            assert b"transfer-encoding: chunked" in head
            assert b"content-length" not in head
            assert b"".join(body.split(b"\r\n")[1::2]) == b"abcdefg"
            client.leave()

    run(main())


def test_a_stream_that_says_it_is_not_encoded_is_served_like_any_other(run: Runner, tmp_path: Path) -> None:
    head = STREAM_HEAD.replace(b"\r\n\r\n", b"\r\nContent-Encoding: identity\r\n\r\n")
    stream = head + encode_chunk(b"data: {}\n\n") + encode_chunk(b"data: [DONE]\n\n") + LAST_CHUNK

    async def main() -> None:
        async with Upstream(answering(stream)).running() as upstream, running_node(tmp_path, upstream.url) as node:
            client = await node.connect()
            client.send(node.request(CHAT, BODY, MISTRAL))
            await client.reader.readuntil(b"[DONE]\n\n")
            client.leave()  # as SDKs do once they have read it
            _, closed, _ = await node.one_call()
            assert closed.outcome == Outcome.SUCCESS

    run(main())


def test_a_name_that_no_model_has_is_refused_by_its_length(run: Runner, tmp_path: Path) -> None:
    body = BODY.replace(b"mistral-small-latest", b"m" * 3_000_000)

    async def main() -> None:
        async with (
            Upstream(answering(json_answer(ANSWER))).running() as upstream,
            running_node(tmp_path, upstream.url) as node,
        ):
            answer = await node.ask(CHAT, body, MISTRAL)
            assert (answer.status, b"`model` is longer" in answer.body, len(answer.body) < 1000) == (400, True, True)
            opened, closed, _ = await node.one_call()
            assert (opened.requested_model, closed.outcome, upstream.connections) == (None, Outcome.REFUSED, [])

    run(main())


def test_an_end_that_cannot_be_written_cuts_the_connection(
    run: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(pump: RelayPump, error: GatewayError) -> bytes:
        raise ValueError("a fault of ours")

    monkeypatch.setattr(RelayPump, "fail", fail)
    broken = STREAM_HEAD + encode_chunk(b"data: {}\n\n")

    async def main() -> None:
        async with (
            Upstream(answering(broken, close=True)).running() as upstream,
            running_node(tmp_path, upstream.url) as node,
        ):
            client = await node.connect()
            client.send(node.request(CHAT, BODY, MISTRAL))
            assert b"data: {}" in await client.closed()
            _, closed, _ = await node.one_call()
            assert closed.outcome == Outcome.UPSTREAM_BROKE
            assert not node.worker._state.calls
            client.leave()

    run(main())


def test_what_callers_write_into_a_header_does_not_add_up_in_memory(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        async with (
            Upstream(answering(json_answer(ANSWER))).running() as upstream,
            running_node(tmp_path, upstream.url) as node,
        ):
            for number in range(5):
                pinned = b"X-Respan-Route-Provider: " + b"%d" % number * 2000
                assert (await node.ask("/api/v1/libraries", b"{}", MISTRAL, pinned)).status == 200
            assert sum(len(wish.pinned or "") for wish in node.worker._state._routes) == 0

    run(main())
