"""Embeddings in each of the representations that Mistral offers."""

import base64
import struct
from typing import Any

import msgspec

from gantry.simulator.exchange import Answer, json_answer
from gantry.simulator.mistral.bodies import decode
from gantry.simulator.mistral.catalog import lookup
from gantry.simulator.mistral.errors import capability, error
from gantry.simulator.mistral.requests import EmbeddingRequest
from gantry.simulator.oracle import count_tokens, digest, vector
from gantry.simulator.routes import Call, Refusal, Table

_DECODER = msgspec.json.Decoder(EmbeddingRequest)


def embed(call: Call) -> Answer:
    request = decode(_DECODER, call.request.body)
    model = lookup(request.model)
    if not model.dimension:
        raise capability(request.model, "embeddings")
    dimension = request.output_dimension or model.dimension
    if dimension > model.largest_dimension or (request.output_dimension and model.largest_dimension == model.dimension):
        text = f"Model {request.model} does not support output_dimension {dimension}"
        raise Refusal(error(400, text, "invalid_request_error", "3051", "output_dimension"))
    texts = [request.input] if isinstance(request.input, str) else request.input
    dtype, coded = request.output_dtype or "float", request.encoding_format == "base64"
    data = [
        {"object": "embedding", "embedding": _represent(vector(text, dimension), dtype, coded), "index": index}
        for index, text in enumerate(texts)
    ]
    tokens = sum(2 + count_tokens(text) for text in texts)
    usage = {
        "prompt_audio_seconds": None,
        "prompt_tokens": tokens,
        "total_tokens": tokens,
        "completion_tokens": 0,
        "request_count": None,
        "prompt_token_details": None,
    }
    body = {"id": digest(call.request.body), "object": "list", "data": data, "model": request.model, "usage": usage}
    return json_answer(body)


def _represent(numbers: list[float], dtype: str, coded: bool) -> Any:
    """Return a vector as `output_dtype` and `encoding_format` ask for it."""
    values: list[float] | list[int]
    match dtype:
        case "int8":
            values, form = [max(-128, min(127, round(value * 127))) for value in numbers], "b"
        case "uint8":
            values, form = [max(0, min(255, round((value + 1) * 127))) for value in numbers], "B"
        case "binary" | "ubinary":
            values, form = _bits(numbers, signed=dtype == "binary"), "b" if dtype == "binary" else "B"
        case _:
            values, form = numbers, "f"
    if not coded:
        return values
    return base64.b64encode(struct.pack(f"<{len(values)}{form}", *values)).decode()


def _bits(numbers: list[float], *, signed: bool) -> list[int]:
    packed = [
        sum((value > 0) << (7 - place) for place, value in enumerate(numbers[start : start + 8]))
        for start in range(0, len(numbers), 8)
    ]
    return [value - 128 for value in packed] if signed else packed


TABLE: Table = (("POST", "/v1/embeddings", embed),)
