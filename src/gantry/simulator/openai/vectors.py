"""Embeddings as OpenAI words them; base64 is what its own clients ask for."""

import base64
import struct
from typing import Any

import msgspec
from msgspec import Struct

from gantry.simulator.exchange import Answer, json_answer
from gantry.simulator.openai.catalog import check_model
from gantry.simulator.openai.errors import invalid
from gantry.simulator.oracle import count_tokens, vector
from gantry.simulator.routes import Call

_DIMENSION = 1536


class EmbeddingRequest(Struct, frozen=True, forbid_unknown_fields=True):
    model: str
    input: str | list[str | int | list[int]]
    dimensions: int | None = None
    encoding_format: str = "float"
    user: str | None = None


_DECODER = msgspec.json.Decoder(EmbeddingRequest)


def embed(call: Call) -> Answer:
    try:
        request = _DECODER.decode(call.request.body)
    except msgspec.MsgspecError as failure:
        raise invalid(str(failure), None, "invalid_request_body") from None
    check_model(request.model)
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
    numbers = vector(text, request.dimensions or _DIMENSION)
    if request.encoding_format != "base64":
        return numbers
    return base64.b64encode(struct.pack(f"<{len(numbers)}f", *numbers)).decode()
