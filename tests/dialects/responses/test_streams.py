"""Streams as transcripts: what a server sends and what is understood, what happens and what a client is sent."""

import json
from typing import Any

import pytest
from msgspec import Raw

from gantry.core.chat import (
    ChatAnswer,
    ChatRequest,
    Choice,
    Citation,
    Finish,
    FinishReason,
    Media,
    MediaKind,
    ProviderError,
    Text,
    Thinking,
    ToolCall,
)
from gantry.core.chat_events import (
    ENDED,
    AnswerBegan,
    AnswerFailed,
    CallAdded,
    CallBegan,
    ChatEvent,
    ChoiceFinished,
    CitationAdded,
    LogprobsAdded,
    MediaAdded,
    NativeAdded,
    RefusalAdded,
    TextAdded,
    ThinkingAdded,
    ThinkingSealed,
    UsageReported,
)
from gantry.core.usage import Usage
from gantry.core.vocabulary import Dialect
from gantry.dialects.codec import Asking
from gantry.dialects.responses.codec import RESPONSES

OWN = Dialect.OPENAI_RESPONSES
ASKING = Asking(ChatRequest(dialect=OWN, model="asked", messages=()), 1_700_000_000, "id")
DONE = {"type": "response.completed", "response": {"status": "completed", "output": []}}
STOPPED = ChoiceFinished(0, Finish(FinishReason.STOP, "completed"))


def understood(*events: dict[str, Any]) -> list[ChatEvent]:
    decoder = RESPONSES.stream_decoder()
    raw = b"".join(b"data: %b\n\n" % json.dumps(event).encode() for event in events)
    return decoder.feed(raw) + decoder.close()


def added(index: int, **fields: Any) -> dict[str, Any]:
    return {"type": "response.output_item.added", "output_index": index, "item": fields}


def done(index: int, **fields: Any) -> dict[str, Any]:
    return {"type": "response.output_item.done", "output_index": index, "item": fields}


def delta(kind: str, index: int, said: str, **fields: Any) -> dict[str, Any]:
    return {"type": f"response.{kind}.delta", "output_index": index, "delta": said, **fields}


def raw(value: Any) -> Raw:
    return Raw(json.dumps(value).encode())


CALL = {"type": "function_call", "id": "fc_1", "call_id": "c1", "name": "f", "arguments": ""}
SPOKEN = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Hi", "annotations": []}]}
SOURCE = {"type": "url_citation", "url": "https://a.b"}
CITED = {**SPOKEN, "content": [{"type": "output_text", "text": "Hi", "annotations": [SOURCE]}]}
SEARCH = {"type": "web_search_call", "id": "ws_1"}
LOGPROB = {"token": "a", "logprob": -1}
PROBABLE = {"token": "é", "logprob": -1.0, "bytes": [195, 169], "top_logprobs": []}

BEGAN = AnswerBegan()
SAID: list[tuple[str, list[dict[str, Any]], list[ChatEvent]]] = [
    ("nothing", [DONE], [AnswerBegan(), STOPPED, ENDED]),
    (
        "who answers, once",
        [
            {"type": "response.created", "response": {"id": "r", "model": "m", "created_at": 7.9, "service_tier": "t"}},
            {"type": "response.in_progress", "response": {"id": "r", "model": "m"}},
            DONE,
        ],
        [AnswerBegan("r", "m", 7, "t"), STOPPED, ENDED],
    ),
    (
        "deltas win over what repeats them",
        [delta("output_text", 0, "Hi"), done(0, **SPOKEN), DONE],
        [BEGAN, TextAdded(0, 0, "Hi"), STOPPED, ENDED],
    ),
    ("an item that had no deltas", [done(0, **SPOKEN), DONE], [BEGAN, TextAdded(0, 0, "Hi"), STOPPED, ENDED]),
    (
        "a response whose items never came",
        [{"type": "response.completed", "response": {"status": "completed", "output": [SPOKEN], "model": "m"}}],
        [AnswerBegan(model="m"), TextAdded(0, 0, "Hi"), STOPPED, ENDED],
    ),
    (
        "two texts of one message",
        [delta("output_text", 0, "a"), delta("output_text", 0, "b", content_index=1), DONE],
        [BEGAN, TextAdded(0, 0, "a"), TextAdded(0, 1, "b"), STOPPED, ENDED],
    ),
    (
        "a source while the text comes, and one at its end",
        [
            delta("output_text", 0, "Hi"),
            {"type": "response.output_text.annotation.added", "output_index": 0, "annotation": SOURCE},
            done(0, **CITED),
            done(1, **CITED),
            DONE,
        ],
        [
            BEGAN,
            TextAdded(0, 0, "Hi"),
            CitationAdded(0, 0, Citation("https://a.b", dialect=OWN, raw=raw(SOURCE))),
            CitationAdded(0, 1, Citation("https://a.b", dialect=OWN, raw=raw(SOURCE))),
            TextAdded(0, 1, "Hi"),
            STOPPED,
            ENDED,
        ],
    ),
    (
        "probabilities",
        [delta("output_text", 0, "a", logprobs=[LOGPROB]), delta("output_text", 0, "b", logprobs=[]), DONE],
        [
            BEGAN,
            TextAdded(0, 0, "a"),
            LogprobsAdded(0, Raw(b'{"content":[{"token": "a", "logprob": -1}]}')),
            TextAdded(0, 0, "b"),
            STOPPED,
            ENDED,
        ],
    ),
    (
        "two calls side by side",
        [
            added(0, **CALL),
            added(1, **{**CALL, "call_id": "c2"}),
            delta("function_call_arguments", 0, '{"a"'),
            delta("function_call_arguments", 1, "{}"),
            delta("function_call_arguments", 0, ":1}"),
            done(0, **{**CALL, "arguments": '{"a":1}'}),
            DONE,
        ],
        [
            BEGAN,
            CallBegan(0, 0, "c1", "f"),
            CallBegan(0, 1, "c2", "f"),
            CallAdded(0, 0, '{"a"'),
            CallAdded(0, 1, "{}"),
            CallAdded(0, 0, ":1}"),
            ChoiceFinished(0, Finish(FinishReason.TOOL_CALLS, "completed")),
            ENDED,
        ],
    ),
    (
        "a call that breaks off in its deltas is made whole",
        [
            added(0, **CALL),
            delta("function_call_arguments", 0, '{"a"'),
            done(0, **{**CALL, "arguments": '{"a":1}'}),
            DONE,
        ],
        [
            BEGAN,
            CallBegan(0, 0, "c1", "f"),
            CallAdded(0, 0, '{"a"'),
            CallAdded(0, 0, ":1}"),
            ChoiceFinished(0, Finish(FinishReason.TOOL_CALLS, "completed")),
            ENDED,
        ],
    ),
    (
        "arguments before anybody said of which call",
        [delta("function_call_arguments", 0, "{}"), done(0, **CALL), DONE],
        [
            BEGAN,
            CallBegan(0, 0, "c1", "f"),
            CallAdded(0, 0, "{}"),
            ChoiceFinished(0, Finish(FinishReason.TOOL_CALLS, "completed")),
            ENDED,
        ],
    ),
    (
        "a custom call",
        [
            added(0, type="custom_tool_call", call_id="c", name="g", input=""),
            delta("custom_tool_call_input", 0, "free"),
            DONE,
        ],
        [
            BEGAN,
            CallBegan(0, 0, "c", "g", True),
            CallAdded(0, 0, "free"),
            ChoiceFinished(0, Finish(FinishReason.TOOL_CALLS, "completed")),
            ENDED,
        ],
    ),
    (
        "a summary in two parts, sealed at its end",
        [
            added(0, type="reasoning", id="rs_1", summary=[]),
            delta("reasoning_summary_text", 0, "a", summary_index=0),
            delta("reasoning_summary_text", 0, "b", summary_index=0),
            delta("reasoning_summary_text", 0, "c", summary_index=1),
            done(0, type="reasoning", id="rs_1", summary=[{"text": "ab"}, {"text": "c"}], encrypted_content="E"),
            DONE,
        ],
        [
            BEGAN,
            ThinkingAdded(0, 0, "a"),
            ThinkingAdded(0, 0, "b"),
            ThinkingAdded(0, 0, "\n\nc"),
            ThinkingSealed(0, 0, OWN, None, "E", "rs_1"),
            STOPPED,
            ENDED,
        ],
    ),
    (
        "reasoning and its summary: the first is taken",
        [delta("reasoning_text", 0, "long"), delta("reasoning_summary_text", 0, "short"), DONE],
        [BEGAN, ThinkingAdded(0, 0, "long"), STOPPED, ENDED],
    ),
    (
        "what is not known",
        [
            {"type": "response.web_search_call.searching", "output_index": 0},
            {"type": "response.of.next.year", "delta": {"a": 1}, "item": 3},
            added(0, **SEARCH),
            done(0, **SEARCH),
            {"type": "keepalive"},
            DONE,
        ],
        [BEGAN, NativeAdded(0, 0, OWN, raw(SEARCH)), STOPPED, ENDED],
    ),
    (
        "a bound that was met, and the usage",
        [
            {
                "type": "response.incomplete",
                "response": {
                    "status": "incomplete",
                    "incomplete_details": {"reason": "max_output_tokens"},
                    "usage": {"input_tokens": 3, "output_tokens": 4, "total_tokens": 7},
                },
            }
        ],
        [
            BEGAN,
            ChoiceFinished(0, Finish(FinishReason.LENGTH, "max_output_tokens")),
            UsageReported(Usage(input_tokens=3, output_tokens=4, total_tokens=7)),
            ENDED,
        ],
    ),
    ("nothing follows the end", [DONE, delta("output_text", 0, "x")], [BEGAN, STOPPED, ENDED]),
]


@pytest.mark.parametrize(("sent", "events"), [row[1:] for row in SAID], ids=[row[0] for row in SAID])
def test_what_is_understood_of_a_stream(sent: list[dict[str, Any]], events: list[ChatEvent]) -> None:
    assert understood(*sent) == events


FAILURES: list[tuple[dict[str, Any], ProviderError]] = [
    (
        {"type": "response.failed", "response": {"error": {"code": "rate_limit_exceeded", "message": "slow"}}},
        ProviderError(429, "slow", None, "rate_limit_exceeded"),
    ),
    ({"type": "error", "code": "server_error", "message": "oh"}, ProviderError(500, "oh", None, "server_error")),
    (
        {"type": "error", "error": {"type": "invalid_request_error", "code": None, "message": "no", "param": "input"}},
        ProviderError(400, "no", "invalid_request_error", None, "input"),
    ),
    ({"error": "all at once"}, ProviderError(502, "all at once")),
    ({"error": {"message": "chat", "code": 503}}, ProviderError(502, "chat", None, "503")),
    ({"type": "response.cancelled", "response": {}}, ProviderError(502, "the provider failed without saying why")),
    (
        {"type": "response.completed", "response": {"status": "failed", "error": {"message": "late"}}},
        ProviderError(502, "late"),
    ),
    (
        {"type": "response.output_text.delta", "delta": 3},
        ProviderError(502, "the provider's stream holds an event that cannot be read"),
    ),
]


@pytest.mark.parametrize(("event", "error"), FAILURES)
def test_a_failure_ends_the_answer(event: dict[str, Any], error: ProviderError) -> None:
    assert understood(delta("output_text", 0, "Hi"), event, DONE)[2:] == [AnswerFailed(error)]


def test_a_stream_that_breaks_off_failed() -> None:
    assert isinstance(understood(delta("output_text", 0, "Hi"))[-1], AnswerFailed)


def sent(*events: ChatEvent) -> list[dict[str, Any]]:
    """What a client is sent: each event's name is its type, and they are numbered."""
    encoder = RESPONSES.stream_encoder(ASKING)
    blocks = b"".join(encoder.feed([event]) for event in events).decode().split("\n\n")
    assert blocks.pop() == ""
    found = []
    for number, block in enumerate(blocks):
        name, data = block.split("\n")
        event = json.loads(data.removeprefix("data: "))
        assert name == f"event: {event['type']}"
        assert event.pop("sequence_number") == number
        found.append(event)
    return found


def test_text_is_sent_as_it_comes() -> None:
    events = sent(
        AnswerBegan("other", "m", 7),
        TextAdded(0, 0, "Hé"),
        CitationAdded(0, 0, Citation("https://a.b", "A")),
        TextAdded(0, 0, "llo"),
        LogprobsAdded(0, Raw(b'{"content":[{"token":"\xc3\xa9","logprob":-1}]}')),
        STOPPED,
        UsageReported(Usage(input_tokens=1, output_tokens=2)),
        ENDED,
    )
    source = {"type": "url_citation", "url": "https://a.b", "title": "A", "start_index": 0, "end_index": 5}
    where = {"item_id": "msg_id_0", "output_index": 0, "content_index": 0}
    empty = {"type": "output_text", "text": "", "annotations": [], "logprobs": []}
    whole = {"type": "output_text", "text": "Héllo", "annotations": [source], "logprobs": [PROBABLE]}
    head = {"id": "msg_id_0", "type": "message", "role": "assistant"}
    item = {**head, "status": "completed", "content": [whole]}
    assert events[2:-1] == [
        {
            "type": "response.output_item.added",
            "output_index": 0,
            "item": {**head, "status": "in_progress", "content": []},
        },
        {"type": "response.content_part.added", **where, "part": empty},
        {"type": "response.output_text.delta", **where, "delta": "Hé", "logprobs": []},
        {"type": "response.output_text.delta", **where, "delta": "llo", "logprobs": []},
        {"type": "response.output_text.annotation.added", **where, "annotation_index": 0, "annotation": source},
        {"type": "response.output_text.done", **where, "text": "Héllo", "logprobs": [PROBABLE]},
        {"type": "response.content_part.done", **where, "part": whole},
        {"type": "response.output_item.done", "output_index": 0, "item": item},
    ]
    begun, last = events[0]["response"], events[-1]["response"]
    assert [events[0]["type"], events[1]["type"]] == ["response.created", "response.in_progress"]
    assert (begun["id"], begun["model"], begun["created_at"]) == ("resp_id", "m", 7)
    assert (begun["status"], begun["output"], begun["usage"]) == ("in_progress", [], None)
    assert (last["status"], last["output"]) == ("completed", [item])
    assert last["usage"] == {
        "input_tokens": 1,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": 2,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": 3,
    }


def test_calls_grow_side_by_side_and_are_closed_at_the_end() -> None:
    events = sent(
        BEGAN,
        CallBegan(0, 0, "c1", "f"),
        CallBegan(0, 1, "c2", "g", custom=True),
        CallAdded(0, 0, '{"a"'),
        CallAdded(0, 1, "free"),
        CallAdded(0, 0, ":1}"),
        CallBegan(0, 2, "c3", "h"),
        ChoiceFinished(0, Finish(FinishReason.TOOL_CALLS)),
        ENDED,
    )
    assert [(event["type"].removeprefix("response."), event["output_index"]) for event in events[2:-1]] == [
        ("output_item.added", 0),
        ("output_item.added", 1),
        ("function_call_arguments.delta", 0),
        ("custom_tool_call_input.delta", 1),
        ("function_call_arguments.delta", 0),
        ("output_item.added", 2),
        ("function_call_arguments.done", 0),
        ("output_item.done", 0),
        ("custom_tool_call_input.done", 1),
        ("output_item.done", 1),
        ("function_call_arguments.delta", 2),
        ("function_call_arguments.done", 2),
        ("output_item.done", 2),
    ]
    assert [event["item"]["id"] for event in events if event["type"].endswith("item.added")] == [
        "fc_id_0",
        "ctc_id_1",
        "fc_id_2",
    ]
    said = [item.get("arguments", item.get("input")) for item in events[-1]["response"]["output"]]
    assert said == ['{"a":1}', "free", "{}"]


def test_reasoning_is_a_summary_and_keeps_its_seal() -> None:
    events = sent(
        BEGAN,
        ThinkingAdded(0, 0, "h"),
        ThinkingAdded(0, 0, "m"),
        ThinkingSealed(0, 0, Dialect.ANTHROPIC, "signed"),
        ThinkingSealed(0, 1, OWN, None, "E", "rs_1"),
        RefusalAdded(0, 2, "no"),
        STOPPED,
        ENDED,
    )
    assert [event["type"].removeprefix("response.") for event in events[2:-1]] == [
        "output_item.added",
        "reasoning_summary_part.added",
        "reasoning_summary_text.delta",
        "reasoning_summary_text.delta",
        "reasoning_summary_text.done",
        "reasoning_summary_part.done",
        "output_item.done",
        "output_item.added",
        "output_item.done",
        "output_item.added",
        "content_part.added",
        "refusal.delta",
        "refusal.done",
        "content_part.done",
        "output_item.done",
    ]
    shown, sealed, refusal = events[-1]["response"]["output"]
    assert shown["summary"] == [{"type": "summary_text", "text": "hm"}]
    assert sealed == {"id": "rs_1", "type": "reasoning", "summary": [], "encrypted_content": "E"}
    assert refusal["content"] == [{"type": "refusal", "refusal": "no"}]
    again = RESPONSES.decode_answer(json.dumps(events[-1]["response"]).encode()).choices[0].parts
    assert again[0] == Thinking("hm", "signed", dialect=Dialect.ANTHROPIC)


def test_whole_parts() -> None:
    events = sent(
        BEGAN,
        NativeAdded(0, 0, OWN, raw(SEARCH)),
        NativeAdded(0, 1, Dialect.ANTHROPIC, Raw(b"{}")),
        MediaAdded(0, 2, Media(MediaKind.IMAGE, "image/png", "AA==")),
        MediaAdded(0, 3, Media(MediaKind.AUDIO, "audio/wav", "AA==")),
        STOPPED,
        ENDED,
    )
    image = {"id": "ig_id_1", "type": "image_generation_call", "status": "completed", "result": "AA=="}
    assert events[-1]["response"]["output"] == [SEARCH, image]
    assert [event["type"] for event in events[2:-1]] == ["response.output_item.added", "response.output_item.done"] * 2


ENDINGS: list[tuple[Finish | None, str, Any]] = [
    (Finish(FinishReason.STOP), "completed", None),
    (Finish(FinishReason.OTHER, "eos"), "completed", None),
    (Finish(FinishReason.LENGTH), "incomplete", {"reason": "max_output_tokens"}),
    (Finish(FinishReason.CONTEXT), "incomplete", {"reason": "max_output_tokens"}),
    (Finish(FinishReason.CONTENT_FILTER), "incomplete", {"reason": "content_filter"}),
    (Finish(FinishReason.REFUSAL), "incomplete", {"reason": "content_filter"}),
    (Finish(FinishReason.ERROR), "failed", None),
    (None, "incomplete", None),
]


TIERS = [(None, "default"), ("standard", "default"), ("priority", "priority"), ("on_demand", None)]


@pytest.mark.parametrize(("given", "told"), TIERS)
def test_a_tier_is_told_in_words_that_the_sdk_knows(given: str | None, told: str | None) -> None:
    assert sent(AnswerBegan(service_tier=given), STOPPED, ENDED)[-1]["response"]["service_tier"] == told


@pytest.mark.parametrize(("finish", "status", "details"), ENDINGS)
def test_how_it_ended(finish: Finish | None, status: str, details: Any) -> None:
    ending = [] if finish is None else [ChoiceFinished(0, finish)]
    last = sent(BEGAN, TextAdded(0, 0, "Hi"), *ending, ENDED)[-1]
    assert last["type"] == f"response.{status}"
    whole = last["response"]
    assert (whole["status"], whole["incomplete_details"]) == (status, details)
    assert (whole["error"] is not None) == (status == "failed")
    assert whole["output"][0]["status"] == ("completed" if status == "completed" else "incomplete")
    answer = ChatAnswer(dialect=Dialect.MISTRAL, choices=(Choice(0, (Text("Hi"),), finish),))
    told = json.loads(RESPONSES.encode_answer(answer, ASKING))
    assert {**told, "model": None} == {**whole, "model": None}


def test_a_failure_is_said_to_both_who_read_it_elsewhere() -> None:
    events = sent(BEGAN, TextAdded(0, 0, "Hi"), AnswerFailed(ProviderError(429, "slow", "t", "c", "p")), ENDED)
    error, *closing, failed = events[4 + 1 :]
    said = {"code": "c", "message": "slow", "param": "p"}
    assert error == {"type": "error", **said, "error": {**said, "type": "t"}}
    assert [event["type"].rpartition(".")[2] for event in closing] == ["done", "done", "done"]
    assert failed["type"] == "response.failed"
    assert failed["response"]["error"] == {"code": "c", "message": "slow"}
    assert failed["response"]["output"][0]["content"][0]["text"] == "Hi"


def test_a_failure_before_anything_began() -> None:
    events = sent(AnswerFailed(ProviderError(502, "gone")))
    assert [event["type"] for event in events] == [
        "response.created",
        "response.in_progress",
        "error",
        "response.failed",
    ]


def test_a_second_choice_has_no_place() -> None:
    events = sent(BEGAN, TextAdded(1, 0, "x"), ChoiceFinished(1, Finish(FinishReason.LENGTH)), STOPPED, ENDED)
    assert events[-1]["response"]["output"] == []
    assert events[-1]["type"] == "response.completed"


def test_the_request_is_echoed() -> None:
    body = {
        "model": "m",
        "instructions": "Be brief.",
        "input": "x",
        "tools": [{"type": "web_search"}, {"type": "function", "name": "f", "parameters": {}, "strict": False}],
        "tool_choice": {"type": "web_search"},
        "text": {"format": {"type": "json_schema", "name": "n", "schema": {"a": 1}}, "verbosity": "low"},
        "reasoning": {"effort": "low"},
        "metadata": {"a": "b"},
        "temperature": 0.5,
        "store": False,
        "previous_response_id": "resp_0",
        "truncation": "auto",
        "max_output_tokens": 50,
        "user": "u",
    }
    request = RESPONSES.decode_request(json.dumps(body).encode())
    answer = ChatAnswer(dialect=Dialect.MISTRAL, choices=(Choice(0, (ToolCall("c", "f", "{}"),)),))
    told = json.loads(RESPONSES.encode_answer(answer, Asking(request, 1, "id")))
    same = set(body) - {"input", "tools", "text", "reasoning"}
    assert {name: told[name] for name in same} == {name: body[name] for name in same}
    assert told["tools"][1]["strict"] is False
    assert told["tools"][0] == {"type": "web_search"}
    assert told["text"]["format"]["strict"] is False
    assert told["reasoning"] == {"effort": "low", "summary": None}
    assert (told["parallel_tool_calls"], told["top_p"], told["service_tier"]) == (True, 1.0, "default")
