"""What the simulator saw: the last requests, how their answers ended, and who waits to read about it.

`GET /_simulator/requests` lists them, `?ended=3` waits until three answers have ended, `DELETE` forgets them.
"""

import base64
from collections import deque
from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Any, TypeAlias

from gantry.simulator.exchange import Request

KEPT_BYTES = 64 * 1024 * 1024

Counter: TypeAlias = Callable[[], int]


class Fate(StrEnum):
    """How an exchange ended, seen from here."""

    PENDING = "pending"
    ANSWERED = "answered"
    BROKEN = "broken"  # by us: a fault was asked for
    HUNG_UP = "hung_up"  # the client left before the end


class Seen:
    """One request and what became of it."""

    __slots__ = ("fate", "request", "sent")

    def __init__(self, request: Request) -> None:
        self.request = request
        self.fate = Fate.PENDING
        self.sent = 0  # bytes handed to the connection

    @property
    def hung_up(self) -> bool:
        return self.fate is Fate.HUNG_UP

    def describe(self) -> dict[str, Any]:
        body = self.request.body
        try:
            text: str | None = body.decode()
        except UnicodeDecodeError:
            text = None
        return {
            "method": self.request.method.decode("latin-1"),
            "path": self.request.target.decode("latin-1"),
            "headers": [[key.decode("latin-1"), value.decode("latin-1")] for key, value in self.request.headers],
            "body": text,
            "body_base64": base64.b64encode(body).decode() if text is None else None,
            "body_bytes": len(self.request.body),
            "fate": self.fate.value,
            "hung_up": self.hung_up,
            "bytes_sent": self.sent,
        }


class Witness:
    """A bounded list of what was seen. With a capacity of 0 it sees nothing."""

    def __init__(self, capacity: int) -> None:
        self._seen: deque[Seen] = deque(maxlen=capacity)
        self._watchers: list[tuple[Counter, int, Callable[[], None]]] = []
        self._held = 0
        self.enabled = capacity > 0

    @property
    def seen(self) -> Sequence[Seen]:
        return tuple(self._seen)

    def begun(self) -> int:
        return len(self._seen)

    def ended(self) -> int:
        return sum(item.fate is not Fate.PENDING for item in self._seen)

    def record(self, request: Request) -> Seen:
        item = Seen(request)
        if len(self._seen) == self._seen.maxlen:
            self._held -= len(self._seen[0].request.body)
        self._seen.append(item)
        self._held += len(request.body)
        while self._held > KEPT_BYTES and len(self._seen) > 1:
            self._held -= len(self._seen.popleft().request.body)
        if self._watchers:
            self._notify()
        return item

    def conclude(self, item: Seen, fate: Fate) -> None:
        """Note how an exchange ended, once."""
        if item.fate is not Fate.PENDING:
            return
        item.fate = fate
        if self._watchers:
            self._notify()

    def watch(self, counter: Counter, wanted: int, call: Callable[[], None]) -> None:
        """Call back as soon as `begun` or `ended` has reached a number."""
        self._watchers.append((counter, wanted, call))
        self._notify()

    def unwatch(self, call: Callable[[], None]) -> None:
        self._watchers = [item for item in self._watchers if item[2] is not call]

    def clear(self) -> None:
        self._seen.clear()
        self._held = 0

    def _notify(self) -> None:
        ready = [item for item in self._watchers if item[1] <= item[0]()]
        for _, _, call in ready:
            self.unwatch(call)
            call()
