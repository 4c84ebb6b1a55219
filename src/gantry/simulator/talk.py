"""One WebSocket: reads frames, lets the session speak, and breaks where the faults say.

Law: what is heard is answered in order, one message at a time; pings are answered at once. An event, for the faults,
is a message sent; the first is number 0, and without `at` it is number 1 that things happen to.
"""

import asyncio
import socket
import struct
from collections.abc import Callable
from typing import TypeAlias

from gantry.simulator.exchange import Farewell, Reaction, Session
from gantry.simulator.faults import Cut, Faults
from gantry.simulator.websocket import Code, Frame, Opcode, Reader, WebSocketError, encode, encode_close
from gantry.simulator.witness import Fate, Seen

_PATIENCE = 1.0  # seconds for the other side to answer a close

Ended: TypeAlias = Callable[[Fate], None]


class Talk(asyncio.Protocol):
    """Takes over the transport of an HTTP connection. `ended` is called once, when it is lost."""

    def __init__(
        self, transport: asyncio.Transport, session: Session, faults: Faults, seen: Seen | None, ended: Ended
    ) -> None:
        self._transport, self._session, self._faults = transport, session, faults
        self._seen, self._ended = seen, ended
        self._reader = Reader()
        self._heard: asyncio.Queue[bytes] = asyncio.Queue()
        self._said = 0
        self._closing = False
        self._fate = Fate.HUNG_UP
        self._task = asyncio.create_task(self._run())

    def connection_lost(self, exc: Exception | None) -> None:
        self._task.cancel()
        self._ended(self._fate)

    def drop(self) -> None:
        self._transport.abort()

    def data_received(self, data: bytes) -> None:
        try:
            for frame in self._reader.feed(data):
                self._receive(frame)
        except WebSocketError as error:
            self._fate = Fate.BROKEN
            self._close(Farewell(error.code, error.reason))
            self._transport.close()

    def _receive(self, frame: Frame) -> None:
        match frame.opcode:
            case Opcode.PING:
                self._write(encode(Frame(Opcode.PONG, frame.payload)))
            case Opcode.CLOSE:
                self._fate = Fate.ANSWERED
                self._close(Farewell(int.from_bytes(frame.payload[:2], "big") or Code.NORMAL))
                self._transport.close()
            case Opcode.TEXT | Opcode.BINARY:
                self._heard.put_nowait(frame.payload)
            case _:
                pass

    async def _run(self) -> None:
        open_still = await self._say(self._session.opened())
        while open_still:
            open_still = await self._say(self._session.heard(await self._heard.get()))

    async def _say(self, reaction: Reaction) -> bool:
        """Send what a session says; return whether it goes on."""
        faults = self._faults
        for message in reaction.messages:
            last = reaction.farewell is not None and message is reaction.messages[-1]
            if faults.tokens_per_second:
                await asyncio.sleep(1 / faults.tokens_per_second)
            turning = self._said == (faults.at if faults.at >= 0 else 1)
            self._said += 1
            if turning and faults.stall:
                await asyncio.sleep(faults.stall)
            if turning and faults.error_event:
                failed = self._session.failed()
                self._write(b"".join(encode(Frame(Opcode.TEXT, item)) for item in failed.messages))
                self._leave(failed.farewell or Farewell())
                return False
            if self._break(message, turning, last):
                return False
            broken = turning and faults.malformed_json
            self._write(encode(Frame(Opcode.TEXT, message[: len(message) // 2] if broken else message)))
        if reaction.farewell is None:
            return True
        self._leave(reaction.farewell)
        return False

    def _break(self, message: bytes, turning: bool, last: bool) -> bool:
        """Cut or reset the connection, if this is where; return whether it was."""
        cut = self._faults.cut
        if cut is Cut.MID_EVENT and turning:
            frame = encode(Frame(Opcode.TEXT, message))
            self._write(frame[: len(frame) // 2])
        elif not ((cut is Cut.BETWEEN_EVENTS and turning) or (cut is Cut.BEFORE_END and last)):
            if not (turning and self._faults.reset_mid):
                return False
            raw = self._transport.get_extra_info("socket")
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self._fate = Fate.BROKEN
            self._transport.abort()
            return True
        self._fate = Fate.BROKEN
        self._transport.close()
        return True

    def _leave(self, farewell: Farewell) -> None:
        """Say good-bye, and wait for the other side to do so, but not for long."""
        self._fate = Fate.ANSWERED
        self._close(farewell)
        asyncio.get_running_loop().call_later(_PATIENCE, self._transport.close)

    def _close(self, farewell: Farewell) -> None:
        if not self._closing:
            self._closing = True
            self._write(encode_close(farewell.code, farewell.reason))

    def _write(self, data: bytes) -> None:
        if self._seen is not None:
            self._seen.sent += len(data)
        self._transport.write(data)
