"""What a chat codec is: one wire format, read and written, in both directions and both ways of delivery.

Law: a codec is pure, knows its own format only, and meets the others in `gantry.core.chat`. Decoding a request raises
InvalidRequest with the field's path in the caller's own words; decoding an answer raises UpstreamBroke; encoding a
request raises InvalidRequest for what the format cannot say and the caller would miss, and drops tuning knobs with a
`Change`. Encoding an answer never fails: what the client's format has no slot for is left out.
Stream machines: any re-chunking of the same bytes gives the same events, and `assemble(decode(stream))` is
`decode_answer` of the same answer unstreamed.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from msgspec import Struct

from gantry.core.chat import ChatAnswer, ChatRequest, ProviderError
from gantry.core.chat_events import ChatEvent
from gantry.core.vocabulary import Dialect
from gantry.dialects.changes import Change


class EncodedRequest(Struct, frozen=True):
    """A request in a provider's format, and what was changed, defaulted or dropped, by the caller's names."""

    body: bytes
    changes: Sequence[Change]


class Target(Struct, frozen=True):
    """For whom a request is encoded: the model as its provider calls it, and what the provider's row says of it."""

    model: str
    max_tokens: int = 4096  # where the format demands a bound and the caller gave none
    thinking_field: str | None = "reasoning_content"  # in OpenAI's format, for earlier thinking; None: it takes none


class Asking(Struct, frozen=True):
    """What an encoder of answers may need of the call: the request, the moment, and an id to mint others from."""

    request: ChatRequest
    created: int  # seconds since the epoch
    id: str  # unique for this call; printable ASCII without spaces
    query: str | None = None  # of the client's request: Google's clients say in it how a stream is to be framed


class StreamDecoder(Protocol):
    """A provider's stream in, events out."""

    def feed(self, data: bytes) -> list[ChatEvent]:
        """Return the events that these bytes complete. Raises UpstreamBroke when they cannot be a stream."""

    def close(self) -> list[ChatEvent]:
        """Return what the end of the bytes completes; `AnswerFailed` when the answer had not ended."""


class StreamEncoder(Protocol):
    """Events in, a client's stream out, in whole server-sent events or whatever else `content_type` says."""

    @property
    def content_type(self) -> str: ...

    def feed(self, events: Iterable[ChatEvent]) -> bytes:
        """Return what the client is sent. After AnswerEnded or AnswerFailed there is no more."""


class Codec(Struct, frozen=True):
    """One format, by what its package does with it."""

    dialect: Dialect
    decode_request: Callable[[bytes], ChatRequest]  # what a client asks, in UTF-8; raises InvalidRequest
    encode_request: Callable[[ChatRequest, Target], EncodedRequest]  # raises InvalidRequest for what cannot be said
    decode_answer: Callable[[bytes], ChatAnswer]  # a provider's whole answer; raises UpstreamBroke when it is none
    encode_answer: Callable[[ChatAnswer, Asking], bytes]
    stream_decoder: Callable[[], StreamDecoder]
    stream_encoder: Callable[[Asking], StreamEncoder]
    decode_error: Callable[[int, bytes], ProviderError]  # a provider's refusal; never raises
    encode_error: Callable[[ProviderError], bytes]  # so that the client's SDK raises what its user expects
