"""Embeddings: OpenAI's and Mistral's clients on Gemini's models, and Google's clients on theirs."""

import json
from array import array
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest

from gantry.core.errors import InvalidRequest, UpstreamBroke
from gantry.dialects.embeddings import read_vectors_asked
from gantry.dialects.gemini.embeddings import (
    gemini_vectors_for_openai,
    openai_vectors_for_gemini,
    to_gemini_embeddings,
    to_openai_embeddings,
)
from tests.dialects.gemini.recordings import exchanges

PACKED = b64encode(array("f", [0.5, -1.0]).tobytes()).decode()


def given(**fields: Any) -> bytes:
    return json.dumps(fields).encode()


def test_an_openai_request_becomes_a_batch() -> None:
    asked = read_vectors_asked(given(model="m", input=["a", "b"], dimensions=8, encoding_format="base64", user="u"))
    body, changes = to_gemini_embeddings(asked, "gemini-embedding-001")
    request = {"model": "models/gemini-embedding-001", "outputDimensionality": 8}
    assert json.loads(body) == {
        "requests": [{**request, "content": {"parts": [{"text": text}]}} for text in ("a", "b")]
    }
    assert asked.as_base64
    assert [str(change) for change in changes] == [
        "dimensions: renamed to outputDimensionality",
        "encoding_format: converted to float, encoded by the gateway",
        "user: dropped",
    ]


def test_a_mistral_request_becomes_a_batch() -> None:
    asked = read_vectors_asked(given(input="a", output_dimension=8, output_dtype="float"))
    assert json.loads(to_gemini_embeddings(asked, "models/e")[0]) == {
        "requests": [{"model": "models/e", "content": {"parts": [{"text": "a"}]}, "outputDimensionality": 8}]
    }


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (given(input=[1, 2]), "input"),
        (given(input=[[1], [2]]), "input"),
        (given(input=[]), "input"),
        (given(), "input"),
        (given(input="a", output_dtype="int8"), "output_dtype"),
        (given(input="a", encoding_format="hex"), "encoding_format"),
        (b"[]", None),
    ],
)
def test_what_gemini_cannot_embed_is_refused(body: bytes, param: str | None) -> None:
    with pytest.raises(InvalidRequest) as refused:
        to_gemini_embeddings(read_vectors_asked(body), "m")
    assert refused.value.param == param


def test_geminis_vectors_reach_an_openai_client() -> None:
    body = given(embeddings=[{"values": [0.5, -1.0]}, {"values": [1, 2]}], usageMetadata={"promptTokenCount": 4})
    assert json.loads(gemini_vectors_for_openai(body, "m", as_base64=False)) == {
        "object": "list",
        "data": [
            {"object": "embedding", "index": 0, "embedding": [0.5, -1.0]},
            {"object": "embedding", "index": 1, "embedding": [1, 2]},
        ],
        "model": "m",
        "usage": {"prompt_tokens": 4, "total_tokens": 4},
    }
    packed = json.loads(gemini_vectors_for_openai(given(embedding={"values": [0.5, -1.0]}), "m", as_base64=True))
    assert packed["data"][0]["embedding"] == PACKED
    assert packed["usage"] == {"prompt_tokens": 0, "total_tokens": 0}


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", given(embeddings=[{}])])
def test_what_is_no_vector_is_refused(body: bytes) -> None:
    with pytest.raises(UpstreamBroke):
        gemini_vectors_for_openai(body, "m", as_base64=False)
    with pytest.raises(UpstreamBroke):
        openai_vectors_for_gemini(body, batch=True)


def test_a_google_request_reaches_openai_and_mistral() -> None:
    content = {"parts": [{"text": "a"}, {"text": "b"}]}
    one, changes = to_openai_embeddings(
        given(content=content, task_type="RETRIEVAL_QUERY", output_dimensionality=8), "m", batch=False
    )
    assert json.loads(one) == {"model": "m", "input": "a\nb", "encoding_format": "float", "dimensions": 8}
    assert [str(change) for change in changes] == [
        "taskType: dropped",
        "outputDimensionality: renamed to dimensions",
    ]
    request = {"model": "models/e", "content": {"parts": [{"text": "a"}]}, "outputDimensionality": 8}
    two, _ = to_openai_embeddings(given(requests=[request, request]), "m", batch=True, size_field="output_dimension")
    assert json.loads(two) == {
        "model": "m",
        "input": ["a", "a"],
        "encoding_format": "float",
        "output_dimension": 8,
    }


@pytest.mark.parametrize(
    ("body", "batch", "param"),
    [
        (given(), False, "content"),
        (given(content={"parts": [{"inlineData": {}}]}), False, "content.parts[0]"),
        (given(), True, "requests"),
        (given(requests=[]), True, "requests"),
        (given(requests=[{"content": {"parts": {"text": 5}}}]), True, "requests[0].content.parts[0].text"),
        (
            given(requests=[{"content": {}}, {"content": {}, "outputDimensionality": 3}]),
            True,
            "requests[0].outputDimensionality",
        ),
    ],
)
def test_what_others_cannot_embed_is_refused(body: bytes, batch: bool, param: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        to_openai_embeddings(body, "m", batch=batch)
    assert refused.value.param == param


def test_openais_vectors_reach_a_google_client() -> None:
    data = [{"index": 1, "embedding": [1.0, 2.0]}, {"index": 0, "embedding": PACKED}]
    body = given(data=data, usage={"prompt_tokens": 4, "total_tokens": 4})
    assert json.loads(openai_vectors_for_gemini(body, batch=True)) == {
        "embeddings": [{"values": [0.5, -1.0]}, {"values": [1.0, 2.0]}],
        "usageMetadata": {"promptTokenCount": 4},
    }
    one = json.loads(openai_vectors_for_gemini(given(data=data[1:]), batch=False))
    assert one == {"embedding": {"values": [0.5, -1.0]}}


def test_recorded_embeddings_go_there_and_back(shared: Path) -> None:
    count = 0
    for exchange in exchanges(shared, "gemini_embed"):
        request, _ = to_openai_embeddings(json.dumps(exchange.request).encode(), exchange.model, batch=True)
        texts = json.loads(request)["input"]
        assert len(texts) == len((exchange.request or {})["requests"]), exchange.file
        if exchange.status == 200:
            count += 1
            for as_base64 in (False, True):
                openai = gemini_vectors_for_openai(exchange.raw, "m", as_base64=as_base64)
                back = json.loads(openai_vectors_for_gemini(openai, batch=True))
                for mine, theirs in zip(back["embeddings"], exchange.answers[0]["embeddings"], strict=True):
                    assert mine["values"] == pytest.approx(theirs["values"], abs=1e-6), exchange.file
    assert count == 4
