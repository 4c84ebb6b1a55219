"""The client's side of a WebSocket, as small as a test needs it."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import msgspec

from gantry.simulator import Simulator
from tests.simulator.client import port

MASK = b"\x01\x02\x03\x04"
TEXT, CLOSE, PING, PONG = 1, 8, 9, 10
HANDSHAKE = {
    "connection": "Upgrade",
    "upgrade": "websocket",
    "sec-websocket-version": "13",
    "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
}


def masked(opcode: int, payload: bytes = b"", *, final: bool = True, mask: bytes = MASK) -> bytes:
    """Return a client's frame."""
    size = len(payload)
    if size < 126:
        length = bytes((0x80 | size,))
    else:
        length = bytes((0x80 | 126,)) + size.to_bytes(2, "big") if size < 65536 else b"\xff" + size.to_bytes(8, "big")
    spread = (mask * (size // 4 + 1))[:size]
    return (
        bytes((opcode | (0x80 if final else 0),))
        + length
        + mask
        + bytes(a ^ b for a, b in zip(payload, spread, strict=True))
    )


class Socket:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: str) -> None:
        self.reader, self.writer, self.head = reader, writer, head

    @property
    def status(self) -> int:
        return int(self.head.split()[1])

    def send(self, event: Any) -> None:
        self.writer.write(masked(TEXT, msgspec.json.encode(event)))

    async def frame(self) -> tuple[int, bytes]:
        first, size = await self.reader.readexactly(2)
        if size == 126:
            size = int.from_bytes(await self.reader.readexactly(2), "big")
        elif size == 127:
            size = int.from_bytes(await self.reader.readexactly(8), "big")
        return first & 0x0F, await self.reader.readexactly(size)

    async def event(self) -> Any:
        opcode, payload = await self.frame()
        assert opcode == TEXT
        return msgspec.json.decode(payload)

    async def events(self) -> tuple[list[Any], int]:
        """Read all there is to come: the events, and the close code, or 0 if the connection just ended."""
        found: list[Any] = []
        while True:
            try:
                opcode, payload = await self.frame()
            except (asyncio.IncompleteReadError, ConnectionError):
                return found, 0
            if opcode == CLOSE:
                self.writer.write(masked(CLOSE, payload))
                return found, int.from_bytes(payload[:2], "big")
            if opcode == TEXT:
                found.append(payload)


@asynccontextmanager
async def connected(
    simulator: Simulator, target: str, headers: Mapping[str, str] | None = None, *, early: bytes = b""
) -> AsyncIterator[Socket]:
    """Ask for a WebSocket and send `early` with it; `headers` replace the usual ones, an empty value takes one away."""
    fields = {"host": "simulator", "authorization": "Bearer sk-simulated", **HANDSHAKE}
    fields |= headers or {}
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items() if value)
    reader, writer = await asyncio.open_connection("127.0.0.1", port(simulator))
    try:
        writer.write(f"GET {target} HTTP/1.1\r\n{head}\r\n".encode() + early)
        yield Socket(reader, writer, (await reader.readuntil(b"\r\n\r\n")).decode())
    finally:
        writer.close()
