"""OpenAI's operations beside chat, and what it refuses."""

import base64
import struct
from typing import Any

import msgspec
import pytest

from gantry.simulator.exchange import Answer, Request
from gantry.simulator.world import World

QUESTION = [{"role": "user", "content": "use alpha and beta"}]
TOOLS = [
    {"type": "function", "function": {"name": name, "parameters": {"type": "object"}}} for name in ("alpha", "beta")
]
CHAT, SPEECH, EMBEDDINGS, RESPONSES = "/chat/completions", "/audio/speech", "/embeddings", "/responses"
CALLED = {"role": "assistant", "tool_calls": [{"id": "call_1", "type": "function", "function": {}}]}
LOOSE = {"type": "json_schema", "json_schema": {"name": "a", "strict": True, "schema": {"type": "object"}}}
SOUND = (
    b'--B\r\nContent-Disposition: form-data; name="file"; filename="a.mp3"\r\n\r\n' + bytes(64_000) + b"\r\n--B--\r\n"
)


def ask(path: str, body: Any = None, method: str = "", faults: str = "") -> Answer:
    verb = method or ("GET" if body is None else "POST")
    kind = b"multipart/form-data; boundary=B" if isinstance(body, bytes) else b"application/json"
    data = body if isinstance(body, bytes) else b"" if body is None else msgspec.json.encode(body)
    headers = ((b"authorization", b"Bearer k"), (b"content-type", kind))
    asked = (*headers, (b"x-simulate", faults.encode())) if faults else headers
    return World().perform(Request(verb.encode(), b"/openai/v1" + path.encode(), asked, data)).answer


def decoded(path: str, body: Any = None, faults: str = "") -> Any:
    answer = ask(path, body, "", faults)
    assert answer.status == 200, answer.body
    return events(answer) if answer.streamed else msgspec.json.decode(answer.body)


def events(answer: Answer) -> list[Any]:
    lines = [line[6:] for part in answer.parts for line in part.split(b"\n") if line.startswith(b"data: ")]
    return [msgspec.json.decode(line) for line in lines if line != b"[DONE]"]


def form(**fields: str) -> bytes:
    opening = "--B\r\nContent-Disposition: form-data; name="
    return "".join(f'{opening}"{name}"\r\n\r\n{value}\r\n' for name, value in fields.items()).encode() + SOUND


def chat(**fields: Any) -> dict[str, Any]:
    return {"model": "gpt-4o", "messages": QUESTION, **fields}


@pytest.mark.parametrize(
    ("path", "body", "status", "code", "param"),
    [
        (CHAT, chat(random_seed=1), 400, "unknown_parameter", "random_seed"),
        (CHAT, {"model": "gpt-4o"}, 400, "missing_required_parameter", "messages"),
        (CHAT, chat(temperature=2.5), 400, "decimal_above_max_value", "temperature"),
        (CHAT, chat(temperature="warm"), 400, "invalid_type", "temperature"),
        (CHAT, chat(tools=[]), 400, "empty_array", "tools"),
        (CHAT, chat(tool_choice="auto"), 400, None, "tool_choice"),
        (CHAT, chat(stream_options={"include_usage": True}), 400, None, "stream_options"),
        (CHAT, chat(top_logprobs=2), 400, None, "top_logprobs"),
        (CHAT, chat(response_format=LOOSE), 400, None, "response_format"),
        (CHAT, chat(model="gpt-5-mini", max_tokens=5), 400, "unsupported_parameter", "max_tokens"),
        (CHAT, chat(messages=[{"role": "robot"}]), 400, "invalid_value", "messages[0].role"),
        (CHAT, chat(messages=[*QUESTION, {"role": "tool", "tool_call_id": "x"}]), 400, None, "messages.[1].role"),
        (CHAT, chat(messages=[*QUESTION, CALLED, *QUESTION]), 400, None, "messages"),
        (CHAT, b"{", 400, None, None),
        (EMBEDDINGS, {"model": "text-embedding-3-small", "input": "a", "dimensions": 9999}, 400, None, "dimensions"),
        (EMBEDDINGS, {"model": "text-embedding-3-small", "input": []}, 400, None, "input"),
        (SPEECH, {"model": "tts-1", "input": "a"}, 400, "missing_required_parameter", "voice"),
        (SPEECH, {"model": "tts-1", "input": "a", "voice": "v", "speed": 9}, 400, "decimal_above_max_value", "speed"),
        ("/audio/transcriptions", form(), 400, "missing_required_parameter", "model"),
        ("/audio/transcriptions", form(model="whisper-1", file_url="u"), 400, "unknown_parameter", "file_url"),
        (
            "/audio/transcriptions",
            form(model="gpt-4o-transcribe", response_format="srt"),
            400,
            "unsupported_value",
            "response_format",
        ),
        (RESPONSES, {"model": "gpt-4o", "input": "a", "messages": []}, 400, "unknown_parameter", "messages"),
        (RESPONSES, {"model": "gpt-4o", "previous_response_id": "r"}, 400, "previous_response_not_found", None),
        ("/moderations", {"model": "nope", "input": "a"}, 404, "model_not_found", None),
    ],
)
def test_what_is_wrong_is_named(path: str, body: Any, status: int, code: str | None, param: str | None) -> None:
    answer = ask(path, body)
    error = msgspec.json.decode(answer.body)["error"]
    assert (answer.status, error["code"], error["type"]) == (status, code, "invalid_request_error")
    assert param is None or error["param"] == param


def test_tools_are_called_side_by_side_unless_told_not_to() -> None:
    both = decoded(CHAT, chat(tools=TOOLS))["choices"][0]["message"]["tool_calls"]
    one = decoded(CHAT, chat(tools=TOOLS, parallel_tool_calls=False))["choices"][0]["message"]["tool_calls"]
    assert [[call["function"]["name"] for call in calls] for calls in (both, one)] == [["alpha", "beta"], ["alpha"]]


def test_each_token_has_its_logprobs_whole_and_streamed() -> None:
    asked = chat(logprobs=True, top_logprobs=2, n=2)
    choices = decoded(CHAT, asked)["choices"]
    content = choices[1]["logprobs"]["content"]
    assert "".join(item["token"] for item in content) == choices[1]["message"]["content"]
    assert {len(item["top_logprobs"]) for item in content} == {2}
    told = [event["choices"][0] for event in decoded(CHAT, {**asked, "stream": True})]
    streamed = [
        item for choice in told if choice["index"] == 1 for item in (choice["logprobs"] or {"content": []})["content"]
    ]
    assert streamed == content


def test_a_refusal_is_in_a_field_of_its_own() -> None:
    message = decoded(CHAT, chat(), "refusal")["choices"][0]["message"]
    told = [event["choices"][0]["delta"] for event in decoded(CHAT, chat(stream=True), "refusal")]
    assert (message["content"], bool(message["refusal"])) == (None, True)
    assert "".join(delta.get("refusal") or "" for delta in told) == message["refusal"]


@pytest.mark.parametrize(
    ("shape", "media", "start"),
    [
        ("json", b"application/json", b'{"text":"Simulated transcription of a.mp3'),
        ("text", b"text/plain; charset=utf-8", b"Simulated"),
        ("srt", b"text/plain; charset=utf-8", b"1\n00:00:00,000 --> 00:00:04,000\n"),
        ("vtt", b"text/vtt; charset=utf-8", b"WEBVTT\n\n00:00:00.000 --> 00:00:04.000\n"),
        ("verbose_json", b"application/json", b'{"task":"transcribe","language":"english","duration":4.0'),
    ],
)
def test_a_transcription_comes_in_each_format(shape: str, media: bytes, start: bytes) -> None:
    answer = ask("/audio/transcriptions", form(model="whisper-1", response_format=shape))
    assert (answer.status, answer.media) == (200, media)
    assert answer.body.startswith(start)


def test_a_transcription_is_counted_by_time_or_by_tokens_also_in_its_stream() -> None:
    assert decoded("/audio/translations", form(model="whisper-1"))["usage"] == {"type": "duration", "seconds": 4}
    whole = decoded("/audio/transcriptions", form(model="gpt-4o-transcribe"))
    told = decoded("/audio/transcriptions", form(model="gpt-4o-transcribe", stream="true"))
    assert whole["usage"]["type"] == "tokens"
    assert "".join(item.get("delta", "") for item in told) == whole["text"]
    assert (told[-1]["type"], told[-1]["usage"]) == ("transcript.text.done", whole["usage"])


@pytest.mark.parametrize("shape", ["mp3", "opus", "aac", "flac", "wav", "pcm"])
def test_speech_comes_in_pieces_of_each_format_and_as_events(shape: str) -> None:
    body = {"model": "gpt-4o-mini-tts", "input": "Mind the gap", "voice": "alloy", "response_format": shape}
    answer = ask(SPEECH, body)
    assert (answer.streamed, answer.media.startswith(b"audio/"), len(answer.parts) > 1) == (True, True, True)
    told = decoded(SPEECH, {**body, "stream_format": "sse"})
    assert b"".join(base64.b64decode(item["audio"]) for item in told[:-1]) == answer.body
    assert told[-1]["usage"]["total_tokens"] > 0


@pytest.mark.parametrize(("model", "size"), [("text-embedding-3-small", 1536), ("text-embedding-3-large", 3072)])
def test_embeddings_in_base64_are_those_in_numbers(model: str, size: int) -> None:
    numbers = decoded(EMBEDDINGS, {"model": model, "input": ["a"]})["data"][0]["embedding"]
    coded = decoded(EMBEDDINGS, {"model": model, "input": ["a"], "encoding_format": "base64"})["data"][0]["embedding"]
    assert list(struct.unpack(f"<{size}f", base64.b64decode(coded))) == numbers


def test_moderations_flag_what_names_a_category() -> None:
    results = decoded("/moderations", {"input": ["violence", "tea"]})["results"]
    assert [result["flagged"] for result in results] == [True, False]


@pytest.mark.parametrize(
    "extra",
    [
        {},
        {"max_output_tokens": 16},
        {"tools": [{"type": "function", "name": "alpha", "parameters": {"type": "object"}}]},
        {"text": {"format": {"type": "json_schema", "name": "a", "schema": {"type": "integer"}}}},
        {"reasoning": {"effort": "high"}},
    ],
)
def test_a_response_is_told_in_events_that_add_up_to_it(extra: dict[str, Any]) -> None:
    body = {"model": "gpt-5.4", "input": [{"role": "user", "content": "use alpha"}], **extra}
    whole, told = decoded(RESPONSES, body), decoded(RESPONSES, {**body, "stream": True})
    assert [event["sequence_number"] for event in told] == list(range(len(told)))
    assert (told[0]["type"], told[-1]["type"]) == ("response.created", f"response.{whole['status']}")
    assert told[-1]["response"]["usage"] == whole["usage"]
    assert (whole["usage"]["output_tokens_details"]["reasoning_tokens"] > 0) is ("reasoning" in extra)
    items = [event["item"] for event in told if event["type"] == "response.output_item.done"]
    assert items == told[-1]["response"]["output"]
    text = "".join(event["delta"] for event in told if event["type"] == "response.output_text.delta")
    said = [part["text"] for item in items if item["type"] == "message" for part in item["content"]]
    assert text == "".join(said)


def test_what_is_not_stored_is_not_found() -> None:
    assert ask("/responses/resp_1").status == 404
    assert ask("/models/gpt-4o", method="DELETE").status == 403
    assert ask("/nothing").status == 404
