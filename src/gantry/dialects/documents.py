"""Answers that are one document: embeddings, rankings, moderations, classifications, OCR, models, resources.

Law: a log shows what a person wants to know of them, never megabytes of floats; the document itself stands beside it.
Each reader takes the document's bytes and returns the readable form, or None where it finds nothing of its kind.
"""

from collections.abc import Callable, Iterable
from typing import Any, Final

from msgspec import Raw, Struct

from gantry.dialects.chat_chunk import has_value, read_chunk, read_shape
from gantry.dialects.chat_shapes import ABSENT
from gantry.dialects.fold import Answer, Envelope, encode
from gantry.dialects.media import decoded_size
from gantry.dialects.members import UNREADABLE, decode_list
from gantry.dialects.outline import outline

_TOP_SCORES: Final = 3
_FLOAT_BYTES: Final = 4
_SHOWN: Final = 100

Describe = Callable[[bytes], bytes | str | None]


class _Item(Struct, gc=False):
    """One item of a list: an embedding or a model's card."""

    id: str | None = None
    embedding: Raw = ABSENT


class _List(Struct, gc=False):
    data: list[_Item] | None = None


class _Vector(Struct, gc=False):
    values: Raw = ABSENT


class _Vectors(Struct, gc=False):
    """Gemini's one or its list, and Cohere's by their type or, in its first version, as such."""

    embedding: Raw = ABSENT
    embeddings: list[Raw] | dict[str, list[Raw]] | None = None


class _Result(Struct, gc=False):
    index: int | None = None
    relevance_score: float | None = None


class _Ranking(Struct, gc=False):
    results: list[_Result] | None = None
    data: list[_Result] | None = None


class _Meta(Struct, gc=False):
    billed_units: Raw = ABSENT


class _Billed(Struct, gc=False):
    """Where the usage stands in answers of other families: Cohere's, Gemini's."""

    meta: _Meta | None = None
    usageMetadata: Raw = ABSENT  # noqa: N815


class _Moderation(Struct):
    flagged: bool | None = None
    categories: dict[str, bool] | None = None
    category_scores: dict[str, float] | None = None


class _Moderations(Struct):
    results: list[_Moderation] | None = None


class _Target(Struct):
    scores: dict[str, float] | None = None


class _Classifications(Struct):
    results: list[dict[str, _Target]] | None = None


class _Page(Struct, gc=False):
    markdown: str | None = None


class _Pages(Struct, gc=False):
    pages: list[_Page] | None = None
    document_annotation: str | None = None


class DocumentFold(Envelope):
    """An answer that is one document, and does not come as a stream."""

    __slots__ = ("_describe", "_document")

    def __init__(self, describe: Describe) -> None:
        super().__init__()
        self._describe = describe
        self._document: bytes | None = None

    def add(self, document: bytes) -> bool:
        chunk = read_chunk(document)
        if chunk is None:
            return False
        self.take(chunk)
        self._document = document
        if self.usage is None:
            self.usage = _billed(document)
        return True

    def answer(self, ended: bool, warnings: Iterable[str] = ()) -> Answer:
        said = None
        if self._document is not None and self.error is None:
            said = self._describe(self._document)
        text = said if isinstance(said, str) else None
        return self.conclude(complete=ended, warnings=warnings, message=said, text=text)

    def whole(self) -> bytes:
        return self._document or b"{}"


def describe_embeddings(document: bytes) -> bytes | None:
    """Return how many there are, and of how many dimensions."""
    vectors = _vectors_in(document)
    if vectors is None:
        return None
    shown: dict[str, Any] = {"embeddings": len(vectors)}
    first = bytes(vectors[0]) if vectors else b""
    if first.startswith(b"["):
        shown["dimensions"] = _length(first)
    elif first.startswith(b'"'):
        shown["encoding"] = "base64"
        shown["dimensions"] = (decoded_size(first) or 0) // _FLOAT_BYTES
    return encode(shown)


def describe_ranking(document: bytes) -> bytes | None:
    """Return the places of the documents in the request, best first, with their scores."""
    found = read_shape(_Ranking, document)
    results = None if found is None else found.results or found.data
    if results is None:
        return None
    return encode([{"index": item.index, "relevance_score": item.relevance_score} for item in results[:_SHOWN]])


def describe_moderations(document: bytes) -> bytes | None:
    """Return of each input the categories that were flagged, and the highest scores."""
    found = read_shape(_Moderations, document)
    if found is None or found.results is None:
        return None
    shown = []
    for result in found.results[:_SHOWN]:
        flagged = [name for name, is_flagged in (result.categories or {}).items() if is_flagged]
        shown.append({"flagged": flagged, "top_scores": _top(result.category_scores or {})})
    return encode(shown)


def describe_classifications(document: bytes) -> bytes | None:
    """Return of each input the most likely label of every target."""
    found = read_shape(_Classifications, document)
    if found is None or found.results is None:
        return None
    shown = []
    for result in found.results[:_SHOWN]:
        tops = {name: _top(target.scores or {}) for name, target in result.items()}
        shown.append({name: {"label": next(iter(top), None), "top_scores": top} for name, top in tops.items()})
    return encode(shown)


def describe_pages(document: bytes) -> bytes | str | None:
    """Return the pages as one markdown text; with the annotation of the document, if one was asked for."""
    found = read_shape(_Pages, document)
    if found is None or found.pages is None:
        return None
    markdown = "\n\n".join(page.markdown for page in found.pages if page.markdown is not None)
    if found.document_annotation is None:
        return markdown
    return encode({"markdown": markdown, "document_annotation": found.document_annotation})


def describe_models(document: bytes) -> bytes | None:
    """Return the ids of the models."""
    listed = read_shape(_List, document)
    if listed is None or listed.data is None:
        return outline(document)
    return encode([item.id for item in listed.data if item.id is not None])


def describe_resource(document: bytes) -> bytes | None:
    return outline(document)


def _vectors_in(document: bytes) -> list[Raw] | None:
    listed = read_shape(_List, document)
    if listed is not None and listed.data is not None:
        return [item.embedding for item in listed.data]
    found = read_shape(_Vectors, document)
    if found is None:
        return None
    if has_value(found.embedding):
        return [_values_of(found.embedding)]
    if isinstance(found.embeddings, dict):
        return next(iter(found.embeddings.values()), [])
    return None if found.embeddings is None else [_values_of(vector) for vector in found.embeddings]


def _values_of(vector: Raw) -> Raw:
    """Return the numbers of a vector, which Gemini wraps."""
    shape = read_shape(_Vector, vector) if bytes(memoryview(vector)[:1]) == b"{" else None
    return vector if shape is None else shape.values


def _billed(document: bytes) -> bytes | None:
    if b'"billed_units"' not in document and b'"usageMetadata"' not in document:
        return None
    found = read_shape(_Billed, document)
    if found is None:
        return None
    if has_value(found.usageMetadata):
        return bytes(found.usageMetadata)
    return bytes(found.meta.billed_units) if found.meta is not None and has_value(found.meta.billed_units) else None


def _top(scores: dict[str, float]) -> dict[str, float]:
    return dict(sorted(scores.items(), key=lambda score: -score[1])[:_TOP_SCORES])


def _length(array: bytes) -> int | None:
    try:
        return len(decode_list(array))
    except UNREADABLE:
        return None
