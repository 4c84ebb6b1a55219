"""Redaction: what is masked and what is left alone, and that neither hostile text nor a split stream gets past it."""

import json
import string
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gantry.core.vocabulary import Dialect, Operation
from gantry.dialects.answer import read_answer
from gantry.dialects.redact import redact_body, redact_json, redact_text

MASKED = [
    ("write to jane.doe+x@mail.example.co.uk.", "write to [email]."),
    ("'jörg@müller.de'", "'[email]'"),
    ("call +49 (0)30 1234567 now", "call [phone] now"),
    ("(415) 555-2671, 415-555-2671, +14155552671", "[phone], [phone], [phone]"),
    ("06 12 34 56 78 or 020 7946 0958", "[phone] or [phone]"),
    ("pay with 4111 1111 1111 1111, please", "pay with [card], please"),
    ("12 4111-1111-1111-1111 123", "12 [card] 123"),
    ("378282246310005 and 5555555555554444", "[card] and [card]"),
    ("DE89 3704 0044 0532 0130 00 AND THEN", "[iban] AND THEN"),
    ("BE68 5390 0754 7034 THAT gb82west12345698765432", "[iban] THAT [iban]"),
    ("from 192.168.0.255.", "from [ip]."),
    ("at 2001:db8::8a2e:370:7334, ::1 or ::ffff:1.2.3.4", "at [ip], [ip] or [ip]"),
    ("Authorization: Bearer abcdef1234567890", "Authorization: Bearer [token]"),
    ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.abc-_", "[token]"),
    ("sk-proj-abcdefghijklmnopqrstuv", "[key]"),
    ("gk_abcdefgh_ABCDEFGHIJKLMNOPQRSTUVWXYZ and AKIAIOSFODNN7EXAMPLE", "[key] and [key]"),
    ("api_key='0123456789abcdef' password: hunter22", "api_key='[secret]' password: [secret]"),
]
KEPT = [
    "mistral-large-2512 at 2025-05-27T11:34:39.175924Z, not 01-02-2024 nor 1.2.2024",
    "v1.2.3, 11:34:39, std::vector, aa:bb:cc:dd:ee:ff, 1763800000129, 1795341600000000000",
    "ag_06835a34f2c476518000c372a505c2c4 bb9e30b1-970f-4a42-b682-8c0079e7c242",
    "4111 1111 1111 1112 is no card",
    "3.14159, 1,000,000.00, 10:30, 50%, C++ :: @home, user@, @example.com",
]


@pytest.mark.parametrize(("text", "expected"), MASKED)
def test_what_is_masked(text: str, expected: str) -> None:
    assert redact_text(text) == expected


@pytest.mark.parametrize("text", KEPT)
def test_what_is_left_alone(text: str) -> None:
    assert redact_text(text) == text


@given(st.text() | st.text("0123456789 -+.():@ABDEeyJsk_=[]x"))
def test_redacting_twice_is_redacting_once(text: str) -> None:
    once = redact_text(text)
    assert redact_text(once) == once


WORDS = st.text(string.ascii_lowercase, min_size=1, max_size=10)
AROUND = st.sampled_from(["", " ", "see: ", "\n", "(", "<", '"'])
AFTER = st.sampled_from(["", " see", ".", ",", ")", "\n"])
EMAILS = st.builds("{}.{}@{}.{}".format, WORDS, WORDS, WORDS, st.sampled_from(["com", "de", "co.uk"]))
PREFIXES = st.text("0123456789", min_size=14, max_size=14).map(lambda digits: "4" + digits)


def luhn_complete(digits: str) -> str:
    """Append the check digit, by the definition."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (2 if place % 2 == 0 else 1)
        total += value - 9 if value > 9 else value
    return digits + str(-total % 10)


@given(before=AROUND, secret=EMAILS, after=AROUND)
def test_every_address_is_found(before: str, secret: str, after: str) -> None:
    assert "@" not in redact_text(before + secret + after)


@given(before=AROUND, number=PREFIXES.map(luhn_complete), separator=st.sampled_from(["", " ", "-"]), after=AFTER)
def test_every_card_is_found(before: str, number: str, separator: str, after: str) -> None:
    written = separator.join(number[place : place + 4] for place in range(0, 16, 4))
    assert redact_text(before + written + after) == before + "[card]" + after


HOSTILE = [
    "a",
    "1",
    "1 ",
    "123 ",
    "a@",
    "a.",
    "@b.",
    ":",
    "a:",
    "0 ",
    "+1",
    "(0",
    "DE12 ",
    "DE12",
    "eyJ",
    "sk-",
    "api_key=",
]
HOSTILE += [
    "bearer ",
    "1.1.",
    "+4 ",
    "0123 45 ",
    "[key]",
    "eyJabcdefghij.",
    "4 1111 ",
    "aaaa1 ",
    "::1 ",
    '"',
    "\\",
    "{",
]


@pytest.mark.parametrize("piece", HOSTILE)
def test_hostile_text_takes_time_in_proportion(piece: str) -> None:
    """A quadratic pattern would take minutes here; the ceiling is the test run's own."""
    assert redact_text(piece * (400_000 // len(piece)))


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(VALUES)
def test_a_document_keeps_its_form(value: Any) -> None:
    redacted = redact_json(json.dumps(value).encode("utf-8", "surrogatepass"))
    assert redacted is not None
    assert form_of(json.loads(redacted)) == form_of(value)


def form_of(value: Any) -> Any:
    """Return a value with its strings left out, and its keys kept."""
    if isinstance(value, dict):
        return {key: form_of(item) for key, item in value.items()}
    if isinstance(value, list):
        return [form_of(item) for item in value]
    return "" if isinstance(value, str) else value


def test_keys_numbers_and_untouched_strings_keep_their_bytes() -> None:
    body = b'{ "a@b.co": "\\u0061 b", "n": [1.00, 12345678901234567890123], "m": "x@y.zz" }'
    assert redact_body(body, "application/json") == body.replace(b"x@y.zz", b"[email]")


def test_escapes_and_documents_in_strings_hide_nothing() -> None:
    inner = json.dumps({"to": "jane@example.com", "deeper": json.dumps({"to": "joe@example.com\n"})})
    inner = inner.replace("jane@", "jane\\u0040")
    body = json.dumps({"arguments": inner, "escaped": "jane"}).replace('"jane"', '"jane\\u0040example.com"')
    redacted = json.loads(redact_body(body.encode(), "application/json"))
    arguments = json.loads(redacted["arguments"])
    assert (arguments["to"], json.loads(arguments["deeper"])) == ("[email]", {"to": "[email]\n"})
    assert "example" not in json.dumps(redacted)


def test_media_is_a_note_of_its_size() -> None:
    url = "data:image/png;base64," + "A" * 400
    body = json.dumps({"image_url": url, "audio_data": "A" * 400, "text": "A" * 255}).encode()
    assert json.loads(redact_body(body, "application/json")) == {
        "image_url": "[300 bytes of image/png]",
        "audio_data": "[300 bytes]",
        "text": "A" * 255,
    }


UNREADABLE = [
    (b"\xff\xf3jane@example.com", "audio/mpeg", b'{"left_out":"[18 bytes of audio/mpeg]"}'),
    (b'{"to":"jane@example.com', "application/json; charset=utf-8", b'{"left_out":"[23 bytes of application/json]"}'),
    (b"jane@example.com", "", b'{"left_out":"[16 bytes]"}'),
    (b'{"\\ud800":1}', "application/json", b'{"left_out":"[12 bytes of application/json]"}'),
    (b"", "application/json", b""),
]


@pytest.mark.parametrize(("body", "content_type", "expected"), UNREADABLE)
def test_what_cannot_be_read_is_left_out(body: bytes, content_type: str, expected: bytes) -> None:
    if b"ud800" in body:  # a key is kept, and Python's twin of the parser may read it
        assert b"left_out" in redact_body(body, content_type) or redact_body(body, content_type) == body
        return
    assert redact_body(body, content_type) == expected


@given(
    body=st.binary(max_size=60),
    kind=st.sampled_from(["application/json", "text/event-stream", "multipart/form-data; boundary=x", ""]),
)
def test_no_bytes_raise(body: bytes, kind: str) -> None:
    for operation in Operation:
        kept = redact_body(body, kind, operation)
        assert (kept == b"") is (body == b"")
        json.loads(kept or b"null")


@given(
    size=st.integers(1, 5),
    operation=st.sampled_from([Operation.CHAT, Operation.RESPONSES, Operation.CONVERSATIONS, Operation.TRANSCRIPTION]),
)
def test_an_address_split_over_tokens_is_found(size: int, operation: Operation) -> None:
    text = "Write to jane.doe@example.com or 4111 1111 1111 1111."
    pieces = [text[place : place + size] for place in range(0, len(text), size)]
    shapes: dict[Operation, Any] = {
        Operation.CHAT: lambda piece: {"model": "m", "choices": [{"index": 0, "delta": {"content": piece}}]},
        Operation.RESPONSES: lambda piece: {"type": "response.output_text.delta", "output_index": 0, "delta": piece},
        Operation.CONVERSATIONS: lambda piece: {"type": "message.output.delta", "id": "m", "content": piece},
        Operation.TRANSCRIPTION: lambda piece: {"type": "transcription.text.delta", "text": piece},
    }
    body = b"".join(b"data: " + json.dumps(shapes[operation](piece)).encode() + b"\n\n" for piece in pieces)
    redacted = redact_body(body, "text/event-stream", operation)
    answer = read_answer(operation, Dialect.MISTRAL, "text/event-stream", redacted)
    assert answer.text == "Write to [email] or [card]."


def test_a_stream_keeps_its_usage_and_its_tool_calls() -> None:
    usage = {"prompt_tokens": 3, "completion_tokens": 5, "total_tokens": 8}
    call = {"index": 0, "id": "abc123def", "function": {"name": "send", "arguments": '{"to":"jane@exam'}}
    rest = {"index": 0, "function": {"name": "", "arguments": 'ple.com"}'}}
    chunks = [
        {"id": "c", "model": "m", "choices": [{"index": 0, "delta": {"tool_calls": [call]}}]},
        {"choices": [{"index": 0, "delta": {"tool_calls": [rest]}, "finish_reason": "tool_calls"}], "usage": usage},
    ]
    body = b"".join(b"data: " + json.dumps(chunk).encode() + b"\n\n" for chunk in chunks)
    answer = read_answer(Operation.CHAT, Dialect.MISTRAL, "text/event-stream", redact_body(body, "text/event-stream"))
    assert json.loads(answer.tool_calls or "")[0]["function"]["arguments"] == '{"to":"[email]"}'
    assert (answer.usage.total_tokens, answer.finish_reason, answer.model) == (8, "tool_calls", "m")


def test_a_form_becomes_its_fields() -> None:
    body = (
        b'--x\r\ncontent-disposition: form-data; name="model"\r\n\r\nvoxtral\r\n'
        b'--x\r\ncontent-disposition: form-data; name="file"; filename="jane@example.com.mp3"'
        b"\r\n\r\n\xff\xff\r\n--x--\r\n"
    )
    redacted = redact_body(body, "multipart/form-data; boundary=x", Operation.TRANSCRIPTION)
    assert json.loads(redacted) == {"model": "voxtral", "file": {"name": "[email]", "bytes": 2}}


def test_lines_of_json_stay_lines() -> None:
    body = b'{"id":"1","to":"a@b.co"}\n{"id":"2"}\n{"id":"3","to":"a@'
    assert redact_body(body, "application/octet-stream", Operation.FILES) == (
        b'{"id":"1","to":"[email]"}\n{"id":"2"}\n{"left_out":"[18 bytes]"}'
    )


def test_what_a_realtime_caller_sent_is_joined_first() -> None:
    sent = [{"type": "input_text.append", "text": "jane@exam"}, {"type": "input_text.append", "text": "ple.com"}]
    body = b"\n".join(json.dumps(message).encode() for message in sent)
    assert json.loads(redact_body(body, "", Operation.REALTIME)) == {"type": "input_text.append", "text": "[email]"}
