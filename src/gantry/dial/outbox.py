"""What is to be written, kept until the loop has read everything that was ready.

Law: order per transport is kept, and nothing waits for a timer: the box is emptied when the loop comes round, or when
it holds a few dozen writes. Written one by one between reads, each write wakes the peer's process anew, which costs
more than the write; written together, it is awake after the first (`scripts/bench`: 163 µs a call became 126).

Where nothing comes together, coming round is an empty turn of the loop. So after some writes that were alone, the next
ones go straight out; then it is looked at again.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Final

logger = logging.getLogger(__name__)

_FULL: Final = 32  # so that the first write of a crowd does not wait for the last read
_LARGE: Final = 16 * 1024  # written while it is still in the processor's cache
_ALONE: Final = 4  # turns with one write each, after which the next writes go straight out
_STRAIGHT: Final = 60


class Outbox:
    """One per loop. What goes to a transport that is closing by then is dropped."""

    __slots__ = ("_alone", "_call_soon", "_pending", "_straight")

    def __init__(self, call_soon: Callable[[Callable[[], None]], object]) -> None:
        self._call_soon = call_soon
        self._pending: list[tuple[asyncio.WriteTransport, bytes]] = []
        self._alone = 0
        self._straight = 0

    def post(self, transport: asyncio.WriteTransport, data: bytes) -> None:
        pending = self._pending
        pending.append((transport, data))
        size = len(pending)
        if self._straight:
            self._straight -= 1
            self.flush()
        elif size >= _FULL or len(data) > _LARGE:
            self.flush()
        elif size == 1:
            self._call_soon(self._come_round)

    def flush(self) -> None:
        """Write all of it now: before a transport is closed, or its end is written."""
        pending = self._pending
        if pending:
            self._pending = []
            for transport, data in pending:
                if transport.is_closing():
                    continue
                try:
                    transport.write(data)
                except Exception:  # the boundary of a connection: what others wrote must not be lost with it
                    logger.exception("a connection could not be written to and is cut")
                    transport.abort()

    def _come_round(self) -> None:
        self._alone = self._alone + 1 if len(self._pending) == 1 else 0
        if self._alone == _ALONE:
            self._alone = 0
            self._straight = _STRAIGHT
        self.flush()
