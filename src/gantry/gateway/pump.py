"""Pumps: what becomes of an answer's bytes between upstream and client. Step 7 of a request's path.

Law: the tier chooses the pump, and there is one routine around both. A relayed byte is the upstream's byte; comments
and errors of ours go only between events. `stream_ended` means that `[DONE]` has passed, on which SDKs stop reading.
"""

import re
from collections.abc import Callable
from typing import Final, Protocol

from gantry.core.errors import GatewayError, UpstreamBroke
from gantry.core.vocabulary import Dialect
from gantry.dialects.adapt import AnswerStream
from gantry.dialects.content_coding import decode_content
from gantry.dialects.errors import encode_stream_error
from gantry.gateway.headers import AnswerKind
from gantry.wire.sse import ends_event

_DONE: Final = b"[DONE]"
# An event of its own: a model may say these words, but inside JSON no line begins.
_DONE_EVENT: Final = re.compile(rb"[\r\n]data: ?\[DONE\](?:\n\n|\r\n\r\n|\r\r)")
_EDGE: Final = 16  # as much of it as may lie in the bytes before
_PING: Final = b": ping\n\n"
_BLANK: Final = b"\n"
_ERROR: Final = 400
_IDENTITY: Final = ("", "identity")
_MAX_WHOLE: Final = 96 * 1024 * 1024  # 2048 embeddings of 1536 floats are 60 MB of JSON


class Pump(Protocol):
    """Bytes of the upstream's body in, bytes for the client out."""

    def feed(self, data: bytes) -> bytes:
        """Return what may go on at once. Raises UpstreamBroke when this cannot become an answer."""

    def end(self) -> bytes:
        """Return what is left once the upstream's body is complete. Raises UpstreamBroke."""

    def ping(self) -> bytes:
        """Return a comment that keeps an idle stream alive, or nothing where none may stand."""

    def fail(self, error: GatewayError) -> bytes | None:
        """Return the end of a stream that broke, as the client's SDK understands it; None to cut the connection.

        A stream whose `[DONE]` has passed is whole, so nothing needs to be said.
        """

    @property
    def stream_ended(self) -> bool:
        """Whether the stream's `[DONE]` has passed, or whatever is the last that its format says."""

    @property
    def failure(self) -> str | None:
        """Why the answer failed, where the client was told so inside it."""


def ping_in(dialect: Dialect) -> bytes:
    """Return what may stand between two events of a stream and means nothing.

    Google's clients take a comment for JSON. They skip blank lines, which are nothing to event streams and in arrays.
    """
    return _BLANK if dialect is Dialect.GEMINI else _PING


class PlainPump:
    """A whole answer's bytes as they are. It remembers nothing, so one serves all calls."""

    __slots__ = ()

    stream_ended = False
    failure = None

    def feed(self, data: bytes) -> bytes:
        return data

    def end(self) -> bytes:
        return b""

    def ping(self) -> bytes:
        return b""

    def fail(self, error: GatewayError) -> bytes | None:
        return None


class RelayPump:
    """A stream's bytes as they are."""

    __slots__ = ("_dialect", "_edge", "stream_ended")

    failure = None

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._edge = b"\n\n"  # the last bytes that passed
        self.stream_ended = False

    def feed(self, data: bytes) -> bytes:
        edge = self._edge
        if _DONE in data or not edge.endswith(b"\n\n"):
            near = edge + data
            self.stream_ended = self.stream_ended or _DONE_EVENT.search(near) is not None
            self._edge = near[-_EDGE:]
        else:
            self._edge = data[-_EDGE:] if len(data) >= _EDGE else (edge + data)[-_EDGE:]
        return data

    def end(self) -> bytes:
        return b""

    def ping(self) -> bytes:
        return ping_in(self._dialect) if ends_event(self._edge) else b""

    def fail(self, error: GatewayError) -> bytes | None:
        if not ends_event(self._edge):
            return None
        return b"" if self.stream_ended else encode_stream_error(self._dialect, error)


class AnswerAdaptation(Protocol):
    """How an answer is adapted."""

    @property
    def response(self) -> Callable[[int, bytes, str], tuple[str, bytes]]:
        """Takes status, body and content type of a whole answer; returns content type and body for the client."""

    @property
    def stream(self) -> Callable[[], AnswerStream]: ...

    @property
    def streamed(self) -> bool:
        """Whether the client reads a stream, and not a whole answer whatever the provider sends."""


class AdaptPump:
    """The upstream's answer in the client's dialect."""

    __slots__ = (
        "_adaptation",
        "_dialect",
        "_encoding",
        "_gathered",
        "_size",
        "_status",
        "_stream",
        "content_type",
    )

    def __init__(self, adaptation: AnswerAdaptation, dialect: Dialect, status: int, kind: AnswerKind) -> None:
        self._adaptation = adaptation
        self.content_type = kind.content_type  # of the answer as it leaves, once it has come to its end
        self._dialect = dialect
        self._status = status
        flows = kind.is_stream and adaptation.streamed and status < _ERROR
        self._stream = adaptation.stream() if flows else None
        if self._stream is not None:
            self.content_type = self._stream.content_type
        self._encoding = kind.encoding
        self._gathered: list[bytes] = []
        self._size = 0

    @property
    def flows(self) -> bool:
        """Whether the answer leaves as it comes, and not as a whole at its end."""
        return self._stream is not None

    @property
    def stream_ended(self) -> bool:
        return self._stream is not None and self._stream.ended

    @property
    def failure(self) -> str | None:
        return None if self._stream is None else self._stream.failure

    def feed(self, data: bytes) -> bytes:
        if self._stream is not None:
            if self._encoding not in _IDENTITY:
                raise UpstreamBroke(f"the provider compressed ({self._encoding}) a stream that must not be")
            return self._stream.feed(data)
        self._size += len(data)
        if self._size > _MAX_WHOLE:
            raise UpstreamBroke(f"the provider's answer is larger than the {_MAX_WHOLE} bytes that can be adapted")
        self._gathered.append(data)
        return b""

    def end(self) -> bytes:
        if self._stream is not None:
            return self._stream.close()
        decoded = decode_content(b"".join(self._gathered), self._encoding, _MAX_WHOLE)
        if decoded.problem is not None:
            raise UpstreamBroke(f"the provider's answer cannot be decoded: {decoded.problem}")
        self.content_type, body = self._adaptation.response(self._status, decoded.body, self.content_type)
        return body

    def ping(self) -> bytes:
        return ping_in(self._dialect) if self._stream is not None else b""

    def fail(self, error: GatewayError) -> bytes | None:
        return None if self._stream is None else self._stream.fail(error)


PLAIN: Final = PlainPump()
