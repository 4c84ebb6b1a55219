"""Embeddings and ranking."""

import base64
import struct
from collections.abc import Sequence
from typing import Any

from gantry.simulator.cohere.catalog import check_model, dimension
from gantry.simulator.cohere.errors import invalid
from gantry.simulator.cohere.requests import EMBED, RERANK, EmbedRequest, decode
from gantry.simulator.exchange import Answer, json_answer
from gantry.simulator.oracle import count_tokens, digest, uuid, vector
from gantry.simulator.routes import Call, Table

_MOST_DOCUMENTS = 10_000


def _embed(call: Call) -> Answer:
    request = decode(EMBED, call.request.body)
    check_model(request.model, "embed")
    given = [name for name in ("texts", "images", "inputs") if getattr(request, name)]
    if len(given) != 1:
        raise invalid("exactly one of texts, images and inputs must be given")
    sources = [str(item) for item in getattr(request, given[0])]
    tokens = 0 if request.images else sum(count_tokens(source) for source in sources)
    vectors = [vector(source, request.output_dimension or dimension(request.model)) for source in sources]
    body: dict[str, Any] = {"id": uuid(call.request.body)}
    if request.texts:
        body["texts"] = request.texts
    body["embeddings"] = {kind: [_typed(item, kind) for item in vectors] for kind in _types(request)}
    billed = {"input_tokens": tokens, "image_tokens": 1000 if request.images else 0}
    meta = {"api_version": {"version": "2"}, "billed_units": billed}
    return json_answer({**body, "meta": meta, "response_type": "embeddings_by_type"})


def _types(request: EmbedRequest) -> Sequence[str]:
    return request.embedding_types or ("float",)


def _typed(numbers: Sequence[float], kind: str) -> Any:
    match kind:
        case "int8":
            return [max(-128, min(127, round(number * 127))) for number in numbers]
        case "uint8":
            return [max(0, min(255, round(number * 127) + 128)) for number in numbers]
        case "binary" | "ubinary":
            bits = [int(number > 0) for number in numbers]
            packed = [int("".join(map(str, bits[start : start + 8])), 2) for start in range(0, len(bits), 8)]
            return packed if kind == "ubinary" else [byte - 128 for byte in packed]
        case "base64":
            return base64.b64encode(struct.pack(f"<{len(numbers)}f", *numbers)).decode()
        case _:
            return numbers


def _rerank(call: Call) -> Answer:
    request = decode(RERANK, call.request.body)
    check_model(request.model, "rerank")
    if not request.documents or len(request.documents) > _MOST_DOCUMENTS:
        raise invalid(f"from 1 to {_MOST_DOCUMENTS} documents must be given")
    if not request.query:
        raise invalid("query must not be empty")
    scores = [(_score(request.query, document), index) for index, document in enumerate(request.documents)]
    best = sorted(scores, key=lambda item: (-item[0], item[1]))[: request.top_n or len(scores)]
    units = -(-len(request.documents) // 100)
    return json_answer(
        {
            "id": uuid(call.request.body),
            "results": [{"index": index, "relevance_score": score} for score, index in best],
            "meta": {"api_version": {"version": "2"}, "billed_units": {"search_units": units}},
        }
    )


def _score(query: str, document: str) -> float:
    """Return the share of the query's words in a document, told apart by the document's own digest."""
    wanted, found = set(query.lower().split()), set(document.lower().split())
    share = len(wanted & found) / (len(wanted) or 1)
    return round(0.9 * share + 0.1 * int(digest(query, document)[:4], 16) / 65536, 7)


TABLE: Table = (("POST", "/v2/embed", _embed), ("POST", "/v2/rerank", _rerank))
