"""Each row of the catalogue: where its operations are, and that answers in its provider's shape are understood.

A fixture is a small answer of our own in the shape that the provider documents. Where real answers were recorded, they
are read too, and the paths of the real requests are the row's.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gantry.core.usage import NO_USAGE, Usage
from gantry.core.vocabulary import Dialect, Operation
from gantry.dialects.answer import Answer, read_answer
from gantry.providers.spec import ProviderSpec, load_catalog

CATALOG = load_catalog()
FIXTURES = Path(__file__).parent / "fixtures"
PROMISED = {
    "mistral", "openai", "groq", "deepseek", "openrouter", "togetherai", "fireworks", "xai", "cerebras", "perplexity",
    "deepinfra", "nebius", "novita", "moonshot", "ollama", "vllm",
}  # fmt: skip
OPERATIONS = {
    "openai_chat": Operation.CHAT,
    "openai_responses": Operation.RESPONSES,
    "openai_embeddings": Operation.EMBEDDINGS,
    "openai_models": Operation.MODELS,
    "openai_moderations": Operation.MODERATION,
    "openai_audio_transcriptions": Operation.TRANSCRIPTION,
    "mistral_chat": Operation.CHAT,
    "mistral_embeddings": Operation.EMBEDDINGS,
    "mistral_models": Operation.MODELS,
    "mistral_ocr": Operation.OCR,
    "mistral_audio_transcriptions": Operation.TRANSCRIPTION,
    "mistral_audio_speech": Operation.SPEECH,
}
each_row = pytest.mark.parametrize("spec", CATALOG.values(), ids=CATALOG.keys())


def test_the_catalogue_is_what_was_promised_and_each_row_has_its_fixture() -> None:
    assert CATALOG.keys() == PROMISED
    assert {path.stem for path in FIXTURES.glob("*.json")} == PROMISED


@each_row
def test_the_answer_of_a_fixture_is_read(spec: ProviderSpec) -> None:
    fixture = json.loads((FIXTURES / f"{spec.id}.json").read_bytes())
    answer = read_fixture(spec, fixture)
    says = fixture["says"]
    assert answer.usage == Usage(**says.pop("usage"))
    assert {name: getattr(answer, name) for name in says} == says
    assert (answer.complete, answer.warnings, answer.error) == (True, (), None)


@each_row
def test_recorded_answers_are_read(spec: ProviderSpec, shared: Path) -> None:
    chats = [recording for folder, recording in recordings(shared, spec) if OPERATIONS[folder] is Operation.CHAT]
    for recording in chats:
        response = recording["response"]
        if response["status"] != 200 or not (response.get("body") or response.get("sse")):
            continue
        answer = read_recorded(spec, response)
        assert answer.text or answer.reasoning or answer.tool_calls or answer.usage != NO_USAGE, recording["id"]
        assert answer.warnings == (), recording["id"]


@each_row
def test_recorded_requests_went_where_the_row_says(spec: ProviderSpec, shared: Path) -> None:
    for folder, recording in recordings(shared, spec):
        path = recording["request"]["path"]
        if recording["capture"]["request"] != "none" and not path.endswith(("/input_tokens", "/compact")):
            dialect = Dialect.OPENAI_RESPONSES if folder == "openai_responses" else dialect_of(spec)
            assert path == spec.paths[dialect][OPERATIONS[folder]], recording["id"]


def dialect_of(spec: ProviderSpec) -> Dialect:
    """Return the dialect in which a provider chats."""
    return next(dialect for dialect, operations in spec.paths.items() if Operation.CHAT in operations)


def read_fixture(spec: ProviderSpec, fixture: dict[str, Any]) -> Answer:
    if "answer" in fixture:
        return read_chat(spec, "application/json", json.dumps(fixture["answer"]).encode())
    events = [*(json.dumps(chunk) for chunk in fixture["stream"]), "[DONE]"]
    return read_chat(spec, "text/event-stream", "".join(f"data: {event}\n\n" for event in events).encode())


def read_recorded(spec: ProviderSpec, response: dict[str, Any]) -> Answer:
    if response.get("sse"):
        return read_chat(spec, "text/event-stream", response["sse"].encode())
    return read_chat(spec, "application/json", json.dumps(response["body"]).encode())


def read_chat(spec: ProviderSpec, content_type: str, body: bytes) -> Answer:
    return read_answer(Operation.CHAT, dialect_of(spec), content_type, body)


def recordings(shared: Path, spec: ProviderSpec) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield what was recorded of a provider in the operations of the catalogue, with the name of its folder."""
    for folder in sorted((shared / "recordings" / spec.id).glob("*")):
        if folder.name in OPERATIONS:
            for path in sorted(folder.glob("*.json")):
                yield folder.name, json.loads(path.read_bytes())
