"""A provider that fails as it is told to: several deployments behind one port, told apart by how the path begins.

Law: what becomes of a request depends on the seed, the deployment, the number of its call and how often that call was
seen there since the provider was told how to behave, and on nothing else; so two runs with the same calls meet the same
faults. It counts what it sees.

First line on stdout: `faulty listening on http://127.0.0.1:PORT`. It ends when its standard input does. `PUT /_behave`
takes behaviours by name, `GET /_counts` and `GET /_seen` say what came.
"""

import asyncio
import json
import re
import sys
import time
from collections import Counter
from enum import StrEnum
from hashlib import blake2b
from typing import Final, cast

import httptools
import msgspec
import uvloop
from msgspec import Struct

from bench.traffic import stream_end, stream_event

_CALL: Final = re.compile(rb"call (\d{8}) ")
_SEED: Final = b"seed 1"
_ERROR: Final = b'{"object":"error","message":"%s","type":"server_error","param":null,"code":"1000"}'
_HEAD: Final = b"HTTP/1.1 %d %s\r\ncontent-type: %s\r\n%s\r\n"
_STREAM_HEAD: Final = _HEAD % (200, b"OK", b"text/event-stream", b"transfer-encoding: chunked\r\n")
_DRAWS: Final = float(1 << 32)


class Fate(StrEnum):
    """What becomes of a request."""

    WELL = "well"
    SLOW = "slow"  # well, after `slow` seconds
    STATUS = "status"  # an error status
    LIMITED = "limited"  # 429 with Retry-After: 1
    DEAD = "dead"  # 401
    OPENS_BADLY = "opens badly"  # a 200 stream whose first event is an error
    CUT_BEFORE = "cut before content"  # closed after the head
    CUT_AFTER = "cut after content"  # closed in the middle
    STALLS = "stalls"  # never goes on after the head


_STATUSES: Final = {Fate.STATUS: (503, b"Unavailable"), Fate.LIMITED: (429, b"Slow Down"), Fate.DEAD: (401, b"No")}


class Behaviour(Struct, frozen=True):
    """Of one deployment: `shares` of the requests meet other fates than to be well. Times are in seconds."""

    shares: dict[Fate, float] = {}
    first_token: float = 0.05  # from half of it to one and a half
    slow: float = 1.0  # as above
    events: int = 3
    pace: float = 0.0


class Provider:
    """The deployments and what they saw."""

    def __init__(self) -> None:
        self.behaviours: dict[str, Behaviour] = {}
        self.fates: Counter[str] = Counter()
        self.seen: Counter[str] = Counter()  # by deployment and call
        self.connections = 0
        self.answering = 0

    def fate(self, name: str, call: str) -> tuple[Fate, float]:
        """Return what becomes of a request, and a number in [0, 1) for how long it takes."""
        mark = f"{name} {call}"
        self.seen[mark] += 1
        digest = blake2b(f"{mark} {self.seen[mark]}".encode(), key=_SEED, digest_size=8).digest()
        point, spread = (int.from_bytes(half, "big") / _DRAWS for half in (digest[:4], digest[4:]))
        fate = Fate.WELL
        for other, share in self.behaviours.get(name, Behaviour()).shares.items():
            if 0 <= point < share:
                fate = other
            point -= share
        self.fates[f"{name} {fate}"] += 1
        return fate, spread

    def counts(self) -> dict[str, object]:
        return {"connections": self.connections, "answering": self.answering, "fates": dict(self.fates)}


class Connection(asyncio.Protocol):
    """One connection of a gateway, or of whoever tells the provider what to do."""

    def __init__(self, provider: Provider) -> None:
        self._provider = provider
        self._loop = asyncio.get_running_loop()
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport | None = None
        self._url = b""
        self._body = b""
        self._timer: asyncio.TimerHandle | None = None
        self._counted = True  # until it gives an order: a gateway's may be open and never have been used
        self._answering = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._provider.connections += 1

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._provider.connections -= self._counted
        self._over()

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_begin(self) -> None:
        self._url = self._body = b""

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_body(self, data: bytes) -> None:
        self._body += data

    def on_message_complete(self) -> None:
        name = self._url.split(b"/")[1].decode()
        if name.startswith("_"):
            self._take_order(name)
            return
        provider = self._provider
        found = _CALL.search(self._body)
        fate, spread = provider.fate(name, found[1].decode() if found else "")
        behaviour = provider.behaviours.get(name, Behaviour())
        provider.answering += 1
        self._answering = True
        delay = (behaviour.slow if fate is Fate.SLOW else behaviour.first_token) * (0.5 + spread)
        self._timer = self._loop.call_later(delay, self._answer, fate, behaviour)

    def _take_order(self, name: str) -> None:
        provider = self._provider
        provider.connections -= self._counted
        self._counted = False
        answer: object = {}
        if name == "_behave":
            provider.behaviours |= msgspec.json.decode(self._body, type=dict[str, Behaviour])
            provider.seen.clear()
        else:
            answer = dict(provider.seen) if name == "_seen" else provider.counts()
        body = json.dumps(answer).encode()
        self._write(_HEAD % (200, b"OK", b"application/json", b"content-length: %d\r\n" % len(body)) + body)

    def _answer(self, fate: Fate, behaviour: Behaviour) -> None:
        failure = _STATUSES.get(fate)
        if failure is not None:
            body = _ERROR % fate.encode()
            more = b"content-length: %d\r\n" % len(body)
            more += b"retry-after: 1\r\n" if fate is Fate.LIMITED else b""
            self._write(_HEAD % (*failure, b"application/json", more) + body)
            self._over()
            return
        self._write(_STREAM_HEAD)
        if fate is Fate.STALLS:
            return
        if fate is Fate.CUT_BEFORE:
            self._cut()
        elif fate is Fate.OPENS_BADLY:
            self._write_chunk(b"data: %s\n\n" % (_ERROR % b"overloaded"))
            self._end()
        else:
            self._next_event(0, fate, behaviour)

    def _next_event(self, number: int, fate: Fate, behaviour: Behaviour) -> None:
        if self._transport is None:
            return
        if fate is Fate.CUT_AFTER and number > behaviour.events // 2:
            self._cut()
        elif number == behaviour.events:
            self._write_chunk(stream_end())
            self._end()
        else:
            self._write_chunk(stream_event(number, time.monotonic_ns()))
            self._timer = self._loop.call_later(behaviour.pace, self._next_event, number + 1, fate, behaviour)

    def _write_chunk(self, data: bytes) -> None:
        self._write(b"%x\r\n%s\r\n" % (len(data), data))

    def _end(self) -> None:
        self._write(b"0\r\n\r\n")
        self._over()

    def _cut(self) -> None:
        if self._transport is not None:
            self._transport.close()
        self._over()

    def _over(self) -> None:
        """This answer is over."""
        self._provider.answering -= self._answering
        self._answering = False
        if self._timer is not None:
            self._timer.cancel()

    def _write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)


async def serve() -> None:
    """Listen on a free port until standard input ends."""
    loop = asyncio.get_running_loop()
    provider = Provider()
    server = await loop.create_server(lambda: Connection(provider), "127.0.0.1", 0, backlog=4096)
    port = server.sockets[0].getsockname()[1]
    print(f"faulty listening on http://127.0.0.1:{port}", flush=True)
    ended = asyncio.Event()
    loop.add_reader(sys.stdin.fileno(), ended.set)
    await ended.wait()


if __name__ == "__main__":
    uvloop.run(serve())
