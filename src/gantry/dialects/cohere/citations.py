"""Citations: a place in the text of an answer, and the documents or results of tools that it rests on."""

from typing import Any, Final

from msgspec import Raw

from gantry.core.chat import Citation
from gantry.core.vocabulary import Dialect
from gantry.dialects.chat_chunk import has_value
from gantry.dialects.cohere.shapes import Cited, SourceDocument, decode_cited, decode_source_document
from gantry.dialects.members import UNREADABLE

_OF_TEXT: Final = (None, "TEXT_CONTENT")


def read_citation(raw: Raw) -> tuple[Citation, Cited]:
    """Return a citation, and where Cohere puts it. Raises msgspec's errors."""
    cited = decode_cited(raw)
    document = _document(cited)
    citation = Citation(
        document.url, document.title, document.text, cited.start, cited.end, dialect=Dialect.COHERE, raw=raw
    )
    return citation, cited


def is_of_text(cited: Cited) -> bool:
    """Say whether a citation is of the answer's text, and not of its plan or its thinking."""
    return cited.type in _OF_TEXT


def citation_value(citation: Citation, content_index: int) -> Any:
    """Return a citation of an item of content: as Cohere wrote it, or made of what another provider said."""
    if citation.dialect is Dialect.COHERE and citation.raw is not None:
        return citation.raw
    document = {"title": citation.title, "url": citation.url, "text": citation.quote}
    source = {
        "type": "document",
        "id": citation.url or citation.title or "source",
        "document": {name: value for name, value in document.items() if value is not None},
    }
    value: dict[str, Any] = {"type": "TEXT_CONTENT", "content_index": content_index, "sources": [source]}
    if citation.start is not None:
        value["start"] = citation.start
    if citation.end is not None:
        value["end"] = citation.end
    return value


def _document(cited: Cited) -> SourceDocument:
    for source in cited.sources or ():
        if has_value(source.document):
            try:
                return decode_source_document(source.document)
            except UNREADABLE:  # a caller may give documents any fields of any type
                continue
    return SourceDocument()
