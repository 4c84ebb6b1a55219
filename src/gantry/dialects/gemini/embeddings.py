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
from gantry.core.usage import Usage
from gantry.dialects.changes import Change, converted, dropped, renamed
from gantry.dialects.gemini.spelling import read_count, read_fields, read_list
from gantry.dialects.gemini.usage import read_usage
from gantry.dialects.members import NULL, UNREADABLE, Members, asks_nothing, is_text, read, read_text
from gantry.dialects.vectors import packed_vector, plain_vector

_SIZE: Final = "outputDimensionality"
_SIZES: Final = ("dimensions", "output_dimension")  # OpenAI's word, Mistral's
_BASE64: Final = "base64"
_FORMATS: Final = ("float", _BASE64)
_MODELS: Final = "models/"

_decode_members: Final = msgspec.json.Decoder(Members).decode
_decode_texts: Final = msgspec.json.Decoder(list[str]).decode
_encode: Final = msgspec.json.Encoder().encode


class GeminiEmbeddings(Struct, frozen=True):
    """A `batchEmbedContents` body, what was changed, and whether the client wants its vectors as base64."""

    body: bytes
    changes: Sequence[Change]
    as_base64: bool


class OpenAIEmbeddings(Struct, frozen=True):
    """An `/embeddings` body, and what was changed."""

    body: bytes
    changes: Sequence[Change]


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


def to_gemini_embeddings(body: bytes, model: str) -> GeminiEmbeddings:
    """Return an OpenAI or Mistral embeddings request for Gemini's `models/{model}:batchEmbedContents`.

    Raises InvalidRequest for tokens in place of text, and for a form of vector that Gemini does not make.
    """
    given = _members(body, "an embeddings request")
    texts = _input_texts(given)
    changes: list[Change] = []
    size: int | None = None
    as_base64 = False
    for name, value in given.items():
        if name in ("model", "input") or value == NULL:
            continue
        if name in _SIZES:
            size = read_count(value, name)
            changes.append(renamed(name, _SIZE))
        elif name == "encoding_format":
            as_base64 = _wants_base64(value)
            if as_base64:
                changes.append(converted(name, "to float, encoded by the gateway"))
        elif name == "output_dtype":
            if read_text(value, name) != "float":
                raise InvalidRequest(f"`{name}` must be float: Gemini makes no other vectors", param=name)
        elif not asks_nothing(value):
            changes.append(dropped(name))
    sized = {} if size is None else {_SIZE: size}
    named = model if model.startswith(_MODELS) else f"{_MODELS}{model}"
    requests = [{"model": named, "content": {"parts": [{"text": text}]}, **sized} for text in texts]
    return GeminiEmbeddings(_encode({"requests": requests}), changes, as_base64)


def gemini_vectors_for_openai(body: bytes, model: str, *, as_base64: bool) -> bytes:
    """Return Gemini's answer for an OpenAI or Mistral client. Raises UpstreamBroke."""
    try:
        answer = _decode_gemini(body)
        found = answer.embeddings if answer.embedding is None else [answer.embedding]
        if found is None:
            raise ValueError("no embeddings")
        data = [
            {"object": "embedding", "index": number, "embedding": _vector(item.values, as_base64=as_base64)}
            for number, item in enumerate(found)
        ]
    except UNREADABLE:
        raise UpstreamBroke("the provider's answer is not a list of embeddings") from None
    counted = read_usage(answer.usage_metadata)[0].input_tokens or 0
    usage = {"prompt_tokens": counted, "total_tokens": counted}
    return _encode({"object": "list", "data": data, "model": model, "usage": usage})


def read_gemini_embeddings_usage(body: bytes) -> Usage:
    """Return what Gemini says of the usage of an embeddings call: for most models nothing."""
    try:
        return read_usage(_decode_gemini(body).usage_metadata)[0]
    except UNREADABLE:
        return Usage()


def to_openai_embeddings(body: bytes, model: str, *, batch: bool, size_field: str = "dimensions") -> OpenAIEmbeddings:
    """Return a Google client's request for OpenAI's `/embeddings`, or Mistral's (`size_field="output_dimension"`).

    `batch` says which of Gemini's operations the body is of. Raises InvalidRequest for content that is not text, and
    for vectors of different sizes, which one call cannot ask for.
    """
    given = _members(body, "an embeddings request")
    changes: list[Change] = []
    if batch:
        if "requests" not in given:
            raise InvalidRequest("`requests` is missing", param="requests")
        items = read_list(given["requests"], "requests", "a list of requests")
        requests = [
            (f"requests[{number}].", read_fields(item, f"requests[{number}]")) for number, item in enumerate(items)
        ]
    else:
        requests = [("", read_fields(Raw(body), "body"))]
    if not requests:
        raise InvalidRequest("`requests` must not be empty", param="requests")
    texts = [_content_text(fields, prefix) for prefix, fields in requests]
    size = _one_size(requests)
    for prefix, fields in requests:
        for name, value in fields.items():
            if name not in ("model", "content", _SIZE) and not asks_nothing(value):
                changes.append(dropped(f"{prefix}{name}"))
    asked: dict[str, Any] = {"model": model, "input": texts if batch else texts[0], "encoding_format": "float"}
    if size is not None:
        asked[size_field] = size
        changes.append(renamed(_SIZE, size_field))
    return OpenAIEmbeddings(_encode(asked), changes)


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


def _members(body: bytes, what: str) -> Members:
    try:
        return _decode_members(body)
    except UNREADABLE:
        raise InvalidRequest(f"the body must be a JSON object: {what}") from None


def _input_texts(given: Members) -> list[str]:
    raw = given.get("input", NULL)
    if raw == NULL:
        raise InvalidRequest("`input` is missing", param="input")
    wanted = "a string or a list of strings; Gemini takes no tokens"
    texts = [read_text(raw, "input")] if is_text(raw) else read(_decode_texts, raw, "input", wanted)
    if not texts:
        raise InvalidRequest("`input` must not be empty", param="input")
    return texts


def _wants_base64(raw: Raw) -> bool:
    wish = read_text(raw, "encoding_format")
    if wish not in _FORMATS:
        raise InvalidRequest("`encoding_format` must be float or base64", param="encoding_format")
    return wish == _BASE64


def _vector(values: Raw, *, as_base64: bool) -> Raw | str:
    if values == NULL:
        raise ValueError("no vector")
    return packed_vector(values) if as_base64 else values


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
