"""The translate tier beyond chat: embeddings, rankings and images between families.

Law: as for chats, each format is read and written once, and meets the others in a value: `embeddings`, `ranking`. Here
stands which pairs there are. To add one is to add a line to `_TRANSLATORS`. What the provider is asked may be another
operation than the caller's: Google's single embedding is one of a list elsewhere, its models draw by chatting, and
Mistral completes by filling in.
"""

from collections.abc import Callable, Mapping
from typing import Final

from msgspec import Struct

from gantry.core.errors import UpstreamBroke
from gantry.core.vocabulary import Dialect, Operation
from gantry.dialects.adapt import Adaptation, AnswerStream
from gantry.dialects.changes import Change
from gantry.dialects.codecs import CODECS
from gantry.dialects.cohere.embeddings import cohere_vectors, to_cohere_embeddings
from gantry.dialects.embeddings import read_vectors_asked
from gantry.dialects.gemini.embeddings import (
    gemini_vectors_for_openai,
    openai_vectors_for_gemini,
    to_gemini_embeddings,
    to_openai_embeddings,
)
from gantry.dialects.gemini.images import gemini_image_for_openai, to_gemini_image
from gantry.dialects.mistral_completions import CompletionStream, to_mistral_completion, to_openai_completion
from gantry.dialects.mistral_embeddings import openai_vectors_for_mistral, to_openai_request
from gantry.dialects.ranking import read_ranking_asked, tell_ranking, write_ranking_request
from gantry.dialects.voyage.embeddings import to_voyage_embeddings, voyage_vectors

_JSON: Final = "application/json"


class Errand(Struct, frozen=True):
    """For whom a request is translated and to whom it goes, and what an answer may need of the call."""

    source: Dialect
    target: Dialect
    operation: Operation  # the caller's
    model: str  # as the provider calls it
    created: int  # seconds since the epoch
    id: str  # unique for this call

    @property
    def answer_id(self) -> str | None:
        """The id of an embeddings answer: Mistral's SDK wants one, OpenAI's knows none."""
        return self.id if self.source is Dialect.MISTRAL else None


class _Translator(Struct, frozen=True):
    asks: Operation  # what the provider is asked
    translate: Callable[[bytes, Errand], Adaptation]


def asked_operation(source: Dialect, target: Dialect, operation: Operation) -> Operation | None:
    """Return what a provider of another format is asked for an operation; None where nobody translates it."""
    found = _TRANSLATORS.get((source, target), {}).get(operation)
    return None if found is None else found.asks


def translate_beyond_chat(body: bytes, errand: Errand) -> Adaptation:
    """Return the translation of a request that `asked_operation` knows. Raises InvalidRequest."""
    return _TRANSLATORS[errand.source, errand.target][errand.operation].translate(body, errand)


def _never_streamed() -> AnswerStream:
    raise UpstreamBroke("the provider streamed an answer that is never streamed")


def _adaptation(
    body: bytes,
    changes: list[Change],
    errand: Errand,
    tell: Callable[[bytes], bytes],
    stream: Callable[[], AnswerStream] = _never_streamed,
) -> Adaptation:
    """Return a translation whose answer `tell` turns into the client's; refusals have one way between all formats."""

    def response(status: int, answer: bytes, content_type: str) -> tuple[str, bytes]:
        if status >= 400:
            provider = CODECS.get(errand.target, CODECS[Dialect.OPENAI_CHAT])
            return _JSON, CODECS[errand.source].encode_error(provider.decode_error(status, answer))
        return _JSON, tell(answer)

    return Adaptation(body, changes, response, stream)


def _vectors_of_gemini(body: bytes, errand: Errand) -> Adaptation:
    asked = read_vectors_asked(body)
    request, changes = to_gemini_embeddings(asked, errand.model)
    return _adaptation(
        request,
        changes,
        errand,
        lambda answer: gemini_vectors_for_openai(
            answer, errand.model, as_base64=asked.as_base64, answer_id=errand.answer_id
        ),
    )


def _vectors_of_cohere(body: bytes, errand: Errand) -> Adaptation:
    asked = read_vectors_asked(body)
    request, changes = to_cohere_embeddings(asked, errand.model)
    return _adaptation(
        request,
        changes,
        errand,
        lambda answer: cohere_vectors(answer, errand.model, as_base64=asked.as_base64, answer_id=errand.answer_id),
    )


def _vectors_of_voyage(body: bytes, errand: Errand) -> Adaptation:
    request, changes = to_voyage_embeddings(read_vectors_asked(body), errand.model)
    return _adaptation(
        request, changes, errand, lambda answer: voyage_vectors(answer, errand.model, answer_id=errand.answer_id)
    )


def _vectors_for_mistral(body: bytes, errand: Errand) -> Adaptation:
    request, changes = to_openai_request(body)
    return _adaptation(request, changes, errand, lambda answer: openai_vectors_for_mistral(answer, errand.id))


def _vectors_for_google(body: bytes, errand: Errand) -> Adaptation:
    batch = errand.operation is Operation.EMBEDDINGS
    size_field = "output_dimension" if errand.target is Dialect.MISTRAL else "dimensions"
    request, changes = to_openai_embeddings(body, errand.model, batch=batch, size_field=size_field)
    return _adaptation(request, changes, errand, lambda answer: openai_vectors_for_gemini(answer, batch=batch))


def _ranking(body: bytes, errand: Errand) -> Adaptation:
    asked = read_ranking_asked(body)
    request, changes = write_ranking_request(asked, errand.target, errand.model)
    return _adaptation(
        request, changes, errand, lambda answer: tell_ranking(asked, errand.source, answer, errand.model, errand.id)
    )


def _image(body: bytes, errand: Errand) -> Adaptation:
    request, changes = to_gemini_image(body)
    return _adaptation(request, changes, errand, lambda answer: gemini_image_for_openai(answer, errand.created))


def _completion(body: bytes, errand: Errand) -> Adaptation:
    request = to_mistral_completion(body)
    return _adaptation(
        request.body,
        request.changes,
        errand,
        to_openai_completion,
        lambda: CompletionStream(include_usage=request.include_usage),
    )


_MISTRAL, _OPENAI, _GEMINI = Dialect.MISTRAL, Dialect.OPENAI_CHAT, Dialect.GEMINI
_COHERE, _VOYAGE = Dialect.COHERE, Dialect.VOYAGE
_EMBEDDINGS, _RERANK = Operation.EMBEDDINGS, Operation.RERANK
_TO_GEMINI: Final = _Translator(_EMBEDDINGS, _vectors_of_gemini)
_TO_COHERE: Final = _Translator(_EMBEDDINGS, _vectors_of_cohere)
_TO_VOYAGE: Final = _Translator(_EMBEDDINGS, _vectors_of_voyage)
_FROM_GOOGLE: Final = _Translator(_EMBEDDINGS, _vectors_for_google)
_RANKED: Final = _Translator(_RERANK, _ranking)

_TRANSLATORS: Final[Mapping[tuple[Dialect, Dialect], Mapping[Operation, _Translator]]] = {
    (_OPENAI, _MISTRAL): {Operation.COMPLETIONS: _Translator(Operation.FIM, _completion)},
    (_OPENAI, _GEMINI): {_EMBEDDINGS: _TO_GEMINI, Operation.IMAGES: _Translator(Operation.CHAT, _image)},
    (_OPENAI, _COHERE): {_EMBEDDINGS: _TO_COHERE, _RERANK: _RANKED},
    (_OPENAI, _VOYAGE): {_EMBEDDINGS: _TO_VOYAGE, _RERANK: _RANKED},
    (_MISTRAL, _GEMINI): {_EMBEDDINGS: _TO_GEMINI},
    (_MISTRAL, _COHERE): {_EMBEDDINGS: _TO_COHERE},
    (_MISTRAL, _VOYAGE): {_EMBEDDINGS: _TO_VOYAGE},
    (_MISTRAL, _OPENAI): {_EMBEDDINGS: _Translator(_EMBEDDINGS, _vectors_for_mistral)},
    (_GEMINI, _OPENAI): {_EMBEDDINGS: _FROM_GOOGLE, Operation.EMBEDDING: _FROM_GOOGLE},
    (_GEMINI, _MISTRAL): {_EMBEDDINGS: _FROM_GOOGLE, Operation.EMBEDDING: _FROM_GOOGLE},
    (_COHERE, _OPENAI): {_RERANK: _RANKED},
    (_COHERE, _VOYAGE): {_RERANK: _RANKED},
}
