"""Every operation that is cached, in every format: asked once, given twice, byte for byte."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from gantry.wire.body import LAST_CHUNK, encode_chunk
from tests.gateway.catalogue import ended
from tests.gateway.conftest import STREAM_HEAD, answering, json_answer
from tests.gateway.test_elsewhere import CLAUDE
from tests.gateway.test_response_cache import ANSWER, CHAT, SMALL, STREAM, cached, entries, heard, site

Runner = Callable[[Any], Any]
GEMINI = (
    b'{"candidates":[{"content":{"role":"model","parts":[{"text":"hello"}]}%b}],'
    b'"usageMetadata":{"promptTokenCount":5,"candidatesTokenCount":2,"totalTokenCount":7},"modelVersion":"g"}'
)
ENDED_GEMINI = GEMINI % b',"finishReason":"STOP"'
RESPONSE = (
    b'{"id":"resp_1","object":"response","created_at":1,"status":"completed","model":"gpt-5","error":null,"output":[{'
    b'"type":"message","id":"m","role":"assistant","status":"completed","content":[{"type":"output_text",'
    b'"text":"hello","annotations":[]}]}],"usage":{"input_tokens":5,"output_tokens":2,"total_tokens":7}}'
)
CLAUDE_EVENTS = (
    b'event: message_start\ndata: {"type":"message_start","message":{"id":"m","type":"message","role":"assistant",'
    b'"model":"c","content":[],"usage":{"input_tokens":5,"output_tokens":1}}}\n\n',
    b'event: content_block_start\ndata: {"type":"content_block_start","index":0,"content_block":{"type":"text",'
    b'"text":""}}\n\n',
    b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta",'
    b'"text":"hello"}}\n\n',
    b'event: content_block_stop\ndata: {"type":"content_block_stop","index":0}\n\n',
    b'event: message_delta\ndata: {"type":"message_delta","delta":{"stop_reason":"end_turn"},'
    b'"usage":{"output_tokens":2}}\n\n',
    b'event: message_stop\ndata: {"type":"message_stop"}\n\n',
)
VECTORS = (
    b'{"object":"list","model":"m","data":[{"object":"embedding","index":0,"embedding":[0.5]}],'
    b'"usage":{"prompt_tokens":5,"total_tokens":5}}'
)
MODERATED = b'{"id":"1","model":"m","results":[{"categories":{"pii":false}}]}'
CLASSIFIED = b'{"id":"1","model":"m","results":[{"a":{"scores":{"b":1.0}}}]}'
PAGES = b'{"pages":[{"index":0,"markdown":"m"}],"model":"m","usage_info":{"pages_processed":1}}'
RANKED = b'{"id":"1","results":[{"index":0,"relevance_score":0.9}],"meta":{"billed_units":{"search_units":1}}}'
HI = {"messages": [{"role": "user", "content": "hi"}]}
CONTENTS = {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}
CLAUDE_HI = {"model": "anthropic/claude-sonnet-4-5", "max_tokens": 9, **HI}
GEMINI_STREAM = "/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse"


def streamed(*events: bytes) -> bytes:
    return STREAM_HEAD + b"".join(map(encode_chunk, events)) + LAST_CHUNK


class Case(NamedTuple):
    path: str
    body: dict[str, Any]
    answer: bytes  # of the provider


GEMINI_STREAMED = streamed(b"data: " + ENDED_GEMINI + b"\r\n\r\n")
CASES = {
    "fim": Case("/v1/fim/completions", {"model": "codestral-latest", "prompt": "def f"}, json_answer(ANSWER)),
    "embeddings": Case("/v1/embeddings", {"model": "mistral-embed", "input": ["hi"]}, json_answer(VECTORS)),
    "vectors of OpenAI": Case(
        "/api/embeddings", {"model": "openai/text-embedding-3-small", "input": "hi"}, json_answer(VECTORS)
    ),
    "moderation": Case(
        "/v1/moderations", {"model": "mistral-moderation-latest", "input": ["hi"]}, json_answer(MODERATED)
    ),
    "classification": Case("/v1/classifications", {"model": "mistral/c", "input": ["hi"]}, json_answer(CLASSIFIED)),
    "ocr": Case(
        "/v1/ocr",
        {"model": "mistral-ocr-latest", "document": {"type": "document_url", "document_url": "https://a/b"}},
        json_answer(PAGES),
    ),
    "rerank": Case(
        "/v2/rerank", {"model": "cohere/rerank-v3.5", "query": "q", "documents": ["d"]}, json_answer(RANKED)
    ),
    "messages": Case("/v1/messages", CLAUDE_HI, CLAUDE),
    "messages, streamed": Case("/v1/messages", {**CLAUDE_HI, "stream": True}, streamed(*CLAUDE_EVENTS)),
    "messages by Mistral": Case("/v1/messages", {**CLAUDE_HI, "model": SMALL, "stream": True}, STREAM),
    "responses": Case(
        "/api/responses", {"model": "openai/gpt-5", "input": "hi", "store": False}, json_answer(RESPONSE)
    ),
    "responses by Mistral": Case(
        "/api/responses", {"model": SMALL, "input": "hi", "store": False, "stream": True}, STREAM
    ),
    "gemini": Case("/v1beta/models/gemini-2.5-flash:generateContent", CONTENTS, json_answer(ENDED_GEMINI)),
    "gemini, streamed": Case(GEMINI_STREAM, CONTENTS, GEMINI_STREAMED),
    "gemini by Mistral": Case(
        "/v1beta/models/mistral%2Fmistral-small-latest:streamGenerateContent?alt=sse", CONTENTS, STREAM
    ),
    "chat by Gemini": Case(CHAT, {"model": "google/gemini-2.5-flash", "stream": True, **HI}, GEMINI_STREAMED),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_asked_once_given_twice(run: Runner, tmp_path: Path, case: Case) -> None:
    async def main() -> None:
        async with site(tmp_path, answering(case.answer)) as (node, upstream):
            asked = json.dumps({**case.body, "cache_enabled": True}).encode()
            first, second = await node.ask(case.path, asked), await node.ask(case.path, asked)
            assert (first.status, cached(first)) == (200, "miss"), first.body
            assert cached(second) == "hit"
            assert (second.body, heard(upstream)) == (first.body, 1)
            assert second.headers["content-type"] == first.headers["content-type"]
            (_, filled, _), (_, hit, captured) = await ended(node, 2)
            assert captured == first.body
            assert hit.cache.usage == filled.cache.usage

    run(main())


def test_a_stream_of_googles_that_only_stops_is_not_kept(run: Runner, tmp_path: Path) -> None:
    """It has no event that says the end: the reason why it ended does."""

    async def main() -> None:
        async with site(tmp_path, answering(streamed(b"data: " + GEMINI % b"" + b"\r\n\r\n"))) as (node, _):
            asked = json.dumps({**CONTENTS, "cache_enabled": True}).encode()
            for _ in range(2):
                assert cached(await node.ask(GEMINI_STREAM, asked)) == "miss"
            assert entries(node) == []

    run(main())
