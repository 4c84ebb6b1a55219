"""All recorded Anthropic, Gemini and Responses traffic through the gateway: relayed byte for byte to a client of the
same format, translated to one of OpenAI's, and understood on record either way.
"""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from gantry.core.chat import ChatAnswer, Refusal, Text, ToolCall
from gantry.core.errors import GatewayError
from gantry.core.vocabulary import Dialect, Outcome
from gantry.dialects.assemble import Assembly
from gantry.dialects.codecs import CODECS
from tests.e2e.test_recordings import load_replay, store_all
from tests.gateway.conftest import Node, running_node

pytestmark = pytest.mark.slow
Runner = Callable[[Any], Any]


class Road(NamedTuple):
    """How a folder of recordings is reached: by its own clients' path, and as a model of OpenAI's format."""

    dialect: Dialect
    path: str
    prefix: str
    headers: tuple[bytes, ...] = ()


ROADS = {
    "anthropic_messages": Road(Dialect.ANTHROPIC, "/api/anthropic/v1/messages", "anthropic/"),
    "gemini_generate": Road(Dialect.GEMINI, "/api/google/gemini/v1beta/models/{model}", "gemini/"),
    "openai_responses": Road(Dialect.OPENAI_RESPONSES, "/api/responses", "openai/"),
}
LEAST = {
    Dialect.ANTHROPIC: {"max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]},
    Dialect.GEMINI: {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]},
    Dialect.OPENAI_RESPONSES: {"input": "hi"},
}


class Recorded(NamedTuple):
    file: str
    id: str
    status: int
    model: str
    stream: bool
    request: dict[str, Any]
    raw: bytes


def recorded(shared: Path, folder: str, dialect: Dialect, replay: Any) -> list[Recorded]:
    """Return the recordings that a client can be given: with an answer, whole or streamed as events."""
    found = []
    for file in sorted((shared / "recordings").glob(f"*/{folder}/*.json")):
        recording = json.loads(file.read_bytes())
        response, request = recording["response"], recording["request"].get("body")
        if recording["request"]["path"].endswith(("/input_tokens", "/compact")):
            continue
        if not isinstance(request, dict):
            request = LEAST[dialect]
        model = (recording.get("model") or "unrecorded").removeprefix("models/").rpartition("/")[2]
        stream = bool(recording["stream"]) and "sse" in response
        raw = replay.recordings[recording["id"]].payload()
        name = f"{file.parent.parent.name}/{file.name}"
        found.append(Recorded(name, recording["id"], response["status"], model, stream, request, raw))
    return found


def own_request(one: Recorded, road: Road) -> tuple[str, dict[str, Any]]:
    """Return the path and the body with which a client of the format asks for it."""
    if road.dialect is Dialect.GEMINI:
        verb = "streamGenerateContent?alt=sse" if one.stream else "generateContent"
        return road.path.format(model=one.model) + f":{verb}", one.request
    return road.path, {**one.request, "model": road.prefix + one.model, "stream": one.stream}


@pytest.mark.parametrize("chunk_bytes", [0, 7])
@pytest.mark.parametrize("folder", sorted(ROADS))
@pytest.mark.timeout(240)
def test_recordings_relay_byte_for_byte(
    run: Runner, shared: Path, tmp_path: Path, folder: str, chunk_bytes: int
) -> None:
    road = ROADS[folder]
    replay = load_replay(shared).Replay(shared / "recordings", chunk_bytes=chunk_bytes)
    recordings = recorded(shared, folder, road.dialect, replay)

    async def relay(node: Node, one: Recorded) -> tuple[Recorded, str]:
        path, body = own_request(one, road)
        raw = json.dumps(body, ensure_ascii=False).encode()
        answer = await node.ask(path, raw, *road.headers, b"x-replay-id: " + one.id.encode())
        assert answer.status == one.status, (one.file, answer.body[:300])
        assert answer.body == one.raw, one.file
        received = replay.requests[-1]["body"]
        sent = {**body, "model": one.model} if "model" in body else body
        assert received == sent, one.file
        return one, answer.headers["x-gantry-log-id"]

    served = run(each(tmp_path, replay, recordings, relay))
    assert len(served) > 100
    check_rows(tmp_path, served, road)


@pytest.mark.parametrize("folder", ["anthropic_messages", "gemini_generate"])
@pytest.mark.timeout(240)
def test_recordings_are_told_to_a_client_of_openais(run: Runner, shared: Path, tmp_path: Path, folder: str) -> None:
    road = ROADS[folder]
    replay = load_replay(shared).Replay(shared / "recordings", chunk_bytes=7)
    recordings = recorded(shared, folder, road.dialect, replay)

    async def ask(node: Node, one: Recorded) -> tuple[Recorded, str]:
        body = {
            "model": road.prefix + one.model,
            "stream": one.stream,
            "messages": [{"role": "user", "content": "hi"}],
        }
        raw = json.dumps(body).encode()
        answer = await node.ask("/api/chat/completions", raw, b"x-replay-id: " + one.id.encode())
        assert answer.status == one.status, (one.file, answer.body[:300])
        if one.status >= 400:
            assert json.loads(answer.body)["error"]["message"], one.file
        elif one.stream:
            assert answer.body.endswith(b"data: [DONE]\n\n") or b'"error"' in answer.body, one.file
        else:
            told, read = json.loads(answer.body), read_answer(one, road)
            if read is not None:
                first = told["choices"][0]["message"]
                assert (first["content"] or "") == words(read), one.file
                names = [call["function"]["name"] for call in first.get("tool_calls") or ()]
                assert names == [part.name for part in calls(read)], one.file
        return one, answer.headers["x-gantry-log-id"]

    served = run(each(tmp_path, replay, recordings, ask))
    assert len(served) > 100
    check_rows(tmp_path, served, road)


Ask = Callable[[Node, Recorded], Any]


async def each(tmp_path: Path, replay: Any, recordings: list[Recorded], ask: Ask) -> list[tuple[Recorded, str]]:
    await replay.start()
    try:
        async with running_node(tmp_path, replay.url) as node:
            return [await ask(node, one) for one in recordings]
    finally:
        await replay.close()
        await asyncio.sleep(0)


def check_rows(tmp_path: Path, served: list[tuple[Recorded, str]], road: Road) -> None:
    rows = store_all(tmp_path)
    assert len(rows) == len(served)
    for one, log_id in served:
        row = rows[log_id]
        assert row.status_code == one.status, one.file
        if one.status >= 400:
            assert (row.outcome, bool(row.error_message)) == (Outcome.UPSTREAM_ERROR, True), one.file
            continue
        read = read_answer(one, road)
        if read is None:
            continue
        assert row.stream == one.stream, one.file
        usage = row.usage
        assert (usage.input_tokens, usage.output_tokens, usage.cached_input_tokens) == (
            read.usage.input_tokens,
            read.usage.output_tokens,
            read.usage.cached_input_tokens,
        ), one.file
        named = [call["function"]["name"] for call in json.loads(row.tool_calls or "[]") if "function" in call]
        # The log also tells of calls that only their own format can say, in a namespace.
        assert [name for name in named if name in {part.name for part in calls(read)}] == [
            part.name for part in calls(read) if not part.custom
        ], one.file


def read_answer(one: Recorded, road: Road) -> ChatAnswer | None:
    """Return what the codec reads in a recording; None for what is no whole answer."""
    codec = CODECS[road.dialect]
    try:
        if not one.stream:
            return codec.decode_answer(one.raw)
        decoder, assembly = codec.stream_decoder(), Assembly(road.dialect)
        for event in (*decoder.feed(one.raw), *decoder.close()):
            assembly.add(event)
        return assembly.answer() if assembly.ended else None
    except GatewayError:
        return None


def words(answer: ChatAnswer) -> str:
    if not answer.choices:
        return ""
    said = answer.choices[0].parts
    return "".join(part.text for part in said if isinstance(part, Text)) or "".join(
        part.text for part in said if isinstance(part, Refusal)
    )


def calls(answer: ChatAnswer) -> list[ToolCall]:
    return [part for part in answer.choices[0].parts if isinstance(part, ToolCall)] if answer.choices else []
