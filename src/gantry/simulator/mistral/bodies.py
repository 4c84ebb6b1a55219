"""Reading JSON bodies, with Mistral's refusals."""

from typing import Any, TypeVar

import msgspec

from gantry.simulator.exchange import json_answer
from gantry.simulator.mistral.errors import validation
from gantry.simulator.routes import Refusal

_Body = TypeVar("_Body")
CREATED_AT = "2026-09-21T14:13:20Z"  # oracle.CREATED, as the newer resources write time


def decode(decoder: "msgspec.json.Decoder[_Body]", body: bytes) -> _Body:
    try:
        return decoder.decode(body or b"{}")
    except msgspec.MsgspecError as failure:
        raise validation(failure, body) from None


def checked(decoder: "msgspec.json.Decoder[Any]", body: bytes) -> dict[str, Any]:
    """Return the fields of a JSON object as they were given, once the decoder has nothing against them."""
    decode(decoder, body)
    return decode(_OBJECT, body)


def missing(*names: str) -> Refusal:
    items = [{"type": "missing", "loc": ("body", name), "msg": "Field required", "input": None} for name in names]
    return Refusal(json_answer({"detail": items}, 422))


_OBJECT = msgspec.json.Decoder(dict[str, Any])
