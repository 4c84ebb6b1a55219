"""What goes wrong below a translated call, and how its client reads it: in its format and by the delivery it chose."""

import asyncio
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from gantry.core.vocabulary import Outcome
from gantry.gateway.limits import WorkerLimits
from tests.gateway.conftest import STREAM_HEAD, Heard, Node, Script, Upstream, answering, json_answer, running_node
from tests.gateway.conftest import read_request as read_from
from tests.gateway.test_translate import MESSAGE, TEXT_BLOCK, anthropic_stream, chunk, event, streaming

Runner = Callable[[Any], Any]
MODEL = "anthropic/claude-sonnet-4-5"
STREAM = anthropic_stream(TEXT_BLOCK)
MESSAGES = [{"role": "user", "content": "hi"}]
OVERLOADED = event("error", error={"type": "overloaded_error", "message": "Overloaded"})
CLIENTS = ("openai", "mistral", "responses", "gemini", "gemini_array")


def asked(client: str, *, stream: bool) -> tuple[str, dict[str, Any], tuple[bytes, ...]]:
    """Return the path, the body and the headers of a client's call of Claude."""
    match client:
        case "openai":
            return "/api/chat/completions", {"model": MODEL, "messages": MESSAGES, "stream": stream}, ()
        case "mistral":
            agent = b"User-Agent: mistral-client-python/2.0"
            return "/v1/chat/completions", {"model": MODEL, "messages": MESSAGES, "stream": stream}, (agent,)
        case "responses":
            return "/api/responses", {"model": MODEL, "input": "hi", "stream": stream}, ()
    verb = "streamGenerateContent" if stream else "generateContent"
    query = "?alt=sse" if client == "gemini" else ""
    contents = [{"role": "user", "parts": [{"text": "hi"}]}]
    return f"/v1beta/models/{MODEL}:{verb}{query}", {"contents": contents}, ()


async def ask(node: Node, client: str, *, stream: bool) -> Any:
    path, body, headers = asked(client, stream=stream)
    return await node.ask(path, json.dumps(body).encode(), *headers)


def documents(answer: Any) -> list[Any]:
    """Return what a streamed answer's events, or its array, hold."""
    if answer.headers["content-type"] == "application/json":
        found: list[Any] = json.loads(answer.body)
        return found
    lines = answer.body.decode().splitlines()
    told = [line.removeprefix("data: ") for line in lines if line.startswith("data: ")]
    return [json.loads(line) for line in told if line != "[DONE]"]


def hanging(events: Sequence[bytes]) -> Script:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, heard: Heard) -> None:
        await read_from(reader, heard)
        writer.write(STREAM_HEAD + b"".join(map(chunk, events)))
        await reader.read()

    return script


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("stream", [True, False])
def test_a_client_gets_the_delivery_it_asked_for_where_its_provider_chose_the_other(
    run: Runner, tmp_path: Path, client: str, stream: bool
) -> None:
    script = answering(json_answer(json.dumps(MESSAGE).encode())) if stream else streaming(STREAM)

    async def main() -> None:
        async with Upstream(script).running() as up, running_node(tmp_path, up.url) as node:
            got = await ask(node, client, stream=stream)
            assert got.status == 200
            arrives_as_json = not stream or client == "gemini_array"
            assert got.headers["content-type"] == ("application/json" if arrives_as_json else "text/event-stream")
            if stream:
                assert documents(got)
            else:
                assert isinstance(json.loads(got.body), dict)
            assert b"Hello!" in got.body
            _, closed, _ = await node.one_call()
            assert closed.outcome == Outcome.SUCCESS

    run(main())


@pytest.mark.parametrize("client", CLIENTS)
def test_a_refusal_in_a_stream_is_a_refusal(run: Runner, tmp_path: Path, client: str) -> None:
    head = b"HTTP/1.1 503 Busy\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"

    async def main() -> None:
        async with (
            Upstream(answering(head, chunk(OVERLOADED), b"0\r\n\r\n")).running() as up,
            running_node(tmp_path, up.url) as node,
        ):
            got = await ask(node, client, stream=True)
            assert (got.status, got.headers["content-type"]) == (503, "application/json")
            assert b"Overloaded" in got.body
            assert isinstance(json.loads(got.body), dict)
            _, closed, _ = await node.one_call()
            assert (closed.outcome, closed.status) == (Outcome.UPSTREAM_ERROR, 503)

    run(main())


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize(
    ("events", "words"),
    [
        ([OVERLOADED], "Overloaded"),
        ([*STREAM[:3], OVERLOADED, *STREAM[3:]], "Overloaded"),
        ([*STREAM[:3], b"data: {nope\n\n", *STREAM[3:]], "cannot be read"),
        (STREAM[:4], "ended before the answer did"),
        ([], "ended before the answer did"),
    ],
    ids=["error first", "error between", "no JSON", "no end", "nothing"],
)
def test_an_answer_that_failed_in_its_stream_is_no_success(
    run: Runner, tmp_path: Path, client: str, events: list[bytes], words: str
) -> None:
    async def main() -> None:
        async with Upstream(streaming(events)).running() as up, running_node(tmp_path, up.url) as node:
            got = await ask(node, client, stream=True)
            assert words in json.dumps(documents(got)[-1])
            _, closed, _ = await node.one_call()
            assert (closed.outcome, closed.status) == (Outcome.UPSTREAM_BROKE, 200)
            assert closed.error is not None
            assert words in closed.error

    run(main())


def test_an_answer_that_failed_in_its_stream_is_an_error_to_whom_it_would_be_whole(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        async with (
            Upstream(streaming([*STREAM[:3], OVERLOADED])).running() as up,
            running_node(tmp_path, up.url) as node,
        ):
            got = await ask(node, "openai", stream=False)
            assert got.status == 502
            assert json.loads(got.body)["error"]["message"] == "Overloaded"
            _, closed, _ = await node.one_call()
            assert closed.outcome == Outcome.UPSTREAM_BROKE

    run(main())


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.slow
def test_a_stream_that_stalls_is_kept_alive_and_ended_in_the_clients_framing(
    run: Runner, tmp_path: Path, client: str
) -> None:
    limits = WorkerLimits(drain_timeout=0.2, idle_timeout=1.5, ping_interval=0.5)

    async def main() -> None:
        async with Upstream(hanging(STREAM[:3])).running() as up, running_node(tmp_path, up.url, limits=limits) as node:
            got = await ask(node, client, stream=True)
            assert (b": ping" in got.body) == (not client.startswith("gemini"))  # Google's clients read it as JSON
            told = documents(got)
            assert "Hel" in json.dumps(told)
            assert "stalled" in json.dumps(told[-1])
            await up.connections[0].closed.wait()
            _, closed, _ = await node.one_call()
            assert closed.outcome == Outcome.TIMEOUT

    run(main())


@pytest.mark.parametrize(("client", "last"), [("openai", b"[DONE]\n\n"), ("responses", b"response.completed")])
def test_the_record_of_a_stream_is_closed_before_its_last_event_leaves(
    run: Runner, tmp_path: Path, client: str, last: bytes
) -> None:
    """A client that leaves on the last event has had its answer, whether or not its provider hangs up."""

    async def main() -> None:
        async with Upstream(hanging(STREAM)).running() as up, running_node(tmp_path, up.url) as node:
            path, body, headers = asked(client, stream=True)
            connection = await node.connect()
            connection.send(node.request(path, json.dumps(body).encode(), *headers))
            await connection.reader.readuntil(last)
            connection.leave()
            _, closed, _ = await node.one_call()
            assert closed.outcome == Outcome.SUCCESS

    run(main())
