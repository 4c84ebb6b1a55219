"""Embeddings, one or a batch."""

from typing import Any

from gantry.simulator.exchange import Answer, json_answer
from gantry.simulator.gemini.catalog import Model, lookup
from gantry.simulator.gemini.errors import invalid, misplaced
from gantry.simulator.gemini.protos import read
from gantry.simulator.oracle import vector
from gantry.simulator.routes import Call

_MOST = 100


def embed(call: Call, model: Model) -> Answer:
    return json_answer({"embedding": _embedding(read(call.request.body, "EmbedContentRequest"), model)})


def embed_batch(call: Call, model: Model) -> Answer:
    requests = read(call.request.body, "BatchEmbedContentsRequest").get("requests") or []
    if not requests:
        raise invalid("* BatchEmbedContentsRequest.requests: requests is not specified\n")
    if len(requests) > _MOST:
        text = f"at most {_MOST} requests can be in one batch"
        raise invalid(f"* BatchEmbedContentsRequest.requests: {text}\n")
    for request in requests:
        if "model" not in request:
            raise invalid("* BatchEmbedContentsRequest.requests[0].model: model is not specified\n")
        if lookup(request["model"], "embedContent") != model:
            raise invalid("* BatchEmbedContentsRequest.model: the same model must be named in all requests\n")
    return json_answer({"embeddings": [_embedding(request, model) for request in requests]})


def _embedding(request: dict[str, Any], model: Model) -> dict[str, Any]:
    parts = (request.get("content") or {}).get("parts") or []
    if not parts:
        raise misplaced("content", "content is not specified")
    dimension = request.get("outputDimensionality") or model.dimension
    if not 1 <= dimension <= model.dimension:
        raise invalid(f"outputDimensionality must be in the range [1, {model.dimension}].")
    return {"values": vector("".join(part.get("text", "") for part in parts), dimension)}
