"""All recorded Mistral traffic in OpenAI's shape: the same is said, whatever the cut, and OpenAI's client takes it."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gantry.core.vocabulary import Dialect, Operation
from gantry.dialects.adapt import Adaptation, FormAdaptation, adapt, adapt_form
from gantry.dialects.answer import read_answer
from tests.sdk.environments import Client, NoClient, interpreter

JSON = "application/json"
EVENTS = "text/event-stream"
CHAT = b'{"model":"m","messages":[{"role":"user","content":"x"}],"stream_options":{"include_usage":true}}'
# Reads one case a line, and says which one the official models refuse.
VALIDATOR = """
import json, sys
from openai.types import CreateEmbeddingResponse
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.audio import Transcription, TranscriptionDiarized, TranscriptionVerbose
shapes = {"whole": ChatCompletion, "chunk": ChatCompletionChunk, "embeddings": CreateEmbeddingResponse,
          "json": Transcription, "verbose_json": TranscriptionVerbose, "diarized_json": TranscriptionDiarized}
for line in sys.stdin:
    name, shape, body = json.loads(line)
    try:
        shapes[shape].model_validate(body)
    except ValueError as error:
        print(name, shape, error)
"""


def recordings(shared: Path, folder: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for path in sorted((shared / "recordings" / "mistral" / folder).glob("*.json")):
        recording = json.loads(path.read_bytes())
        if recording["response"]["status"] == 200:
            yield path.name, recording


def chat(body: bytes = CHAT) -> Adaptation:
    return adapt(Operation.CHAT, Dialect.OPENAI_CHAT, Dialect.MISTRAL, body)


def adapted_stream(raw: bytes, *cuts: int) -> bytes:
    machine = chat().stream()
    out, start = b"", 0
    for cut in (*cuts, len(raw)):
        out += machine.feed(raw[start:cut])
        start = cut
    return out + machine.close()


def test_every_recording_says_the_same_to_an_openai_client(shared: Path) -> None:
    count = 0
    for name, recording in recordings(shared, "mistral_chat"):
        count += 1
        response = recording["response"]
        if response.get("sse"):
            raw = response["sse"].encode()
            kind, adapted = EVENTS, adapted_stream(raw)
        else:
            raw = json.dumps(response["body"]).encode()
            kind, (_, adapted) = JSON, chat().response(200, raw, JSON)
        before = read_answer(Operation.CHAT, Dialect.MISTRAL, kind, raw)
        after = read_answer(Operation.CHAT, Dialect.OPENAI_CHAT, kind, adapted)
        assert (after.text or "") == (before.text or ""), name
        assert after.reasoning == before.reasoning, name
        assert after.tool_calls == before.tool_calls, name
        assert after.finish_reason == before.finish_reason, name
        assert after.usage == before.usage, name
        assert after.complete, name
    assert count > 90


@pytest.mark.slow
def test_every_stream_is_the_same_however_it_is_cut(shared: Path) -> None:
    for name, recording in recordings(shared, "mistral_chat"):
        if not recording["response"].get("sse"):
            continue
        raw = recording["response"]["sse"].encode()
        whole = adapted_stream(raw)
        assert adapted_stream(raw, *range(len(raw))) == whole, name
        # A cut in two is tried at every place of the first events and of the last, where the interesting ones are.
        for cut in (*range(min(len(raw), 800)), *range(max(len(raw) - 800, 0), len(raw))):
            assert adapted_stream(raw, cut) == whole, (name, cut)


def test_recorded_errors_are_told_in_openais_envelope(shared: Path) -> None:
    count = 0
    for path in sorted((shared / "recordings" / "mistral" / "mistral_chat").glob("*.json")):
        response = json.loads(path.read_bytes())["response"]
        if response["status"] < 400:
            continue
        count += 1
        raw = json.dumps(response["body"]).encode()
        kind, out = chat().response(response["status"], raw, JSON)
        assert kind == JSON
        assert json.loads(out)["error"]["message"], path.name
    assert count >= 5


@pytest.mark.sdk
@pytest.mark.slow
def test_openais_own_models_accept_what_was_adapted(shared: Path) -> None:
    try:
        python = interpreter(Client.OPENAI_3)
    except NoClient as missing:
        pytest.skip(str(missing))
    cases = list(_cases(shared))
    assert len(cases) > 400
    lines = "".join(json.dumps(case) + "\n" for case in cases)
    done = subprocess.run([python, "-c", VALIDATOR], input=lines, capture_output=True, text=True, check=True)
    assert done.stdout == ""


def _cases(shared: Path) -> Iterator[tuple[str, str, Any]]:
    for name, recording in recordings(shared, "mistral_chat"):
        response = recording["response"]
        if response.get("sse"):
            for event in adapted_stream(response["sse"].encode()).decode().split("\n\n"):
                if event.startswith("data: {"):
                    yield name, "chunk", json.loads(event.removeprefix("data: "))
        else:
            yield name, "whole", json.loads(chat().response(200, json.dumps(response["body"]).encode(), JSON)[1])
    embeddings = adapt(
        Operation.EMBEDDINGS, Dialect.OPENAI_CHAT, Dialect.MISTRAL, b'{"input":"x","encoding_format":"float"}'
    )
    for name, recording in recordings(shared, "mistral_embeddings"):
        yield name, "embeddings", json.loads(embeddings.response(200, _body(recording), JSON)[1])
    for name, recording in recordings(shared, "mistral_audio_transcriptions"):
        for wanted in ("json", "verbose_json", "diarized_json"):
            yield name, wanted, json.loads(transcription(wanted).response(200, _body(recording), JSON)[1])


def transcription(wanted: str) -> FormAdaptation:
    form = adapt_form(
        Operation.TRANSCRIPTION, Dialect.OPENAI_CHAT, Dialect.MISTRAL, "application/x-www-form-urlencoded", {}
    )
    form.feed(f"file_url=https%3A%2F%2Fexample.org&response_format={wanted}".encode())
    form.close()
    return form


def _body(recording: dict[str, Any]) -> bytes:
    return json.dumps(recording["response"]["body"]).encode()
