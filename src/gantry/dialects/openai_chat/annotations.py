"""Sources of an answer: OpenAI's `annotations`, and the lists that Perplexity writes beside its answers.

Spec: https://platform.openai.com/docs/guides/tools-web-search#output-and-citations (`url_citation`).
"""

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from msgspec import Raw, Struct

from gantry.core.chat import Citation
from gantry.dialects.members import UNREADABLE, decode_texts


class _UrlCitation(Struct, gc=False):
    url: str | None = None
    title: str | None = None
    content: str | None = None
    start_index: int | None = None
    end_index: int | None = None


class _Annotation(Struct, gc=False):
    type: str | None = None
    url_citation: _UrlCitation | None = None


class _SearchResult(Struct, gc=False):
    url: str
    title: str | None = None
    snippet: str | None = None


_decode_annotations: Final = msgspec.json.Decoder(list[_Annotation]).decode
_decode_results: Final = msgspec.json.Decoder(list[_SearchResult]).decode


def read_citations(raw: Raw) -> list[Citation]:
    """Return the sources in a message's `annotations`; what is none is passed over."""
    if len(raw) < 3:
        return []
    try:
        found = _decode_annotations(raw)
    except UNREADABLE:
        return []
    return [
        Citation(one.url, one.title, one.content, one.start_index, one.end_index)
        for one in (annotation.url_citation for annotation in found)
        if one is not None
    ]


def read_searched(urls: Raw, results: Raw) -> list[Citation]:
    """Return the sources of a whole answer, which stand at no place in its text."""
    try:
        if len(results) > 2:
            return [Citation(one.url, one.title, one.snippet or None) for one in _decode_results(results)]
        return [Citation(url) for url in decode_texts(urls)] if len(urls) > 2 else []
    except UNREADABLE:
        return []


def annotations(citations: Sequence[Citation], first: int | None = None) -> list[dict[str, Any]]:
    """Return sources as `annotations`, those without a URL left out. `first` numbers the entries of a delta."""
    listed: list[dict[str, Any]] = []
    for one in citations:
        if one.url is None:
            continue
        cited: dict[str, Any] = {"url": one.url, "title": one.title or ""}
        if one.start is not None and one.end is not None:
            cited |= {"start_index": one.start, "end_index": one.end}
        if one.quote is not None:
            cited["content"] = one.quote
        entry: dict[str, Any] = {"type": "url_citation", "url_citation": cited}
        if first is not None:
            entry["index"] = first + len(listed)
        listed.append(entry)
    return listed
