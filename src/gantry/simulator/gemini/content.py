"""Generated content, whole and streamed, and the count of its tokens."""

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from gantry.simulator.exchange import Answer, event, json_answer, stream_answer
from gantry.simulator.gemini import signatures
from gantry.simulator.gemini.catalog import Model
from gantry.simulator.gemini.dialogue import check_contents, parts_of
from gantry.simulator.gemini.errors import FAILURE, invalid
from gantry.simulator.gemini.protos import read
from gantry.simulator.gemini.settings import (
    Thinking,
    calling,
    check_config,
    check_tools,
    declarations,
    parameters,
    response_schema,
    thinking,
)
from gantry.simulator.oracle import Ask, Composition, Tool, cached_tokens, compose, count_tokens, digest
from gantry.simulator.routes import Call

_GROUP = 4  # tokens in a chunk
_IMAGE = 258
_BLOCKED = ("SAFETY", "PROHIBITED_CONTENT", "BLOCKLIST", "SPII", "RECITATION")
_CATEGORIES = ("HATE_SPEECH", "DANGEROUS_CONTENT", "HARASSMENT", "SEXUALLY_EXPLICIT")
_SSE, _ARRAY = b"text/event-stream", b"application/json; charset=UTF-8"


class Dress(Struct, frozen=True):
    """What a host of the models adds: to each answer, and to its usage."""

    fields: dict[str, Any] = {}
    usage: dict[str, Any] = {}
    indexed: bool = True


class _Made(Struct, frozen=True):
    """An answer before it is one: its parts, how it ends, and what it cost."""

    parts: list[dict[str, Any]]
    finish: str
    usage: dict[str, Any]
    composition: Composition


def generate(call: Call, model: Model, dress: Dress, *, stream: bool) -> Answer:
    request = read(call.request.body, "GenerateContentRequest")
    config = request.get("generationConfig") or {}
    thought = _checked(request, config, model)
    made = _made(request, config, model, thought, call)
    count = config.get("candidateCount", 1)
    tail = {**dress.fields, "modelVersion": model.name, "responseId": digest(call.request.body)[:22]}
    usage = {} if call.faults.no_usage else {"usageMetadata": {**made.usage, **dress.usage}}
    if call.faults.refusal:
        blocked = {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}, **usage, **tail}
        return _streamed([blocked], call) if stream else json_answer(blocked)
    if not stream:
        candidates = [_candidate(made.parts, made.finish, index, dress) for index in range(count)]
        return json_answer({"candidates": candidates, **usage, **tail})
    chunks = []
    for index in range(count):
        for parts, finish in _chunks(made):
            chunks.append({"candidates": [_candidate(parts, finish, index, dress)], **usage, **tail})
    return _streamed(chunks, call)


def count(call: Call, model: Model) -> Answer:
    request = read(call.request.body, "CountTokensRequest")
    if "generateContentRequest" in request:
        if "contents" in request:
            raise invalid("contents and generate_content_request cannot both be set.")
        request = request["generateContentRequest"]
    check_contents(request.get("contents") or [], model)
    tokens = _prompt_tokens(request)
    return json_answer({"totalTokens": tokens, "promptTokensDetails": [{"modality": "TEXT", "tokenCount": tokens}]})


def _checked(request: dict[str, Any], config: dict[str, Any], model: Model) -> Thinking:
    check_tools(request)
    check_config(config, request, model)
    thought = thinking(config, model)
    check_contents(request.get("contents") or [], model)
    return thought


def _made(request: dict[str, Any], config: dict[str, Any], model: Model, thought: Thinking, call: Call) -> _Made:
    composition = compose(_ask(request, config, thought, call))
    finish = call.faults.finish.upper() or ("MAX_TOKENS" if composition.truncated else "STOP")
    parts: list[dict[str, Any]] = []
    if composition.thinking and thought.shown:
        parts.append({"text": "".join(composition.thinking), "thought": True})
    if composition.tokens:
        parts.append({"text": composition.text})
    for index, made in enumerate(composition.calls):
        named = {"name": made.name, "args": msgspec.json.decode(made.arguments)}
        parts.append({"functionCall": {**named, "id": f"call_{made.id}"} if model.levels else named})
        if index == 0 and composition.thinking:
            parts[-1]["thoughtSignature"] = signatures.sign(made.id, made.name)
    if composition.thinking and model.levels and not composition.calls:
        parts[-1]["thoughtSignature"] = signatures.sign(composition.text)
    if finish in _BLOCKED:
        parts = []
    return _Made(parts, finish, _usage(request, composition), composition)


def _ask(request: dict[str, Any], config: dict[str, Any], thought: Thinking, call: Call) -> Ask:
    contents: list[dict[str, Any]] = request["contents"]
    asked, functions = calling(request), declarations(request)
    mode, allowed = asked.get("mode", "AUTO"), asked.get("allowedFunctionNames") or ()
    if mode == "NONE":
        functions = []
    if allowed:
        functions = [function for function in functions if function["name"] in allowed]
    schema = response_schema(config)
    return Ask(
        question=_question(contents),
        prompt_tokens=_prompt_tokens(request),
        tool_result=_tool_result(contents[-1]),
        tools=tuple(Tool(function["name"], parameters(function)) for function in functions),
        must_call=mode == "ANY",
        schema=schema,
        json_object=schema is None and config.get("responseMimeType") == "application/json",
        think=thought.thinks,
        max_tokens=config.get("maxOutputTokens"),
        stop=tuple(config.get("stopSequences") or ()),
        length=call.faults.tokens,
        text_bytes=call.faults.body_bytes,
    )


def _question(contents: Sequence[dict[str, Any]]) -> str:
    for content in reversed(contents):
        texts = [part["text"] for part in parts_of(content, "text")]
        if content.get("role") != "model" and texts:
            return "".join(texts)
    return ""


def _tool_result(content: dict[str, Any]) -> str | None:
    results = parts_of(content, "functionResponse")
    if not results:
        return None
    return " ".join(str(_result(part["functionResponse"].get("response"))) for part in results)


def _result(response: Any) -> Any:
    """Return the value where there is but one."""
    return next(iter(response.values())) if isinstance(response, dict) and len(response) == 1 else response


def _prompt_tokens(request: dict[str, Any]) -> int:
    contents = [
        *request.get("contents", ()),
        *([request["systemInstruction"]] if "systemInstruction" in request else ()),
    ]
    parts = [part for content in contents for part in content.get("parts") or ()]
    spoken = sum(count_tokens(part["text"]) if "text" in part else 0 for part in parts)
    shown = _IMAGE * sum("inlineData" in part or "fileData" in part for part in parts)
    called = [part for part in parts if "functionCall" in part or "functionResponse" in part]
    described = [*called, *declarations(request)]
    return 1 + spoken + shown + sum(count_tokens(msgspec.json.encode(item).decode()) for item in described)


def _usage(request: dict[str, Any], composition: Composition) -> dict[str, Any]:
    prompt, thoughts = _prompt_tokens(request), len(composition.thinking)
    said = composition.output_tokens - thoughts
    usage: dict[str, Any] = {"promptTokenCount": prompt, "candidatesTokenCount": said}
    usage["totalTokenCount"] = prompt + said + thoughts
    if cached := cached_tokens(prompt):
        usage["cachedContentTokenCount"] = cached
        usage["cacheTokensDetails"] = [{"modality": "TEXT", "tokenCount": cached}]
    usage["promptTokensDetails"] = [{"modality": "TEXT", "tokenCount": prompt}]
    if thoughts:
        usage["thoughtsTokenCount"] = thoughts
    return usage


def _candidate(parts: list[dict[str, Any]], finish: str, index: int, dress: Dress) -> dict[str, Any]:
    content: dict[str, Any] = {"parts": parts, "role": "model"} if parts else {}
    candidate: dict[str, Any] = {"content": content}
    if finish:
        candidate["finishReason"] = finish
    if dress.indexed:
        candidate["index"] = index
    if finish in _BLOCKED:
        candidate["safetyRatings"] = [_rating(name, blocked=not place) for place, name in enumerate(_CATEGORIES)]
    return candidate


def _rating(category: str, *, blocked: bool) -> dict[str, Any]:
    rating: dict[str, Any] = {
        "category": f"HARM_CATEGORY_{category}",
        "probability": "HIGH" if blocked else "NEGLIGIBLE",
    }
    return {**rating, "blocked": True} if blocked else rating


def _chunks(made: _Made) -> Iterator[tuple[list[dict[str, Any]], str]]:
    """Tell an answer as (parts, finish reason): calls whole, a text's signature by itself at the end."""
    last: list[dict[str, Any]] = []
    for part in made.parts:
        if "functionCall" in part:
            yield [part], ""
            continue
        tokens = made.composition.thinking if part.get("thought") else made.composition.tokens
        for start in range(0, len(tokens), _GROUP):
            text = {"text": "".join(tokens[start : start + _GROUP])}
            yield [{**text, "thought": True} if part.get("thought") else text], ""
        if "thoughtSignature" in part:
            last = [{"text": "", "thoughtSignature": part["thoughtSignature"]}]
    yield last or ([{"text": ""}] if made.parts else []), made.finish


def _streamed(chunks: list[dict[str, Any]], call: Call) -> Answer:
    """Return the chunks as events, or, unless those were asked for, as one array that grows."""
    weights = [_GROUP] * len(chunks)
    if call.request.query.get("alt") == "sse":
        parts = [event(chunk).replace(b"\n", b"\r\n") for chunk in chunks]
        return _failing(stream_answer(parts, weights, _SSE), b"data: " + FAILURE + b"\r\n\r\n")
    parts = [(b",\r\n" if index else b"[") + msgspec.json.encode(chunk) for index, chunk in enumerate(chunks)]
    return _failing(stream_answer([*parts, b"\n]"], [*weights, 0], _ARRAY), b",\r\n" + FAILURE + b"\n]")


def _failing(answer: Answer, failure: bytes) -> Answer:
    return msgspec.structs.replace(answer, failure=failure)
