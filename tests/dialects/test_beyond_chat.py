"""The table of pairs beyond chat, and recorded answers of real providers on their way to clients of other formats."""

import json
from array import array
from base64 import b64decode
from pathlib import Path
from typing import Any

import pytest

from gantry.core.errors import GatewayError, InvalidRequest, UpstreamBroke
from gantry.core.vocabulary import Dialect, Operation
from gantry.dialects.beyond_chat import Errand, asked_operation, translate_beyond_chat
from tests.dialects.test_answer_recordings import exchanges

MISTRAL, OPENAI, GEMINI = Dialect.MISTRAL, Dialect.OPENAI_CHAT, Dialect.GEMINI
COHERE, VOYAGE = Dialect.COHERE, Dialect.VOYAGE
EMBEDDINGS, EMBEDDING, RERANK = Operation.EMBEDDINGS, Operation.EMBEDDING, Operation.RERANK
PAIRS = [
    *((source, target, EMBEDDINGS, EMBEDDINGS) for source in (OPENAI, MISTRAL) for target in (GEMINI, COHERE, VOYAGE)),
    (MISTRAL, OPENAI, EMBEDDINGS, EMBEDDINGS),
    *((GEMINI, target, given, EMBEDDINGS) for target in (OPENAI, MISTRAL) for given in (EMBEDDINGS, EMBEDDING)),
    (OPENAI, COHERE, RERANK, RERANK),
    (OPENAI, VOYAGE, RERANK, RERANK),
    (COHERE, OPENAI, RERANK, RERANK),
    (COHERE, VOYAGE, RERANK, RERANK),
    (OPENAI, GEMINI, Operation.IMAGES, Operation.CHAT),
    (OPENAI, MISTRAL, Operation.COMPLETIONS, Operation.FIM),
]
ASKED: dict[Operation, dict[str, Any]] = {
    EMBEDDINGS: {"model": "m", "input": "a"},
    EMBEDDING: {"content": {"parts": [{"text": "a"}]}},
    RERANK: {"model": "m", "query": "q", "documents": ["a"] * 9},
    Operation.IMAGES: {"model": "m", "prompt": "a"},
    Operation.COMPLETIONS: {"model": "m", "prompt": "a"},
}


def errand(source: Dialect, target: Dialect, operation: Operation) -> Errand:
    return Errand(source, target, operation, "m", 1, "id1")


def asked(source: Dialect, operation: Operation) -> dict[str, Any]:
    if (source, operation) == (GEMINI, EMBEDDINGS):
        return {"requests": [ASKED[EMBEDDING]]}
    return ASKED[operation]


def test_the_pairs_are_these_and_no_others() -> None:
    found = [
        (source, target, operation, provider)
        for source in Dialect
        for target in Dialect
        for operation in Operation
        if (provider := asked_operation(source, target, operation)) is not None
    ]
    assert set(found) == set(PAIRS)
    assert len(found) == len(PAIRS)


@pytest.mark.parametrize(("source", "target", "operation", "provider"), PAIRS)
def test_each_pair_translates_what_is_plain_without_a_loss(
    source: Dialect, target: Dialect, operation: Operation, provider: Operation
) -> None:
    body = json.dumps(asked(source, operation)).encode()
    found = translate_beyond_chat(body, errand(source, target, operation))
    assert json.loads(found.body)
    assert not any(str(change.action) == "dropped" for change in found.changes)


@pytest.mark.parametrize(("source", "target", "operation", "provider"), PAIRS)
@pytest.mark.parametrize(
    "body", [b"", b"[]", b"null", b'{"model":', b"{}", b'{"input":null,"documents":5,"prompt":[]}']
)
def test_what_is_no_request_is_the_callers_mistake(
    source: Dialect, target: Dialect, operation: Operation, provider: Operation, body: bytes
) -> None:
    with pytest.raises(InvalidRequest):
        translate_beyond_chat(body, errand(source, target, operation))


@pytest.mark.parametrize(("source", "target", "operation", "provider"), PAIRS)
@pytest.mark.parametrize(
    "answer", [b"", b"[]", b"{}", b"<html>", b'{"data":5,"results":[{}],"embeddings":[5],"candidates":[],"choices":5}']
)
def test_what_is_no_answer_never_becomes_one(
    source: Dialect, target: Dialect, operation: Operation, provider: Operation, answer: bytes
) -> None:
    body = json.dumps(asked(source, operation)).encode()
    found = translate_beyond_chat(body, errand(source, target, operation))
    with pytest.raises(GatewayError):
        found.response(200, answer, "application/json")
    content_type, refusal = found.response(500, answer, "text/html")
    assert content_type == "application/json"
    assert json.loads(refusal)


@pytest.mark.parametrize(
    ("folder", "target"), [("cohere_embed", COHERE), ("voyage_embeddings", VOYAGE), ("gemini_embed", GEMINI)]
)
@pytest.mark.parametrize("source", [OPENAI, MISTRAL])
def test_recorded_vectors_reach_a_client_as_they_are(
    shared: Path, folder: str, target: Dialect, source: Dialect
) -> None:
    count = 0
    for exchange in exchanges(shared, folder):
        if exchange.status >= 400:
            continue
        count += 1
        given = {**ASKED[EMBEDDINGS], "encoding_format": "base64" if folder.startswith("voyage") else "float"}
        found = translate_beyond_chat(json.dumps(given).encode(), errand(source, target, EMBEDDINGS))
        said = json.loads(found.response(200, exchange.raw, "application/json")[1])
        document = exchange.chunks[0]
        vectors: Any = document.get("data") or document["embeddings"]
        vectors = vectors["float"] if isinstance(vectors, dict) else vectors
        plain = [v.get("embedding") or v["values"] if isinstance(v, dict) else v for v in vectors]
        assert [item["embedding"] for item in said["data"]] == plain, exchange.file
        assert ("id" in said) is (source is MISTRAL)
    assert count >= 3


def test_base64_is_what_the_floats_were(shared: Path) -> None:
    (exchange, *_) = [one for one in exchanges(shared, "cohere_embed") if one.status == 200]
    given = json.dumps({**ASKED[EMBEDDINGS], "encoding_format": "base64"}).encode()
    found = translate_beyond_chat(given, errand(OPENAI, COHERE, EMBEDDINGS))
    said = json.loads(found.response(200, exchange.raw, "")[1])
    numbers = array("f", b64decode(said["data"][0]["embedding"]))
    assert list(numbers) == pytest.approx(exchange.chunks[0]["embeddings"]["float"][0], abs=1e-6)


@pytest.mark.parametrize(
    ("folder", "source", "target"),
    [("openai_rerank", COHERE, OPENAI), ("voyage_rerank", COHERE, VOYAGE), ("voyage_rerank", OPENAI, VOYAGE)],
)
def test_recorded_rankings_reach_a_client_as_they_are(
    shared: Path, folder: str, source: Dialect, target: Dialect
) -> None:
    count = 0
    for exchange in exchanges(shared, folder):
        body = json.dumps(ASKED[RERANK]).encode()
        found = translate_beyond_chat(body, errand(source, target, RERANK))
        said = json.loads(found.response(exchange.status, exchange.raw, "application/json")[1])
        document = exchange.chunks[0]
        if exchange.status >= 400:
            assert document["error"]["message"] in said["message"], exchange.file
            continue
        count += 1
        results = document.get("results") or document["data"]
        wanted = [{name: one[name] for name in ("index", "relevance_score")} for one in results]
        assert said["results"] == wanted, exchange.file
    assert count >= 2


@pytest.mark.parametrize("index", [-1, 2, 10**30])
@pytest.mark.parametrize("wanted", [True, False])
def test_a_place_that_no_document_has_is_the_providers_fault(index: int, wanted: bool) -> None:
    asked = {"model": "m", "query": "q", "documents": ["a", "b"], "return_documents": wanted}
    found = translate_beyond_chat(json.dumps(asked).encode(), errand(OPENAI, COHERE, RERANK))
    answer = {"results": [{"index": index, "relevance_score": 0.5}]}
    with pytest.raises(UpstreamBroke):
        found.response(200, json.dumps(answer).encode(), "application/json")
