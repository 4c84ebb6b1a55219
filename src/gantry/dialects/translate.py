"""The translate tier: one call between two dialects of different families, through the canonical chat.

Law: one routine for both deliveries and all pairs (law 4): bytes, decoder, events, encoder, bytes. A whole answer is
decoded and encoded by the same codecs whose stream machines it would have come through. The client gets the delivery
it asked for, also where the provider chose the other one.
"""

from collections.abc import Callable

from msgspec import structs

from gantry.core.chat import ChatAnswer, ChatRequest, ProviderError
from gantry.core.chat_events import AnswerEnded, AnswerFailed, ChatEvent
from gantry.core.errors import GatewayError, UpstreamBroke
from gantry.core.vocabulary import Dialect
from gantry.dialects.adapt import Adaptation
from gantry.dialects.answer import is_stream
from gantry.dialects.assemble import Assembly, unfold
from gantry.dialects.changes import Change
from gantry.dialects.codec import Asking, Codec, StreamDecoder, StreamEncoder, Target
from gantry.dialects.codecs import CODECS
from gantry.dialects.members import check_encoding
from gantry.dialects.responses.namespaces import without_namespaces
from gantry.dialects.rules import NO_RULES, RequestRules, apply_rules

_JSON = "application/json"
_ERROR = 400

OnAnswer = Callable[[ChatAnswer, bytes], None]


class TranslatedStream:
    """A provider's stream in, a client's out."""

    __slots__ = ("_decoder", "_encoder", "_watch", "ended", "failure")

    def __init__(self, decoder: StreamDecoder, encoder: StreamEncoder, watch: "_Watch | None") -> None:
        self._decoder = decoder
        self._encoder = encoder
        self._watch = watch
        self.ended = False
        self.failure: str | None = None

    @property
    def content_type(self) -> str:
        return self._encoder.content_type

    def feed(self, data: bytes) -> bytes:
        """Return what these bytes complete. Raises UpstreamBroke."""
        return self._pass(self._decoder.feed(data))

    def close(self) -> bytes:
        """Return the end of the stream, or words of its having broken off."""
        return self._pass(self._decoder.close())

    def fail(self, error: GatewayError) -> bytes:
        """Return the end of a stream that cannot go on; nothing where it has ended."""
        if self.ended:
            return b""
        return self._pass([AnswerFailed(ProviderError(error.status, error.message, code=error.kind))])

    def _pass(self, events: list[ChatEvent]) -> bytes:
        if events and isinstance(last := events[-1], AnswerEnded | AnswerFailed):
            self.ended = True
            if isinstance(last, AnswerFailed):
                self.failure = last.error.message
        if self._watch is not None:
            self._watch.see(events)
        return self._encoder.feed(events)


class _Watch:
    """Whoever wants the whole answer of a stream gets it before its last byte leaves."""

    __slots__ = ("_asking", "_assembly", "_client", "_on_answer")

    def __init__(self, provider: Codec, client: Codec, asking: Asking, on_answer: OnAnswer) -> None:
        self._assembly = Assembly(provider.dialect)
        self._client = client
        self._asking = asking
        self._on_answer = on_answer

    def see(self, events: list[ChatEvent]) -> None:
        for event in events:
            self._assembly.add(event)
        if events and isinstance(events[-1], AnswerEnded):
            answer = self._assembly.answer()
            self._on_answer(answer, self._client.encode_answer(answer, self._asking))


def can_translate(source: Dialect, target: Dialect) -> bool:
    return source in CODECS and target in CODECS


def translate(
    source: Dialect,
    target: Dialect,
    request: ChatRequest,
    to: Target,
    *,
    asking: Asking,
    rules: RequestRules = NO_RULES,
    on_answer: OnAnswer | None = None,
) -> Adaptation:
    """Return the translation of a request, which `decode_request` read. Raises InvalidRequest.

    `on_answer` is told of the whole answer, and its body in the client's format, before its last byte leaves.
    """
    client, provider = CODECS[source], CODECS[target]
    changes: list[Change] = []
    if source is Dialect.OPENAI_RESPONSES and target is not source:
        request, changes = without_namespaces(request)
    encoded = provider.encode_request(request, to)
    body = encoded.body
    changes += encoded.changes
    if rules != NO_RULES:
        body, ruled = apply_rules(body, rules)
        changes += ruled

    def stream() -> TranslatedStream:
        watch = None if on_answer is None else _Watch(provider, client, asking, on_answer)
        return TranslatedStream(provider.stream_decoder(), client.stream_encoder(asking), watch)

    return Adaptation(
        body,
        changes,
        lambda status, answer, said: _translate_answer(provider, client, status, answer, said, asking, on_answer),
        stream,
        request.stream,
    )


def decode_request(source: Dialect, body: bytes, model: str | None, *, stream: bool | None) -> ChatRequest:
    """Return what a client asks; `model` and `stream` where its path says them. Raises InvalidRequest."""
    check_encoding(body)
    request = CODECS[source].decode_request(body)
    if model is not None and model != request.model:
        request = structs.replace(request, model=model)
    return request if stream is None or stream is request.stream else structs.replace(request, stream=stream)


def _translate_answer(
    provider: Codec,
    client: Codec,
    status: int,
    body: bytes,
    content_type: str,
    asking: Asking,
    on_answer: OnAnswer | None,
) -> tuple[str, bytes]:
    """Return an answer that came whole, or is to leave whole, with its content type. Raises UpstreamBroke."""
    if status >= _ERROR:
        return _JSON, client.encode_error(provider.decode_error(status, body))
    answer = _gather(provider, body) if is_stream(content_type, body) else provider.decode_answer(body)
    if on_answer is not None:
        on_answer(answer, client.encode_answer(answer, asking))
    if not asking.request.stream:
        return _JSON, client.encode_answer(answer, asking)
    encoder = client.stream_encoder(asking)
    return encoder.content_type, encoder.feed(unfold(answer))


def _gather(provider: Codec, body: bytes) -> ChatAnswer:
    """Return the answer that a stream came to. Raises UpstreamBroke where it came to none."""
    decoder = provider.stream_decoder()
    assembly = Assembly(provider.dialect)
    for event in (*decoder.feed(body), *decoder.close()):
        assembly.add(event)
    if assembly.error is not None:
        raise UpstreamBroke(assembly.error.message)
    return assembly.answer()
