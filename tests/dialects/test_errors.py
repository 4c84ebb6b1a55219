"""Our errors in each dialect's envelope."""

import json
from typing import assert_never

import pytest

from gantry.core.errors import (
    CallerError,
    GatewayError,
    InvalidRequest,
    LimitReached,
    NoCredential,
    OwnFault,
    Unauthenticated,
    UpstreamFault,
    UpstreamTimeout,
)
from gantry.core.vocabulary import Dialect
from gantry.dialects.errors import encode_error, encode_stream_error


def leaves(branch: type[GatewayError]) -> list[type[GatewayError]]:
    return (
        [branch] if not branch.__subclasses__() else [leaf for part in branch.__subclasses__() for leaf in leaves(part)]
    )


EVERY_ERROR = [leaf for branch in (CallerError, UpstreamFault, OwnFault) for leaf in leaves(branch)]


@pytest.mark.parametrize("error_type", EVERY_ERROR)
@pytest.mark.parametrize("dialect", Dialect)
def test_every_error_has_a_whole_envelope(dialect: Dialect, error_type: type[GatewayError]) -> None:
    wire = encode_error(dialect, error_type("what, where, what to do", param="model"), "log1")
    body = json.loads(wire.body)
    fields = body.get("error", body)
    assert wire.status == error_type.status
    assert fields["message"] == "what, where, what to do"
    match dialect:
        case Dialect.MISTRAL | Dialect.OPENAI_CHAT | Dialect.OPENAI_RESPONSES:
            assert (fields["param"], fields["code"]) == ("model", error_type.kind)
            assert fields["type"].endswith("_error")
        case Dialect.ANTHROPIC:
            assert body["type"] == "error"
            assert fields["type"].endswith("_error") or fields["type"] == "request_too_large"
        case Dialect.GEMINI:
            assert fields["code"] == error_type.status
            assert fields["status"].isupper()
        case Dialect.BEDROCK | Dialect.COHERE | Dialect.VOYAGE:
            assert body.keys() <= {"message", "__type", "retry_after"}
        case _:
            assert_never(dialect)
    assert dict(wire.headers)["content-type"] == "application/json"
    assert dict(wire.headers)["x-respan-log-id"] == dict(wire.headers)["x-gantry-log-id"] == "log1"


def test_mistral_envelope() -> None:
    wire = encode_error(Dialect.MISTRAL, Unauthenticated("no key"))
    assert json.loads(wire.body) == {
        "object": "error",
        "message": "no key",
        "type": "authentication_error",
        "param": None,
        "code": "authentication_error",
        "detail": "no key",
    }


def test_openai_envelope_with_respans_detail() -> None:
    wire = encode_error(Dialect.OPENAI_CHAT, NoCredential("nothing configured for mistral"))
    assert json.loads(wire.body) == {
        "error": {
            "message": "nothing configured for mistral",
            "type": "server_error",
            "param": None,
            "code": "no_credential",
        },
        "detail": "nothing configured for mistral",
    }


def test_a_mistral_422_never_has_a_detail_in_words() -> None:
    class Unprocessable(InvalidRequest):
        status = 422

    body = json.loads(encode_error(Dialect.MISTRAL, Unprocessable("no")).body)
    assert "detail" not in body


@pytest.mark.parametrize(
    ("seconds", "headers"),
    [
        (0.2, {"retry-after": "1"}),
        (12.1, {"retry-after": "13"}),
        (60, {"retry-after": "60"}),
        (61, {"x-should-retry": "false"}),
        (86_400, {"x-should-retry": "false"}),
        (None, {"x-should-retry": "false"}),
    ],
)
@pytest.mark.parametrize("dialect", Dialect)
def test_only_a_short_wait_is_in_the_header(dialect: Dialect, seconds: float | None, headers: dict[str, str]) -> None:
    wire = encode_error(dialect, LimitReached("slow down", retry_after=seconds))
    found = {name: value for name, value in wire.headers if name in ("retry-after", "x-should-retry")}
    assert found == headers
    assert ("retry_after" in json.loads(wire.body)) == (seconds is not None)


def test_mid_stream_a_mistral_client_gets_a_chunk_it_can_parse() -> None:
    events = encode_stream_error(Dialect.MISTRAL, UpstreamTimeout("too slow")).decode().split("\n\n")
    chunk = json.loads(events[0].removeprefix("data: "))
    assert chunk["choices"] == [{"index": 0, "delta": {"content": ""}, "finish_reason": "error"}]
    assert chunk["error"]["message"] == "too slow"
    assert {"id", "model", "object", "created"} <= chunk.keys()
    assert events[1:] == ["data: [DONE]", ""]


def test_mid_stream_an_openai_client_gets_an_error_event() -> None:
    event = encode_stream_error(Dialect.OPENAI_CHAT, UpstreamTimeout("too slow"))
    assert json.loads(event.removeprefix(b"data: "))["error"]["code"] == "upstream_timeout"
    assert event.endswith(b"\n\n")


def test_mid_stream_a_responses_client_is_told_in_both_ways_that_clients_read() -> None:
    events = encode_stream_error(Dialect.OPENAI_RESPONSES, UpstreamTimeout("too slow")).decode().split("\n\n")
    names, data = zip(*(event.split("\n") for event in events[:2]), strict=True)
    error, failed = (json.loads(line.removeprefix("data: ")) for line in data)
    assert names == ("event: error", "event: response.failed")
    assert error["message"] == error["error"]["message"] == failed["response"]["error"]["message"] == "too slow"
    assert events[2:] == [""]
