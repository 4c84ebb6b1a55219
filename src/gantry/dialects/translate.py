"""The translate tier: one call between two dialects of different families, through the canonical chat.

Law: one routine for both deliveries and all pairs (law 4): bytes, decoder, events, encoder, bytes. A whole answer is
decoded and encoded by the same codecs whose stream machines it would have come through.
"""

from msgspec import structs

from gantry.core.chat import ChatRequest
from gantry.core.vocabulary import Dialect
from gantry.dialects.adapt import Adaptation
from gantry.dialects.codec import Asking, Codec, StreamDecoder, StreamEncoder, Target
from gantry.dialects.codecs import CODECS
from gantry.dialects.rules import NO_RULES, RequestRules, apply_rules

_JSON = "application/json"


class TranslatedStream:
    """A provider's stream in, a client's out."""

    __slots__ = ("_decoder", "_encoder")

    def __init__(self, decoder: StreamDecoder, encoder: StreamEncoder) -> None:
        self._decoder = decoder
        self._encoder = encoder

    def feed(self, data: bytes) -> bytes:
        """Return what these bytes complete. Raises UpstreamBroke."""
        return self._encoder.feed(self._decoder.feed(data))

    def close(self) -> bytes:
        """Return the end of the stream, or words of its having broken off."""
        return self._encoder.feed(self._decoder.close())


def can_translate(source: Dialect, target: Dialect) -> bool:
    return source in CODECS and target in CODECS


def translate(
    source: Dialect,
    target: Dialect,
    request: ChatRequest,
    to: Target,
    *,
    created: int,
    call_id: str,
    rules: RequestRules = NO_RULES,
) -> Adaptation:
    """Return the translation of a request, which `decode_request` read. Raises InvalidRequest.

    `created` is in seconds since the epoch; `call_id` is unique for the call.
    """
    theirs, ours = CODECS[source], CODECS[target]
    encoded = ours.encode_request(request, to)
    body, changes = encoded.body, list(encoded.changes)
    if rules != NO_RULES:
        body, ruled = apply_rules(body, rules)
        changes += ruled
    asking = Asking(request, created, call_id)
    return Adaptation(
        body,
        changes,
        lambda status, answer, content_type: (_JSON, _translate_answer(ours, theirs, status, answer, asking)),
        lambda: TranslatedStream(ours.stream_decoder(), theirs.stream_encoder(asking)),
    )


def decode_request(source: Dialect, body: bytes, model: str | None, *, stream: bool | None) -> ChatRequest:
    """Return what a client asks; `model` and `stream` where its path says them. Raises InvalidRequest."""
    request = CODECS[source].decode_request(body)
    if model is not None:
        request = structs.replace(request, model=model)
    return request if stream is None else structs.replace(request, stream=stream)


def _translate_answer(provider: Codec, client: Codec, status: int, body: bytes, asking: Asking) -> bytes:
    if status >= 400:
        return client.encode_error(provider.decode_error(status, body))
    return client.encode_answer(provider.decode_answer(body), asking)
