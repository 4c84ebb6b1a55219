"""The calls of a conversation that wait for their results, and which of them a result is of that does not say.

Law: a result is of the call whose id it gives; without an id, of the first unanswered call of the tool it names, else
of the first unanswered call. However many there are and in whatever order they come, each is passed over once.
"""

from collections import deque


class _Call:
    __slots__ = ("answered", "id")

    def __init__(self, call_id: str) -> None:
        self.id = call_id
        self.answered = False


class WaitingCalls:
    __slots__ = ("_by_id", "_by_name", "_in_order")

    def __init__(self) -> None:
        self._in_order: deque[_Call] = deque()
        self._by_id: dict[str, deque[_Call]] = {}
        self._by_name: dict[str, deque[_Call]] = {}

    def add(self, call_id: str, name: str) -> None:
        call = _Call(call_id)
        self._in_order.append(call)
        self._by_id.setdefault(call_id, deque()).append(call)
        self._by_name.setdefault(name, deque()).append(call)

    def answer(self, call_id: str | None, name: str | None = None) -> str | None:
        """Return the id of the call that a result is of, and that waits no more; None where none waits for it."""
        if call_id:
            call = _first(self._by_id.get(call_id))
        else:
            call = _first(self._by_name.get(name or "")) or _first(self._in_order)
        if call is None:
            return None
        call.answered = True
        return call.id


def _first(calls: deque[_Call] | None) -> _Call | None:
    while calls and calls[0].answered:
        calls.popleft()
    return calls[0] if calls else None
