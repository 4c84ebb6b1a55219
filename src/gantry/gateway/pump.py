"""Pumps: what becomes of an answer's bytes between upstream and client. Step 7 of a request's path.

Law: the tier chooses the pump, and there is one routine around both. A relayed byte is the upstream's byte; comments
and errors of ours go only between events. `stream_ended` means that the event has passed on which SDKs stop reading:
`[DONE]`, or in other dialects the one that is called the last. Codex for one leaves at once, and was served in full.
"""

import logging
import re
from collections.abc import Callable
from typing import Final, NamedTuple, Protocol

from gantry.core.errors import GatewayError, UpstreamBroke
from gantry.core.vocabulary import Dialect
from gantry.dialects.adapt import AnswerStream
from gantry.dialects.content_coding import decode_content
from gantry.dialects.errors import encode_stream_error
from gantry.gateway.headers import IDENTITY, AnswerKind
from gantry.wire.sse import ends_event

logger = logging.getLogger(__name__)


class _LastEvent(NamedTuple):
    """How a dialect's last event is known: one of `marks` is in it, and `start` finds where it begins.

    A model may say such words too, but inside JSON no line begins.
    """

    marks: tuple[bytes, ...]
    start: "re.Pattern[bytes]"
    longest: int  # bytes that `start` may match


def _called(*names: bytes) -> _LastEvent:
    start = re.compile(rb'[\r\n](?:event: ?|data: ?\{"type": ?")(?:%b)(?=[\r\n"])' % b"|".join(map(re.escape, names)))
    return _LastEvent(names, start, max(map(len, names)) + len('\ndata: {"type": ""'))


_DONE: Final = _LastEvent((b"[DONE]",), re.compile(rb"[\r\n]data: ?\[DONE\](?=[\r\n])"), len("\ndata: [DONE]\n"))
_LAST_EVENTS: Final = {
    Dialect.ANTHROPIC: _called(b"message_stop"),
    Dialect.OPENAI_RESPONSES: _called(b"response.completed", b"response.failed", b"response.incomplete"),
}
_LONGEST: Final = max(last.longest for last in (_DONE, *_LAST_EVENTS.values()))
_MUCH: Final = 4096  # is not held in memory for each of a thousand streams
_BLANK_LINE: Final = re.compile(rb"\n\n|\n\r|\r\r")
_EDGE: Final = 4  # bytes that a blank line may lie in
_PING: Final = b": ping\n\n"
_BLANK: Final = b"\n"
_ERROR: Final = 400
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

        A stream whose last event has passed is whole, so nothing needs to be said.
        """

    @property
    def stream_ended(self) -> bool:
        """Whether the stream's last event has passed, by its format."""

    @property
    def failure(self) -> str | None:
        """Why the answer failed, where the client was told so inside it."""

    @property
    def content_type(self) -> str | None:
        """Of the answer as it leaves, where that is not for the upstream to say; known once it has come to its end."""


def ping_in(dialect: Dialect) -> bytes:
    """Return what may stand between two events of a stream and means nothing.

    Google's clients take a comment for JSON. They skip blank lines, which are nothing to event streams and in arrays.
    """
    return _BLANK if dialect is Dialect.GEMINI else _PING


class PlainPump:
    """A whole answer's bytes as they are. It remembers nothing, so one serves all calls."""

    __slots__ = ("content_type", "failure", "stream_ended")

    def __init__(self) -> None:
        self.content_type: str | None = None
        self.failure: str | None = None
        self.stream_ended = False

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

    __slots__ = ("_began", "_dialect", "_last", "_marks", "_near", "content_type", "failure", "stream_ended")

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._last = last = _LAST_EVENTS.get(dialect, _DONE)
        self._marks = last.marks
        self._began = False  # the last event
        self._near = b"\n\n"  # what passed last, at least as much as the beginning of the last event
        self.content_type: str | None = None
        self.failure: str | None = None
        self.stream_ended = False

    def feed(self, data: bytes) -> bytes:
        near = self._near
        if near.endswith(b"\n\n") and not self._began:
            for mark in self._marks:
                if mark in data:
                    break
            else:  # between events, and the last one is not among these
                self._near = data if _LONGEST <= len(data) < _MUCH else (near + data)[-_LONGEST:]
                return data
        self._look_closer(near[-self._last.longest :] + data)
        return data

    def _look_closer(self, near: bytes) -> None:
        """Find the last event where its mark may be, however its bytes are cut."""
        if not self._began:
            found = self._last.start.search(near)
            if found is None:
                self._near = near[-self._last.longest :]
                return
            self._began = True
            near = near[found.end() :]
        self.stream_ended = self.stream_ended or _BLANK_LINE.search(near) is not None
        self._near = near[-_EDGE:]

    def end(self) -> bytes:
        return b""

    def ping(self) -> bytes:
        return ping_in(self._dialect) if ends_event(self._near) else b""

    def fail(self, error: GatewayError) -> bytes | None:
        if not ends_event(self._near):
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
            if self._encoding not in IDENTITY:
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


def last_words(pump: Pump, error: GatewayError) -> bytes | None:
    """Return the end of a stream that broke, as `fail` does, and None where even that is a fault of ours."""
    try:
        return pump.fail(error)
    except Exception:  # the boundary of an answer that failed already: its client must hear of it
        logger.exception("the end of a broken answer cannot be written; its connection is cut")
        return None
