"""The frame of a stream whose events each stand alone: those of transcription and speech.

Law: whatever the cut, the same comes out; OpenAI's events are named in their data, need no `event` line, and end with
`[DONE]`. A stream that ends before its last event, or speaks of an error, tells so and says no more.
"""

from abc import ABC, abstractmethod
from typing import Any, Final

import msgspec

from gantry.core.errors import GatewayError, UpstreamBroke
from gantry.core.vocabulary import Dialect
from gantry.dialects.chat_chunk import has_value, read_chunk
from gantry.dialects.error_message import error_message
from gantry.dialects.errors import encode_stream_error
from gantry.dialects.frames import EVENT_STREAM
from gantry.dialects.members import UNREADABLE
from gantry.wire.sse import EventTooLarge, SSEParser

_DONE: Final = b"data: [DONE]\n\n"
_encode: Final = msgspec.json.Encoder().encode


class EventStream(ABC):
    """Events in, events out. `adapt` reads one; it sets `finished` on the last."""

    __slots__ = ("_parser", "ended", "failure", "finished")

    content_type = EVENT_STREAM

    def __init__(self) -> None:
        self._parser = SSEParser()
        self.ended = False
        self.failure: str | None = None
        self.finished = False

    @abstractmethod
    def adapt(self, data: bytes) -> list[Any]:
        """Return the events for the client that one event becomes. Raises msgspec's errors when it is not readable."""

    def feed(self, data: bytes) -> bytes:
        """Return what these bytes complete. Raises UpstreamBroke when an event is too large to be one."""
        try:
            events = self._parser.feed(data)
        except EventTooLarge as error:
            raise UpstreamBroke(str(error)) from error
        return b"".join([self._take(event.data) for event in events])

    def close(self) -> bytes:
        """Return the end of the stream, or an error when it broke off."""
        rest = b"".join([self._take(event.data) for event in self._parser.close()])
        return rest if self.ended else rest + self._break_off("the provider's stream ended before the answer did")

    def fail(self, error: GatewayError) -> bytes:
        """Return the end of a stream that cannot go on; nothing where it has ended."""
        return b"" if self.ended else encode_stream_error(Dialect.OPENAI_CHAT, error)

    def _take(self, data: bytes) -> bytes:
        if self.ended:
            return b""
        if data.startswith(b"[DONE]"):
            return self._end() if self.finished else b""
        chunk = read_chunk(data)
        if chunk is not None and (has_value(chunk.error) or has_value(chunk.message) or has_value(chunk.detail)):
            return self._break_off(error_message(chunk) or "the provider reported an error without a message")
        try:
            out = b"".join([b"data: %b\n\n" % _encode(event) for event in self.adapt(data)])
        except UNREADABLE:
            return self._break_off("the provider's stream holds an event that cannot be read")
        return out + self._end() if self.finished else out

    def _end(self) -> bytes:
        self.ended = True
        return _DONE

    def _break_off(self, message: str) -> bytes:
        self.ended = True
        self.failure = message
        return encode_stream_error(Dialect.OPENAI_CHAT, UpstreamBroke(message))
