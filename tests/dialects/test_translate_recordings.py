"""Every recorded exchange through every pair of codecs: what was said and asked survives, whatever the formats.

The matrix runs over what is registered. Exceptions stand here by dialect, each with its reason; a format that loses
something else fails.
"""

import json
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from gantry.core.chat import (
    ChatAnswer,
    ChatRequest,
    FinishReason,
    Message,
    Refusal,
    Role,
    Text,
    ToolCall,
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
    text: str
    calls: list[tuple[str, Any]]
    finish: str | None
    usage: tuple[int, int, int]


def survives(before: ChatAnswer, after: ChatAnswer) -> bool:
    """Say whether an answer came through whole. A refusal is text, or a reason to end, or both: as the format has it."""
    if any(isinstance(part, Refusal) for part in before.choices[0].parts) if before.choices else False:
        return said(before)._replace(finish=None) == said(after)._replace(finish=None)
    return said(before) == said(after)


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_whole_answers_survive(shared: Path, source: Dialect, target: Dialect) -> None:
    count = 0
    for exchange, answer in answers(shared, source):
        count += 1
        encoded = CODECS[target].encode_answer(answer, asking(source))
        json.loads(encoded)
        decoded = CODECS[target].decode_answer(encoded)
        assert survives(answer, decoded), told(exchange, answer, decoded)
    assert count, "no recording was read"


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_streams_survive(shared: Path, source: Dialect, target: Dialect) -> None:
    for exchange, answer in answers(shared, source):
        events = stream_of(CODECS[source], exchange) if exchange.streamed else unfold(answer)
        encoder = CODECS[target].stream_encoder(asking(source))
        encoded = b"".join([encoder.feed([event]) for event in events])
        decoder = CODECS[target].stream_decoder()
        decoded = decoder.feed(encoded) + decoder.close()
        if isinstance(events[-1], AnswerFailed):
            assert isinstance(decoded[-1], AnswerFailed), exchange.file
        else:
            assert isinstance(decoded[-1], AnswerEnded), exchange.file
            assembled = assemble(target, decoded)
            assert survives(answer, assembled), told(exchange, answer, assembled)


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_requests_survive_or_are_refused_by_name(shared: Path, source: Dialect, target: Dialect) -> None:
    passed = refused = 0
    for exchange in exchanges(shared, source):
        request = request_of(CODECS[source], exchange)
        if request is None:
            continue
        try:
            encoded = CODECS[target].encode_request(request, Target("a-model"))
        except InvalidRequest as refusal:
            assert refusal.param, exchange.file
            assert source is not target, f"{exchange.file}: {refusal}"
            refused += 1
            continue
        passed += 1
        before, after = asked(request), asked(CODECS[target].decode_request(encoded.body))
        assert before == after, f"{exchange.file}\nbefore {before}\nafter  {after}"
    assert passed > refused or not passed + refused


def told(exchange: Exchange, before: ChatAnswer, after: ChatAnswer) -> str:
    return f"{exchange.file}\nbefore {said(before)}\nafter  {said(after)}"


def answers(shared: Path, source: Dialect) -> list[tuple[Exchange, ChatAnswer]]:
    """Return the recorded answers of a dialect, streams assembled."""
    found = []
    for exchange in exchanges(shared, source):
        if exchange.status >= 400 or exchange.answer is None:
            continue
        if exchange.streamed:
            found.append((exchange, assemble(source, stream_of(CODECS[source], exchange))))
            continue
        try:
            found.append((exchange, CODECS[source].decode_answer(exchange.answer)))
        except UpstreamBroke:
            continue  # a provider's error under status 200
    return found


def stream_of(codec: Codec, exchange: Exchange) -> list[Any]:
    decoder = codec.stream_decoder()
    assert exchange.answer is not None
    return decoder.feed(exchange.answer) + decoder.close()


def request_of(codec: Codec, exchange: Exchange) -> ChatRequest | None:
    if exchange.request is None:
        return None
    try:
        return codec.decode_request(exchange.request)
    except InvalidRequest:
        assert exchange.status >= 400 or codec.dialect in MODEL_IN_PATH, exchange.file
        return None


MODEL_IN_PATH = (Dialect.GEMINI, Dialect.BEDROCK)


def asking(dialect: Dialect) -> Asking:
    """Return a caller that has asked for all there is."""
    return Asking(
        ChatRequest(dialect=dialect, model="a-model", messages=(Message(Role.USER, (Text("?"),)),)), 1, "id-1"
    )


def said(answer: ChatAnswer) -> Said:
    """Return what of the first choice every format can say."""
    parts = answer.choices[0].parts if answer.choices else ()
    text = "".join([part.text for part in parts if isinstance(part, Text | Refusal)])
    calls = [(part.name, parsed(part.arguments)) for part in parts if isinstance(part, ToolCall) and not part.custom]
    finish = answer.choices[0].finish if answer.choices else None
    ended = CLASSES[finish.reason] if finish is not None else "calls" if calls else "end"
    usage = answer.usage
    return Said(
        text,
        calls,
        ended,
        (usage.input_tokens or 0, usage.output_tokens or 0, usage.cached_input_tokens or 0),
    )


def asked(request: ChatRequest) -> list[Any]:
    """Return what of a request every format can say: texts by speaker, calls and results by tool, and the tools."""
    lines: list[Any] = []
    names: dict[str, str] = {}
    for message in request.messages:
        for part in message.parts:
            match part:
                case Text(text) | Refusal(text) if text.strip():
                    add_text(lines, message.role, text)
                case ToolCall(call_id, name, arguments):
                    names[call_id] = name
                    lines.append(("call", name, parsed(arguments)))
                case ToolResult(call_id, parts):
                    texts = [one.text for one in parts if isinstance(one, Text)]
                    lines.append(("result", names.get(call_id), texts))
                case _:
                    pass
    return lines


def add_text(lines: list[Any], role: Role, text: str) -> None:
    lines.append((role.value, text))


def parsed(arguments: str) -> Any:
    try:
        return json.loads(arguments or "{}")
    except ValueError:
        return arguments
