"""The calls of a conversation that wait for their results, and which of them a result is of that does not say.

Law: a result is of the call whose id it gives; without an id, of the first unanswered call of the tool it names, else
of the first unanswered call. However many there are and in whatever order they come, each is passed over once.
"""

from collections import deque
from typing import Final

_ALL: Final = ("", "")


class _Call:
    __slots__ = ("answered", "id")

    def __init__(self, call_id: str) -> None:
        self.id = call_id
        self.answered = False


class WaitingCalls:
    __slots__ = ("_lines",)

    def __init__(self) -> None:
        self._lines: dict[tuple[str, str], deque[_Call]] = {}  # by id, by name, and all in their order

    def add(self, call_id: str, name: str) -> None:
        call = _Call(call_id)
        for line in (("id", call_id), ("name", name), _ALL):
            self._lines.setdefault(line, deque()).append(call)

    def answer(self, call_id: str | None, name: str | None = None) -> str | None:
        """Return the id of the call that a result is of, and that waits no more; None where none waits for it."""
        call = self._first(("id", call_id)) if call_id else self._first(("name", name or "")) or self._first(_ALL)
        if call is None:
            return None
        call.answered = True
        return call.id

    def _first(self, line: tuple[str, str]) -> _Call | None:
        calls = self._lines.get(line)
        while calls and calls[0].answered:
            calls.popleft()
        return calls[0] if calls else None
