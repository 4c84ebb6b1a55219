"""An OpenAI or Mistral embeddings request as Cohere's `/v2/embed` takes it, and the vectors of its answer.

Law: Cohere's newer models want to know what the vectors are for. A caller who does not say (`input_type`, as Cohere
spells it) embeds documents: that is what most vectors are made of, and the change is named.
Spec: https://docs.cohere.com/reference/embed
"""

from typing import Any, Final

import msgspec
from msgspec import Raw, Struct

from gantry.core.errors import UpstreamBroke
from gantry.dialects.changes import Change, defaulted
from gantry.dialects.embeddings import VectorsAsked, encode_vectors, keep_known
from gantry.dialects.members import UNREADABLE

_SIZE: Final = "output_dimension"
_PURPOSE: Final = "input_type"
_DOCUMENTS: Final = "search_document"
_KNOWN: Final = frozenset((_PURPOSE, "truncate", "max_tokens", "priority"))

_encode: Final = msgspec.json.Encoder().encode


class _Billed(Struct, gc=False):
    input_tokens: float | None = None


class _Meta(Struct, gc=False):
    billed_units: _Billed | None = None


class _Answer(Struct):
    embeddings: dict[str, list[Raw]] | list[Raw]  # by type, or what the first version of the API answers
    meta: _Meta | None = None


_decode: Final = msgspec.json.Decoder(_Answer).decode


def to_cohere_embeddings(asked: VectorsAsked, model: str) -> tuple[bytes, list[Change]]:
    """Return a request for `/v2/embed`, and what was changed. Raises InvalidRequest."""
    changes = [*asked.renamed_size(_SIZE), *asked.packed_here()]
    kept, others = keep_known(asked.others, _KNOWN)
    changes += others
    body: dict[str, Any] = {"model": model, "texts": asked.texts, "embedding_types": [asked.dtype]}
    if asked.size is not None:
        body[_SIZE] = asked.size
    if _PURPOSE not in kept:
        body[_PURPOSE] = _DOCUMENTS
        changes.append(defaulted(_PURPOSE, f"to {_DOCUMENTS}"))
    return _encode({**body, **kept}), changes


def cohere_vectors(body: bytes, model: str, *, as_base64: bool, answer_id: str | None) -> bytes:
    """Return Cohere's answer for an OpenAI or Mistral client. Raises UpstreamBroke."""
    try:
        answer = _decode(body)
        found = answer.embeddings
        vectors = next(iter(found.values()), []) if isinstance(found, dict) else found
        billed = answer.meta.billed_units if answer.meta is not None else None
        tokens = None if billed is None or billed.input_tokens is None else int(billed.input_tokens)
        return encode_vectors(vectors, model, tokens, as_base64=as_base64, answer_id=answer_id)
    except UNREADABLE:
        raise UpstreamBroke("the provider's answer is not a list of embeddings") from None
