"""The readable input of each operation, and the units that only a request can tell."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gantry.core.vocabulary import Dialect, Operation
from gantry.dialects.question import Question, read_question, read_units, request_units
from gantry.dialects.question_shapes import NO_UNITS, Units

FORM = "multipart/form-data; boundary=xyz"


def ask(operation: Operation, body: Any, content_type: str = "application/json") -> Question:
    return read_question(operation, content_type, body if isinstance(body, bytes) else json.dumps(body).encode())


ASKED: list[tuple[Operation, dict[str, Any], str | None]] = [
    (Operation.AGENT_CHAT, {"agent_id": "a", "messages": [1]}, "[1]"),
    (Operation.RESPONSES, {"model": "m", "input": "hi"}, "hi"),
    (Operation.RESPONSES, {"instructions": "be", "input": "hi"}, '{"instructions":"be","input":"hi"}'),
    (Operation.CONVERSATIONS, {"inputs": "hi", "instructions": None}, "hi"),
    (Operation.CONVERSATIONS, {"inputs": [{"content": "a"}]}, '[{"content": "a"}]'),
    (Operation.MODERATION, {"model": "m", "input": ["a", "b"]}, '["a", "b"]'),
    (Operation.CHAT_CLASSIFICATION, {"input": [{"messages": []}]}, '[{"messages": []}]'),
    (Operation.SPEECH, {"input": "say it", "voice_id": "v"}, "say it"),
    (
        Operation.OCR,
        {"model": "m", "document": {"type": "document_url", "document_url": "data:application/pdf;base64," + "A" * 80}},
        '{"document":{"type":"document_url","document_url":"[60 bytes of application/pdf]"}}',
    ),
    (Operation.TRANSCRIPTION, {"model": "m", "file_url": "https://h/a.mp3?sig=x"}, '{"file_url":"https://h/a.mp3?…"}'),
    (Operation.AGENTS, {"model": "m", "name": "n", "tools": None}, '{"name":"n"}'),
    (Operation.BATCHES, {"requests": [{"custom_id": str(n)} for n in range(22)]}, None),
    (Operation.MODELS, {}, None),
]


@pytest.mark.parametrize(("operation", "body", "expected"), ASKED)
def test_the_input(operation: Operation, body: dict[str, Any], expected: str | None) -> None:
    question = ask(operation, body)
    assert question.problem is None
    if operation is Operation.BATCHES:
        assert json.loads(question.input or "")["requests"][-1] == "[2 more]"
    else:
        assert question.input == expected


def part(name: str, value: bytes, extra: str = "") -> bytes:
    return f'--xyz\r\nContent-Disposition: form-data; name="{name}"{extra}\r\n'.encode() + b"\r\n" + value + b"\r\n"


AUDIO = '; filename="a.mp3"\r\nContent-Type: audio/mpeg'


def test_an_upload_is_shown_without_its_file() -> None:
    body = part("model", b"voxtral") + part("language", "fü".encode()) + part("file", b"\xff--xyz\r\n" * 9, AUDIO)
    body += part("timestamp_granularities[]", b"word") + part("timestamp_granularities[]", b"segment") + b"--xyz--\r\n"
    assert json.loads(ask(Operation.TRANSCRIPTION, body, FORM).input or "") == {
        "model": "voxtral",
        "language": "fü",
        "file": {"name": "a.mp3", "bytes": 9 * 8, "content_type": "audio/mpeg"},
        "timestamp_granularities[]": ["word", "segment"],
    }


@pytest.mark.parametrize("size", range(1, 300, 13))
def test_an_upload_that_was_cut_says_what_came(size: int) -> None:
    whole = part("model", b"voxtral") + part("file", b"\xff" * 1000, AUDIO)
    shown = json.loads(ask(Operation.FILES, whole[:size], FORM).input or "{}")
    assert shown.get("model", "voxtral").startswith("voxtral"[: len(shown.get("model", ""))])
    if "file" in shown:
        assert shown["file"]["captured_bytes"] == size - whole.index(b"\xff")


def test_other_forms() -> None:
    body = b"model=voxtral&file_url=https%3A%2F%2Fh%2Fa&stream=false"
    shown = ask(Operation.TRANSCRIPTION, body, "application/x-www-form-urlencoded").input
    assert json.loads(shown or "") == {"model": "voxtral", "file_url": "https://h/a", "stream": "false"}
    encoded = part("file", b"", "; filename*=UTF-8''f%C3%BC.pdf") + b"--xyz--"
    assert json.loads(ask(Operation.FILES, encoded, FORM).input or "")["file"] == {"name": "fü.pdf", "bytes": 0}
    assert ask(Operation.FILES, b"--other", FORM).problem


def test_parameters_that_logs_are_found_by() -> None:
    tools = [
        {"type": "function", "function": {"name": "f"}},
        {"type": "web_search"},
        {"name": "g", "type": "function"},
        7,
    ]
    question = ask(Operation.CHAT, {"messages": [], "tools": tools, "temperature": 0.25, "max_completion_tokens": 9})
    assert (question.tools, question.temperature, question.max_tokens) == ('["f","web_search","g"]', 0.25, 9)
    odd = ask(Operation.CHAT, {"messages": ["x"], "tools": "f", "temperature": "hot", "max_tokens": -1})
    assert (odd.input, odd.tools, odd.temperature, odd.max_tokens, odd.problem) == ('["x"]', None, None, None, None)


UNITS: list[tuple[Operation, dict[str, Any], Units]] = [
    (Operation.SPEECH, {"input": "héllo 👋"}, Units(characters=7)),
    (Operation.SPEECH, {"input": 7}, NO_UNITS),
    (Operation.CHAT, {"input": "hello"}, NO_UNITS),
    (Operation.OCR, {"document_annotation_format": {"type": "json_schema"}}, Units(annotated=True)),
    (Operation.OCR, {"bbox_annotation_format": {}}, Units(annotated=True)),
    (Operation.OCR, {"bbox_annotation_format": None}, NO_UNITS),
]


@pytest.mark.parametrize(("operation", "body", "units"), UNITS)
def test_units_of_a_request(operation: Operation, body: dict[str, Any], units: Units) -> None:
    if body != {"input": 7}:
        assert ask(operation, body).units == units
    kept = request_units(operation, json.dumps(body).encode())
    assert (read_units(kept), kept == b"") == (units, units == NO_UNITS)


def test_a_realtime_callers_messages() -> None:
    def lines(*messages: dict[str, Any]) -> bytes:
        return b"\n".join(json.dumps(message).encode() for message in messages) + b"\n"

    spoken = lines(
        {"type": "session.update", "session": {"voice": "v"}},
        {"type": "input_text.append", "text": "Hello, "},
        {"type": "input_text.flush", "text": "world."},
        {"type": "input_text.end"},
    )
    assert ask(Operation.REALTIME, spoken, "") == Question("Hello, world.", Units(characters=13))
    heard = lines({"type": "input_audio.append", "audio": "AAAA"}, {"type": "input_audio.append", "audio": "AAA="})
    assert ask(Operation.REALTIME, heard, "").input == '{"audio":"[5 bytes]"}'
    assert ask(Operation.REALTIME, b"\xff{", "") == Question()


@given(
    operation=st.sampled_from(Operation),
    body=st.binary(max_size=80) | st.binary(max_size=60).map(lambda data: b"{" + data) | st.just(b"--xyz\r\n\r\n"),
    content_type=st.sampled_from(
        ["application/json", FORM, "multipart/form-data", "application/x-www-form-urlencoded"]
    ),
)
def test_no_bytes_raise(operation: Operation, body: bytes, content_type: str) -> None:
    assert isinstance(read_question(operation, content_type, body), Question)
    assert isinstance(read_units(request_units(operation, body)), Units)


PATHS = (
    ("/agents/completions", Operation.AGENT_CHAT),
    ("/fim/", Operation.FIM),
    ("/chat/completions", Operation.CHAT),
    ("/chat/moderations", Operation.CHAT_MODERATION),
    ("/moderations", Operation.MODERATION),
    ("/classifications", Operation.CLASSIFICATION),
    ("/embeddings", Operation.EMBEDDINGS),
    ("/ocr", Operation.OCR),
    ("/audio/transcriptions", Operation.TRANSCRIPTION),
    ("/audio/speech", Operation.SPEECH),
    ("/responses", Operation.RESPONSES),
    ("/conversations", Operation.CONVERSATIONS),
    ("/files", Operation.FILES),
    ("/libraries", Operation.LIBRARIES),
    ("/agents", Operation.AGENTS),
    ("/batch", Operation.BATCHES),
)


def test_what_google_is_asked_to_count_is_read_as_a_chat() -> None:
    contents = {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}
    for body in (contents, {"generateContentRequest": contents}):
        asked = read_question(Operation.COUNT_TOKENS, "application/json", json.dumps(body).encode(), Dialect.GEMINI)
        assert (asked.input, asked.problem) == ('[{"role":"user","content":"hi"}]', None)


def test_every_request_of_every_sdk_is_read(shared: Path) -> None:
    count = 0
    for path in (shared / "reference" / "mistral-recordings").glob("*-requests.json"):
        for call in json.loads(path.read_bytes())["requests"]:
            request = call if "raw_path" in call else call["first"]
            if request is None:  # refused by the SDK itself
                continue
            found = next((operation for piece, operation in PATHS if piece in request["raw_path"]), None)
            headers = {name.lower(): value for name, value in request["headers"]}
            if request.get("body_json") is not None:
                body = json.dumps(request["body_json"]).encode()
            else:
                body = (request.get("body_raw") or "").encode("latin-1", "replace")
            if found is None or not body:
                continue
            count += 1
            question = read_question(found, headers.get("content-type", ""), body)
            where = (path.name, call["call"])
            assert question.problem is None, where
            assert question.input, where
            if found in (Operation.FILES, Operation.LIBRARIES) and "multipart" in headers["content-type"]:
                assert json.loads(question.input)["file"]["bytes"] >= 0, where
    assert count > 150
