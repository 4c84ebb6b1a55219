"""What is to be written, gathered by a busy loop until it has read everything that was ready.

Law: order per transport is kept, and nothing waits for a timer: the box is emptied when the loop comes round, or when
it holds a few dozen writes.

Reading and writing in turns costs a busy loop more than reading first and writing then, in what the processor forgets
and in how often the peers are woken: 72 µs a call became 55 (`scripts/bench`). A loop that finds time to sleep gains
nothing by it, so its writes go straight out (31 µs an event of a stream became 27). How often it slept is looked at
every few hundred writes.
"""

import asyncio
import logging
import resource
import sys
from collections.abc import Callable
from typing import Final

logger = logging.getLogger(__name__)

_FULL: Final = 32  # so that the first write of a crowd does not wait for the last read
_LARGE: Final = 16 * 1024  # written while it is still in the processor's cache
_WATCHED: Final = 256  # writes, after which it is looked at again
_BUSY: Final = 32  # writes or more between two sleeps
_CUT: Final = "a connection could not be written to and is cut"
_WHOSE: Final = resource.RUSAGE_SELF if sys.platform == "darwin" else resource.RUSAGE_THREAD


def count_sleeps() -> int:
    """Return how often this thread, or where that is not told this process, has waited so far."""
    return resource.getrusage(_WHOSE).ru_nvcsw


class Outbox:
    """One per loop. What goes to a transport that is closing by then is dropped."""

    __slots__ = ("_call_soon", "_count_sleeps", "_pending", "_slept", "_straight", "_written")

    def __init__(
        self, call_soon: Callable[[Callable[[], None]], object], count_sleeps: Callable[[], int] = count_sleeps
    ) -> None:
        self._call_soon = call_soon
        self._count_sleeps = count_sleeps
        self._pending: list[tuple[asyncio.WriteTransport, bytes]] = []
        self._straight = 0  # writes that go straight out
        self._written = 0  # since it was looked at
        self._slept = count_sleeps()

    def post(self, transport: asyncio.WriteTransport, data: bytes) -> None:
        if self._straight:
            self._straight -= 1
            if not transport.is_closing():
                try:
                    transport.write(data)
                except Exception:  # as in `flush`
                    logger.exception(_CUT)
                    transport.abort()
            return
        pending = self._pending
        pending.append((transport, data))
        size = len(pending)
        if size >= _FULL or len(data) > _LARGE:
            self.flush()
        elif size == 1:
            self._call_soon(self._come_round)

    def flush(self) -> None:
        """Write all of it now: before a transport is closed, or its end is written."""
        pending = self._pending
        if pending:
            self._pending = []
            self._written += len(pending)
            for transport, data in pending:
                if not transport.is_closing():
                    try:
                        transport.write(data)
                    except Exception:  # the boundary of a connection: what others wrote must not be lost with it
                        logger.exception(_CUT)
                        transport.abort()

    def _come_round(self) -> None:
        self.flush()
        if self._written >= _WATCHED:
            slept = self._count_sleeps()
            has_time = (slept - self._slept) * _BUSY > self._written and not self._pending  # what waits goes first
            self._slept = slept
            self._written = self._straight = _WATCHED if has_time else 0
