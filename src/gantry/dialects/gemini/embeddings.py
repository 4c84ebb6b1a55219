"""Embeddings between Gemini's `embedContent` and `batchEmbedContents` and OpenAI's and Mistral's `/embeddings`.

Law: one content is one vector, however many parts it has. Gemini counts no tokens for most models, so usage is told
where it is known, and OpenAI's clients read zeros else. As with chats, the model is in Gemini's path; in a batch it
stands in each request too. Spec: https://ai.google.dev/api/embeddings
"""

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from msgspec import Raw, Struct

from gantry.core.errors import InvalidRequest, UpstreamBroke
from gantry.dialects.changes import Change, dropped, renamed
from gantry.dialects.embeddings import FLOAT, VectorsAsked, encode_vectors, keep_known
from gantry.dialects.fields import object_members
from gantry.dialects.gemini.spelling import read_count, read_fields, read_list
from gantry.dialects.gemini.usage import read_usage
from gantry.dialects.members import NULL, UNREADABLE, Members, asks_nothing, read_text
from gantry.dialects.vectors import plain_vector

_SIZE: Final = "outputDimensionality"
_NOTHING_ELSE: Final[frozenset[str]] = frozenset()
_MODELS: Final = "models/"

_encode: Final = msgspec.json.Encoder().encode


class _Embedding(Struct, gc=False):
    values: Raw = NULL


class _GeminiAnswer(Struct, rename="camel"):
    embedding: _Embedding | None = None
    embeddings: list[_Embedding] | None = None
    usage_metadata: Raw = NULL


class _Item(Struct, gc=False):
    embedding: Raw
    index: int | None = None


class _Counts(Struct, gc=False):
    prompt_tokens: int | None = None
    total_tokens: int | None = None


class _OpenAIAnswer(Struct):
    data: list[_Item]
    usage: _Counts | None = None


_decode_gemini: Final = msgspec.json.Decoder(_GeminiAnswer).decode
_decode_openai: Final = msgspec.json.Decoder(_OpenAIAnswer).decode


def to_gemini_embeddings(asked: VectorsAsked, model: str) -> tuple[bytes, list[Change]]:
    """Return an OpenAI or Mistral embeddings request for Gemini's `models/{model}:batchEmbedContents`.

    With it comes what was changed. Raises InvalidRequest for a form of vector that Gemini does not make.
    """
    if asked.dtype != FLOAT:
        raise InvalidRequest("`output_dtype` must be float: Gemini makes no other vectors", param="output_dtype")
    dropped_others = keep_known(asked.others, _NOTHING_ELSE)[1]
    sized = {} if asked.size is None else {_SIZE: asked.size}
    named = model if model.startswith(_MODELS) else f"{_MODELS}{model}"
    requests = [{"model": named, "content": {"parts": [{"text": text}]}, **sized} for text in asked.texts]
    return _encode({"requests": requests}), [*asked.renamed_size(_SIZE), *asked.packed_here(), *dropped_others]


def gemini_vectors_for_openai(body: bytes, model: str, *, as_base64: bool, answer_id: str | None = None) -> bytes:
    """Return Gemini's answer for an OpenAI client, or with an id for Mistral's. Raises UpstreamBroke."""
    try:
        answer = _decode_gemini(body)
        found = answer.embeddings if answer.embedding is None else [answer.embedding]
        if found is None or any(item.values == NULL for item in found):
            raise ValueError("no embeddings")
        counted = read_usage(answer.usage_metadata)[0].input_tokens
        vectors = [item.values for item in found]
        return encode_vectors(vectors, model, counted, as_base64=as_base64, answer_id=answer_id)
    except UNREADABLE:
        raise UpstreamBroke("the provider's answer is not a list of embeddings") from None


def read_gemini_texts(body: bytes) -> list[str] | None:
    """Return what a Gemini embeddings request asks of, a text for each vector; None when it cannot be read."""
    try:
        batch = b'"requests"' in body
        return [_content_text(fields, prefix) for prefix, fields in _requests(body, batch=batch)]
    except InvalidRequest:
        return None


def to_openai_embeddings(
    body: bytes, model: str, *, batch: bool, size_field: str = "dimensions"
) -> tuple[bytes, list[Change]]:
    """Return a Google client's request for OpenAI's `/embeddings`, or Mistral's (`size_field="output_dimension"`).

    With it comes what was changed. `batch` says which of Gemini's operations the body is of. Raises InvalidRequest for
    content that is not text, and for vectors of different sizes, which one call cannot ask for.
    """
    requests = _requests(body, batch=batch)
    texts = [_content_text(fields, prefix) for prefix, fields in requests]
    size = _one_size(requests)
    changes: list[Change] = []
    for prefix, fields in requests:
        for name, value in fields.items():
            if name not in ("model", "content", _SIZE) and not asks_nothing(value):
                changes.append(dropped(f"{prefix}{name}"))
    asked: dict[str, Any] = {"model": model, "input": texts if batch else texts[0], "encoding_format": "float"}
    if size is not None:
        asked[size_field] = size
        changes.append(renamed(_SIZE, size_field))
    return _encode(asked), changes


def openai_vectors_for_gemini(body: bytes, *, batch: bool) -> bytes:
    """Return OpenAI's or Mistral's answer for a Google client. Raises UpstreamBroke."""
    try:
        answer = _decode_openai(body)
        items = enumerate(answer.data)
        ordered = sorted(items, key=lambda item: item[0] if item[1].index is None else item[1].index)
        vectors = [{"values": plain_vector(item.embedding)} for _, item in ordered]
        if not vectors:
            raise ValueError("no vectors")
    except UNREADABLE:
        raise UpstreamBroke("the provider's answer is not a list of embeddings") from None
    told: dict[str, Any] = {"embeddings": vectors} if batch else {"embedding": vectors[0]}
    counts = answer.usage
    if counts is not None and counts.prompt_tokens is not None:
        told["usageMetadata"] = {"promptTokenCount": counts.prompt_tokens}
    return _encode(told)


def _requests(body: bytes, *, batch: bool) -> list[tuple[str, Members]]:
    """Return the fields of each request in a body, each with the path that they have in it."""
    given = object_members(body, "an embeddings request")
    if not batch:
        return [("", read_fields(Raw(body), "body"))]
    if "requests" not in given:
        raise InvalidRequest("`requests` is missing", param="requests")
    items = read_list(given["requests"], "requests", "a list of requests")
    if not items:
        raise InvalidRequest("`requests` must not be empty", param="requests")
    return [(f"requests[{number}].", read_fields(item, f"requests[{number}]")) for number, item in enumerate(items)]


def _content_text(fields: Members, prefix: str) -> str:
    path = f"{prefix}content"
    if "content" not in fields:
        raise InvalidRequest(f"`{path}` is missing", param=path)
    parts = read_fields(fields["content"], path, "a content").get("parts", Raw(b"[]"))
    texts = []
    for number, item in enumerate(read_list(parts, f"{path}.parts", "a list of parts")):
        where = f"{path}.parts[{number}]"
        part = read_fields(item, where, "a part")
        if "text" not in part:
            raise InvalidRequest(f"`{where}` must be text: the model that is called embeds nothing else", param=where)
        texts.append(read_text(part["text"], f"{where}.text"))
    return "\n".join(texts)


def _one_size(requests: Sequence[tuple[str, Members]]) -> int | None:
    sizes = {read_count(fields[_SIZE], f"{prefix}{_SIZE}") if _SIZE in fields else None for prefix, fields in requests}
    if len(sizes) > 1:
        raise InvalidRequest(f"`{_SIZE}` must be the same in all requests of a batch", param=f"requests[0].{_SIZE}")
    return next(iter(sizes))
