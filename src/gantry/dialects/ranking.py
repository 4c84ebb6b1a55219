"""Ranking documents by a query, between the formats that have it: Cohere's, its imitations', and Voyage's.

Law: they differ in three words and in what they bill. A caller who wants the documents back gets them from the request
where the provider does not send them. Providers whose other operations speak OpenAI's format rank as Jina's API does.
Specs: https://docs.cohere.com/reference/rerank, https://docs.voyageai.com/reference/reranker-api,
https://api.jina.ai/redoc
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec
from msgspec import Raw, Struct

from gantry.core.errors import InvalidRequest, UpstreamBroke
from gantry.core.vocabulary import Dialect
from gantry.dialects.changes import Change, converted, dropped, renamed
from gantry.dialects.fields import object_members
from gantry.dialects.members import (
    NULL,
    UNREADABLE,
    Members,
    asks_nothing,
    decode_flag,
    decode_list,
    decode_whole,
    has,
    is_text,
    read,
    read_members,
    read_text,
)

_UNDERSTOOD: Final = frozenset(("model", "query", "documents", "top_n", "top_k", "return_documents"))
_TEXT: Final = "text"
_WITH_DOCUMENTS: Final = "return_documents"

_encode: Final = msgspec.json.Encoder().encode


class RankingAsked(Struct, frozen=True):
    """What is asked. `others` are members that are not null and not read here."""

    query: str
    documents: list[str]
    top: int | None
    top_name: str  # as the caller wrote it
    with_documents: bool
    others: Members
    changes: list[Change]


class _Words(Struct, frozen=True):
    """What a provider's format calls things; `known` are other members that it takes."""

    top: str
    known: frozenset[str]


_WORDS: Final[Mapping[Dialect, _Words]] = {
    Dialect.COHERE: _Words("top_n", frozenset(("max_tokens_per_doc", "priority"))),
    Dialect.OPENAI_CHAT: _Words("top_n", frozenset()),
    Dialect.VOYAGE: _Words("top_k", frozenset(("truncation",))),
}


class _Result(Struct, gc=False):
    index: int
    relevance_score: float


class _Usage(Struct, gc=False):
    total_tokens: int | None = None
    prompt_tokens: int | None = None
    search_units: float | None = None


class _Billed(Struct, gc=False):
    search_units: float | None = None


class _Meta(Struct, gc=False):
    billed_units: _Billed | None = None


class RankingTold(Struct):
    """A provider's answer: `results`, or Voyage's `data`."""

    results: list[_Result] | None = None
    data: list[_Result] | None = None
    id: str | None = None
    model: str | None = None
    usage: _Usage | None = None
    meta: _Meta | None = None

    @property
    def ranked(self) -> Sequence[_Result]:
        found = self.results if self.results is not None else self.data
        if found is None:
            raise ValueError("no results")
        return found

    @property
    def tokens(self) -> int | None:
        if self.usage is None:
            return None
        return self.usage.prompt_tokens if self.usage.total_tokens is None else self.usage.total_tokens

    @property
    def searches(self) -> int | None:
        billed = self.meta.billed_units if self.meta is not None else None
        units = billed.search_units if billed is not None else self.usage.search_units if self.usage else None
        return None if units is None else int(units)


_decode_answer: Final = msgspec.json.Decoder(RankingTold).decode


def read_ranking_asked(body: bytes) -> RankingAsked:
    """Return what a request asks, in whichever of the formats. Raises InvalidRequest."""
    given = object_members(body, "a ranking request")
    raw = given.get("documents", NULL)
    if raw == NULL:
        raise InvalidRequest("`documents` is missing", param="documents")
    changes: list[Change] = []
    items = read(decode_list, raw, "documents", "a list of texts")
    documents = [_document_text(item, number, changes) for number, item in enumerate(items)]
    top_name = "top_k" if has(given, "top_k") else "top_n"
    with_documents = given.get(_WITH_DOCUMENTS, NULL)
    return RankingAsked(
        read_text(given.get("query"), "query"),
        documents,
        read(decode_whole, given[top_name], top_name, "a whole number") if has(given, top_name) else None,
        top_name,
        with_documents != NULL and read(decode_flag, with_documents, _WITH_DOCUMENTS, "true or false"),
        {name: value for name, value in given.items() if name not in _UNDERSTOOD and value != NULL},
        changes,
    )


def write_ranking_request(asked: RankingAsked, target: Dialect, model: str) -> tuple[bytes, list[Change]]:
    """Return a request in a provider's format, and what was changed."""
    words = _WORDS[target]
    body: dict[str, Any] = {"model": model, "query": asked.query, "documents": asked.documents}
    changes = list(asked.changes)
    if asked.top is not None:
        body[words.top] = asked.top
        if words.top != asked.top_name:
            changes.append(renamed(asked.top_name, words.top))
    if target is Dialect.OPENAI_CHAT:  # some send the documents unasked
        body[_WITH_DOCUMENTS] = False
    elif asked.with_documents:
        changes.append(converted(_WITH_DOCUMENTS, "by the gateway, from the request"))
    for name, value in asked.others.items():
        if name in words.known:
            body[name] = value
        elif not asks_nothing(value):
            changes.append(dropped(name))
    return _encode(body), changes


def tell_ranking(asked: RankingAsked, source: Dialect, body: bytes, model: str, answer_id: str) -> bytes:
    """Return a provider's answer for a client. Raises UpstreamBroke."""
    try:
        told = _decode_answer(body)
        results = [_result(asked, item) for item in told.ranked]
    except UNREADABLE:
        raise UpstreamBroke("the provider's answer is not a ranking of the documents") from None
    return _encode(_TELLERS[source](told, results, model, answer_id))


def _tell_cohere(told: RankingTold, results: list[dict[str, Any]], model: str, answer_id: str) -> dict[str, Any]:
    meta: dict[str, Any] = {"api_version": {"version": "2"}}
    if told.searches is not None:
        meta["billed_units"] = {"search_units": told.searches}
    if told.tokens is not None:
        meta["tokens"] = {"input_tokens": told.tokens}
    return {"id": told.id or answer_id, "results": results, "meta": meta}


def _tell_openai(told: RankingTold, results: list[dict[str, Any]], model: str, answer_id: str) -> dict[str, Any]:
    """Clients of Jina's format read the usage; Cohere's first client, which posts to the same path, what was billed."""
    tokens = told.tokens or 0
    answer: dict[str, Any] = {
        "id": told.id or answer_id,
        "object": "list",
        "model": told.model or model,
        "results": results,
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
    }
    if told.searches is not None:
        answer["usage"]["search_units"] = told.searches
        answer["meta"] = {"billed_units": {"search_units": told.searches}}
    return answer


_Teller = Callable[[RankingTold, list[dict[str, Any]], str, str], dict[str, Any]]
_TELLERS: Final[Mapping[Dialect, _Teller]] = {Dialect.COHERE: _tell_cohere, Dialect.OPENAI_CHAT: _tell_openai}


def _result(asked: RankingAsked, item: _Result) -> dict[str, Any]:
    if not 0 <= item.index < len(asked.documents):
        raise ValueError("a document that was not asked about")
    result: dict[str, Any] = {"index": item.index, "relevance_score": item.relevance_score}
    if asked.with_documents:
        result["document"] = {_TEXT: asked.documents[item.index]}
    return result


def _document_text(item: Raw, number: int, changes: list[Change]) -> str:
    """Return a document's text: a string, or the `text` of an object, whose other members nobody would rank by."""
    path = f"documents[{number}]"
    if is_text(item):
        return read_text(item, path)
    fields = read_members(item, path, "a text, or an object with a `text`")
    if not has(fields, _TEXT):
        raise InvalidRequest(f"`{path}` must be a text, or an object with a `text`", param=path)
    changes += [dropped(f"{path}.{name}") for name in fields if name != _TEXT and has(fields, name)]
    return read_text(fields[_TEXT], f"{path}.text")
