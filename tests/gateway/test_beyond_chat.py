"""Operations beyond chat over sockets: what the provider hears, what the client gets, and what the log says of it."""

import json
from array import array
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from gantry.clerk.meter import meter_call
from gantry.core.request_log import RequestLog
from gantry.core.usage import Usage
from gantry.core.vocabulary import Outcome
from gantry.prices.load import load_rates
from gantry.prices.rates import Rates
from tests.gateway.conftest import STREAM_HEAD, UPSTREAM_KEY, Answer, Node, Script, Upstream, answering, json_answer
from tests.gateway.conftest import running_node as running
from tests.gateway.uploads import FORM_TYPE, MISTRAL, OPENAI, Taken, file, form, part, post, taking

Runner = Callable[[Any], Any]
PACKED = b64encode(array("f", [0.5, -1.0]).tobytes()).decode()
PNG = b64encode(b"\x89PNG" * 100).decode()
GOOGLE = "/google/gemini/v1beta/models"


@pytest.fixture(scope="module")
def rates() -> Rates:
    return load_rates()


class Told(NamedTuple):
    """One call: the answer, what the provider was asked, and the log."""

    answer: Answer
    said: Any
    path: str
    head: str
    asked: Any
    log: RequestLog


async def logged(node: Node, rates: Rates) -> RequestLog:
    opened, closed, body = await node.one_call()
    return meter_call(opened, opened.request_body, body, closed, rates)


def tell(run: Runner, tmp_path: Path, rates: Rates, path: str, asked: Any, answered: Any, *headers: bytes) -> Told:
    """Send a request, let the provider answer with this."""
    taken: list[Taken] = []
    given = answered if isinstance(answered, bytes) else json_answer(json.dumps(answered).encode())

    async def main() -> Told:
        async with Upstream(taking(given, taken)).running() as up, running(tmp_path, up.url) as node:
            answer = await node.ask(path, json.dumps(asked).encode(), *headers)
            log = await logged(node, rates)
            body, head = (json.loads(taken[0].body), taken[0].head.decode()) if taken else (None, "")
            heard = head.split(" ")[1] if head else ""
            return Told(answer, json.loads(answer.body), heard, head, body, log)

    told: Told = run(main())
    return told


def embedding(*vectors: Any) -> list[dict[str, Any]]:
    return [{"object": "embedding", "index": number, "embedding": vector} for number, vector in enumerate(vectors)]


# Embeddings


def test_an_openai_client_embeds_with_gemini(run: Runner, tmp_path: Path, rates: Rates) -> None:
    asked = {"model": "gemini/gemini-embedding-001", "input": ["abcd" * 25, "b"], "encoding_format": "base64"}
    answered = {"embeddings": [{"values": [0.5, -1.0]}, {"values": [0.5, -1.0]}]}
    told = tell(run, tmp_path, rates, "/api/embeddings", {**asked, "dimensions": 2, "user": "u"}, answered, OPENAI)
    assert told.said == {
        "object": "list",
        "data": embedding(PACKED, PACKED),
        "model": "gemini-embedding-001",
        "usage": {"prompt_tokens": 0, "total_tokens": 0},
    }
    assert told.path == "/v1beta/models/gemini-embedding-001:batchEmbedContents"
    assert f"x-goog-api-key: {UPSTREAM_KEY}" in told.head
    request = {"model": "models/gemini-embedding-001", "outputDimensionality": 2}
    assert told.asked == {
        "requests": [{**request, "content": {"parts": [{"text": text}]}} for text in ("abcd" * 25, "b")]
    }
    assert told.answer.headers["x-gantry-changes"] == (
        "dimensions: renamed to outputDimensionality; encoding_format: converted to float, encoded by the gateway; "
        "user: dropped"
    )
    log = told.log
    assert (log.log_type, log.operation, log.tier, log.dialect) == (
        "embedding",
        "embeddings",
        "translate",
        "openai_chat",
    )
    assert json.loads(log.input or "") == ["abcd" * 25, "b"]
    assert json.loads(log.output or "") == {"embeddings": 2, "dimensions": 2}
    assert log.usage.estimated
    assert log.usage.input_tokens is not None
    assert 25 <= log.usage.input_tokens <= 30
    assert log.cost == log.usage.input_tokens * 150  # $0.15 per million
    assert not log.price_missing


def test_what_gemini_counts_is_no_estimate(run: Runner, tmp_path: Path, rates: Rates) -> None:
    answered = {"embeddings": [{"values": [1, 2]}], "usageMetadata": {"promptTokenCount": 7}}
    asked = {"model": "gemini-embedding-001", "input": "hi"}
    told = tell(run, tmp_path, rates, "/v1/embeddings", asked, answered, MISTRAL)
    assert told.said["usage"] == {"prompt_tokens": 7, "total_tokens": 7}
    assert told.said["id"]  # Mistral's SDK wants one
    assert told.log.usage == Usage(input_tokens=7)
    assert told.log.cost == 7 * 150


def test_an_openai_client_embeds_with_cohere(run: Runner, tmp_path: Path, rates: Rates) -> None:
    asked = {"model": "cohere/embed-v4.0", "input": "hello", "dimensions": 256, "input_type": "search_query"}
    billed = {"billed_units": {"input_tokens": 4, "image_tokens": 0}}
    answered = {"id": "e1", "embeddings": {"float": [[0.5, -1.0]]}, "texts": ["hello"], "meta": billed}
    told = tell(run, tmp_path, rates, "/v1/embeddings", asked, answered, OPENAI)
    assert told.path == "/v2/embed"
    assert told.asked == {
        "model": "embed-v4.0",
        "texts": ["hello"],
        "embedding_types": ["float"],
        "output_dimension": 256,
        "input_type": "search_query",
    }
    assert told.said["data"] == embedding([0.5, -1.0])
    assert told.said["usage"] == {"prompt_tokens": 4, "total_tokens": 4}
    assert json.loads(told.log.output or "") == {"embeddings": 1, "dimensions": 2}
    assert (told.log.input, told.log.usage, told.log.cost) == ('["hello"]', Usage(input_tokens=4), 480)


def test_a_mistral_client_embeds_with_voyage(run: Runner, tmp_path: Path, rates: Rates) -> None:
    asked = {"model": "voyage-3.5", "input": ["a", "b"], "output_dimension": 256, "encoding_format": "float"}
    data = [{"embedding": [2, 2], "index": 1}, {"embedding": [1, 1], "index": 0}]
    answered = {"object": "list", "data": data, "model": "voyage-3.5", "usage": {"total_tokens": 10}}
    told = tell(run, tmp_path, rates, "/v1/embeddings", asked, answered, MISTRAL)
    assert told.path == "/v1/embeddings"
    assert told.asked == {"model": "voyage-3.5", "input": ["a", "b"], "output_dimension": 256}
    assert told.said["data"] == embedding([1, 1], [2, 2])
    assert told.said["id"]
    assert "x-gantry-changes" not in told.answer.headers
    assert told.log.usage == Usage(input_tokens=10, total_tokens=10)
    assert told.log.cost == 600


def test_a_mistral_client_embeds_with_openai(run: Runner, tmp_path: Path, rates: Rates) -> None:
    asked = {"model": "openai/text-embedding-3-small", "input": "hi", "output_dimension": 2, "output_dtype": "float"}
    usage = {"prompt_tokens": 100, "total_tokens": 100}
    answered = {"object": "list", "data": embedding([1, 2]), "model": "text-embedding-3-small", "usage": usage}
    told = tell(run, tmp_path, rates, "/v1/embeddings", asked, answered, MISTRAL)
    assert told.asked == {"model": "text-embedding-3-small", "input": "hi", "dimensions": 2}
    assert told.said == {"id": told.said["id"], **answered}
    assert told.log.cost == 2000


@pytest.mark.parametrize(
    ("verb", "body", "size", "expected"),
    [
        ("embedContent", {"content": {"parts": [{"text": "a"}]}}, None, {"embedding": {"values": [1, 2]}}),
        (
            "batchEmbedContents",
            {"requests": [{"model": "models/x", "content": {"parts": [{"text": "a"}]}, "outputDimensionality": 2}]},
            2,
            {"embeddings": [{"values": [1, 2]}]},
        ),
    ],
)
@pytest.mark.parametrize(
    ("model", "name", "size_field"),
    [
        ("mistral/mistral-embed", "mistral-embed", "output_dimension"),
        ("openai/text-embedding-3-small", "text-embedding-3-small", "dimensions"),
    ],
)
def test_a_google_client_embeds_elsewhere(
    run: Runner,
    tmp_path: Path,
    rates: Rates,
    verb: str,
    body: Any,
    size: int | None,
    expected: Any,
    model: str,
    name: str,
    size_field: str,
) -> None:
    usage = {"prompt_tokens": 5, "total_tokens": 5}
    answered = {"id": "e", "object": "list", "data": embedding([1, 2]), "model": name, "usage": usage}
    told = tell(run, tmp_path, rates, f"{GOOGLE}/{model}:{verb}", body, answered, b"x-goog-api-client: genai")
    assert told.path == "/v1/embeddings"
    texts = "a" if verb == "embedContent" else ["a"]
    sized = {} if size is None else {size_field: size}
    assert told.asked == {"model": name, "input": texts, "encoding_format": "float", **sized}
    assert told.said == {**expected, "usageMetadata": {"promptTokenCount": 5}}
    assert "x-goog-api-client" not in told.head
    log = told.log
    assert (log.log_type, log.dialect, log.usage.input_tokens) == ("embedding", "gemini", 5)
    assert log.cost is not None


@pytest.mark.parametrize("verb", ["embedContent", "batchEmbedContents"])
def test_a_google_client_is_relayed_to_google(run: Runner, tmp_path: Path, rates: Rates, verb: str) -> None:
    request = {"model": "models/gemini-embedding-001", "content": {"parts": [{"text": "why"}]}}
    single = verb == "embedContent"
    body = request if single else {"requests": [request]}
    answered = {"embedding": {"values": [1, 2, 3]}} if single else {"embeddings": [{"values": [1, 2, 3]}]}
    told = tell(run, tmp_path, rates, f"{GOOGLE}/gemini-embedding-001:{verb}", body, answered)
    assert (told.path, told.asked, told.said) == (f"/v1beta/models/gemini-embedding-001:{verb}", body, answered)
    assert (told.log.tier, told.log.log_type, told.log.input) == ("relay", "embedding", '["why"]')
    assert json.loads(told.log.output or "") == {"embeddings": 1, "dimensions": 3}
    assert told.log.usage == Usage(input_tokens=2, total_tokens=2, estimated=True)


@pytest.mark.parametrize("verb", ["embedContent", "batchEmbedContents"])
def test_a_prefix_is_nothing_to_google_wherever_it_stands(run: Runner, tmp_path: Path, rates: Rates, verb: str) -> None:
    name = "gemini/gemini-embedding-001"
    request = {"content": {"parts": [{"text": "why"}]}, "outputDimensionality": 8}
    named = {**request, "model": f"models/{name}"}
    single = verb == "embedContent"
    answered = {"embedding": {"values": [1]}} if single else {"embeddings": [{"values": [1]}]}
    body = named if single else {"requests": [named, named]}
    told = tell(run, tmp_path, rates, f"{GOOGLE}/{name}:{verb}", body, answered)
    bare = {**request, "model": "models/gemini-embedding-001"}
    assert (told.path, told.log.tier) == (f"/v1beta/models/gemini-embedding-001:{verb}", "relay")
    assert told.asked == (bare if single else {"requests": [bare, bare]})


@pytest.mark.parametrize(
    ("model", "headers", "body", "param"),
    [
        ("gemini-embedding-001", OPENAI, {"input": [[1, 2]]}, "input"),
        ("gemini-embedding-001", MISTRAL, {"input": "a", "output_dtype": "int8"}, "output_dtype"),
        ("openai/text-embedding-3-small", MISTRAL, {"input": "a", "output_dtype": "int8"}, "output_dtype"),
        (
            "cohere/embed-v4.0",
            MISTRAL,
            {"input": "a", "output_dtype": "int8", "encoding_format": "base64"},
            "encoding_format",
        ),
        ("cohere/embed-v4.0", OPENAI, {"input": "a", "dimensions": "x"}, "dimensions"),
        ("gemini-embedding-001", OPENAI, {"input": "a", "user": "u", "strict_parameters": True}, "user"),
    ],
)
def test_what_a_provider_cannot_embed_is_refused_by_name(
    run: Runner, tmp_path: Path, rates: Rates, model: str, headers: bytes, body: Any, param: str
) -> None:
    told = tell(run, tmp_path, rates, "/v1/embeddings", {"model": model, **body}, {}, headers)
    assert told.answer.status == 400
    assert told.said.get("error", told.said)["param"] == param
    assert (told.path, told.log.outcome, told.log.log_type) == ("", Outcome.REFUSED, "embedding")


@pytest.mark.parametrize(
    ("model", "refusal", "message"),
    [
        (
            "gemini-embedding-001",
            {"error": {"code": 404, "message": "not found", "status": "NOT_FOUND"}},
            "not found",
        ),
        ("cohere/embed-v4.0", {"message": "invalid dimension"}, "invalid dimension"),
        ("voyage-3.5", {"detail": "Model is not supported."}, "Model is not supported."),
    ],
)
def test_a_refusal_reaches_the_client_in_its_own_words(
    run: Runner, tmp_path: Path, rates: Rates, model: str, refusal: Any, message: str
) -> None:
    answered = json_answer(json.dumps(refusal).encode(), b"404 Not Found")
    told = tell(run, tmp_path, rates, "/v1/embeddings", {"model": model, "input": "a"}, answered, OPENAI)
    assert told.answer.status == 404
    assert told.said["error"]["message"] == message
    assert (told.log.error_message, told.log.usage, told.log.cost) == (message, Usage(), None)


def test_an_answer_that_is_none_is_a_bad_gateway(run: Runner, tmp_path: Path, rates: Rates) -> None:
    told = tell(run, tmp_path, rates, "/v1/embeddings", {"model": "cohere/embed-v4.0", "input": "a"}, {"x": 1}, OPENAI)
    assert told.answer.status == 502
    assert told.log.outcome is Outcome.UPSTREAM_BROKE


# Ranking

DOCUMENTS = ["Berlin", "Paris is the capital of France"]
RESULTS = [{"index": 1, "relevance_score": 0.9}, {"index": 0, "relevance_score": 0.1}]
QUESTION = {"query": "capital of France?", "documents": DOCUMENTS}


def test_rankings_are_relayed_between_sides_of_one_format(run: Runner, tmp_path: Path, rates: Rates) -> None:
    answered = {"id": "r", "results": RESULTS, "meta": {"billed_units": {"search_units": 1}}}
    told = tell(run, tmp_path, rates, "/v2/rerank", {"model": "rerank-v3.5", **QUESTION, "top_n": 2}, answered)
    assert (told.path, told.said, told.log.tier) == ("/v2/rerank", answered, "relay")
    assert told.asked == {"model": "rerank-v3.5", **QUESTION, "top_n": 2}
    log = told.log
    assert (log.log_type, log.operation, log.dialect) == ("reranker", "rerank", "cohere")
    assert (log.usage, log.cost) == (Usage(searches=1), 2_000_000)
    assert json.loads(log.cost_by_unit or "") == {"searches": 2_000_000}
    assert json.loads(log.input or "") == QUESTION
    assert json.loads(log.output or "") == RESULTS


def test_openrouter_ranks_for_a_client_of_the_common_format(run: Runner, tmp_path: Path, rates: Rates) -> None:
    answered = {"model": "rerank-2.5-lite", "results": RESULTS, "usage": {"total_tokens": 17}, "id": "g"}
    told = tell(run, tmp_path, rates, "/rerank", {"model": "openrouter/voyageai/rerank-2.5-lite", **QUESTION}, answered)
    assert (told.path, told.said, told.log.tier) == ("/api/v1/rerank", answered, "relay")
    assert told.log.usage == Usage(input_tokens=17, total_tokens=17)


def test_a_client_of_the_common_format_ranks_with_cohere(run: Runner, tmp_path: Path, rates: Rates) -> None:
    documents = ["Berlin", {"text": "Paris is the capital of France", "title": "t"}]
    asked = {"model": "cohere/rerank-v3.5", **QUESTION, "documents": documents, "return_documents": True, "top_n": 1}
    answered = {"id": "r", "results": RESULTS[:1], "meta": {"billed_units": {"search_units": 1}}}
    told = tell(run, tmp_path, rates, "/v1/rerank", asked, answered)
    assert told.path == "/v2/rerank"
    assert told.asked == {"model": "rerank-v3.5", **QUESTION, "top_n": 1}
    assert told.said["results"] == [{**RESULTS[0], "document": {"text": DOCUMENTS[1]}}]
    assert told.said["usage"] == {"prompt_tokens": 0, "total_tokens": 0, "search_units": 1}
    assert told.said["meta"] == {"billed_units": {"search_units": 1}}
    assert told.answer.headers["x-gantry-changes"] == (
        "documents[1].title: dropped; return_documents: converted by the gateway, from the request"
    )
    assert (told.log.usage, told.log.cost) == (Usage(searches=1), 2_000_000)


@pytest.mark.parametrize("path", ["/v1/rerank", "/v2/rerank"])
def test_voyage_ranks_for_both(run: Runner, tmp_path: Path, rates: Rates, path: str) -> None:
    answered = {"object": "list", "data": RESULTS, "model": "rerank-2.5", "usage": {"total_tokens": 40}}
    asked = {"model": "voyage/rerank-2.5", **QUESTION, "top_n": 2}
    told = tell(run, tmp_path, rates, path, {**asked, "max_tokens_per_doc": 9}, answered)
    assert told.path == "/v1/rerank"
    assert told.asked == {"model": "rerank-2.5", **QUESTION, "top_k": 2}
    assert told.said["results"] == RESULTS
    if path == "/v2/rerank":
        assert told.said["meta"] == {"api_version": {"version": "2"}, "tokens": {"input_tokens": 40}}
    else:
        assert (told.said["model"], told.said["usage"]["total_tokens"]) == ("rerank-2.5", 40)
    assert told.answer.headers["x-gantry-changes"] == "top_n: renamed to top_k; max_tokens_per_doc: dropped"
    log = told.log
    assert (log.usage, log.cost) == (Usage(input_tokens=40, total_tokens=40), 2000)
    assert json.loads(log.output or "") == RESULTS


def test_a_cohere_client_ranks_with_a_server_of_ones_own(run: Runner, tmp_path: Path, rates: Rates) -> None:
    answered = {"object": "list", "results": RESULTS, "model": "bge", "usage": {"prompt_tokens": 8, "total_tokens": 8}}
    told = tell(run, tmp_path, rates, "/v2/rerank", {"model": "vllm/bge", **QUESTION}, answered)
    assert told.path == "/v1/rerank"
    assert told.asked == {"model": "bge", **QUESTION, "return_documents": False}
    assert told.said["results"] == RESULTS
    assert told.said["meta"]["tokens"] == {"input_tokens": 8}


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"query": "q"}, "documents"),
        ({"documents": ["a"]}, "query"),
        ({"query": "q", "documents": [{"title": "t"}]}, "documents[0]"),
        ({"query": "q", "documents": [5]}, "documents[0]"),
        ({"query": "q", "documents": ["a"], "top_n": "x"}, "top_n"),
    ],
)
def test_what_cannot_be_ranked_is_refused_by_name(
    run: Runner, tmp_path: Path, rates: Rates, body: Any, param: str
) -> None:
    told = tell(run, tmp_path, rates, "/v1/rerank", {"model": "voyage/rerank-2.5", **body}, {})
    assert (told.answer.status, told.said["error"]["param"], told.path) == (400, param, "")


def test_a_ranking_of_documents_that_were_not_sent_is_a_bad_gateway(run: Runner, tmp_path: Path, rates: Rates) -> None:
    asked = {"model": "voyage/rerank-2.5", **QUESTION, "return_documents": True}
    told = tell(run, tmp_path, rates, "/v1/rerank", asked, {"data": [{"index": 9, "relevance_score": 1}]})
    assert told.answer.status == 502


# Images


def test_an_image_is_relayed_and_recorded_by_its_size(run: Runner, tmp_path: Path, rates: Rates) -> None:
    usage = {
        "input_tokens": 14,
        "input_tokens_details": {"image_tokens": 0, "text_tokens": 14},
        "output_tokens": 272,
        "output_tokens_details": {"image_tokens": 272, "text_tokens": 0},
        "total_tokens": 286,
    }
    answered = {"created": 1, "data": [{"b64_json": PNG}], "output_format": "png", "size": "1024x1024", "usage": usage}
    asked = {"model": "openai/gpt-image-1.5", "prompt": "a red circle", "customer_identifier": "u1"}
    told = tell(run, tmp_path, rates, "/v1/images/generations", asked, answered, OPENAI)
    assert (told.path, told.said) == ("/v1/images/generations", answered)
    assert told.asked == {"model": "gpt-image-1.5", "prompt": "a red circle"}
    log = told.log
    assert (log.log_type, log.operation, log.input) == ("generation", "images", "a red circle")
    shown = {"images": [{"b64_json": "[400 bytes of image/png]"}], "size": "1024x1024", "output_format": "png"}
    assert json.loads(log.output or "") == shown
    assert log.usage == Usage(input_tokens=14, output_tokens=272, total_tokens=286, output_image_tokens=272, images=1)
    # $5 per million tokens of text, $32 per million of image: not the $10 of what the model writes.
    assert json.loads(log.cost_by_unit or "") == {
        "input_tokens": 14 * 5000,
        "output_tokens": 0,
        "output_image_tokens": 272 * 32_000,
    }


def test_a_streamed_image_is_what_it_came_to(run: Runner, tmp_path: Path, rates: Rates) -> None:
    partial = {"type": "image_generation.partial_image", "b64_json": PNG[:40], "partial_image_index": 0}
    usage = {"input_tokens": 3, "output_tokens": 5, "total_tokens": 8}
    done = {"type": "image_generation.completed", "b64_json": PNG, "output_format": "png", "usage": usage}
    events = b"".join(f"event: {one['type']}\ndata: {json.dumps(one)}\n\n".encode() for one in (partial, done))
    script: Script = answering(STREAM_HEAD, b"%x\r\n%b\r\n" % (len(events), events), b"0\r\n\r\n")

    async def main() -> None:
        async with Upstream(script).running() as up, running(tmp_path, up.url) as node:
            asked = {"model": "gpt-image-1", "prompt": "x", "stream": True}
            answer = await node.ask("/images/generations", json.dumps(asked).encode(), OPENAI)
            assert answer.body == events
            log = await logged(node, rates)
            assert log.stream
            assert json.loads(log.output or "")["images"] == [{"b64_json": "[400 bytes of image/png]"}]
            assert log.usage == Usage(input_tokens=3, output_tokens=5, total_tokens=8, images=1)

    run(main())


@pytest.mark.parametrize("operation", ["edits", "variations"])
def test_a_form_with_an_image_flows_through(run: Runner, tmp_path: Path, rates: Rates, operation: str) -> None:
    taken: list[Taken] = []
    body = form(part("model", b"openai/gpt-image-1"), part("prompt", b"a hat"), file(b"\x89PNG" * 50, "image"))
    answered = json_answer(json.dumps({"created": 1, "data": [{"url": "https://x/y?sig=secret"}]}).encode())

    async def main() -> None:
        async with Upstream(taking(answered, taken)).running() as up, running(tmp_path, up.url) as node:
            client = await node.connect()
            client.send(post(node, body, FORM_TYPE, OPENAI, path=f"/v1/images/{operation}"))
            assert (await client.answer()).status == 200
            assert taken[0].head.startswith(b"POST /v1/images/%b HTTP/1.1" % operation.encode())
            assert taken[0].body == body.replace(b"openai/", b"")
            log = await logged(node, rates)
            assert json.loads(log.input or "") == {"prompt": "a hat", "image": {"name": "a.mp3"}}
            assert json.loads(log.output or "") == {"images": [{"url": "https://x/y?…"}]}
            assert (log.usage, log.price_missing, log.cost) == (Usage(images=1), True, None)
            client.leave()

    run(main())


def test_gemini_draws_for_an_openai_client(run: Runner, tmp_path: Path, rates: Rates) -> None:
    parts = [{"text": "Here:"}, {"inlineData": {"mimeType": "image/png", "data": PNG}}]
    counts = {
        "promptTokenCount": 10,
        "candidatesTokenCount": 1290,
        "totalTokenCount": 1300,
        "candidatesTokensDetails": [{"modality": "IMAGE", "tokenCount": 1290}],
    }
    answered = {
        "candidates": [{"content": {"parts": parts, "role": "model"}, "finishReason": "STOP"}],
        "usageMetadata": counts,
        "modelVersion": "gemini-2.5-flash-image",
    }
    asked = {
        "model": "gemini/gemini-2.5-flash-image",
        "prompt": "a cat",
        "size": "1536x1024",
        "quality": "auto",
        "n": 1,
    }
    told = tell(run, tmp_path, rates, "/v1/images/generations", {**asked, "background": "opaque"}, answered, OPENAI)
    assert told.path == "/v1beta/models/gemini-2.5-flash-image:generateContent"
    assert told.asked == {
        "contents": [{"role": "user", "parts": [{"text": "a cat"}]}],
        "generationConfig": {"responseModalities": ["IMAGE"], "imageConfig": {"aspectRatio": "3:2"}},
    }
    assert told.said.pop("created") > 0
    assert told.said == {
        "data": [{"b64_json": PNG}],
        "output_format": "png",
        "usage": {"input_tokens": 10, "output_tokens": 1290, "total_tokens": 1300},
    }
    assert told.answer.headers["x-gantry-changes"] == "size: converted to the aspect ratio 3:2; background: dropped"
    log = told.log
    assert (log.log_type, log.operation, log.tier) == ("generation", "images", "translate")
    assert PNG not in (log.output or "")
    assert log.usage.output_image_tokens == 1290
    assert log.cost == 10 * 300 + 1290 * 30_000


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "prompt"),
        ({"prompt": "x", "n": 2}, "n"),
        ({"prompt": "x", "size": "3x3"}, "size"),
        ({"prompt": "x", "stream": True}, "stream"),
        ({"prompt": "x", "response_format": "url"}, "response_format"),
    ],
)
def test_what_gemini_cannot_draw_is_refused_by_name(
    run: Runner, tmp_path: Path, rates: Rates, body: Any, param: str
) -> None:
    told = tell(run, tmp_path, rates, "/v1/images/generations", {"model": "gemini-2.5-flash-image", **body}, {})
    assert (told.answer.status, told.said["error"]["param"], told.path) == (400, param, "")


def test_a_picture_that_was_not_drawn_says_why(run: Runner, tmp_path: Path, rates: Rates) -> None:
    answered = {"candidates": [{"finishReason": "IMAGE_SAFETY"}], "usageMetadata": {"promptTokenCount": 3}}
    asked = {"model": "gemini-2.5-flash-image", "prompt": "x"}
    told = tell(run, tmp_path, rates, "/v1/images/generations", asked, answered)
    assert told.answer.status == 502
    assert "IMAGE_SAFETY" in told.said["error"]["message"]
    assert told.log.usage.input_tokens == 3


@pytest.mark.parametrize(
    ("path", "model"),
    [
        ("/v1/images/generations", "anthropic/claude-sonnet-4-5"),
        ("/v1/rerank", "mistral/mistral-large-latest"),
        ("/v1/completions", "gemini/gemini-2.5-flash"),
        ("/v1/embeddings", "anthropic/claude-sonnet-4-5"),
    ],
)
def test_who_does_not_do_it_says_so(run: Runner, tmp_path: Path, rates: Rates, path: str, model: str) -> None:
    told = tell(run, tmp_path, rates, path, {"model": model, "prompt": "x", "input": "x"}, {}, OPENAI)
    assert (told.answer.status, told.path) == (400, "")
    assert "cannot be called" in told.said["error"]["message"]


# Completions


def test_a_completion_is_relayed_and_reads_as_text(run: Runner, tmp_path: Path, rates: Rates) -> None:
    usage = {"prompt_tokens": 8, "completion_tokens": 16, "total_tokens": 24}
    choice = {"text": " upon a time", "index": 0, "logprobs": None, "finish_reason": "length"}
    answered = {
        "id": "cmpl-1",
        "object": "text_completion",
        "model": "davinci-002",
        "choices": [choice],
        "usage": usage,
    }
    asked = {"model": "davinci-002", "prompt": "Once", "suffix": "!", "max_tokens": 16, "metadata": {"a": 1}}
    told = tell(run, tmp_path, rates, "/completions", asked, answered, OPENAI)
    assert (told.path, told.asked, told.said) == ("/v1/completions", asked, answered)
    log = told.log
    assert (log.log_type, log.operation, log.output) == ("completion", "completions", " upon a time")
    assert json.loads(log.input or "") == {"prompt": "Once", "suffix": "!"}
    assert (log.finish_reason, log.max_tokens, log.cost) == ("length", 16, 24 * 2000)


FIM = {
    "id": "f1",
    "object": "chat.completion",
    "created": 1,
    "model": "codestral-2508",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "return x"}, "finish_reason": "model_length"}],
    "usage": {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12},
}


def test_mistral_fills_in_for_an_openai_client(run: Runner, tmp_path: Path, rates: Rates) -> None:
    asked = {"model": "codestral-latest", "prompt": ["def f(x):"], "suffix": "#", "seed": 7, "temperature": 2, "n": 1}
    told = tell(run, tmp_path, rates, "/v1/completions", {**asked, "user": "u", "logprobs": None}, FIM, OPENAI)
    assert told.path == "/v1/fim/completions"
    assert told.asked == {
        "prompt": "def f(x):",
        "model": "codestral-latest",
        "suffix": "#",
        "random_seed": 7,
        "temperature": 1.5,
    }
    choice = {"text": "return x", "index": 0, "logprobs": None, "finish_reason": "length"}
    usage = {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12}
    assert told.said.pop("usage").items() >= usage.items()
    assert told.said == {
        "id": "f1",
        "object": "text_completion",
        "created": 1,
        "model": "codestral-2508",
        "choices": [choice],
    }
    assert told.answer.headers["x-gantry-changes"] == (
        "seed: renamed to random_seed; temperature: clamped to 1.5; user: dropped"
    )
    log = told.log
    assert (log.log_type, log.operation, log.tier, log.output) == (
        "completion",
        "completions",
        "translate",
        "return x",
    )
    assert json.loads(log.input or "") == {"prompt": "def f(x):", "suffix": "#"}
    assert log.cost == 9 * 300 + 3 * 900


@pytest.mark.parametrize("usage", [True, False])
def test_mistral_fills_in_as_a_stream(run: Runner, tmp_path: Path, rates: Rates, usage: bool) -> None:
    shared = {"id": "f1", "object": "chat.completion.chunk", "created": 1, "model": "codestral-2508"}
    chunks: list[dict[str, Any]] = [
        {**shared, "choices": [{"index": 0, "delta": {"role": "assistant", "content": text}, "finish_reason": end}]}
        for text, end in (("re", None), ("turn", "stop"))
    ]
    chunks[-1]["usage"] = FIM["usage"]
    events = b"".join(b"data: %b\n\n" % json.dumps(one).encode() for one in chunks) + b"data: [DONE]\n\n"
    pieces = [events[at : at + 11] for at in range(0, len(events), 11)]
    script: Script = answering(STREAM_HEAD, *(b"%x\r\n%b\r\n" % (len(one), one) for one in pieces), b"0\r\n\r\n")

    async def main() -> None:
        async with Upstream(script).running() as up, running(tmp_path, up.url) as node:
            asked = {"model": "codestral-latest", "prompt": "x", "stream": True}
            asked |= {"stream_options": {"include_usage": True}} if usage else {}
            answer = await node.ask("/v1/completions", json.dumps(asked).encode(), OPENAI)
            *data, done, rest = [line.removeprefix("data: ") for line in answer.body.decode().split("\n\n")]
            assert (done, rest) == ("[DONE]", "")
            found = [json.loads(one) for one in data]
            assert "".join(choice["text"] for one in found for choice in one["choices"]) == "return"
            assert [one["usage"]["total_tokens"] for one in found if "usage" in one] == ([12] if usage else [])
            assert {one["object"] for one in found} == {"text_completion"}
            log = await logged(node, rates)
            assert (log.output, log.finish_reason, log.usage.output_tokens, log.stream) == ("return", "stop", 3, True)

    run(main())


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "prompt"),
        ({"prompt": ["a", "b"]}, "prompt"),
        ({"prompt": [1, 2]}, "prompt"),
        ({"prompt": "a", "n": 2}, "n"),
        ({"prompt": "a", "best_of": 3}, "best_of"),
        ({"prompt": "a", "echo": True}, "echo"),
        ({"prompt": "a", "logprobs": 5}, "logprobs"),
    ],
)
def test_what_mistral_cannot_complete_is_refused_by_name(
    run: Runner, tmp_path: Path, rates: Rates, body: Any, param: str
) -> None:
    told = tell(run, tmp_path, rates, "/v1/completions", {"model": "codestral-latest", **body}, {})
    assert (told.answer.status, told.said["error"]["param"], told.path) == (400, param, "")


def test_a_streamed_completion_is_relayed(run: Runner, tmp_path: Path, rates: Rates) -> None:
    chunks = [
        {"choices": [{"text": text, "index": 0, "finish_reason": end}]} for text, end in (("a", None), ("b", "stop"))
    ]
    events = b"".join(b"data: %b\n\n" % json.dumps(one).encode() for one in chunks) + b"data: [DONE]\n\n"
    script: Script = answering(STREAM_HEAD, b"%x\r\n%b\r\n" % (len(events), events), b"0\r\n\r\n")

    async def main() -> None:
        async with Upstream(script).running() as up, running(tmp_path, up.url) as node:
            asked = {"model": "vllm/m", "prompt": "x", "stream": True}
            assert (await node.ask("/v1/completions", json.dumps(asked).encode())).body == events
            log = await logged(node, rates)
            assert (log.output, log.finish_reason, log.usage.estimated) == ("ab", "stop", True)

    run(main())
