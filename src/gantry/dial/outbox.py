"""What is to be written, kept until the loop has read everything that was ready.

Law: order per transport is kept, and nothing waits for a timer: the box is emptied when the loop comes round, or when
it holds a few dozen writes. Written one by one between reads, each write wakes the peer's process anew, which costs
more than the write; written together, it is awake after the first (`scripts/bench`: 50 µs a call became 43).
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Final

logger = logging.getLogger(__name__)

_FULL: Final = 32  # so that the first write of a crowd does not wait for the last read
_LARGE: Final = 16 * 1024  # written while it is still in the processor's cache


class Outbox:
    """One per loop. What goes to a transport that is closing by then is dropped."""

    __slots__ = ("_call_soon", "_pending")

    def __init__(self, call_soon: Callable[[Callable[[], None]], object]) -> None:
        self._call_soon = call_soon
        self._pending: list[tuple[asyncio.WriteTransport, bytes]] = []

    def post(self, transport: asyncio.WriteTransport, data: bytes) -> None:
        pending = self._pending
        pending.append((transport, data))
        size = len(pending)
        if size >= _FULL or len(data) > _LARGE:
            self.flush()
        elif size == 1:
            self._call_soon(self.flush)

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
