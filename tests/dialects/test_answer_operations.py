"""Each operation in its own units and its own readable form; a stream says what its twin says."""

import base64
import itertools
import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gantry.core.usage import NO_USAGE, Usage
from gantry.core.vocabulary import Dialect, Operation
from gantry.dialects.answer import Answer, fold_stream, read_answer
from gantry.wire.sse import SSEParser

TOKENS = {"prompt_tokens": 3, "completion_tokens": 5, "total_tokens": 8}
USED = Usage(input_tokens=3, output_tokens=5, total_tokens=8)


def read(operation: Operation, body: Any, content_type: str = "application/json") -> Answer:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return read_answer(operation, Dialect.MISTRAL, content_type, raw)


def sse(*events: dict[str, Any]) -> bytes:
    return b"".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode() for event in events)


def read_events(operation: Operation, *events: dict[str, Any]) -> Answer:
    return read(operation, sse(*events), "text/event-stream; charset=utf-8")


def shown(answer: Answer) -> Any:
    return json.loads(answer.message or "null")


def vectors(*embeddings: Any) -> dict[str, Any]:
    data = [{"object": "embedding", "index": index, "embedding": item} for index, item in enumerate(embeddings)]
    return {"id": "e", "model": "mistral-embed", "data": data, "usage": TOKENS}


READABLE: list[tuple[Operation, Any, Any]] = [
    (Operation.EMBEDDINGS, vectors([0.1] * 7, [0.2] * 7), {"embeddings": 2, "dimensions": 7}),
    (Operation.EMBEDDINGS, vectors(), {"embeddings": 0}),
    (
        Operation.EMBEDDINGS,
        vectors(base64.b64encode(bytes(4 * 33)).decode()),
        {"embeddings": 1, "encoding": "base64", "dimensions": 33},
    ),
    (
        Operation.MODERATION,
        {
            "results": [
                {"categories": {"pii": True, "law": False}, "category_scores": {"a": 0.1, "b": 0.9, "c": 0.2, "d": 0.3}}
            ]
        },
        [{"flagged": ["pii"], "top_scores": {"b": 0.9, "d": 0.3, "c": 0.2}}],
    ),
    (
        Operation.CHAT_CLASSIFICATION,
        {"results": [{"intent": {"scores": {"buy": 0.2, "sell": 0.8}}}]},
        [{"intent": {"label": "sell", "top_scores": {"sell": 0.8, "buy": 0.2}}}],
    ),
    (
        Operation.OCR,
        {"pages": [{"markdown": "# a"}], "document_annotation": "{}", "usage_info": {"pages_processed": 1}},
        {"markdown": "# a", "document_annotation": "{}"},
    ),
    (Operation.MODELS, {"object": "list", "data": [{"id": "a"}, {"id": "b"}]}, ["a", "b"]),
    (
        Operation.FILES,
        {"id": "f1", "object": "file", "bytes": 9, "num_lines": None},
        {"id": "f1", "object": "file", "bytes": 9},
    ),
    (Operation.FILES, {"url": "https://files/x?sig=SECRET"}, {"url": "https://files/x?…"}),
    (
        Operation.BATCHES,
        {"id": "j", "status": "RUNNING", "total_requests": 4},
        {"id": "j", "status": "RUNNING", "total_requests": 4},
    ),
    (Operation.AGENTS, [{"id": "ag_1", "stop": None}], [{"id": "ag_1"}]),
    (
        Operation.CONVERSATIONS,
        {"conversation_id": "c", "entries": [{"content": "hi"}]},
        {"conversation_id": "c", "entries": [{"content": "hi"}]},
    ),
    (Operation.VOICES, {"id": "v", "sample": "A" * 400}, {"id": "v", "sample": "[300 bytes]"}),
]


@pytest.mark.parametrize(("operation", "body", "expected"), READABLE)
def test_the_readable_form(operation: Operation, body: Any, expected: Any) -> None:
    assert shown(read(operation, body)) == expected


def test_pages_read_as_one_markdown_text_and_are_counted() -> None:
    answer = read(
        Operation.OCR,
        {
            "model": "mistral-ocr-latest",
            "pages": [{"index": 0, "markdown": "# a", "images": [{"image_base64": "A" * 9}]}, {"markdown": "b"}],
            "usage_info": {"pages_processed": 2, "doc_size_bytes": 7},
        },
    )
    assert (answer.message, answer.usage) == ("# a\n\nb", Usage(pages=2))
    assert "doc_size_bytes" in (answer.usage_raw or "")


HEARD = {"model": "voxtral", "text": "hi there", "language": "en", "usage": {**TOKENS, "prompt_audio_seconds": 203}}
TRANSCRIBED = Usage(input_tokens=3, output_tokens=5, total_tokens=8, input_audio_seconds=Decimal(203))


@pytest.mark.parametrize(
    "answer",
    [
        read(Operation.TRANSCRIPTION, HEARD),
        read_events(
            Operation.TRANSCRIPTION,
            {"type": "transcription.language", "audio_language": "en"},
            {"type": "transcription.text.delta", "text": "hi"},
            {"type": "transcription.text.delta", "text": " there"},
            {"type": "transcription.segment", "text": "hi there", "start": 0, "end": 1},
            {"type": "transcription.done", **HEARD},
        ),
    ],
)
def test_a_transcription(answer: Answer) -> None:
    assert (answer.model, answer.text, answer.message) == ("voxtral", "hi there", "hi there")
    assert (answer.usage, answer.complete, answer.warnings) == (TRANSCRIBED, True, ())


OTHER_TRANSCRIPTIONS: list[tuple[Any, str, str, Usage]] = [
    ({"text": "a"}, "application/json", "a", NO_USAGE),
    ({"text": "a", "duration": 5.5}, "application/json", "a", Usage(input_audio_seconds=Decimal("5.5"))),
    (
        {"text": "a", "duration": 5.5, "usage": {"type": "duration", "seconds": 6}},
        "application/json",
        "a",
        Usage(input_audio_seconds=Decimal(6)),
    ),
    (b"1\n00:00 --> 00:01\nhi\n", "text/plain; charset=utf-8", "1\n00:00 --> 00:01\nhi\n", NO_USAGE),
    (
        sse(
            {"type": "transcript.text.delta", "delta": "Ru"},
            {"type": "transcript.text.delta", "delta": "by"},
            {"type": "transcript.text.done", "text": "Ruby", "usage": {"input_tokens": 3, "output_tokens": 5}},
        ),
        "text/event-stream",
        "Ruby",
        Usage(input_tokens=3, output_tokens=5),
    ),
    (sse({"type": "transcript.text.delta", "delta": "cut"}), "text/event-stream", "cut", NO_USAGE),
    (
        sse({"type": "transcription.segment", "text": " a "}, {"type": "transcription.segment", "text": "b"}),
        "text/event-stream",
        "a b",
        NO_USAGE,
    ),
    ({"text": "a", "duration": "NaN"}, "application/json", "a", NO_USAGE),
]


@pytest.mark.parametrize(("body", "content_type", "text", "usage"), OTHER_TRANSCRIPTIONS)
def test_other_shapes_of_transcriptions(body: Any, content_type: str, text: str, usage: Usage) -> None:
    answer = read(Operation.TRANSCRIPTION, body, content_type)
    assert (answer.text, answer.usage) == (text, usage)


SOUND = base64.b64encode(bytes(31)).decode()


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        ({"audio_data": SOUND}, "application/json"),
        ({"audio": "[31 bytes]"}, "application/json"),  # as redaction leaves it
        (
            sse(
                {"type": "speech.audio.delta", "audio_data": base64.b64encode(bytes(20)).decode()},
                {"type": "speech.audio.delta", "audio_data": base64.b64encode(bytes(11)).decode()},
                {"type": "speech.audio.done", "usage": TOKENS},
            ),
            "text/event-stream",
        ),
        (sse({"type": "speech.audio.delta", "audio": SOUND}), "text/event-stream"),
    ],
)
def test_speech_is_shown_by_its_size(body: Any, content_type: str) -> None:
    answer = read(Operation.SPEECH, body, content_type)
    assert shown(answer) == {"audio": "[31 bytes]"}
    assert answer.usage == (USED if isinstance(body, bytes) and b"usage" in body else NO_USAGE)


def test_raw_sound_is_shown_by_its_size() -> None:
    answer = read(Operation.SPEECH, b"\xff\xf3" * 50, "audio/mpeg")
    assert (shown(answer), answer.complete) == ({"content": "[100 bytes of audio/mpeg]"}, True)


def test_a_realtime_transcription() -> None:
    lines = [
        {"type": "session.created", "session": {"request_id": "r1", "model": "voxtral-realtime"}},
        {"type": "input_audio.append", "audio": SOUND},
        {"type": "transcription.text.delta", "text": "hi"},
        {"type": "transcription.done", **HEARD},
    ]
    answer = read(Operation.REALTIME, b"\n".join(json.dumps(line).encode() for line in lines), "")
    assert (answer.response_id, answer.model, answer.text) == ("r1", "voxtral", "hi there")
    assert (answer.usage, answer.complete) == (TRANSCRIBED, True)


def test_the_sound_that_a_realtime_caller_sends_is_no_answer() -> None:
    body = json.dumps({"type": "input_audio.append", "audio": SOUND}).encode()
    assert read(Operation.REALTIME, body, "").message is None


def test_a_realtime_error() -> None:
    answer = read(Operation.REALTIME, b'{"type":"error","error":{"message":"bad voice","code":3001}}', "")
    assert (answer.error, answer.complete) == ("bad voice", False)


CONVERSED = {**TOKENS, "connector_tokens": 70, "connectors": {"web_search": 1, "code": 2}}
CONVERSATION = {
    "object": "conversation.response",
    "conversation_id": "c1",
    "outputs": [
        {"type": "tool.execution", "id": "t", "name": "web_search", "arguments": '{"q":1}'},
        {"type": "message.output", "id": "m", "role": "assistant", "content": "Hello", "model": "mistral-small"},
        {"type": "function.call", "id": "f", "tool_call_id": "abc", "name": "f", "arguments": '{"a":1}'},
    ],
    "usage": CONVERSED,
}
CONVERSATION_EVENTS: list[dict[str, Any]] = [
    {"type": "conversation.response.started", "conversation_id": "c1"},
    {"type": "tool.execution.started", "output_index": 0, "id": "t", "name": "web_search", "arguments": '{"q":'},
    {"type": "tool.execution.delta", "output_index": 0, "id": "t", "name": "web_search", "arguments": "1}"},
    {"type": "tool.execution.done", "output_index": 0, "id": "t", "name": "web_search"},
    {"type": "message.output.delta", "output_index": 1, "id": "m", "content": "Hel", "model": "mistral-small"},
    {"type": "message.output.delta", "output_index": 1, "id": "m", "content": "lo"},
    {
        "type": "function.call.delta",
        "output_index": 2,
        "id": "f",
        "tool_call_id": "abc",
        "name": "f",
        "arguments": '{"a"',
    },
    {
        "type": "function.call.delta",
        "output_index": 2,
        "id": "f",
        "tool_call_id": "abc",
        "name": "f",
        "arguments": ":1}",
    },
    {"type": "conversation.response.done", "usage": CONVERSED},
]


@pytest.mark.parametrize(
    "answer",
    [read(Operation.CONVERSATIONS, CONVERSATION), read_events(Operation.CONVERSATIONS, *CONVERSATION_EVENTS)],
)
def test_a_turn_of_a_conversation(answer: Answer) -> None:
    call = {"id": "abc", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}
    assert shown(answer) == {
        "role": "assistant",
        "content": "Hello",
        "tool_calls": [call],
        "executions": [{"type": "tool.execution", "name": "web_search", "arguments": '{"q":1}'}],
    }
    assert (answer.response_id, answer.model, answer.text, answer.complete) == ("c1", "mistral-small", "Hello", True)
    assert answer.usage == Usage(
        input_tokens=3, output_tokens=5, total_tokens=8, connector_tokens=70, connector_calls=3
    )


def test_parallel_calls_and_several_messages_of_a_conversation_stay_apart() -> None:
    calls = [
        {"type": "function.call.delta", "output_index": index, "tool_call_id": name, "name": name, "arguments": part}
        for part in ('{"a":', "1}")
        for index, name in ((2, "f"), (3, "g"))
    ]
    said = [{"type": "message.output.delta", "output_index": index, "content": str(index)} for index in (0, 1)]
    answer = read_events(Operation.CONVERSATIONS, *said, *calls)
    found = [(call["id"], call["function"]["arguments"]) for call in json.loads(answer.tool_calls or "")]
    assert found == [("f", '{"a":1}'), ("g", '{"a":1}')]
    assert shown(answer)["content"] == [{"type": "text", "text": "0"}, {"type": "text", "text": "1"}]


def test_chunks_of_a_conversations_message_are_kept() -> None:
    reference = {"type": "tool_reference", "tool": "web_search", "title": "t"}
    answer = read_events(
        Operation.CONVERSATIONS,
        {"type": "message.output.delta", "id": "m", "content": {"type": "text", "text": "see "}},
        {"type": "message.output.delta", "id": "m", "content": reference},
        {"type": "conversation.response.error", "message": "broke", "code": 1},
    )
    assert shown(answer)["content"] == [{"type": "text", "text": "see "}, reference]
    assert (answer.error, answer.complete) == ("broke", False)


ITEMS: list[dict[str, Any]] = [
    {"type": "reasoning", "id": "r", "summary": [{"type": "summary_text", "text": "Think."}]},
    {"type": "message", "id": "m", "role": "assistant", "content": [{"type": "output_text", "text": "Hello"}]},
    {"type": "function_call", "id": "f", "call_id": "abc", "name": "f", "arguments": '{"a":1}'},
]
RESPONSE: dict[str, Any] = {
    "id": "resp_1",
    "object": "response",
    "model": "mistral-small",
    "status": "completed",
    "error": None,
    "output": ITEMS,
    "usage": {
        "input_tokens": 10,
        "input_tokens_details": {"cached_tokens": 4},
        "output_tokens": 6,
        "output_tokens_details": {"reasoning_tokens": 2},
        "total_tokens": 16,
    },
}
RESPONSE_EVENTS: list[dict[str, Any]] = [
    {"type": "response.created", "response": {**RESPONSE, "status": "in_progress", "output": [], "usage": None}},
    {"type": "response.output_item.added", "output_index": 0, "item": {"type": "reasoning", "summary": []}},
    {"type": "response.reasoning_summary_text.delta", "output_index": 0, "delta": "Think."},
    {"type": "response.output_item.done", "output_index": 0, "item": ITEMS[0]},
    {"type": "response.output_item.added", "output_index": 1, "item": {"type": "message", "content": []}},
    {"type": "response.output_text.delta", "output_index": 1, "delta": "Hel"},
    {"type": "response.output_text.delta", "output_index": 1, "delta": "lo"},
    {"type": "response.output_item.added", "output_index": 2, "item": {**ITEMS[2], "arguments": ""}},
    {"type": "response.function_call_arguments.delta", "output_index": 2, "delta": '{"a":'},
    {"type": "response.function_call_arguments.delta", "output_index": 2, "delta": "1}"},
]
RESPONSES = {
    "whole": [RESPONSE],
    "the last event has the output": [*RESPONSE_EVENTS, {"type": "response.completed", "response": RESPONSE}],
    "the last event has no output": [
        *RESPONSE_EVENTS,
        {"type": "response.completed", "response": {**RESPONSE, "output": []}},
    ],
}


@pytest.mark.parametrize("documents", RESPONSES.values(), ids=RESPONSES)
def test_a_response(documents: list[dict[str, Any]]) -> None:
    streamed = len(documents) > 1
    answer = read_events(Operation.RESPONSES, *documents) if streamed else read(Operation.RESPONSES, documents[0])
    call = {"id": "abc", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}
    assert shown(answer) == {
        "role": "assistant",
        "content": "Hello",
        "reasoning_content": "Think.",
        "tool_calls": [call],
    }
    assert (answer.response_id, answer.model, answer.finish_reason) == ("resp_1", "mistral-small", "completed")
    assert (answer.text, answer.reasoning, json.loads(answer.tool_calls or "")) == ("Hello", "Think.", [call])
    assert answer.usage == Usage(
        input_tokens=10, cached_input_tokens=4, output_tokens=6, reasoning_tokens=2, total_tokens=16
    )
    assert answer.complete


def test_an_item_that_came_whole_is_kept_as_it_came() -> None:
    item = {**ITEMS[1], "content": [{"type": "output_text", "text": "Hello", "annotations": [{"url": "u"}]}]}
    delta = {"type": "response.output_text.delta", "output_index": 0, "delta": "Hello"}
    done = {"type": "response.output_item.done", "output_index": 0, "item": item}
    assert json.loads(fold_stream(Operation.RESPONSES, sse(delta, done))[0].whole())["output"] == [item]


def test_a_response_that_broke_or_was_cut() -> None:
    cut = read_events(Operation.RESPONSES, *RESPONSE_EVENTS)
    assert (cut.text, cut.complete, cut.usage) == ("Hello", False, NO_USAGE)
    failed = read_events(
        Operation.RESPONSES,
        {"type": "response.failed", "response": {**RESPONSE, "status": "failed", "error": {"message": "no"}}},
    )
    assert (failed.error, failed.complete) == ("no", False)
    limited = {**RESPONSE, "status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}
    assert read(Operation.RESPONSES, limited).finish_reason == "max_output_tokens"


def result(number: int, model: str = "mistral-small", **body: Any) -> dict[str, Any]:
    answered = {"id": f"cmpl-{number}", "model": model, "choices": [], "usage": TOKENS, **body}
    return {
        "id": f"batch-{number}",
        "custom_id": str(number),
        "response": {"status_code": 200, "body": answered},
        "error": None,
    }


FAILED = {"id": "b", "custom_id": "9", "response": {"status_code": 422, "body": {"detail": []}}, "error": None}


def jsonl(*lines: dict[str, Any]) -> bytes:
    return b"".join(json.dumps(line).encode() + b"\n" for line in lines)


def test_the_results_of_a_batch_are_summed() -> None:
    body = jsonl(result(1), result(2, usage=None, usage_info={"pages_processed": 7}), FAILED, result(3, "other"))
    answer = read(Operation.FILES, body, "application/octet-stream")
    assert shown(answer) == {"results": 4, "failed": 1, "models": {"mistral-small": 2, "other": 1}}
    assert answer.usage == Usage(input_tokens=6, output_tokens=10, total_tokens=16, pages=7)
    assert [(item.id, item.model) for item in answer.results] == [
        ("batch-1", "mistral-small"),
        ("batch-2", "mistral-small"),
        ("batch-3", "other"),
    ]
    assert (answer.complete, answer.warnings) == (True, ())


def test_the_results_of_a_batch_together_are_no_more_than_can_be() -> None:
    absurd = {"prompt_tokens": 10**15, "completion_tokens": 10**15, "total_tokens": 10**15}
    answer = read(Operation.FILES, jsonl(*[result(1, usage=absurd)] * 9300), "application/octet-stream")
    assert answer.usage == Usage(input_tokens=10**15, output_tokens=10**15, total_tokens=10**15, clamped=True)


def test_the_same_results_have_the_same_name_however_they_are_fetched() -> None:
    file = read(Operation.FILES, jsonl(result(1), result(2)), "application/octet-stream")
    again = read(Operation.FILES, jsonl(result(2), result(1)), "application/json")
    inline = read(Operation.BATCHES, {"id": "j", "status": "SUCCESS", "outputs": [result(1), result(2)]})
    others = read(Operation.FILES, jsonl(result(1)), "application/octet-stream")
    assert file.response_id == again.response_id == inline.response_id != others.response_id
    assert file.usage == inline.usage != NO_USAGE
    assert shown(inline)["status"] == "SUCCESS"


def test_results_that_were_cut_are_counted_as_far_as_they_came() -> None:
    answer = read(Operation.FILES, jsonl(result(1), result(2))[:-20], "application/octet-stream")
    assert (answer.usage, answer.complete, len(answer.warnings)) == (USED, False, 1)


def test_a_file_that_holds_no_results_is_shown_by_its_size() -> None:
    answer = read(Operation.FILES, b"%PDF-1.4 ...", "application/pdf")
    assert (shown(answer), answer.usage) == ({"content": "[12 bytes of application/pdf]"}, NO_USAGE)
    requests = jsonl({"custom_id": "1", "body": {"messages": []}})
    assert read(Operation.FILES, requests, "application/octet-stream").results == ()


STREAMS = {
    Operation.CONVERSATIONS: sse(*CONVERSATION_EVENTS),
    Operation.RESPONSES: sse(*RESPONSES["the last event has no output"]),
    Operation.TRANSCRIPTION: sse(
        {"type": "transcription.text.delta", "text": "hi there"}, {"type": "transcription.done", **HEARD}
    ),
    Operation.SPEECH: sse(
        {"type": "speech.audio.delta", "audio_data": SOUND}, {"type": "speech.audio.done", "usage": TOKENS}
    ),
    Operation.CHAT: b"".join(
        b"data: " + json.dumps({"id": "c", "model": "m", "choices": [choice], "usage": usage}).encode() + b"\n\n"
        for choice, usage in (
            ({"index": 0, "delta": {"role": "assistant", "content": "Hel"}}, None),
            ({"index": 0, "delta": {"content": "lo"}, "finish_reason": "stop"}, TOKENS),
        )
    ),
}


@pytest.mark.parametrize("operation", STREAMS)
def test_the_whole_of_a_stream_reads_as_the_stream(operation: Operation) -> None:
    streamed = read(operation, STREAMS[operation], "text/event-stream")
    whole = fold_stream(operation, STREAMS[operation])[0].whole()
    for content_type in ("application/json", "text/event-stream"):  # what redaction leaves keeps its content type
        twin = read(operation, whole, content_type)
        assert comparable(twin) == comparable(streamed)


def comparable(answer: Answer) -> dict[str, Any]:
    seen = {name: getattr(answer, name) for name in Answer.__struct_fields__ if name != "usage_raw"}
    if (answer.message or "").startswith("{"):
        seen["message"] = json.loads(answer.message or "")
    return seen


@given(
    operation=st.sampled_from(list(STREAMS)),
    cut=st.floats(0, 1),
    line_end=st.sampled_from([b"\n", b"\r\n", b"\r"]),
    comments=st.booleans(),
)
def test_framing_changes_nothing_and_a_cut_never_raises(
    operation: Operation, cut: float, line_end: bytes, comments: bool
) -> None:
    raw = STREAMS[operation]
    framed = raw.replace(b"\n\n", b"\n\n: ping\n\n") if comments else raw
    read_back = read(operation, framed.replace(b"\n", line_end), "text/event-stream")
    assert read_back == read(operation, raw, "text/event-stream")
    read(operation, raw[: int(len(raw) * cut)], "text/event-stream")


@given(operation=st.sampled_from(list(STREAMS)), sizes=st.lists(st.integers(1, 300), min_size=1))
def test_any_rechunking_folds_to_the_same_answer(operation: Operation, sizes: list[int]) -> None:
    raw = STREAMS[operation]
    fold, _, _ = fold_stream(operation, b"")
    parser = SSEParser()
    place = 0
    for size in itertools.cycle(sizes):
        for event in parser.feed(raw[place : place + size]):
            fold.add(event.data)
        place += size
        if place >= len(raw):
            break
    assert fold.answer(False) == read(operation, raw, "text/event-stream")


MEMBERS = (
    "type text delta item response output outputs content usage results pages data audio segments duration error "
    "message choices session id model scores categories embedding connectors"
).split()


@given(
    operation=st.sampled_from(Operation),
    document=st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(MEMBERS),
                inner,
                max_size=5,
            )
        ),
        max_leaves=20,
    ),
    streamed=st.booleans(),
)
def test_no_document_raises(operation: Operation, document: Any, streamed: bool) -> None:
    raw = json.dumps(document).encode()
    body = b"data: " + raw + b"\n\n" if streamed else raw
    answer = read(operation, body, "text/event-stream" if streamed else "application/json")
    json.dumps([answer.message, answer.text])
    if streamed:
        fold_stream(operation, body)[0].whole()
