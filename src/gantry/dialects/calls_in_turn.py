"""Parts one after another, for formats whose clients read each from its start to its stop.

Law: nothing is lost and each part's own order is kept. What a call that is open says passes at once; what else begins
waits until the call's arguments are a whole object, for nothing can follow that, or until the answer ends.
"""

from gantry.core.chat_events import CallAdded, CallBegan, PartEvent
from gantry.dialects.members import UNREADABLE, decode_members


class _OpenCall:
    __slots__ = ("_checked", "_custom", "_end", "_pieces", "_whole", "part")

    def __init__(self, began: CallBegan) -> None:
        self.part = began.part
        self._custom = began.custom  # free text may always go on
        self._pieces: list[str] = []
        self._end = ""  # the last piece that is not blank
        self._checked = 0  # pieces at the last look
        self._whole = False

    def add(self, arguments: str) -> None:
        self._pieces.append(arguments)
        self._end = arguments.rstrip() or self._end

    def is_whole(self) -> bool:
        if self._checked < len(self._pieces) and self._end.endswith("}") and not self._custom:
            self._checked = len(self._pieces)
            try:
                decode_members("".join(self._pieces))
                self._whole = True
            except UNREADABLE:
                self._whole = False
        return self._whole


class CallsInTurn:
    """Events of one choice's parts in, the same events out, no call mixed with anything else."""

    __slots__ = ("_open", "_waiting")

    def __init__(self) -> None:
        self._open: _OpenCall | None = None
        self._waiting: dict[int, list[PartEvent]] = {}  # only while a call is open

    def take(self, event: PartEvent) -> list[PartEvent]:
        """Return what may go out now."""
        call = self._open
        if call is not None and event.part != call.part:
            if isinstance(event, CallAdded) and event.part not in self._waiting:
                return []  # blanks behind the arguments of a call that is over
            self._waiting.setdefault(event.part, []).append(event)
            return self._go_on() if call.is_whole() else []
        if call is None and isinstance(event, CallAdded):
            return []
        self._note(event)
        return [event]

    def rest(self) -> list[PartEvent]:
        """Return what waited, now that the answer is over."""
        self._open = None
        waiting, self._waiting = self._waiting, {}
        return [event for _, events in sorted(waiting.items()) for event in events]

    def _go_on(self) -> list[PartEvent]:
        """Return what waited, up to the end of what came of a call that is not whole."""
        events: list[PartEvent] = []
        while self._waiting and (self._open is None or self._open.is_whole()):
            self._open = None
            for event in self._waiting.pop(min(self._waiting)):
                self._note(event)
                events.append(event)
        return events

    def _note(self, event: PartEvent) -> None:
        if isinstance(event, CallBegan):
            self._open = _OpenCall(event)
        elif isinstance(event, CallAdded) and self._open is not None:
            self._open.add(event.arguments)
