"""Embeddings between formats: what a client of OpenAI's or Mistral's `/embeddings` asks, and the answer it reads.

Law: the two differ in the word for the size alone, so one reading serves both. What is asked beyond it is for the
provider's format to take or to drop. One that counts no tokens is told of as zeros, because these clients want numbers.
"""

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from msgspec import Raw, Struct

from gantry.core.errors import InvalidRequest
from gantry.dialects.changes import Change, converted, dropped, renamed
from gantry.dialects.fields import object_members
from gantry.dialects.members import NULL, Members, asks_nothing, decode_texts, decode_whole, is_text, read, read_text
from gantry.dialects.vectors import packed_vector

FLOAT: Final = "float"
_SIZES: Final = ("dimensions", "output_dimension")  # OpenAI's word, Mistral's
_BASE64: Final = "base64"
_FORMATS: Final = (FLOAT, _BASE64)
_STARTS_OF_VECTORS: Final = (b"[", b'"')
_UNDERSTOOD: Final = frozenset(("model", "input", "encoding_format", "output_dtype", *_SIZES))
_TEXTS: Final = "a string or a list of strings; the model that is called takes no tokens"

_encode: Final = msgspec.json.Encoder().encode


class VectorsAsked(Struct, frozen=True):
    """What is asked. `dtype` is what the numbers are to be; `others` are members not read here, and not null."""

    texts: list[str]
    size: int | None
    size_name: str  # as the caller wrote it
    dtype: str
    as_base64: bool
    others: Members

    def renamed_size(self, name: str) -> list[Change]:
        """Return that the provider calls the size so, where the caller did not."""
        return [] if self.size is None or self.size_name == name else [renamed(self.size_name, name)]

    def packed_here(self) -> list[Change]:
        """Return that the gateway makes the base64 that was asked. Raises InvalidRequest for numbers it cannot pack."""
        if not self.as_base64:
            return []
        if self.dtype != FLOAT:
            raise InvalidRequest(
                f"`encoding_format` must be float where `output_dtype` is {self.dtype}", param="encoding_format"
            )
        return [converted("encoding_format", "to float, encoded by the gateway")]


def read_vectors_asked(body: bytes) -> VectorsAsked:
    """Return what an embeddings request asks. Raises InvalidRequest."""
    given = object_members(body, "an embeddings request")
    sizes = [(name, given[name]) for name in _SIZES if given.get(name, NULL) != NULL]
    size_name, size = sizes[0] if sizes else (_SIZES[0], NULL)
    dtype = given.get("output_dtype", NULL)
    wish = given.get("encoding_format", NULL)
    return VectorsAsked(
        _input_texts(given.get("input", NULL)),
        None if size == NULL else read(decode_whole, size, size_name, "a whole number"),
        size_name,
        FLOAT if dtype == NULL else read_text(dtype, "output_dtype"),
        wish != NULL and _wants_base64(wish),
        {name: value for name, value in given.items() if name not in _UNDERSTOOD and value != NULL},
    )


def keep_known(others: Members, known: frozenset[str]) -> tuple[Members, list[Change]]:
    """Return the members that a provider knows as well, and that the rest was dropped."""
    kept = {name: value for name, value in others.items() if name in known}
    return kept, [dropped(name) for name, value in others.items() if name not in known and not asks_nothing(value)]


def encode_vectors(
    vectors: Sequence[Raw], model: str, tokens: int | None, *, as_base64: bool, answer_id: str | None = None
) -> bytes:
    """Return the answer of `/embeddings`; Mistral's has an id. Raises ValueError for what is no vector."""
    if not all(bytes(memoryview(vector)[:1]) in _STARTS_OF_VECTORS for vector in vectors):
        raise ValueError("not a vector")
    data = [
        {"object": "embedding", "index": number, "embedding": packed_vector(vector) if as_base64 else vector}
        for number, vector in enumerate(vectors)
    ]
    usage = {"prompt_tokens": tokens or 0, "total_tokens": tokens or 0}
    answer: dict[str, Any] = {"object": "list", "data": data, "model": model, "usage": usage}
    return _encode(answer if answer_id is None else {"id": answer_id, **answer})


def _input_texts(raw: Raw) -> list[str]:
    if raw == NULL:
        raise InvalidRequest("`input` is missing", param="input")
    texts = [read_text(raw, "input")] if is_text(raw) else read(decode_texts, raw, "input", _TEXTS)
    if not texts:
        raise InvalidRequest("`input` must not be empty", param="input")
    return texts


def _wants_base64(raw: Raw) -> bool:
    wish = read_text(raw, "encoding_format")
    if wish not in _FORMATS:
        raise InvalidRequest("`encoding_format` must be float or base64", param="encoding_format")
    return wish == _BASE64
