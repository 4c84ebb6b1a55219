"""The breakdown: what it tells, and that it changes nothing of the answer it is added to."""

import json

import msgspec
import pytest

from gantry.core.usage import Usage
from gantry.core.vocabulary import Dialect, Operation
from gantry.dialects.breakdown import Figures, add_to_answer, chunk_of, describe_call
from gantry.dialects.fold import Answer
from gantry.dialects.question import read_question

REQUEST = b'{"model":"mistral-small-latest","seed":12345678901234567890123,"messages":[{"role":"user","content":"hi"}]}'
ANSWER = Answer(
    model="mistral-small-2603",
    usage=Usage(input_tokens=5, output_tokens=2),
    message='{"role":"assistant","content":"hello"}',
)
FIGURES = Figures(
    model="mistral-small-latest",
    status=200,
    stream=False,
    ended_at=1_795_341_600_500_000_000,
    latency=800_000_000,
    routing_time=4_000_000,
    cost=1350,
    metadata={"feature": "search"},
)


def described(figures: Figures = FIGURES) -> dict[str, object]:
    return describe_call(REQUEST, read_question(Operation.CHAT, "application/json", REQUEST), ANSWER, figures)


def test_every_field_has_its_name_and_unit() -> None:
    said = json.loads(msgspec.json.encode(described()))
    assert said == {
        "prompt_tokens": 5,
        "completion_tokens": 2,
        "cost": 0.00000135,
        "prompt_messages": [{"role": "user", "content": "hi"}],
        "completion_message": {"role": "assistant", "content": "hello"},
        "model": "mistral-small-2603",
        "cached": False,
        "timestamp": "2026-11-22T10:00:00.500000Z",
        "status_code": 200,
        "stream": False,
        "latency": 0.8,
        "routing_time": 0.004,
        "metadata": {"feature": "search"},
        "full_request": json.loads(REQUEST),
        "scores": {},
        "category": "",
        "sentiment_score": None,
    }
    assert b"12345678901234567890123" in msgspec.json.encode(described())


def test_what_is_unknown_is_null() -> None:
    said = describe_call(
        b"", read_question(Operation.CHAT, "", b""), Answer(), msgspec.structs.replace(FIGURES, cost=None)
    )
    unknown = ("prompt_tokens", "completion_tokens", "cost", "prompt_messages", "completion_message")
    assert [said[name] for name in unknown] == [None] * len(unknown)


@pytest.mark.parametrize("body", [b'{"id":"1", "x":1.00}', b'{ "a" : {} } \n', b"{}", b" {\n} "])
def test_an_answer_keeps_its_bytes_and_gains_a_member(body: bytes) -> None:
    breakdown = described()
    added = add_to_answer(body, breakdown)
    before = body.rstrip().removesuffix(b"}")
    assert added.startswith(before)
    assert added.endswith(body[len(body.rstrip()) :])
    assert json.loads(added) == {
        **json.loads(body),
        "request_breakdown": json.loads(msgspec.json.encode(breakdown)),
    }


@pytest.mark.parametrize("body", [b"", b"[]", b"<html>", b'{"cut":', b"null"])
def test_what_is_no_object_stays_as_it_is(body: bytes) -> None:
    assert add_to_answer(body, described()) == body


@pytest.mark.parametrize("dialect", Dialect)
def test_the_chunk_has_all_that_an_sdk_demands(dialect: Dialect) -> None:
    event = chunk_of(described(), dialect, 1_795_341_600)
    assert event.startswith(b"data: ")
    assert event.endswith(b"\n\n")
    chunk = json.loads(event[6:])
    (choice,) = chunk["choices"]
    assert (chunk["id"], chunk["model"], chunk["object"]) == (
        "request_breakdown",
        "extra_parameter",
        "chat.completion.chunk",
    )
    assert (choice["index"], choice["finish_reason"]) == (0, "stop")
    assert choice["delta"] == {"role": "assistant", "content": None}
    assert choice["message"] == {"role": "assistant", "content": "hello"}
    assert choice["request_breakdown"]["cost"] == 0.00000135
    assert chunk.get("usage") == ({} if dialect is Dialect.OPENAI_CHAT else None)
