"""The 184 answers that the official SDKs were shown: each is read, and its usage as a naive reader reads it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from gantry.core.vocabulary import Dialect, Operation
from gantry.dialects.answer import Answer, fold_stream, is_stream, read_answer
from gantry.dialects.redact import redact_body

OPERATIONS = {
    "chat": Operation.CHAT,
    "stream": Operation.CHAT,
    "fim": Operation.FIM,
    "agents": Operation.AGENT_CHAT,
    "embeddings": Operation.EMBEDDINGS,
    "models": Operation.MODELS,
    "model": Operation.MODEL,
    "moderate": Operation.MODERATION,
    "ocr": Operation.OCR,
    "transcribe": Operation.TRANSCRIPTION,
}


class Shape(NamedTuple):
    name: str
    operation: Operation
    status: int
    content_type: str
    body: bytes


@pytest.fixture(scope="module")
def shapes(request: pytest.FixtureRequest) -> list[Shape]:
    shared: Path = request.getfixturevalue("shared")
    return list(read_shapes(shared / "reference" / "mistral-recordings" / "py-3.7.0-response-validation.json"))


def read_shapes(path: Path) -> Iterator[Shape]:
    for case in json.loads(path.read_bytes())["results"]:
        answer = case["response"]
        headers = {name.lower(): value for name, value in answer["headers"].items()}
        body = answer["body"]
        raw = (body if isinstance(body, str) else json.dumps(body)).encode() if body is not None else b""
        name = f"{case['kind']}: {case['case']}"
        yield Shape(name, OPERATIONS[case["kind"]], answer["status"], headers.get("content-type", ""), raw)


def read(shape: Shape) -> Answer:
    return read_answer(shape.operation, Dialect.MISTRAL, shape.content_type, shape.body)


def test_there_are_184(shapes: list[Shape]) -> None:
    assert len(shapes) == 184


def test_usage_and_text_are_what_a_naive_reader_finds(shapes: list[Shape]) -> None:
    for shape in shapes:
        answer = read(shape)
        documents = list(naive_documents(shape.body))
        if shape.status >= 400:
            assert answer.error or not any(documents), shape.name
            continue
        counts = naive_usage(documents)
        found = answer.usage
        assert (found.input_tokens, found.output_tokens, found.total_tokens, found.pages) == counts, shape.name
        if shape.operation is Operation.CHAT:
            assert (answer.text or "") == naive_text(documents), shape.name


def test_every_stream_folds_to_its_whole_and_redacts_to_the_same_numbers(shapes: list[Shape]) -> None:
    for shape in shapes:
        answer = read(shape)
        if is_stream(shape.content_type, shape.body):
            whole = fold_stream(shape.operation, shape.body)[0].whole()
            twin = read_answer(shape.operation, Dialect.MISTRAL, shape.content_type, whole)
            assert (twin.usage, twin.text, twin.tool_calls, twin.error) == (
                answer.usage,
                answer.text,
                answer.tool_calls,
                answer.error,
            ), shape.name
        redacted = redact_body(shape.body, shape.content_type, shape.operation)
        kept = read_answer(shape.operation, Dialect.MISTRAL, shape.content_type, redacted)
        if b"left_out" not in redacted:
            assert kept.usage == answer.usage, shape.name


def test_every_shape_cut_anywhere_is_read(shapes: list[Shape]) -> None:
    for shape in shapes:
        for end in range(0, len(shape.body), max(len(shape.body) // 9, 1)):
            cut = read(shape._replace(body=shape.body[:end]))
            assert cut.usage_raw is None or isinstance(json.loads(cut.usage_raw), dict), shape.name


def naive_documents(body: bytes) -> Iterator[dict[str, Any]]:
    text = body.decode("utf-8", "replace").replace("\r\n", "\n").replace("\r", "\n")
    blocks = [text]
    if not text.startswith("{"):
        blocks = [
            "\n".join(line[5:].removeprefix(" ") for line in block.split("\n") if line.startswith("data:"))
            for block in text.split("\n\n")
        ]
    for block in blocks:
        try:
            document = json.loads(block)
        except ValueError:
            continue
        if isinstance(document, dict):
            yield document


def naive_usage(documents: list[dict[str, Any]]) -> tuple[int | None, ...]:
    usage: dict[str, Any] = {}
    for document in documents:
        usage = document.get("usage") or document.get("usage_info") or usage
    names = ("prompt_tokens", "completion_tokens", "total_tokens", "pages_processed")
    counts = [usage.get(name) for name in names]
    return tuple(None if count is None else int(count) for count in counts)


def naive_text(documents: list[dict[str, Any]]) -> str:
    found = []
    for document in documents:
        for choice in document.get("choices") or []:
            part = choice.get("delta") or choice.get("message") or {}
            content = part.get("content") or ""
            if isinstance(content, list):
                content = "".join(item.get("text", "") for item in content if item.get("type") == "text")
            found.append(content)
    return "".join(found)
