"""The adapt tier: one call between two dialects of a family, its request and its answer.

Law: the answer is adapted by what the request asked for, so both belong to one value, and who pumps the bytes need not
know the operation. A form is adapted on its way, because its file may be large; everything else as a whole. To add a
pair of dialects or an operation is to add a line to `_ADAPTERS`.
"""

from collections.abc import Callable, Collection, Mapping
from typing import Final, Protocol

from msgspec import Struct, structs

from gantry.core.errors import GatewayError, InternalError, UpstreamBroke
from gantry.core.vocabulary import Dialect, Operation
from gantry.dialects.changes import Change
from gantry.dialects.mistral_answer import to_openai
from gantry.dialects.mistral_embeddings import to_mistral_embeddings, to_openai_embeddings
from gantry.dialects.mistral_moderation import to_openai_moderation
from gantry.dialects.mistral_request import to_mistral
from gantry.dialects.mistral_speech import SpeechStream, to_mistral_speech, to_openai_speech
from gantry.dialects.mistral_stream import StreamAdapter
from gantry.dialects.mistral_transcription import TranscriptionForm, TranscriptStream, to_openai_transcript
from gantry.dialects.rules import NO_RULES, RequestRules, apply_rules
from gantry.wire.multipart import form_editor

_JSON: Final = "application/json"


class AnswerStream(Protocol):
    """A streamed answer on its way, whatever the cut of its bytes. What it returns ends between two events."""

    @property
    def content_type(self) -> str: ...

    @property
    def ended(self) -> bool:
        """Whether the client was told of the end, or of a failure: nothing follows."""

    @property
    def failure(self) -> str | None:
        """What the client was told of an answer that failed."""

    def feed(self, data: bytes) -> bytes:
        """Return what these bytes complete. Raises UpstreamBroke."""

    def close(self) -> bytes:
        """Return the end of the stream, or words of its having broken off."""

    def fail(self, error: GatewayError) -> bytes:
        """Return the end of a stream that cannot go on; nothing where it has ended."""


class Adaptation(Struct, frozen=True):
    """A call on its way: `body` goes upstream, and the answer comes back through `response` or `stream`.

    `response` takes the status, the body and the content type of a whole answer, and returns the content type and the
    bytes for the client. It raises UpstreamBroke, and may add to `changes` what was done to the answer. Where the
    client is not to be `streamed` to, a stream comes through it, too.
    """

    body: bytes
    changes: list[Change]
    response: Callable[[int, bytes, str], tuple[str, bytes]]
    stream: Callable[[], AnswerStream]
    streamed: bool = True


class FormAdaptation:
    """A form on its way: what `feed` and `close` return goes upstream, under the content type that it came with.

    `changes` is complete when `close` has returned; that of a field, when the field has passed.
    """

    __slots__ = ("_editor", "_form")

    streamed = True

    def __init__(self, content_type: str, form: TranscriptionForm) -> None:
        self._form = form
        self._editor = form_editor(content_type, form)

    @property
    def changes(self) -> list[Change]:
        return self._form.changes

    def feed(self, data: bytes) -> bytes:
        """Return what of the form can go upstream already. Raises InvalidRequest."""
        return self._editor.feed(data)

    def close(self) -> bytes:
        """Return the rest of the form. Raises InvalidRequest when it is cut short."""
        return self._editor.close()

    def response(self, status: int, body: bytes, content_type: str) -> tuple[str, bytes]:
        return to_openai_transcript(status, body, self._form)

    def stream(self) -> AnswerStream:
        return TranscriptStream(self._form)


def adapt(
    operation: Operation, source: Dialect, target: Dialect, body: bytes, rules: RequestRules = NO_RULES
) -> Adaptation:
    """Return the adaptation of a request. Raises InvalidRequest for what the target cannot do.

    The pair and the operation must be in ADAPTABLE, and no form.
    """
    adapted = _ADAPTERS[source, target][operation](body)
    if rules == NO_RULES:
        return adapted
    ruled, changes = apply_rules(adapted.body, rules)
    return structs.replace(adapted, body=ruled, changes=adapted.changes + changes)


def adapt_form(
    operation: Operation,
    source: Dialect,
    target: Dialect,
    content_type: str,
    replace: Mapping[str, bytes],
    remove: Collection[str] = (),
) -> FormAdaptation:
    """Return the adaptation of a form; `replace` and `remove` are the gateway's own edits. Raises InvalidRequest."""
    if (source, target, operation) != (Dialect.OPENAI_CHAT, Dialect.MISTRAL, Operation.TRANSCRIPTION):
        raise InternalError(f"the form of {operation} is not adapted from {source} to {target}")
    return FormAdaptation(content_type, TranscriptionForm(replace, remove))


def _ruled(body: bytes) -> Adaptation:
    """Return a request to a provider of the client's own dialect, which only the provider's rules change."""
    return Adaptation(body, [], lambda status, answer, content_type: (content_type, answer), _never_adapted)


def _chat(body: bytes) -> Adaptation:
    request = to_mistral(body)
    changes = request.changes
    return Adaptation(
        request.body,
        changes,
        lambda status, answer, content_type: (_JSON, to_openai(status, answer, changes)),
        lambda: StreamAdapter(include_usage=request.include_usage),
    )


def _embeddings(body: bytes) -> Adaptation:
    request = to_mistral_embeddings(body)
    return Adaptation(
        request.body,
        request.changes,
        lambda status, answer, content_type: (
            _JSON,
            to_openai_embeddings(status, answer, as_base64=request.as_base64),
        ),
        _never_streamed,
    )


def _speech(body: bytes) -> Adaptation:
    request = to_mistral_speech(body)
    return Adaptation(
        request.body,
        request.changes,
        lambda status, answer, content_type: to_openai_speech(status, answer, request.content_type),
        SpeechStream,
    )


def _moderation(body: bytes) -> Adaptation:
    return Adaptation(
        body, [], lambda status, answer, content_type: (_JSON, to_openai_moderation(status, answer)), _never_streamed
    )


def _never_adapted() -> AnswerStream:
    raise InternalError("an answer in the client's own dialect is relayed")


def _never_streamed() -> AnswerStream:
    raise UpstreamBroke("the provider streamed an answer that is never streamed")


_ADAPTERS: Final[Mapping[tuple[Dialect, Dialect], Mapping[Operation, Callable[[bytes], Adaptation]]]] = {
    (Dialect.OPENAI_CHAT, Dialect.MISTRAL): {
        Operation.CHAT: _chat,
        Operation.EMBEDDINGS: _embeddings,
        Operation.SPEECH: _speech,
        Operation.MODERATION: _moderation,
    },
    (Dialect.OPENAI_CHAT, Dialect.OPENAI_CHAT): dict.fromkeys(
        (Operation.CHAT, Operation.EMBEDDINGS, Operation.SPEECH, Operation.MODERATION), _ruled
    ),
    **{(dialect, dialect): {Operation.CHAT: _ruled} for dialect in (Dialect.ANTHROPIC, Dialect.GEMINI)},
}
_FORMS: Final = {(Dialect.OPENAI_CHAT, Dialect.MISTRAL): frozenset((Operation.TRANSCRIPTION,))}

ADAPTABLE: Final[Mapping[tuple[Dialect, Dialect], frozenset[Operation]]] = {
    pair: frozenset(adapters) | _FORMS.get(pair, frozenset()) for pair, adapters in _ADAPTERS.items()
}
