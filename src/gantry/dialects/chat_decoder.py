"""What every decoder of an event stream shares: the parser, the end, and what to say when the end does not come.

Law: after `AnswerEnded` or `AnswerFailed` nothing follows, whatever the provider goes on to send. An event that cannot
be read ends the answer with a failure: to pass over it would lose content without a word. An answer that begins twice,
as proxies that splice their retries send it, is one only while it has said nothing.
"""

from abc import ABC, abstractmethod
from typing import Final

from gantry.core.chat import ProviderError
from gantry.core.chat_events import AnswerEnded, AnswerFailed, ChatEvent
from gantry.core.errors import UpstreamBroke
from gantry.dialects.members import UNREADABLE
from gantry.dialects.text_chunks import TextChunks
from gantry.wire.sse import EventTooLarge, SSEEvent, SSEParser

SECOND_ANSWER: Final = ProviderError(502, "the provider's stream began a second answer inside the first")
_LAST: Final = (AnswerEnded, AnswerFailed)
_BROKE_OFF: Final = ProviderError(502, "the provider's stream ended before the answer did")
_UNREADABLE_EVENT: Final = ProviderError(502, "the provider's stream holds an event that cannot be read")


class ChatStreamDecoder(ABC):
    """A provider's stream in, events out. `decode` reads one event.

    A format whose events of text are alike names the member that holds it, `text_key`: those that differ in their text
    alone are told without `decode`, which therefore may not count them.
    """

    __slots__ = ("_over", "_parser", "_texts")

    def __init__(self, text_key: bytes | None = None) -> None:
        self._parser = SSEParser()
        self._texts = None if text_key is None else TextChunks(text_key)
        self._over = False

    @abstractmethod
    def decode(self, event: SSEEvent) -> list[ChatEvent]:
        """Return what one event says; what ends an answer is the last of it. Raises msgspec's errors or ValueError."""

    def finish(self) -> list[ChatEvent]:
        """Return what the end of the bytes itself completes. A format whose end is a silent one says so here."""
        return []

    def feed(self, data: bytes) -> list[ChatEvent]:
        """Return the events that these bytes complete. Raises UpstreamBroke when one is too large to be one."""
        try:
            events = self._parser.feed(data)
        except EventTooLarge as error:
            raise UpstreamBroke(str(error)) from error
        return self._take(events[0]) if len(events) == 1 else self._take_all(events)

    def close(self) -> list[ChatEvent]:
        """Return what the end of the bytes completes; `AnswerFailed` when the answer had not ended."""
        decoded = self._take_all(self._parser.close())
        if not self._over:
            decoded += self._note_end(self.finish())
        if not self._over:
            self._over = True
            decoded.append(AnswerFailed(_BROKE_OFF))
        return decoded

    def _take_all(self, events: list[SSEEvent]) -> list[ChatEvent]:
        decoded: list[ChatEvent] = []
        for event in events:
            decoded += self._take(event)
        return decoded

    def _take(self, event: SSEEvent) -> list[ChatEvent]:
        if self._over:
            return []
        texts = self._texts
        if texts is not None:
            text = texts.read(event.data)
            if text is not None:
                return [text]
        try:
            found = self.decode(event)
        except UNREADABLE:
            found = [AnswerFailed(_UNREADABLE_EVENT)]
        if texts is not None:
            texts.learn(event.data, found)
        return self._note_end(found)

    def _note_end(self, events: list[ChatEvent]) -> list[ChatEvent]:
        if events and isinstance(events[-1], _LAST):
            self._over = True
        return events
