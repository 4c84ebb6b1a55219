"""What is the same for every provider: faults, the witness, determinism, and a strict edge."""

import asyncio
from typing import Any

import msgspec
import pytest

from gantry.simulator import Simulator
from gantry.simulator.server import CONTROL
from tests.simulator.client import Reply, ask, run

USER = [{"role": "user", "content": "Hello"}]
CONTENTS = {"contents": [{"role": "user", "parts": [{"text": "Hello"}]}]}
BEARER = {"authorization": "Bearer simulated"}
MESSAGE = {"model": "claude-sonnet-4-5", "max_tokens": 99, "messages": USER}
CONVERSE = {"messages": [{"role": "user", "content": [{"text": "Hello"}]}]}

# path of a whole answer, path of a stream, body, what the stream's body has beside, headers
OPERATIONS: dict[str, tuple[str, str, dict[str, Any], dict[str, Any], dict[str, str]]] = {
    "anthropic": (
        "/anthropic/v1/messages",
        "/anthropic/v1/messages",
        MESSAGE,
        {"stream": True},
        {"x-api-key": "simulated", "anthropic-version": "2023-06-01"},
    ),
    "gemini": (
        "/gemini/v1/models/gemini-2.5-flash:generateContent",
        "/gemini/v1/models/gemini-2.5-flash:streamGenerateContent?alt=sse",
        CONTENTS,
        {},
        {"x-goog-api-key": "simulated"},
    ),
    "responses": (
        "/openai/v1/responses",
        "/openai/v1/responses",
        {"model": "gpt-4o", "input": "Hello"},
        {"stream": True},
        BEARER,
    ),
    "azure": (
        "/azure/openai/deployments/mine/chat/completions?api-version=1",
        "/azure/openai/deployments/mine/chat/completions?api-version=1",
        {"messages": USER},
        {"stream": True},
        {"api-key": "simulated"},
    ),
    "bedrock": (
        "/bedrock/model/us.amazon.nova-micro-v1%3A0/converse",
        "/bedrock/model/us.amazon.nova-micro-v1%3A0/converse-stream",
        CONVERSE,
        {},
        BEARER,
    ),
    "cohere": (
        "/cohere/v2/chat",
        "/cohere/v2/chat",
        {"model": "command-a-03-2025", "messages": USER},
        {"stream": True},
        BEARER,
    ),
}
ALL = pytest.mark.parametrize("name", OPERATIONS)


async def post(simulator: Simulator, name: str, *, stream: bool = False, faults: str = "") -> Reply:
    whole, streamed, body, more, headers = OPERATIONS[name]
    target, given = (streamed, {**body, **more}) if stream else (whole, body)
    return await ask(simulator, target, given, headers=headers, faults=faults, key="")


def said(name: str, *, stream: bool = False, faults: str = "") -> Reply:
    reply: Reply = run(lambda simulator: post(simulator, name, stream=stream, faults=faults))
    return reply


@ALL
@pytest.mark.parametrize("stream", [False, True])
def test_the_same_request_gets_the_same_bytes(name: str, stream: bool) -> None:
    async def scene(simulator: Simulator) -> list[Reply]:
        return [await post(simulator, name, stream=stream) for _ in range(2)]

    first, second = run(scene)
    assert first.status == 200
    assert (first.raw, first.headers) == (second.raw, second.headers)
    assert said(name, stream=stream).raw == first.raw


@ALL
@pytest.mark.parametrize("status", [400, 401, 403, 404, 429, 500, 503])
def test_a_status_brings_the_providers_own_error(name: str, status: int) -> None:
    reply = said(name, faults=f"status={status}; retry-after=7")
    assert (reply.status, reply.headers["retry-after"]) == (status, "7")
    assert isinstance(reply.json, dict)


@ALL
@pytest.mark.parametrize("cut", ["between-events", "mid-event", "before-end"])
def test_a_stream_can_be_cut(name: str, cut: str) -> None:
    whole, broken = said(name, stream=True), said(name, stream=True, faults=f"cut={cut}; at=2")
    assert broken.broken
    assert whole.body.startswith(broken.body)


@ALL
@pytest.mark.parametrize("faults", ["reset-mid; at=2", "malformed-chunk; at=2", "close"])
def test_a_connection_can_break(name: str, faults: str) -> None:
    assert said(name, stream=True, faults=faults).broken


@ALL
def test_the_wrapping_can_be_wrong(name: str) -> None:
    page = said(name, stream=True, faults="content-type=text/html")
    assert page.headers["content-type"] == "text/html"
    assert b"502 Bad Gateway" in page.body
    assert len(said(name, faults="header-bytes=9000").headers["x-simulated-padding"]) == 9000


@ALL
def test_an_error_inside_a_stream_replaces_its_end(name: str) -> None:
    whole, failed = said(name, stream=True).raw, said(name, stream=True, faults="error-event; at=2").raw
    assert len(failed) < len(whole)
    assert not whole.endswith(failed[-40:])


@ALL
def test_the_witness_saw_key_and_body(name: str) -> None:
    async def scene(simulator: Simulator) -> Any:
        await post(simulator, name)
        return (await ask(simulator, CONTROL.decode() + "?ended=1")).json

    (seen,) = run(scene)
    headers = dict(seen["headers"])
    assert all(headers[key] == value for key, value in OPERATIONS[name][4].items())
    assert msgspec.json.decode(seen["body"]) == OPERATIONS[name][2]
    assert (seen["path"], seen["fate"]) == (OPERATIONS[name][0], "answered")


@ALL
def test_a_client_that_leaves_is_seen_to(name: str) -> None:
    async def scene(simulator: Simulator) -> bool:
        asked = asyncio.create_task(post(simulator, name, stream=True, faults="hang"))
        await simulator.begun(1)
        asked.cancel()
        seen = await simulator.ended(1)
        return seen[0].hung_up

    assert run(scene)


@pytest.mark.parametrize(("path", "body"), [("/nobody/v1/messages", {"detail": "Not Found"})])
def test_what_is_no_provider_is_mistrals(path: str, body: Any) -> None:
    reply: Reply = run(lambda simulator: ask(simulator, path))
    assert (reply.status, reply.json) == (404, body)
