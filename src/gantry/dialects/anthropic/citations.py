"""Sources of what was said, as Anthropic writes them.

A citation belongs to the whole text block that carries it, and its own places count in the source, so it has none in
the text. What a look-alike or we ourselves wrote without Anthropic's seal (`encrypted_index`) is never sent there.
"""

from typing import Any, Final

import msgspec
from msgspec import Raw, Struct

from gantry.core.chat import Citation
from gantry.core.vocabulary import Dialect
from gantry.dialects.members import UNREADABLE


class _Location(Struct, gc=False):
    type: str | None = None
    url: str | None = None
    source: str | None = None
    title: str | None = None
    document_title: str | None = None
    cited_text: str | None = None
    encrypted_index: str | None = None


_decode: Final = msgspec.json.Decoder(_Location).decode


def read_citation(raw: Raw) -> Citation:
    """Return a citation with its bytes. Never raises: one of a shape we do not know keeps them alone."""
    try:
        found = _decode(raw)
    except UNREADABLE:
        return Citation(dialect=Dialect.ANTHROPIC, raw=raw)
    url = found.url or (found.source if found.type == "search_result_location" else None)
    title = found.title if found.title is not None else found.document_title
    if found.encrypted_index == "":
        return Citation(url, title, found.cited_text or None)
    return Citation(url, title, found.cited_text, dialect=Dialect.ANTHROPIC, raw=raw)


def write_citation(citation: Citation) -> Raw | dict[str, Any] | None:
    """Return a citation for a client; None for a source that has no address, which Anthropic has no word for."""
    if citation.dialect is Dialect.ANTHROPIC and citation.raw is not None:
        return citation.raw
    if citation.url is None:
        return None
    return {
        "type": "web_search_result_location",
        "url": citation.url,
        "title": citation.title,
        "cited_text": citation.quote or "",
        "encrypted_index": "",
    }


def own_citations(citations: tuple[Citation, ...]) -> list[Raw]:
    """Return the citations that Anthropic made."""
    return [one.raw for one in citations if one.dialect is Dialect.ANTHROPIC and one.raw is not None]
