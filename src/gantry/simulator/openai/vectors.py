"""Embeddings as OpenAI words them; base64 is what its own clients ask for."""

import base64
import struct
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from gantry.simulator.exchange import Answer, json_answer
from gantry.simulator.faults import base_model
from gantry.simulator.openai.bodies import decode
from gantry.simulator.openai.catalog import check_model
from gantry.simulator.openai.errors import invalid
from gantry.simulator.oracle import count_tokens, vector
from gantry.simulator.routes import Call, Table

_DIMENSION = 1536
_LARGEST = {"text-embedding-3-large": 3072}


class EmbeddingRequest(Struct, frozen=True, forbid_unknown_fields=True):
    model: str
    input: str | list[str | int | list[int]]
    dimensions: Annotated[int, Meta(ge=1)] | None = None
    encoding_format: Literal["float", "base64"] = "float"
    user: str | None = None


_DECODER = msgspec.json.Decoder(EmbeddingRequest)


def embed(call: Call) -> Answer:
    request = decode(_DECODER, call.request.body)
    check_model(request.model)
    if not request.input:
        raise invalid("'$.input' is invalid. Please check the API reference.", "input")
    largest = _LARGEST.get(base_model(request.model), _DIMENSION)
    if request.dimensions is not None and request.dimensions > largest:
        text = f"Invalid value for 'dimensions' = {request.dimensions}. Must be at most {largest} for this model."
        raise invalid(text, "dimensions")
    whole = isinstance(request.input, str) or all(isinstance(item, int) for item in request.input)
    texts = [str(request.input)] if whole else [str(item) for item in request.input]
    data = [
        {"object": "embedding", "index": index, "embedding": _represent(text, request)}
        for index, text in enumerate(texts)
    ]
    tokens = sum(count_tokens(text) for text in texts)
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return json_answer({"object": "list", "data": data, "model": request.model, "usage": usage})


def _represent(text: str, request: EmbeddingRequest) -> Any:
    numbers = vector(text, request.dimensions or _LARGEST.get(base_model(request.model), _DIMENSION))
    if request.encoding_format != "base64":
        return numbers
    return base64.b64encode(struct.pack(f"<{len(numbers)}f", *numbers)).decode()


TABLE: Table = (("POST", "/v1/embeddings", embed),)
