"""Ending a provider's stream in the provider's place: what of it must be known, and what is said then.

Law: what `end` returns may follow any whole event of the stream, and with it the stream is a whole, shorter answer in
its own dialect, that came to the bound of its length: whatever is open is closed, the reason is told, the usage where
it was asked for, and the last event. So a relay passes it on, and every other tier reads it, as it does the provider's.

Reading never raises: of a stream that cannot be read nothing is known, and it has then ended by itself.
"""

from abc import ABC, abstractmethod

from gantry.core.usage import Usage
from gantry.dialects.members import UNREADABLE
from gantry.wire.sse import EventTooLarge, SSEEvent, SSEParser


class EarlyEnd(ABC):
    """A stream as far as it came. `finished`: its provider has said why it ended, or it cannot be ended any more.

    Where an event that only goes on with a text changes nothing of the end, `notes_texts` is false: it may be left out.
    """

    __slots__ = ("finished",)

    notes_texts = False

    def __init__(self) -> None:
        self.finished = False

    @abstractmethod
    def see(self, data: bytes) -> None:
        """Take note of bytes of the provider's."""

    @abstractmethod
    def end(self, usage: Usage) -> bytes:
        """Return the end of a stream that is not finished, to follow a whole event."""


class EventEarlyEnd(EarlyEnd):
    """Of a stream of server-sent events. `take` reads one of them."""

    __slots__ = ("_lost", "_parser")

    def __init__(self) -> None:
        super().__init__()
        self._parser = SSEParser()
        self._lost = False  # what it says

    @abstractmethod
    def take(self, event: SSEEvent) -> None:
        """Take note of an event. Raises msgspec's errors or ValueError."""

    def see(self, data: bytes) -> None:
        if self._lost:
            return
        try:
            for event in self._parser.feed(data):
                self.take(event)
        except (*UNREADABLE, EventTooLarge):
            self._lost = self.finished = True
