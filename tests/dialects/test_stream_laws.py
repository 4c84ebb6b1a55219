"""The laws of a stream's events, kept when a provider sends them out of order, twice, or for what they do not fit.

Each provider's stream is pieces of its own format; what is expected is said once for all.
"""

import json
from collections.abc import Callable
from typing import Any

import pytest

from gantry.core.chat import ChatAnswer, ChatRequest, Text, ToolCall
from gantry.core.chat_events import AnswerBegan, AnswerFailed, ChatEvent
from gantry.core.vocabulary import Dialect
from gantry.dialects.assemble import assemble
from gantry.dialects.chat_decoder import SECOND_ANSWER
from gantry.dialects.codec import Asking
from gantry.dialects.codecs import CODECS
from tests.dialects.bedrock import transcripts as bedrock


def sse(**event: Any) -> bytes:
    return b"data: %b\n\n" % json.dumps(event).encode()


def anthropic(kind: str, index: int = 0, **fields: Any) -> bytes:
    return sse(type=kind, index=index, **fields)


def cohere(kind: str, index: int = 0, **message: Any) -> bytes:
    return sse(type=kind, index=index, delta={"message": message})


def chat(**delta: Any) -> bytes:
    return sse(id="1", choices=[{"index": 0, "delta": delta}])


class Spoken:
    """How a format says that an answer begins, that the text numbered so goes on, and that it ends."""

    def __init__(
        self,
        begin: bytes,
        text: Callable[[int, str], bytes],
        end: bytes,
        open_text: Callable[[int], bytes] | None = None,
    ) -> None:
        self.begin = begin
        self.text = text
        self.end = end
        self.open_text = open_text or (lambda index: b"")


SPOKEN = {
    Dialect.ANTHROPIC: Spoken(
        anthropic("message_start", message={"id": "msg_1", "usage": {"input_tokens": 5}}),
        lambda index, text: anthropic("content_block_delta", index, delta={"type": "text_delta", "text": text}),
        anthropic("message_delta", delta={"stop_reason": "end_turn"}) + anthropic("message_stop"),
        lambda index: anthropic("content_block_start", index, content_block={"type": "text", "text": ""}),
    ),
    Dialect.BEDROCK: Spoken(
        bedrock.BEGIN,
        lambda index, text: bedrock.delta(index, {"text": text}),
        bedrock.end() + bedrock.METADATA,
    ),
    Dialect.COHERE: Spoken(
        sse(type="message-start", id="1"),
        lambda index, text: cohere("content-delta", index, content={"text": text}),
        sse(type="message-end", delta={"finish_reason": "COMPLETE"}),
    ),
    Dialect.OPENAI_RESPONSES: Spoken(
        sse(type="response.created", response={"id": "resp_1"}),
        lambda index, text: sse(type="response.output_text.delta", output_index=index, delta=text),
        sse(type="response.completed", response={"status": "completed", "output": []}),
    ),
}
BY_NAME = pytest.mark.parametrize("dialect", SPOKEN)


def read(dialect: Dialect, stream: bytes) -> list[ChatEvent]:
    decoder = CODECS[dialect].stream_decoder()
    return decoder.feed(stream) + decoder.close()


def told(source: Dialect, target: Dialect, stream: bytes) -> ChatAnswer:
    """Return what a client of another format reads of a stream that comes an event at a time."""
    request = ChatRequest(dialect=target, model="m", messages=(), stream=True)
    encoder = CODECS[target].stream_encoder(Asking(request, 1, "id"))
    return assemble(target, read(target, b"".join([encoder.feed([event]) for event in read(source, stream)])))


def text_of(answer: ChatAnswer) -> str:
    return "".join([part.text for part in answer.choices[0].parts if isinstance(part, Text)])


def calls_of(answer: ChatAnswer) -> list[tuple[str, str]]:
    return [(part.name, part.arguments) for part in answer.choices[0].parts if isinstance(part, ToolCall)]


@BY_NAME
@pytest.mark.parametrize("target", CODECS)
def test_texts_that_interleave_are_told_in_the_order_in_which_they_came(dialect: Dialect, target: Dialect) -> None:
    spoken = SPOKEN[dialect]
    texts = b"".join([spoken.text(index, word) for index, word in ((0, "a"), (1, "b"), (0, "c"), (1, "d"))])
    stream = spoken.begin + spoken.open_text(0) + spoken.open_text(1) + texts + spoken.end
    assert text_of(told(dialect, target, stream)) == "abcd"


@BY_NAME
def test_an_answer_begins_once(dialect: Dialect) -> None:
    spoken = SPOKEN[dialect]
    events = read(dialect, spoken.begin * 2 + spoken.open_text(0) + spoken.text(0, "a") + spoken.end)
    assert sum(isinstance(event, AnswerBegan) for event in events) == 1
    assert text_of(assemble(dialect, events)) == "a"


@pytest.mark.parametrize("dialect", [Dialect.ANTHROPIC, Dialect.BEDROCK, Dialect.COHERE])
def test_a_second_answer_inside_the_first_is_a_failure(dialect: Dialect) -> None:
    spoken = SPOKEN[dialect]
    stream = spoken.begin + spoken.open_text(0) + spoken.text(0, "a")
    assert read(dialect, stream + stream)[-1] == AnswerFailed(SECOND_ANSWER)


MISPLACED = [
    (Dialect.ANTHROPIC, SPOKEN[Dialect.ANTHROPIC].open_text(0)
     + anthropic("content_block_delta", delta={"type": "input_json_delta", "partial_json": "{}"})),
    (Dialect.ANTHROPIC, anthropic("content_block_start", content_block={"type": "tool_use", "id": "1", "name": "f"})
     + SPOKEN[Dialect.ANTHROPIC].text(0, "a")),
    (Dialect.BEDROCK, bedrock.delta(0, {"toolUse": {"input": "{}"}})),
    (Dialect.BEDROCK, bedrock.delta(0, {"toolResult": [{"text": "a"}]})),
    (Dialect.BEDROCK, bedrock.start(0, {"toolUse": {"toolUseId": "1", "name": "f", "type": "server_tool_use"}})
     + bedrock.delta(0, {"toolResult": [{"text": "a"}]})),
    (Dialect.BEDROCK, bedrock.start(0, {"toolUse": {"toolUseId": "1", "name": "f"}}) + bedrock.delta(0, {"text": "a"})),
    (Dialect.BEDROCK, bedrock.start(0, {"toolResult": {"toolUseId": "1"}})
     + bedrock.delta(0, {"image": {"source": {"bytes": "AAAA"}}})),
]  # fmt: skip


@pytest.mark.parametrize(("dialect", "misplaced"), MISPLACED)
def test_what_does_not_fit_its_block_is_a_failure_for_everyone(dialect: Dialect, misplaced: bytes) -> None:
    events = read(dialect, SPOKEN[dialect].begin + misplaced + SPOKEN[dialect].end)
    assert isinstance(events[-1], AnswerFailed)
    for target, codec in CODECS.items():
        request = ChatRequest(dialect=target, model="m", messages=(), stream=True)
        assert codec.stream_encoder(Asking(request, 1, "id")).feed(events)


def test_an_item_that_turns_out_to_be_another_takes_nothing_from_the_call() -> None:
    call = {"type": "function_call", "call_id": "1", "name": "f", "arguments": "{}"}
    stream = sse(type="response.output_item.added", output_index=0, item=call) + sse(
        type="response.output_item.done", output_index=0, item={"type": "web_search_call", "id": "2"}
    )
    for target in CODECS:
        answer = told(Dialect.OPENAI_RESPONSES, target, stream + SPOKEN[Dialect.OPENAI_RESPONSES].end)
        assert [name for name, _ in calls_of(answer)] == ["f"], target


def test_a_block_that_never_stops_keeps_its_input() -> None:
    block = {"type": "tool_use", "id": "1", "name": "f", "input": {"a": 1}}
    spoken = SPOKEN[Dialect.ANTHROPIC]
    for cut in (b"", anthropic("content_block_start", content_block={"type": "text", "text": ""})):
        stream = spoken.begin + anthropic("content_block_start", content_block=block) + cut + spoken.end
        [(name, arguments)] = calls_of(assemble(Dialect.ANTHROPIC, read(Dialect.ANTHROPIC, stream)))
        assert (name, json.loads(arguments)) == ("f", {"a": 1})


@pytest.mark.parametrize("target", CODECS)
def test_text_between_the_pieces_of_a_call_and_calls_after_the_finish_reach_every_client(target: Dialect) -> None:
    first = {"index": 0, "id": "1", "function": {"name": "f", "arguments": '{"a":'}}
    rest = {"index": 0, "function": {"arguments": "1}"}}
    late = {"index": 1, "id": "2", "function": {"name": "g", "arguments": '{"b":2}'}}
    finish = sse(id="1", choices=[{"index": 0, "delta": {}, "finish_reason": "tool_calls"}])
    stream = chat(tool_calls=[first]) + chat(content="\n") + chat(tool_calls=[rest]) + finish + chat(tool_calls=[late])
    answer = told(Dialect.OPENAI_CHAT, target, stream + b"data: [DONE]\n\n")
    assert [(name, json.loads(arguments)) for name, arguments in calls_of(answer)] == [("f", {"a": 1}), ("g", {"b": 2})]
    assert text_of(answer) == "\n"


@pytest.mark.parametrize("odd", [None, 5, "text", []])
def test_a_chunk_that_is_no_object_goes_back_as_it_came(odd: Any) -> None:
    answer = CODECS[Dialect.MISTRAL].decode_answer(
        json.dumps({"choices": [{"message": {"content": [odd]}, "finish_reason": "stop"}]}).encode()
    )
    asking = Asking(ChatRequest(dialect=Dialect.MISTRAL, model="m", messages=()), 1, "id")
    body = json.loads(CODECS[Dialect.MISTRAL].encode_answer(answer, asking))
    assert body["choices"][0]["message"]["content"] == [odd]
    for codec in CODECS.values():
        assert codec.encode_answer(answer, asking)


@pytest.mark.parametrize(
    ("dialect", "block"),
    [
        (
            Dialect.ANTHROPIC,
            anthropic("content_block_start", content_block={"type": "thinking", "thinking": "t"})
            + SPOKEN[Dialect.ANTHROPIC].text(0, "a")
            + anthropic("content_block_delta", delta={"type": "signature_delta", "signature": "s"}),
        ),
        (
            Dialect.BEDROCK,
            bedrock.delta(0, {"reasoningContent": {"text": "t"}})
            + bedrock.delta(0, {"text": "a"})
            + bedrock.delta(0, {"reasoningContent": {"signature": "s"}}),
        ),
    ],
)
def test_a_text_in_a_block_of_thinking_stays_a_text(dialect: Dialect, block: bytes) -> None:
    spoken = SPOKEN[dialect]
    for target in CODECS:
        assert text_of(told(dialect, target, spoken.begin + block + spoken.end)) == "a"
