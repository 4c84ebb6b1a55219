"""Pumps: what becomes of an answer's bytes between upstream and client. Step 7 of a request's path.

Law: the tier chooses the pump, and there is one routine around both. A relayed byte is the upstream's byte; comments
and errors of ours go only between events. `stream_ended` means that `[DONE]` has passed, on which SDKs stop reading.
"""

from typing import Final, Protocol

from gantry.core.errors import UpstreamFault
from gantry.core.vocabulary import Dialect
from gantry.dialects.adapt import Adaptation
from gantry.dialects.errors import encode_stream_error
from gantry.wire.sse import BoundaryTracker

_DONE: Final = b"[DONE]"
_PING: Final = b": ping\n\n"


class Pump(Protocol):
    """Bytes of the upstream's body in, bytes for the client out."""

    def feed(self, data: bytes) -> bytes: ...
    def end(self) -> bytes:
        """Return what is left once the upstream's body is complete."""

    def ping(self) -> bytes:
        """Return a comment that keeps an idle stream alive, or nothing where none may stand."""

    def fail(self, fault: UpstreamFault) -> bytes | None:
        """Return the end of a stream that broke, as the client's SDK understands it; None to cut the connection."""

    @property
    def stream_ended(self) -> bool:
        """Whether the stream's `[DONE]` has passed."""


class RelayPump:
    """The upstream's bytes as they are."""

    __slots__ = ("_boundary", "_dialect", "_edge", "stream_ended")

    def __init__(self, dialect: Dialect, *, stream: bool) -> None:
        self._dialect = dialect
        self._boundary = BoundaryTracker() if stream else None
        self._edge = b""
        self.stream_ended = False

    def feed(self, data: bytes) -> bytes:
        if self._boundary is not None:
            self._boundary.feed(data)
            if _DONE in data or (self._edge and _DONE in self._edge + data[:5]):
                self.stream_ended = True
            self._edge = data[-5:]
        return data

    def end(self) -> bytes:
        return b""

    def ping(self) -> bytes:
        return _PING if self._boundary is not None and self._boundary.at_boundary else b""

    def fail(self, fault: UpstreamFault) -> bytes | None:
        if self._boundary is None or not self._boundary.at_boundary or self.stream_ended:
            return None
        return encode_stream_error(self._dialect, fault)


class AdaptPump:
    """The upstream's answer in the client's dialect, which is of the same family."""

    __slots__ = ("_adaptation", "_dialect", "_gathered", "_status", "_stream", "stream_ended")

    def __init__(self, adaptation: Adaptation, dialect: Dialect, status: int, *, stream: bool) -> None:
        self._adaptation = adaptation
        self._dialect = dialect
        self._status = status
        self._stream = adaptation.stream() if stream else None
        self._gathered: list[bytes] = []
        self.stream_ended = False

    def feed(self, data: bytes) -> bytes:
        if self._stream is None:
            self._gathered.append(data)
            return b""
        return self._watch(self._stream.feed(data))

    def end(self) -> bytes:
        if self._stream is None:
            return self._adaptation.response(self._status, b"".join(self._gathered))
        return self._watch(self._stream.close())

    def ping(self) -> bytes:
        return _PING if self._stream is not None else b""

    def fail(self, fault: UpstreamFault) -> bytes | None:
        if self._stream is None or self.stream_ended:
            return None
        return encode_stream_error(self._dialect, fault)

    def _watch(self, data: bytes) -> bytes:
        if _DONE in data:
            self.stream_ended = True
        return data
