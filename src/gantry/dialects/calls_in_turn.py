"""Tool calls one after another, for formats whose clients read a call from its start to its stop.

Law: nothing is lost and each part's own order is kept. Of calls that come interleaved the first passes at once, the
others wait until something other than a call begins, or the answer ends: only then is it known that the first is done.
"""

from gantry.core.chat_events import (
    CallAdded,
    CallBegan,
    CitationAdded,
    MediaAdded,
    NativeAdded,
    RefusalAdded,
    TextAdded,
    ThinkingAdded,
    ThinkingSealed,
)

PartEvent = (
    TextAdded
    | CitationAdded
    | ThinkingAdded
    | ThinkingSealed
    | RefusalAdded
    | CallBegan
    | CallAdded
    | MediaAdded
    | NativeAdded
)


class CallsInTurn:
    """Events of one choice's parts in, the same events out, no two calls mixed."""

    __slots__ = ("_current", "_waiting")

    def __init__(self) -> None:
        self._current: int | None = None  # the call that passes
        self._waiting: dict[int, list[PartEvent]] = {}

    def take(self, event: PartEvent) -> list[PartEvent]:
        """Return what may go out now."""
        current = self._current
        if current is None or event.part == current:
            if isinstance(event, CallBegan):
                self._current = event.part
            return [event]
        if isinstance(event, CallBegan) or event.part in self._waiting:
            self._waiting.setdefault(event.part, []).append(event)
            return []
        return [*self.rest(), event]

    def rest(self) -> list[PartEvent]:
        """Return what waited, now that the calls are done."""
        events = [event for part in self._waiting.values() for event in part]
        self._waiting = {}
        self._current = None
        return events
