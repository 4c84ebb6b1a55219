"""The adapt tier by operation: requests, whole answers and streams between OpenAI's clients and Mistral's models."""

import base64
import json
import struct
from typing import Any

import pytest

from gantry.core.errors import InvalidRequest, UpstreamBroke
from gantry.core.vocabulary import Dialect, Operation
from gantry.dialects.adapt import ADAPTABLE, Adaptation, FormAdaptation, adapt, adapt_form
from gantry.dialects.changes import Change, header_value, refuse_drops, renamed
from gantry.dialects.rules import RequestRules

OPENAI, MISTRAL = Dialect.OPENAI_CHAT, Dialect.MISTRAL
USAGE = {"prompt_tokens": 5, "completion_tokens": 11, "total_tokens": 391, "prompt_audio_seconds": 3}
TOKENS = {
    "type": "tokens",
    "input_tokens": 380,
    "input_token_details": {"text_tokens": 5, "audio_tokens": 375},
    "output_tokens": 11,
    "total_tokens": 391,
}
SEGMENTS = [
    {"type": "transcription_segment", "text": " Hello", "start": 0.1, "end": 1.25, "speaker_id": "speaker_1"},
    {"type": "transcription_segment", "text": "a --> b\n\nc", "start": 3601.5, "end": 3602, "speaker_id": "speaker_2"},
]


def adapted(operation: Operation, **body: Any) -> Adaptation:
    return adapt(operation, OPENAI, MISTRAL, json.dumps(body).encode())


def changes_of(adaptation: Adaptation | FormAdaptation) -> list[str]:
    return [str(change) for change in adaptation.changes]


def answered(adaptation: Adaptation | FormAdaptation, body: Any, status: int = 200) -> tuple[str, Any]:
    content_type, out = adaptation.response(status, json.dumps(body).encode(), "application/json")
    return content_type, json.loads(out) if content_type == "application/json" else out


def streamed(adaptation: Adaptation | FormAdaptation, *events: dict[str, Any], rest: bytes = b"") -> list[Any]:
    """Return what comes of a stream, which must be the same however it is cut."""
    raw = b"".join(b"event: %b\ndata: %b\n\n" % (one["type"].encode(), json.dumps(one).encode()) for one in events)
    raw += rest
    machine = adaptation.stream()
    whole = machine.feed(raw) + machine.close()
    machine = adaptation.stream()
    assert b"".join(machine.feed(raw[at : at + 1]) for at in range(len(raw))) + machine.close() == whole
    items = [event.removeprefix("data: ") for event in whole.decode().split("\n\n") if event]
    return [item if item == "[DONE]" else json.loads(item) for item in items]


def test_what_can_be_adapted() -> None:
    assert ADAPTABLE[OPENAI, MISTRAL] == {
        Operation.CHAT,
        Operation.EMBEDDINGS,
        Operation.TRANSCRIPTION,
        Operation.MODERATION,
        Operation.SPEECH,
    }
    assert Operation.CHAT in ADAPTABLE[OPENAI, OPENAI]


def test_a_change_is_one_line_and_a_header_is_ascii() -> None:
    changes = [renamed("a", "b"), Change("n\r\nset-cookie: é", renamed("", "").action)]
    assert header_value(changes) == b"a: renamed to b; n??set-cookie: ?: renamed"
    many = header_value([renamed("parameter", "another")] * 100)
    assert len(many) < 1100
    assert many.endswith(b"more")


def test_strict_callers_are_refused_when_something_is_dropped() -> None:
    body = {"model": "m", "messages": [{"role": "user", "content": "x"}], "max_completion_tokens": 5}
    refuse_drops(adapted(Operation.CHAT, **body).changes)
    with pytest.raises(InvalidRequest) as raised:
        refuse_drops(adapted(Operation.CHAT, **body, verbosity="low").changes)
    assert raised.value.param == "verbosity"


def test_a_chat_by_operation() -> None:
    adaptation = adapted(Operation.CHAT, model="m", messages=[{"role": "user", "content": "x"}], seed=1)
    assert json.loads(adaptation.body)["random_seed"] == 1
    assert answered(adaptation, {"choices": []}) == ("application/json", {"choices": []})


def test_rules_of_a_provider_come_after_the_dialect() -> None:
    rules = RequestRules(clamp={"max_tokens": (None, 10.0)}, default={"safe_prompt": True})
    body = b'{"model":"m","messages":[{"role":"user","content":"x"}],"max_completion_tokens":50}'
    adaptation = adapt(Operation.CHAT, OPENAI, MISTRAL, body, rules)
    assert (json.loads(adaptation.body)["max_tokens"], json.loads(adaptation.body)["safe_prompt"]) == (10, True)
    assert changes_of(adaptation) == [
        "max_completion_tokens: renamed to max_tokens",
        "max_tokens: clamped to 10",
        "safe_prompt: defaulted to true",
    ]


def test_a_provider_of_the_same_dialect_answers_in_it() -> None:
    adaptation = adapt(Operation.CHAT, OPENAI, OPENAI, b'{"user":"u","x":1.00}', RequestRules(drop=("user",)))
    assert adaptation.body == b'{"x":1.00}'
    assert adaptation.response(500, b"<html>", "text/html") == ("text/html", b"<html>")


EMBEDDINGS: list[tuple[dict[str, Any], dict[str, Any], list[str]]] = [
    ({"input": "a"}, {"input": "a"}, []),
    ({"input": ["a", "b"], "encoding_format": "float"}, {"input": ["a", "b"], "encoding_format": "float"}, []),
    (
        {"input": "a", "dimensions": 64, "encoding_format": "base64", "user": "u"},
        {"input": "a", "output_dimension": 64, "encoding_format": "float"},
        [
            "dimensions: renamed to output_dimension",
            "encoding_format: converted to float, encoded by the gateway",
            "user: dropped",
        ],
    ),
]


@pytest.mark.parametrize(("body", "expected", "changes"), EMBEDDINGS)
def test_embeddings_requests(body: dict[str, Any], expected: dict[str, Any], changes: list[str]) -> None:
    adaptation = adapted(Operation.EMBEDDINGS, model="m", **body)
    assert json.loads(adaptation.body) == {"model": "m", **expected}
    assert changes_of(adaptation) == changes


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"input": [1, 2]}, "input"),
        ({"input": [[1, 2], [3]]}, "input"),
        ({"input": None}, "input"),
        ({}, "input"),
        ({"input": "a", "encoding_format": "hex"}, "encoding_format"),
    ],
)
def test_embeddings_that_mistral_cannot_make(body: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequest) as raised:
        adapted(Operation.EMBEDDINGS, model="m", **body)
    assert raised.value.param == param


def test_vectors_go_out_as_base64_of_little_endian_floats() -> None:
    adaptation = adapted(Operation.EMBEDDINGS, model="m", input="a", encoding_format="base64")
    vector = [0.5, -1.25, 3, 1e-3]
    given = {"object": "list", "data": [{"embedding": vector}], "model": "m", "usage": {"prompt_tokens": 1}}
    _, answer = answered(adaptation, given)
    (item,) = answer["data"]
    assert struct.unpack("<4f", base64.b64decode(item["embedding"])) == pytest.approx(vector)
    assert (item["index"], item["object"], answer["usage"]) == (0, "embedding", {"prompt_tokens": 1})


def test_vectors_that_stay_floats_keep_their_bytes() -> None:
    adaptation = adapted(Operation.EMBEDDINGS, model="m", input="a", encoding_format="float")
    body = b'{"data":[{"object":"embedding", "embedding":[0.10],"index":0}]}'
    assert adaptation.response(200, body, "application/json") == ("application/json", body)
    with pytest.raises(UpstreamBroke):
        adaptation.response(200, b'{"data":7}', "application/json")
    assert answered(adaptation, {"detail": "no"}, 401)[1]["error"]["message"] == "no"


SPEECH: list[tuple[dict[str, Any], dict[str, Any], list[str]]] = [
    ({"voice": "v"}, {"voice_id": "v"}, ["voice: renamed to voice_id"]),
    ({"voice": {"id": "v"}}, {"voice_id": "v"}, ["voice: renamed to voice_id"]),
    ({"speed": 1.0, "instructions": ""}, {}, []),
    ({"speed": 2, "instructions": "shout"}, {}, ["speed: dropped", "instructions: dropped"]),
    ({"response_format": "wav"}, {"response_format": "wav"}, []),
    ({"stream_format": "sse"}, {"stream": True}, []),
    ({"stream_format": "audio"}, {}, []),
]


@pytest.mark.parametrize(("body", "expected", "changes"), SPEECH)
def test_speech_requests(body: dict[str, Any], expected: dict[str, Any], changes: list[str]) -> None:
    adaptation = adapted(Operation.SPEECH, model="m", input="hi", **body)
    assert json.loads(adaptation.body) == {"model": "m", "input": "hi", **expected}
    assert changes_of(adaptation) == changes


@pytest.mark.parametrize(
    ("body", "param"), [({"input": "x", "response_format": "aac"}, "response_format"), ({"model": "m"}, "input")]
)
def test_speech_that_mistral_cannot_make(body: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequest) as raised:
        adapted(Operation.SPEECH, **body)
    assert raised.value.param == param


def test_speech_is_sound_to_an_openai_client() -> None:
    sound = bytes(range(256))
    given = {"audio_data": base64.b64encode(sound).decode()}
    assert answered(adapted(Operation.SPEECH, input="hi"), given) == ("audio/mpeg", sound)
    assert answered(adapted(Operation.SPEECH, input="hi", response_format="wav"), given) == ("audio/wav", sound)
    for body in ({"audio_data": "?"}, {}):
        with pytest.raises(UpstreamBroke):
            answered(adapted(Operation.SPEECH, input="hi"), body)


def test_streamed_speech() -> None:
    adaptation = adapted(Operation.SPEECH, input="hi", stream_format="sse")
    delta = {"type": "speech.audio.delta", "audio_data": "QUJD"}
    counts = {"input_tokens": 5, "output_tokens": 11, "total_tokens": 391}
    assert streamed(adaptation, delta, {"type": "speech.audio.done", "usage": USAGE}) == [
        {"type": "speech.audio.delta", "audio": "QUJD"},
        {"type": "speech.audio.done", "usage": counts},
        "[DONE]",
    ]
    assert "error" in streamed(adaptation, delta)[-1]


def transcription(*fields: tuple[str, str]) -> tuple[FormAdaptation, bytes]:
    """Return the adaptation of a form with a file and these fields, and what went upstream."""
    form = b"".join(_part(name, value) for name, value in fields)
    adaptation = adapt_form(
        Operation.TRANSCRIPTION,
        OPENAI,
        MISTRAL,
        "multipart/form-data; boundary=B",
        {"model": b"voxtral"},
        ("respan_params",),
    )
    out = adaptation.feed(_part("model", "mistral/voxtral") + FILE + form + b"--B--\r\n")
    return adaptation, out + adaptation.close()


def _part(name: str, value: str) -> bytes:
    return f'--B\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()


FILE = b'--B\r\nContent-Disposition: form-data; name="file"; filename="a.mp3"\r\n\r\nsound\r\n'
SEGMENT = ("timestamp_granularities", "segment")
FORMS: list[tuple[list[tuple[str, str]], list[tuple[str, str]], list[str]]] = [
    ([], [], []),
    ([("language", "en"), ("temperature", "0.5")], [("language", "en"), ("temperature", "0.5")], []),
    ([("response_format", "json"), ("respan_params", "{}")], [], []),
    ([("prompt", "about cats"), ("include[]", "logprobs")], [], ["prompt: dropped", "include[]: dropped"]),
    ([("keywords[]", "Mistral")], [("context_bias", "Mistral")], ["keywords[]: renamed to context_bias"]),
    ([("keywords[]", "two words")], [], ["keywords[]: dropped"]),
    ([("response_format", "srt")], [SEGMENT], ["timestamp_granularities: defaulted to segment"]),
    (
        [("response_format", "verbose_json"), ("timestamp_granularities[]", "word")],
        [("timestamp_granularities[]", "word")],
        [],
    ),
    (
        [("response_format", "diarized_json")],
        [SEGMENT, ("diarize", "true")],
        ["timestamp_granularities: defaulted to segment", "response_format: converted to diarize"],
    ),
]


@pytest.mark.parametrize(("given", "expected", "changes"), FORMS)
def test_transcription_forms(given: list[tuple[str, str]], expected: list[tuple[str, str]], changes: list[str]) -> None:
    adaptation, out = transcription(*given)
    fields = b"".join(_part(name, value) for name, value in expected)
    assert out == _part("model", "voxtral") + FILE + fields + b"--B--\r\n"
    assert changes_of(adaptation) == changes


def test_a_transcription_that_cannot_be_made() -> None:
    with pytest.raises(InvalidRequest, match="response_format"):
        transcription(("response_format", "docx"))


SRT = b"1\n00:00:00,100 --> 00:00:01,250\nHello\n\n2\n01:00:01,500 --> 01:00:02,000\na \xe2\x86\x92 b\nc\n\n"
VTT = b"WEBVTT\n\n00:00:00.100 --> 00:00:01.250\nHello\n\n01:00:01.500 --> 01:00:02.000\na \xe2\x86\x92 b\nc\n\n"


@pytest.mark.parametrize(("wanted", "expected"), [("text", b"Hello\n"), ("srt", SRT), ("vtt", VTT)])
def test_transcripts_in_text(wanted: str, expected: bytes) -> None:
    adaptation, _ = transcription(("response_format", wanted))
    answer = answered(adaptation, {"text": "Hello", "segments": SEGMENTS, "usage": USAGE})
    assert answer == ("text/plain; charset=utf-8", expected)


def test_transcripts_in_json() -> None:
    given = {"model": "m", "text": "Hello", "language": None, "segments": SEGMENTS, "usage": USAGE}
    assert answered(transcription()[0], given)[1] == {"text": "Hello", "usage": TOKENS}
    verbose = answered(transcription(("response_format", "verbose_json"), ("language", "en"))[0], given)[1]
    assert (verbose["language"], verbose["duration"], verbose["text"]) == ("en", 3.0, "Hello")
    assert verbose["usage"] == {"type": "duration", "seconds": 3.0}
    assert [(one["id"], one["start"], one["end"]) for one in verbose["segments"]] == [(0, 0.1, 1.25), (1, 3601.5, 3602)]
    words = transcription(("response_format", "verbose_json"), ("timestamp_granularities[]", "word"))[0]
    assert answered(words, given)[1]["words"][0] == {"word": "Hello", "start": 0.1, "end": 1.25}
    diarized = answered(transcription(("response_format", "diarized_json"))[0], given)[1]
    assert [one["speaker"] for one in diarized["segments"]] == ["speaker_1", "speaker_2"]


def test_a_transcript_without_times_is_one_cue() -> None:
    adaptation, _ = transcription(("response_format", "srt"))
    assert answered(adaptation, {"text": "Hi", "usage": USAGE})[1] == b"1\n00:00:00,000 --> 00:00:03,000\nHi\n\n"
    assert answered(adaptation, {"text": ""})[1] == b""
    with pytest.raises(UpstreamBroke):
        answered(adaptation, {"segments": []})


DONE = {"type": "transcription.done", "text": "Hello", "usage": USAGE, "model": "m", "language": None}
EVENTS: list[dict[str, Any]] = [
    {"type": "transcription.language", "audio_language": "en"},
    {"type": "transcription.text.delta", "text": "Hel"},
    {"type": "transcription.segment", "text": "Hello", "start": 0.5, "end": 1, "speaker_id": "speaker_1"},
    DONE,
]
DELTA = {"type": "transcript.text.delta", "delta": "Hel"}
LAST = {"type": "transcript.text.done", "text": "Hello", "usage": TOKENS}
SAID = {
    "type": "transcript.text.segment",
    "id": "seg_0",
    "text": "Hello",
    "start": 0.5,
    "end": 1.0,
    "speaker": "speaker_1",
}


def test_streamed_transcripts() -> None:
    assert streamed(transcription()[0], *EVENTS) == [DELTA, LAST, "[DONE]"]
    diarized = transcription(("response_format", "diarized_json"))[0]
    assert streamed(diarized, *EVENTS) == [DELTA, SAID, LAST, "[DONE]"]


@pytest.mark.parametrize(
    "rest", [b"", b'data: {"object":"error","message":"no"}\n\n', b"data: <html>\n\n", b'data: {"error":{}}\n\n']
)
def test_a_streamed_transcript_that_broke_says_so(rest: bytes) -> None:
    found = streamed(transcription()[0], EVENTS[1], rest=rest)
    assert found[0] == DELTA
    assert found[1].keys() == {"error"}
    assert len(found) == 2
