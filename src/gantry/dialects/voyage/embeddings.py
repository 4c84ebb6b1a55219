"""An OpenAI or Mistral embeddings request as Voyage takes it, and its answer for these clients.

Law: Voyage packs base64 itself and knows no other word for a format; its usage counts a total alone.
Spec: https://docs.voyageai.com/reference/embeddings-api
"""

from typing import Any, Final

import msgspec
from msgspec import Raw, Struct

from gantry.core.errors import UpstreamBroke
from gantry.dialects.changes import Change
from gantry.dialects.embeddings import FLOAT, VectorsAsked, encode_vectors, keep_known
from gantry.dialects.members import UNREADABLE

_SIZE: Final = "output_dimension"
_KNOWN: Final = frozenset(("input_type", "truncation"))

_encode: Final = msgspec.json.Encoder().encode


class _Item(Struct, gc=False):
    embedding: Raw
    index: int = 0


class _Usage(Struct, gc=False):
    total_tokens: int | None = None


class _Answer(Struct):
    data: list[_Item]
    model: str | None = None
    usage: _Usage | None = None


_decode: Final = msgspec.json.Decoder(_Answer).decode


def to_voyage_embeddings(asked: VectorsAsked, model: str) -> tuple[bytes, list[Change]]:
    """Return a request for Voyage's `/v1/embeddings`, and what was changed."""
    kept, dropped = keep_known(asked.others, _KNOWN)
    body: dict[str, Any] = {"model": model, "input": asked.texts}
    if asked.size is not None:
        body[_SIZE] = asked.size
    if asked.dtype != FLOAT:
        body["output_dtype"] = asked.dtype
    if asked.as_base64:
        body["encoding_format"] = "base64"
    return _encode({**body, **kept}), asked.renamed_size(_SIZE) + dropped


def voyage_vectors(body: bytes, model: str, *, answer_id: str | None) -> bytes:
    """Return Voyage's answer for an OpenAI or Mistral client. Raises UpstreamBroke."""
    try:
        answer = _decode(body)
        vectors = [item.embedding for item in sorted(answer.data, key=lambda item: item.index)]
        tokens = answer.usage.total_tokens if answer.usage is not None else None
        return encode_vectors(vectors, answer.model or model, tokens, as_base64=False, answer_id=answer_id)
    except UNREADABLE:
        raise UpstreamBroke("the provider's answer is not a list of embeddings") from None
