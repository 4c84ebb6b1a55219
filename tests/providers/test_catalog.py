"""Each row of the catalogue: where its operations are, and that answers in its provider's shape are understood.

A fixture is a small answer of our own in the shape that the provider documents. Where real answers were recorded, they
are read too, and the paths of the real requests are the row's.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gantry.core.usage import NO_USAGE, Usage
from gantry.core.vocabulary import Dialect, Operation
from gantry.dialects.answer import Answer, read_answer
from gantry.dialects.usage import IMPOSSIBLE
from gantry.providers.spec import ProviderSpec, load_catalog

CATALOG = load_catalog()
FIXTURES = Path(__file__).parent / "fixtures"
PROMISED = {
    "mistral", "openai", "groq", "deepseek", "openrouter", "togetherai", "fireworks", "xai", "cerebras", "perplexity",
    "deepinfra", "nebius", "novita", "moonshot", "ollama", "vllm",
    # other formats than OpenAI's
    "anthropic", "google_gemini_ai", "google_vertex_ai", "azure_openai", "bedrock", "cohere",
    "ai21labs", "alibaba", "baseten", "cloudflare", "crusoe", "databricks", "doubleword", "github", "huggingface",
    "hyperbolic", "inception", "inference", "llamacpp", "lmstudio", "minimax", "nextbit", "nvidia_nim", "ovhcloud",
    "parasail", "sambanova", "scaleway", "snowflake", "upstage", "venice", "voyage", "writer", "zai",
}  # fmt: skip
FOLDERS = {"azure_openai": "azure", "google_gemini_ai": "gemini", "google_vertex_ai": "vertex"}  # of recordings
# What is recorded of a provider's other addresses: Azure's older surface, and Hugging Face's per provider behind it.
ELSEWHERE = re.compile(
    r"^/models/chat/completions$|^/openai/v1/embeddings$|^/(nebius|together)/v1/|^/v1beta/openai/|^/v1beta1/"
    r"|/(input_tokens|compact)$"
)
REPORTED = {"azure_openai": {IMPOSSIBLE}}  # of a Grok model there
FORMATS = {
    "openai_chat": (Dialect.OPENAI_CHAT, Operation.CHAT),
    "openai_responses": (Dialect.OPENAI_RESPONSES, Operation.RESPONSES),
    "openai_embeddings": (Dialect.OPENAI_CHAT, Operation.EMBEDDINGS),
    "openai_models": (Dialect.OPENAI_CHAT, Operation.MODELS),
    "openai_moderations": (Dialect.OPENAI_CHAT, Operation.MODERATION),
    "openai_audio_transcriptions": (Dialect.OPENAI_CHAT, Operation.TRANSCRIPTION),
    "mistral_chat": (Dialect.MISTRAL, Operation.CHAT),
    "mistral_embeddings": (Dialect.MISTRAL, Operation.EMBEDDINGS),
    "mistral_models": (Dialect.MISTRAL, Operation.MODELS),
    "mistral_ocr": (Dialect.MISTRAL, Operation.OCR),
    "mistral_audio_transcriptions": (Dialect.MISTRAL, Operation.TRANSCRIPTION),
    "mistral_audio_speech": (Dialect.MISTRAL, Operation.SPEECH),
    "anthropic_messages": (Dialect.ANTHROPIC, Operation.CHAT),
    "anthropic_count_tokens": (Dialect.ANTHROPIC, Operation.COUNT_TOKENS),
    "anthropic_models": (Dialect.ANTHROPIC, Operation.MODELS),
    "gemini_generate": (Dialect.GEMINI, Operation.CHAT),
    "gemini_count_tokens": (Dialect.GEMINI, Operation.COUNT_TOKENS),
    "gemini_models": (Dialect.GEMINI, Operation.MODELS),
    "bedrock_converse": (Dialect.BEDROCK, Operation.CHAT),
    "cohere_chat": (Dialect.COHERE, Operation.CHAT),
    "voyage_embeddings": (Dialect.VOYAGE, Operation.EMBEDDINGS),
    "voyage_rerank": (Dialect.VOYAGE, Operation.RERANK),
    "openai_rerank": (Dialect.OPENAI_CHAT, Operation.RERANK),
    "openai_images": (Dialect.OPENAI_CHAT, Operation.IMAGES),
    "openai_completions": (Dialect.OPENAI_CHAT, Operation.COMPLETIONS),
    "gemini_embed": (Dialect.GEMINI, Operation.EMBEDDINGS),
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
    for folder, recording in recordings(shared, spec):
        dialect, operation = FORMATS[folder]
        response = recording["response"]
        if operation is not Operation.CHAT or response["status"] != 200:
            continue
        if response.get("body") or response.get("sse"):
            answer = read_recorded(dialect, response)
            assert answer.text or answer.reasoning or answer.tool_calls or answer.usage != NO_USAGE, recording["id"]
            assert set(answer.warnings) <= REPORTED.get(spec.id, frozenset()), recording["id"]


@each_row
def test_recorded_requests_went_where_the_row_says(spec: ProviderSpec, shared: Path) -> None:
    for folder, recording in recordings(shared, spec):
        path = recording["request"]["path"]
        if recording["capture"]["request"] != "none" and not ELSEWHERE.search(path):
            dialect, operation = FORMATS[folder]
            paths = (spec.paths, spec.stream_paths)
            known = [table[dialect][operation] for table in paths if operation in table.get(dialect, {})]
            assert any(as_pattern(each).fullmatch(path) for each in known), (recording["id"], path, known)


@pytest.mark.parametrize("folder", sorted(FOLDERS.values()))
def test_folders_of_other_names_are_there(folder: str, shared: Path) -> None:
    assert (shared / "recordings" / folder).is_dir()


def as_pattern(template: str) -> re.Pattern[str]:
    """Return what a path without its query looks like."""
    path = template.partition("?")[0]
    return re.compile(re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(path)))


def format_of(spec: ProviderSpec) -> Dialect:
    """Return the dialect that a fixture is in: the first in which a provider chats, or does anything."""
    chats = (dialect for dialect, operations in spec.paths.items() if Operation.CHAT in operations)
    return next(chats, next(iter(spec.paths)))


def read_fixture(spec: ProviderSpec, fixture: dict[str, Any]) -> Answer:
    dialect, operation = format_of(spec), Operation(fixture.get("operation", Operation.CHAT))
    if "answer" in fixture:
        return read_answer(operation, dialect, "application/json", json.dumps(fixture["answer"]).encode())
    events = [*(json.dumps(chunk) for chunk in fixture["stream"]), "[DONE]"]
    stream = "".join(f"data: {event}\n\n" for event in events).encode()
    return read_answer(operation, dialect, "text/event-stream", stream)


def read_recorded(dialect: Dialect, response: dict[str, Any]) -> Answer:
    if response.get("sse"):
        return read_answer(Operation.CHAT, dialect, "text/event-stream", response["sse"].encode())
    return read_answer(Operation.CHAT, dialect, "application/json", json.dumps(response["body"]).encode())


def recordings(shared: Path, spec: ProviderSpec) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield what was recorded of a provider in the formats of the catalogue, with the name of its folder."""
    for folder in sorted((shared / "recordings" / FOLDERS.get(spec.id, spec.id)).glob("*")):
        if folder.name in FORMATS:
            for path in sorted(folder.glob("*.json")):
                yield folder.name, json.loads(path.read_bytes())
