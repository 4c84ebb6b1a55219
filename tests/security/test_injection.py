"""What a caller writes in names, values and credentials stays data: no header, host or record is made of it."""

import asyncio
import base64
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from gantry.gateway.limits import WorkerLimits
from tests.gateway.conftest import UPSTREAM_KEY, Upstream, answering, json_answer, running_node
from tests.security.raw import BODY, CHAT, UPSTREAM_ANSWER, head

Runner = Callable[[Awaitable[Any]], Any]
PATH = CHAT.decode()
BREAK = "\r\nX-Injected: 1\r\n\r\nGET /injected HTTP/1.1\r\nHost: h\r\n\r\n"


def chat(**fields: object) -> bytes:
    return json.dumps({"model": "mistral-small-latest", "messages": [], **fields}).encode()


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (chat(model="mistral-small" + BREAK), ()),
        (chat(model="mistral/mistral-small" + BREAK), ()),
        (chat(model="vllm/../../" + BREAK), ()),
        (chat(customer_identifier=BREAK, metadata={BREAK: BREAK}), ()),
        (chat(thread_identifier=BREAK, respan_params={"custom_identifier": BREAK}), ()),
        (chat(), (b"X-Data-Respan-Params: " + base64.b64encode(json.dumps({"customer_identifier": BREAK}).encode()),)),
        (chat(), (b"User-Agent: a%0d%0aX-Injected: 1", b"X-Custom: %0d%0aX-Injected: 1")),
    ],
)
def test_line_breaks_in_what_a_caller_names_make_no_lines(
    run: Runner, tmp_path: Path, body: bytes, headers: tuple[bytes, ...]
) -> None:
    async def main() -> None:
        async with (
            Upstream(answering(json_answer(UPSTREAM_ANSWER))).running() as upstream,
            running_node(tmp_path, upstream.url) as node,
        ):
            answer = await node.ask(PATH, body, *headers)
            assert answer.status in (200, 400, 404)
            assert "x-injected" not in answer.headers
            assert (await node.ask(PATH, BODY)).status == 200
            assert b"\r\nx-injected" not in upstream.heard.lower()
            assert b"GET /injected HTTP/1.1\r\n" not in upstream.heard

    run(main())


@pytest.mark.parametrize(
    "fields",
    [
        {"customer_credentials": {"mistral": {"api_key": "k" + BREAK}}},
        {"customer_credentials": {"mistral": {"api_key": "k\x00"}}},
        {"customer_credentials": {"mistral": {"api_key": "ké"}}},
        {"customer_credentials": {"mistral": {"api_key": ["k"]}}},
        {"customer_credentials": {"mistral": {}}},
        {"customer_credentials": {"mistral": "k"}},
        {"customer_credentials": "k"},
        {"credential_override": {"mistral-small-latest": {"api_key": "k" + BREAK}}},
        {"customer_credentials": {"mistral": [{"weight": 0, "credentials": {"api_key": "k"}}]}},
        {"customer_credentials": [{"weight": 1, "credentials": "k"}]},
        {"respan_params": {"customer_credentials": {"mistral": {"api_key": "k" + BREAK}}}},
        {"respan_params": "x"},
        {"metadata": {"respan_params": {"customer_credentials": {"mistral": {"api_key": "k" + BREAK}}}}},
    ],
)
def test_a_credential_that_is_none_is_refused_before_anything_is_sent(
    run: Runner, tmp_path: Path, fields: dict[str, object]
) -> None:
    async def main() -> None:
        async with (
            Upstream(answering(json_answer(UPSTREAM_ANSWER))).running() as upstream,
            running_node(tmp_path, upstream.url) as node,
        ):
            answer = await node.ask(PATH, chat(**fields))
            assert answer.status == 400, answer.body
            assert upstream.heard == b""

    run(main())


def test_a_callers_credential_does_not_choose_its_host_and_goes_to_no_private_address(
    run: Runner, tmp_path: Path
) -> None:
    async def main() -> None:
        async with (
            Upstream(answering(json_answer(UPSTREAM_ANSWER))).running() as upstream,
            running_node(tmp_path, upstream.url) as node,
        ):
            own = {"api_key": "callers-own-key", "base_url": upstream.url}
            answer = await node.ask(PATH, chat(model="vllm/m", customer_credentials={"vllm": own}))
            assert answer.status in (400, 403, 502)
            assert b"callers-own-key" not in answer.body
            assert upstream.heard == b""

    run(main())


@pytest.mark.parametrize(
    "headers",
    [
        (b"X-Api-Key: other", b"Api-Key: other", b"X-Goog-Api-Key: other", b"Cookie: other=1"),
        (b"Proxy-Authorization: Basic other", b"X-Forwarded-For: other", b"X-Forwarded-Host: other"),
        (b"Forwarded: for=other", b"Via: other", b"X-Real-Ip: other"),
        (b"X-Respan-Anything: other", b"X-Gantry-Params: {}", b"X-Keywordsai-Other: other"),
        (b"TE: trailers", b"Trailer: other", b"Keep-Alive: other", b"Proxy-Connection: other"),
    ],
)
def test_headers_addressed_to_us_or_to_the_hop_stop_here(
    run: Runner, tmp_path: Path, headers: tuple[bytes, ...]
) -> None:
    async def main() -> None:
        async with (
            Upstream(answering(json_answer(UPSTREAM_ANSWER))).running() as upstream,
            running_node(tmp_path, upstream.url) as node,
        ):
            assert (await node.ask(PATH, BODY, *headers)).status == 200
            heard = upstream.heard.partition(b"\r\n\r\n")[0].lower()
            for line in headers:
                assert b"\r\n" + line.partition(b":")[0].lower() + b":" not in heard
            assert heard.count(b"authorization:") == 1
            assert UPSTREAM_KEY.encode() in heard
            assert node.key.encode().lower() not in heard

    run(main())


def test_an_expectation_is_met_before_the_body_is_sent(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        async with (
            Upstream(answering(json_answer(UPSTREAM_ANSWER))).running() as upstream,
            running_node(tmp_path, upstream.url) as node,
        ):
            client = await node.connect()
            request = node.request(PATH, BODY, b"Expect: 100-continue")
            client.send(request[: -len(BODY)])
            interim = await asyncio.wait_for(client.reader.readuntil(b"\r\n\r\n"), 10)
            assert interim == b"HTTP/1.1 100 Continue\r\n\r\n"
            assert upstream.heard == b""
            client.send(BODY)
            assert (await asyncio.wait_for(client.answer(), 10)).status == 200
            client.leave()

    run(main())


@pytest.mark.slow
@pytest.mark.parametrize(
    "sent", [b"POST /api/v1/chat/completions HTTP/1.1\r\nHost: g\r\nX-", b"P", head(b"Content-Length: 100") + b"{"]
)
def test_slow_senders_are_told_and_let_go(run: Runner, tmp_path: Path, sent: bytes) -> None:
    async def main() -> None:
        limits = WorkerLimits(header_timeout=0.2, body_timeout=0.2, drain_timeout=0.2)
        async with (
            Upstream(answering(json_answer(UPSTREAM_ANSWER))).running() as upstream,
            running_node(tmp_path, upstream.url, limits=limits) as node,
        ):
            client = await node.connect()
            client.send(sent.replace(b"<KEY>", node.key.encode()))
            answer = await asyncio.wait_for(client.answer(), 10)
            assert (answer.status, answer.headers["connection"]) == (408, "close")
            await asyncio.wait_for(client.closed(), 10)
            client.leave()
            assert upstream.heard == b""

    run(main())
