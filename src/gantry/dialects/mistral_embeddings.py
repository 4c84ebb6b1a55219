"""Embeddings between OpenAI and Mistral: each one's request as the other takes it, and the answer as its SDK reads it.

Law: floats are asked of Mistral, whose base64 is not documented, and encoded here as OpenAI's (`vectors`).
"""

from typing import Any, Final

import msgspec
from msgspec import Raw, Struct

from gantry.core.errors import InvalidRequest, UpstreamBroke
from gantry.dialects.changes import Change, converted, dropped, renamed
from gantry.dialects.fields import object_members
from gantry.dialects.members import NULL, UNREADABLE, Members, asks_nothing, decode_members, encode, read_text
from gantry.dialects.mistral_answer import error_body
from gantry.dialects.vectors import packed_vector

_BASE64: Final = "base64"
_FLOAT: Final = Raw(b'"float"')
_SAME: Final = frozenset("model input output_dimension output_dtype metadata".split())
_SAME_AT_OPENAI: Final = frozenset("model input encoding_format dimensions user".split())
_STARTS_OF_NUMBERS: Final = b"-0123456789"


class EmbeddingsRequest(Struct, frozen=True):
    """The request for Mistral, what was changed in it, and whether the vectors go to the client as base64."""

    body: bytes
    changes: list[Change]
    as_base64: bool


class _Item(Struct, gc=False):
    embedding: Raw
    index: int | None = None


class _Answer(Struct):
    data: list[_Item]


_decode_answer: Final = msgspec.json.Decoder(_Answer).decode


def to_mistral_embeddings(body: bytes) -> EmbeddingsRequest:
    """Return an OpenAI embeddings request for Mistral. Raises InvalidRequest."""
    given = object_members(body, "an embeddings request")
    _check_input(given.get("input", NULL))
    adapted: Members = {}
    changes: list[Change] = []
    as_base64 = False
    for name, value in given.items():
        if value == NULL:
            continue
        if name in _SAME:
            adapted[name] = value
        elif name == "dimensions":
            adapted["output_dimension"] = value
            changes.append(renamed("dimensions", "output_dimension"))
        elif name == "encoding_format":
            as_base64 = _wants_base64(value)
            adapted[name] = _FLOAT
            if as_base64:
                changes.append(converted(name, "to float, encoded by the gateway"))
        elif not asks_nothing(value):
            changes.append(dropped(name))
    return EmbeddingsRequest(body if adapted == given else bytes(encode(adapted)), changes, as_base64)


def to_openai_embeddings(status: int, body: bytes, *, as_base64: bool) -> bytes:
    """Return an embeddings answer for an OpenAI client. Raises UpstreamBroke."""
    if status >= 400:
        return error_body(body)
    try:
        items = _decode_answer(body).data
        if not as_base64 and all(item.index is not None for item in items):
            return body
        members: dict[str, Any] = dict(decode_members(body))
        members["data"] = [_openai_item(number, item, as_base64) for number, item in enumerate(items)]
        return msgspec.json.encode(members)
    except UNREADABLE:
        raise UpstreamBroke("the provider's answer is not a list of embeddings") from None


def to_openai_request(body: bytes) -> tuple[bytes, list[Change]]:
    """Return a Mistral embeddings request for OpenAI, and what was changed. Raises InvalidRequest."""
    given = object_members(body, "an embeddings request")
    if given.get("input", NULL) == NULL:
        raise InvalidRequest("`input` is missing", param="input")
    adapted: Members = {}
    changes: list[Change] = []
    for name, value in given.items():
        if value == NULL:
            continue
        if name in _SAME_AT_OPENAI:
            adapted[name] = value
        elif name == "output_dimension":
            adapted["dimensions"] = value
            changes.append(renamed(name, "dimensions"))
        elif name == "output_dtype":
            if read_text(value, name) != "float":
                raise InvalidRequest(f"`{name}` must be float: OpenAI makes no other vectors", param=name)
        elif not asks_nothing(value):
            changes.append(dropped(name))
    return body if adapted == given else bytes(encode(adapted)), changes


def openai_vectors_for_mistral(body: bytes, answer_id: str) -> bytes:
    """Return OpenAI's answer for a Mistral client, whose SDK wants an id in it. Raises UpstreamBroke."""
    try:
        _decode_answer(body)
        members = decode_members(body)
    except UNREADABLE:
        raise UpstreamBroke("the provider's answer is not a list of embeddings") from None
    return body if "id" in members else msgspec.json.encode({"id": answer_id, **members})


def _openai_item(number: int, item: _Item, as_base64: bool) -> dict[str, Any]:
    vector = packed_vector(item.embedding) if as_base64 else item.embedding
    return {"object": "embedding", "embedding": vector, "index": number if item.index is None else item.index}


def _wants_base64(raw: Raw) -> bool:
    wish = read_text(raw, "encoding_format")
    if wish not in (_BASE64, "float"):
        raise InvalidRequest("`encoding_format` must be float or base64", param="encoding_format")
    return wish == _BASE64


def _check_input(raw: Raw) -> None:
    if raw == NULL:
        raise InvalidRequest("`input` is missing", param="input")
    first = bytes(memoryview(raw)[:64]).lstrip(b"[ \t\r\n")[:1]
    if first and first in _STARTS_OF_NUMBERS:
        raise InvalidRequest("`input` must be text: tokens are OpenAI's, and Mistral takes none", param="input")
