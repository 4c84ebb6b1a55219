"""Sources: Gemini's grounding and its citations, and those of other providers told in its shape.

Law: Gemini counts bytes of UTF-8 and the canonical chat counts characters. Which part a segment is of is told by its
text, because in a stream the parts are cut anew. The source itself keeps its bytes.
Spec: https://ai.google.dev/api/generate-content#GroundingMetadata, #CitationMetadata
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

import msgspec
from msgspec import Raw, Struct

from gantry.core.chat import Citation
from gantry.core.vocabulary import Dialect
from gantry.dialects.members import NULL, UNREADABLE


class Said(NamedTuple):
    """A part of text: its number in the answer, and all of it."""

    part: int
    text: str


class _Source(Struct, gc=False):
    uri: str | None = None
    title: str | None = None
    text: str | None = None


class _Chunk(Struct, rename="camel"):
    web: _Source | None = None
    retrieved_context: _Source | None = None
    maps: _Source | None = None
    image: _Source | None = None


class _Segment(Struct, rename="camel", gc=False):
    start_index: int = 0
    end_index: int | None = None
    text: str | None = None


class _Support(Struct, rename="camel"):
    segment: _Segment | None = None
    grounding_chunk_indices: list[int] = []


class _Grounding(Struct, rename="camel"):
    grounding_chunks: list[Raw] = []
    grounding_supports: list[_Support] = []


class _Searched(Struct, rename="camel"):
    web_search_queries: list[str] = []


class _Recited(Struct, rename="camel", gc=False):
    start_index: int = 0
    end_index: int | None = None
    uri: str | None = None
    title: str | None = None


class _Recitals(Struct, rename="camel"):
    citation_sources: list[Raw] = []
    citations: list[Raw] = []  # Vertex AI's name


_decode_grounding: Final = msgspec.json.Decoder(_Grounding).decode
_decode_searched: Final = msgspec.json.Decoder(_Searched).decode
_decode_chunk: Final = msgspec.json.Decoder(_Chunk).decode
_decode_recitals: Final = msgspec.json.Decoder(_Recitals).decode
_decode_recited: Final = msgspec.json.Decoder(_Recited).decode


def read_citations(grounding: Raw, recitals: Raw, said: Sequence[Said]) -> list[tuple[int, Citation]]:
    """Return each citation with the number of the part it belongs to. Never raises; without text there are none."""
    if not said:
        return []
    found: list[tuple[int, Citation]] = []
    try:
        if grounding != NULL:
            found += _read_grounding(_decode_grounding(grounding), said)
        if recitals != NULL:
            found += _read_recitals(_decode_recitals(recitals), said)
    except UNREADABLE:
        pass
    return found


def count_searches(grounding: Raw) -> int:
    """Return how many queries Google searched for; the same words asked twice are one. Never raises."""
    if grounding == NULL:
        return 0
    try:
        return len({query for query in _decode_searched(grounding).web_search_queries if query.strip()})
    except UNREADABLE:
        return 0


def _read_grounding(grounding: _Grounding, said: Sequence[Said]) -> Iterable[tuple[int, Citation]]:
    chunks = [_cite(raw) for raw in grounding.grounding_chunks]
    supported: set[int] = set()
    for support in grounding.grounding_supports:
        part, start, end = _place(support.segment or _Segment(), said)
        for number in support.grounding_chunk_indices:
            if 0 <= number < len(chunks):
                supported.add(number)
                yield part, msgspec.structs.replace(chunks[number], start=start, end=end)
    for number, chunk in enumerate(chunks):
        if number not in supported:
            yield said[-1].part, chunk


def _cite(raw: Raw) -> Citation:
    chunk = _decode_chunk(raw)
    source = chunk.web or chunk.retrieved_context or chunk.maps or chunk.image or _Source()
    return Citation(source.uri, source.title, source.text, dialect=Dialect.GEMINI, raw=raw)


def _read_recitals(recitals: _Recitals, said: Sequence[Said]) -> Iterable[tuple[int, Citation]]:
    for raw in (*recitals.citation_sources, *recitals.citations):
        found = _decode_recited(raw)
        part, start, end = _place(_Segment(found.start_index, found.end_index), said)
        yield part, Citation(found.uri, found.title, None, start, end, Dialect.GEMINI, raw)


def _place(segment: _Segment, said: Sequence[Said]) -> tuple[int, int | None, int | None]:
    """Return the part that a segment is of, and its beginning and end there in characters."""
    for part, text in said:
        encoded = text.encode("utf-8", "replace")
        end = segment.end_index
        if end is not None and end <= len(encoded):
            piece = encoded[segment.start_index : end].decode("utf-8", "ignore")
            if segment.text is None or segment.text == piece:
                start = len(encoded[: segment.start_index].decode("utf-8", "ignore"))
                return part, start, start + len(piece)
    for part, text in said:
        start = text.find(segment.text) if segment.text else -1
        if start >= 0:
            return part, start, start + len(segment.text or "")
    return said[-1].part, None, None


def encode_citations(cited: Iterable[tuple[str, Sequence[Citation]]]) -> dict[str, Any]:
    """Return the fields of a candidate that name the sources of its texts; none where there are none."""
    chunks: list[Any] = []
    places: dict[bytes, int] = {}
    supports: list[dict[str, Any]] = []
    recitals: list[Raw] = []
    for text, citations in cited:
        for citation in citations:
            chunk = _chunk(citation)
            if chunk is None:
                recitals.append(citation.raw or NULL)
                continue
            key = msgspec.json.encode(chunk)
            if key not in places:
                places[key] = len(chunks)
                chunks.append(chunk)
            if citation.start is not None and citation.end is not None:
                supports.append(_support(text, citation.start, citation.end, places[key]))
    fields: dict[str, Any] = {}
    if chunks:
        fields["groundingMetadata"] = {"groundingChunks": chunks, "groundingSupports": supports}
    if recitals:
        fields["citationMetadata"] = {"citationSources": recitals}
    return fields


def _chunk(citation: Citation) -> Any:
    """Return the grounding chunk that names a source; None for a recital of Gemini's, which is no chunk."""
    if citation.dialect is Dialect.GEMINI and citation.raw is not None:
        own = _decode_chunk(citation.raw)
        return None if own == _Chunk() else citation.raw
    kind = "retrievedContext" if citation.quote is not None else "web"
    source = {"uri": citation.url, "title": citation.title, "text": citation.quote}
    return {kind: {name: value for name, value in source.items() if value is not None}}


def _support(text: str, start: int, end: int, chunk: int) -> dict[str, Any]:
    before = len(text[:start].encode("utf-8", "replace"))
    piece = text[start:end]
    segment: dict[str, Any] = {"endIndex": before + len(piece.encode("utf-8", "replace")), "text": piece}
    if before:
        segment["startIndex"] = before
    return {"segment": segment, "groundingChunkIndices": [chunk]}
