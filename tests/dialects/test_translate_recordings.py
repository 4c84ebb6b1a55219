"""Every recorded exchange through every pair of codecs: what was said and asked survives, whatever the formats.

The matrix runs over what is registered. Exceptions stand here by dialect, each with its reason; a format that loses
something else fails.
"""

import json
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from gantry.core.chat import (
    ChatAnswer,
    ChatRequest,
    FinishReason,
    FunctionTool,
    Message,
    Refusal,
    Role,
    Text,
    ToolCall,
    ToolMode,
    ToolResult,
)
from gantry.core.chat_events import AnswerEnded, AnswerFailed
from gantry.core.errors import InvalidRequest, UpstreamBroke
from gantry.core.vocabulary import Dialect
from gantry.dialects.assemble import assemble, unfold
from gantry.dialects.codec import Asking, Codec, Target
from gantry.dialects.codecs import CODECS
from tests.dialects.recorded import Exchange, exchanges

pytestmark = pytest.mark.slow

DIALECTS = sorted(CODECS)
PAIRS = [pytest.param(source, target, id=f"{source}-{target}") for source in DIALECTS for target in DIALECTS]

# Reasons that a format has no word for are told as these.
CLASSES = {
    FinishReason.STOP: "end",
    FinishReason.STOP_SEQUENCE: "end",
    FinishReason.PAUSE: "end",
    FinishReason.OTHER: "end",
    FinishReason.ERROR: "end",
    FinishReason.LENGTH: "bound",
    FinishReason.CONTEXT: "bound",
    FinishReason.TOOL_CALLS: "calls",
    FinishReason.CONTENT_FILTER: "refused",
    FinishReason.REFUSAL: "refused",
}


class Said(NamedTuple):
    """What of an answer's first choice every format can say."""

    text: str
    calls: list[tuple[str, Any]]
    finish: str | None
    usage: tuple[int, int, int]


class Line(NamedTuple):
    """What of a request every format can say: a text by its speaker, a call, or a result by the tool's name."""

    kind: str
    name: str
    value: Any


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_whole_answers_survive(shared: Path, source: Dialect, target: Dialect) -> None:
    found = answers(shared, source)
    assert found, "no recording was read"
    for exchange, answer, events in found:
        if isinstance(events[-1], AnswerFailed):
            continue
        encoded = CODECS[target].encode_answer(answer, asking(source))
        decoded = CODECS[target].decode_answer(encoded)
        assert survives(answer, decoded), told(exchange, answer, decoded)


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_streams_survive(shared: Path, source: Dialect, target: Dialect) -> None:
    for exchange, answer, events in answers(shared, source):
        encoder = CODECS[target].stream_encoder(asking(source))
        encoded = b"".join([encoder.feed([event]) for event in events])
        decoded = stream_of(CODECS[target], encoded)
        if isinstance(events[-1], AnswerFailed):
            assert isinstance(decoded[-1], AnswerFailed), exchange.file
            continue
        assembled = assemble(target, decoded)
        assert survives(answer, assembled), told(exchange, answer, assembled)
        if answer.choices and answer.choices[0].finish is not None:
            assert isinstance(decoded[-1], AnswerEnded), exchange.file


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_requests_survive_or_are_refused_by_name(shared: Path, source: Dialect, target: Dialect) -> None:
    passed = 0
    refusals: list[tuple[str, str | None]] = []
    for exchange, request in requests(shared, source):
        try:
            encoded = CODECS[target].encode_request(request, Target("a-model"))
        except InvalidRequest as refusal:
            refusals.append((exchange.file, refusal.param))
            continue
        passed += 1
        before, after = asked(request), asked(CODECS[target].decode_request(encoded.body))
        lost = first_lost(before, after)
        assert lost is None, f"{exchange.file}\nlost   {lost}\nbefore {before}\nafter  {after}"
    assert all(param for _, param in refusals), refusals
    assert source is not target or not refusals, refusals
    assert passed > len(refusals) or not passed


def told(exchange: Exchange, before: ChatAnswer, after: ChatAnswer) -> str:
    return f"{exchange.file}\nbefore {said(before)}\nafter  {said(after)}"


@cache
def answers(shared: Path, source: Dialect) -> list[tuple[Exchange, ChatAnswer, list[Any]]]:
    """Return the recorded answers of a dialect, each with its events: those of its stream, or of the whole."""
    found: list[tuple[Exchange, ChatAnswer, list[Any]]] = []
    for exchange in exchanges(shared, source):
        if exchange.status >= 400 or exchange.answer is None:
            continue
        if exchange.streamed:
            events = stream_of(CODECS[source], exchange.answer)
            found.append((exchange, assemble(source, events), events))
            continue
        try:
            answer = CODECS[source].decode_answer(exchange.answer)
        except UpstreamBroke:
            continue  # a provider's error under status 200
        found.append((exchange, answer, unfold(answer)))
    return found


@cache
def requests(shared: Path, source: Dialect) -> list[tuple[Exchange, ChatRequest]]:
    found = []
    for exchange in exchanges(shared, source):
        try:
            if exchange.request is not None:
                found.append((exchange, CODECS[source].decode_request(exchange.request)))
        except InvalidRequest as refusal:
            if exchange.status < 400:
                raise AssertionError(f"{exchange.file}: {refusal}") from refusal
    return found


def stream_of(codec: Codec, answer: bytes) -> list[Any]:
    decoder = codec.stream_decoder()
    return decoder.feed(answer) + decoder.close()


def asking(dialect: Dialect) -> Asking:
    """Return a caller that has asked for all there is."""
    return Asking(
        ChatRequest(dialect=dialect, model="a-model", messages=(Message(Role.USER, (Text("?"),)),)), 1, "id-1"
    )


def survives(before: ChatAnswer, after: ChatAnswer) -> bool:
    """Say whether an answer came through whole.

    A refusal is text, or a reason to end, or both, as the format has it; and an answer that never ended ends somehow.
    """
    first = before.choices[0] if before.choices else None
    loose = first is None or first.finish is None or any(isinstance(part, Refusal) for part in first.parts)
    if loose:
        return said(before)._replace(finish=None) == said(after)._replace(finish=None)
    return said(before) == said(after)


def said(answer: ChatAnswer) -> Said:
    first = answer.choices[0] if answer.choices else None
    parts = first.parts if first is not None else ()
    usage = answer.usage
    return Said(
        "".join([part.text for part in parts if isinstance(part, Text | Refusal)]),
        [(part.name, parsed(part.arguments)) for part in parts if isinstance(part, ToolCall) and not part.custom],
        CLASSES[first.finish.reason] if first is not None and first.finish is not None else None,
        (usage.input_tokens or 0, usage.output_tokens or 0, usage.cached_input_tokens or 0),
    )


def asked(request: ChatRequest) -> list[Line]:
    lines: list[Line] = []
    names: dict[str, str] = {}
    for message in request.messages:
        for part in message.parts:
            match part:
                case Text(text) | Refusal(text) if text.strip():
                    lines.append(Line(message.role, "", text.strip()))
                case ToolCall(call_id, name, arguments):
                    names[call_id] = name
                    lines.append(Line("call", name, parsed(arguments)))
                case ToolResult(call_id, parts):
                    text = "\n".join([one.text for one in parts if isinstance(one, Text)])
                    lines.append(Line("result", names.get(call_id, ""), text))
                case _:
                    pass
    return lines + [Line("tool", name, "") for name in offered(request)]


def offered(request: ChatRequest) -> list[str]:
    """Return the tools that the model may call: a format that cannot say so offers no others."""
    names = [tool.name for tool in request.tools if isinstance(tool, FunctionTool)]
    choice = request.tool_choice
    if choice is None:
        return names
    if choice.mode is ToolMode.NONE:
        return []
    return [name for name in names if not choice.names or name in choice.names]


def first_lost(before: list[Line], after: list[Line]) -> Line | None:
    """Return the first line that did not come through; None when all did, in their order.

    Formats may join texts, say more than was asked (a document as its text, a first turn where one is demanded), and
    put a system message first.
    """
    system = "\n".join([str(line.value) for line in after if line.kind in (Role.SYSTEM, Role.USER)])
    place = 0
    for line in before:
        if line.kind == Role.SYSTEM:
            if line.value not in system:
                return line
            continue
        found = next((index for index in range(place, len(after)) if holds(after[index], line)), None)
        if found is None:
            return line
        place = found
    return None


def holds(after: Line, before: Line) -> bool:
    if after[:2] != before[:2]:
        return False
    if isinstance(before.value, str) and isinstance(after.value, str):
        return before.value in after.value
    return bool(after.value == before.value)


def parsed(arguments: str) -> Any:
    """Return arguments as an object; text that is none stands in one, as formats that take no text write it."""
    try:
        value = json.loads(arguments or "{}")
    except ValueError:
        value = None
    return value if isinstance(value, dict) else {"arguments": arguments}
