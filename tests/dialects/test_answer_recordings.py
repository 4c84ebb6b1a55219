"""What real providers sent, read by our fold and by a naive reader written apart from it: both must say the same."""

import json
import random
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from gantry.core.vocabulary import Dialect, Operation
from gantry.dialects.answer import Answer, read_answer
from gantry.dialects.tail import find_usage
from gantry.dialects.usage import IMPOSSIBLE
from gantry.wire.sse import SSEParser

FOLDERS = {
    "mistral_chat": (Operation.CHAT, Dialect.MISTRAL),
    "openai_chat": (Operation.CHAT, Dialect.OPENAI_CHAT),
    "mistral_embeddings": (Operation.EMBEDDINGS, Dialect.MISTRAL),
    "openai_embeddings": (Operation.EMBEDDINGS, Dialect.OPENAI_CHAT),
}
CLAMPED = IMPOSSIBLE
AT_LEAST = {"mistral_chat": 100, "openai_chat": 450, "mistral_embeddings": 3, "openai_embeddings": 15}


class Exchange(NamedTuple):
    file: str
    status: int
    content_type: str
    raw: bytes
    chunks: list[dict[str, Any]]
    streamed: bool


class Naive(NamedTuple):
    model: str | None
    text: str | None
    calls: list[tuple[str | None, str, str]]
    finish_reason: str | None
    usage: dict[str, Any] | None


@pytest.fixture(params=sorted(FOLDERS))
def dialect_folder(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def test_every_recording_reads_as_the_naive_reader_reads_it(shared: Path, dialect_folder: str) -> None:
    count = 0
    for exchange in exchanges(shared, dialect_folder):
        count += 1
        answer = read(dialect_folder, exchange)
        if exchange.status >= 400:
            assert answer.error, exchange.file
            continue
        naive = read_naively(exchange)
        assert answer.model == naive.model, exchange.file
        assert answer.finish_reason == naive.finish_reason, exchange.file
        assert usage_of(answer) == expected_usage(naive.usage), exchange.file
        if FOLDERS[dialect_folder][0] is Operation.CHAT:
            assert answer.text == naive.text, exchange.file
            assert calls_of(answer) == naive.calls, exchange.file
            assert (answer.message is not None) == any(chunk.get("choices") for chunk in exchange.chunks), exchange.file
            json.loads(answer.message or "{}")
        assert answer.complete is not any("error" in chunk for chunk in exchange.chunks), exchange.file
        assert answer.warnings in ((), (CLAMPED,)), exchange.file
    assert count >= AT_LEAST[dialect_folder]


def test_any_rechunking_of_every_stream_gives_the_same_events(shared: Path, dialect_folder: str) -> None:
    dice = random.Random(20261122)
    for exchange in exchanges(shared, dialect_folder):
        if exchange.streamed:
            whole = SSEParser().feed(exchange.raw)
            parser = SSEParser()
            pieces = []
            position = 0
            while position < len(exchange.raw):
                size = dice.choice((1, 2, 7, 64, 1500))
                pieces += parser.feed(exchange.raw[position : position + size])
                position += size
            assert pieces == whole, exchange.file


def test_the_usage_is_found_in_the_tail(shared: Path, dialect_folder: str) -> None:
    for exchange in exchanges(shared, dialect_folder):
        naive = read_naively(exchange) if exchange.status < 400 else None
        if naive is None or naive.usage is None or b'"usage_breakdown"' in exchange.raw:
            continue
        found = find_usage(exchange.raw[-16_384:])
        assert found is not None, exchange.file
        assert json.loads(found[0]) == naive.usage, exchange.file


def test_an_answer_cut_anywhere_is_read_without_an_exception(shared: Path, dialect_folder: str) -> None:
    for exchange in exchanges(shared, dialect_folder):
        step = max(len(exchange.raw) // 7, 1)
        for end in range(0, len(exchange.raw), step):
            answer = read_answer(*FOLDERS[dialect_folder], exchange.content_type, exchange.raw[:end])
            assert not (answer.complete and answer.usage_raw is None and not exchange.streamed), exchange.file


def read(dialect_folder: str, exchange: Exchange) -> Answer:
    operation, dialect = FOLDERS[dialect_folder]
    return read_answer(operation, dialect, exchange.content_type, exchange.raw)


def exchanges(shared: Path, folder: str) -> Iterator[Exchange]:
    for path in sorted((shared / "recordings").glob(f"*/{folder}/*.json")):
        recording = json.loads(path.read_bytes())
        response = recording["response"]
        content_type = response["headers"].get("content-type") or "application/json"
        name = f"{path.parent.parent.name}/{path.name}"
        if response.get("sse"):
            raw = response["sse"].encode()
            data = [line[5:].strip() for line in response["sse"].split("\n") if line.startswith("data:")]
            chunks = [json.loads(item) for item in data if item != "[DONE]"]
            yield Exchange(name, response["status"], "text/event-stream", raw, chunks, True)
        elif response.get("body") is not None:
            raw = json.dumps(response["body"], ensure_ascii=False).encode()
            chunks = response["body"] if isinstance(response["body"], list) else [response["body"]]
            yield Exchange(name, response["status"], content_type, raw, chunks, False)


def read_naively(exchange: Exchange) -> Naive:
    """Add the chunks up with as little cleverness as the recordings allow."""
    text: str | None = None
    calls: dict[Any, list[Any]] = {}
    finish_reason = usage = model = None
    for chunk in exchange.chunks:
        model = chunk.get("model") or model
        usage = chunk.get("usage") or (chunk.get("x_groq") or {}).get("usage") or usage
        for choice in chunk.get("choices", []):
            if choice["index"] != 0:
                continue
            finish_reason = choice.get("finish_reason") or finish_reason
            part = (choice.get("delta") or {}) if exchange.streamed else choice["message"]
            content = part.get("content")
            if isinstance(content, list):
                content = "".join(item["text"] for item in content if item["type"] == "text")
            if content is not None:
                text = (text or "") + content
            fragments = part.get("tool_calls") or []
            if not fragments and part.get("function_call"):
                fragments = [{"index": 0, "function": part["function_call"]}]
            for position, fragment in enumerate(fragments):
                function = fragment.get("function") or fragment["custom"]
                key = fragment["index"] if exchange.streamed else position
                call = calls.setdefault(key, [fragment.get("id") or None, function.get("name"), ""])
                call[2] += function.get("arguments") or function.get("input") or ""
    found = [(call[0], call[1], call[2]) for call in calls.values() if any(call)]
    return Naive(model, text, found, finish_reason, usage)


def calls_of(answer: Answer) -> list[tuple[str | None, str, str]]:
    found = []
    for call in json.loads(answer.tool_calls or "[]"):
        function = call.get("function") or call["custom"]
        arguments = function["arguments"] if "function" in call else function["input"]
        found.append((call.get("id"), function["name"], arguments))
    return found


def usage_of(answer: Answer) -> tuple[int | None, ...]:
    usage = answer.usage
    return (
        usage.input_tokens,
        usage.output_tokens,
        usage.total_tokens,
        usage.cached_input_tokens,
        usage.reasoning_tokens,
    )


def expected_usage(usage: dict[str, Any] | None) -> tuple[int | None, ...]:
    if usage is None:
        return (None,) * 5
    given, made, total = usage["prompt_tokens"], usage.get("completion_tokens"), usage["total_tokens"]
    details = usage.get("prompt_tokens_details") or usage.get("prompt_token_details") or {}
    cached = details.get("cached_tokens")
    for name in ("num_cached_tokens", "cached_tokens", "prompt_cache_hit_tokens", "cache_read_input_tokens"):
        cached = usage.get(name) if cached is None else cached
    reasoning = (usage.get("completion_tokens_details") or {}).get("reasoning_tokens")
    reasoning = usage.get("reasoning_tokens") if reasoning is None else reasoning
    if reasoning and total == given + made + reasoning:
        made += reasoning
    return given, made, total, cached if cached is None else min(cached, given), reasoning


OTHERS = {
    "mistral_agents": Operation.AGENTS,
    "mistral_audio_speech": Operation.SPEECH,
    "mistral_audio_transcriptions": Operation.TRANSCRIPTION,
    "mistral_conversations": Operation.CONVERSATIONS,
    "mistral_files": Operation.FILES,
    "mistral_models": Operation.MODELS,
    "mistral_moderations": Operation.MODERATION,
    "mistral_ocr": Operation.OCR,
    "cohere_embed": Operation.EMBEDDINGS,
    "gemini_embed": Operation.EMBEDDINGS,
    "openai_audio_transcriptions": Operation.TRANSCRIPTION,
    "openai_completions": Operation.COMPLETIONS,
    "openai_files_batches": Operation.FILES,
    "openai_images": Operation.IMAGES,
    "openai_moderations": Operation.MODERATION,
    "openai_rerank": Operation.RERANK,
    "openai_responses": Operation.RESPONSES,
    "voyage_embeddings": Operation.EMBEDDINGS,
    "voyage_rerank": Operation.RERANK,
}


@pytest.mark.parametrize("folder", OTHERS)
def test_every_other_operation_reads_as_its_document_says(shared: Path, folder: str) -> None:
    count = 0
    for exchange in exchanges(shared, folder):
        count += 1
        answer = read_answer(OTHERS[folder], Dialect.MISTRAL, exchange.content_type, exchange.raw)
        last = exchange.chunks[-1] if exchange.chunks else {}
        document = last.get("response", last)
        if exchange.status >= 400:
            assert answer.error, exchange.file
            continue
        assert answer.complete is not has_error(exchange), exchange.file
        assert answer.warnings == (), exchange.file
        assert answer.message is not None or has_error(exchange), exchange.file
        check_units(answer, document, exchange.file)
        if OTHERS[folder] is Operation.RESPONSES:
            check_response(answer, document, exchange)
        elif OTHERS[folder] in SHOWN:
            assert json.loads(answer.message or "") == SHOWN[OTHERS[folder]](document), exchange.file
        elif OTHERS[folder] is Operation.COMPLETIONS:
            texts = [choice["text"] for chunk in exchange.chunks for choice in chunk["choices"] if choice["index"] == 0]
            assert answer.text == "".join(texts), exchange.file
        elif isinstance(document.get("text"), str):
            assert answer.text == document["text"], exchange.file
    assert count >= 1


def shown_vectors(document: dict[str, Any]) -> dict[str, Any]:
    vectors: Any = document.get("data") or document["embeddings"]
    if isinstance(vectors, dict):
        vectors = vectors["float"]
    first = vectors[0]
    first = first.get("embedding") or first["values"] if isinstance(first, dict) else first
    if isinstance(first, str):
        return {"embeddings": len(vectors), "encoding": "base64", "dimensions": len(b64decode(first)) // 4}
    return {"embeddings": len(vectors), "dimensions": len(first)}


def shown_ranking(document: dict[str, Any]) -> list[dict[str, Any]]:
    results = document.get("results") or document["data"]
    return [{name: result[name] for name in ("index", "relevance_score")} for result in results]


def shown_images(document: dict[str, Any]) -> dict[str, Any]:
    said: dict[str, Any] = {
        name: document[name] for name in ("size", "quality", "background", "output_format") if name in document
    }
    notes = {"b64_json": f"[5 bytes of image/{said.get('output_format')}]"}  # they recorded no more of them
    urls = [{"url": image["url"].partition("?")[0] + "?…"} if "url" in image else notes for image in document["data"]]
    return {"images": urls, **said}


SHOWN = {
    Operation.EMBEDDINGS: shown_vectors,
    Operation.RERANK: shown_ranking,
    Operation.IMAGES: shown_images,
}


def has_error(exchange: Exchange) -> bool:
    return any(chunk.get("type") in ("error", "response.failed") or chunk.get("error") for chunk in exchange.chunks)


def check_units(answer: Answer, document: dict[str, Any], file: str) -> None:
    billed = document.get("meta", {}).get("billed_units")
    used = document.get("usage") or document.get("usage_info") or billed or {}
    given = used.get("prompt_tokens", used.get("input_tokens"))
    made = used.get("completion_tokens", used.get("output_tokens"))
    seconds = used.get("prompt_audio_seconds", used.get("seconds"))
    found = answer.usage
    assert (found.input_tokens, found.pages) == (given, used.get("pages_processed")), file
    assert found.output_tokens in (made, (made or 0) + (found.reasoning_tokens or 0)), file
    assert found.input_audio_seconds == seconds, file


def check_response(answer: Answer, document: dict[str, Any], exchange: Exchange) -> None:
    output = document.get("output")
    if not output:
        return
    parts = [part for item in output if item["type"] == "message" for part in item["content"]]
    text = "".join(part.get("text") or part.get("refusal") or "" for part in parts)
    calls = [(item["call_id"], item["name"], item["arguments"]) for item in output if item["type"] == "function_call"]
    assert (answer.text or "") == text, exchange.file
    assert calls_of(answer) == calls, exchange.file
    assert answer.model == document.get("model"), exchange.file


def test_deltas_alone_say_what_the_whole_response_says(shared: Path) -> None:
    count = 0
    for exchange in exchanges(shared, "openai_responses"):
        if not exchange.streamed or has_error(exchange) or exchange.file.startswith("lmstudio"):
            continue  # that server sends no deltas of arguments
        whole = read_answer(Operation.RESPONSES, Dialect.OPENAI_CHAT, "text/event-stream", exchange.raw)
        deltas = [chunk for chunk in exchange.chunks if "response" not in chunk and "done" not in chunk["type"]]
        raw = b"".join(b"data: " + json.dumps(chunk).encode() + b"\n\n" for chunk in deltas)
        partial = read_answer(Operation.RESPONSES, Dialect.OPENAI_CHAT, "text/event-stream", raw)
        assert (partial.text or "") == (whole.text or ""), exchange.file
        assert calls_of(partial) == calls_of(whole), exchange.file
        count += 1
    assert count > 30
