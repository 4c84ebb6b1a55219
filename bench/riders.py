"""Clients that ask for streams, one call after another on each of many lanes, and say what became of each call.

It takes trips on stdin and answers with tallies on stdout, a JSON line each. Every call has a number, which stands
in its message and its metadata, and every stream is looked through. It ends when its standard input does.
"""

import asyncio
import sys
import time
from array import array
from collections import Counter
from collections.abc import Sequence
from enum import StrEnum
from functools import partial
from itertools import chain
from random import Random
from typing import Any, Final, cast

import httptools
import msgspec
import uvloop
from msgspec import Struct

from bench.traffic import StreamReader

_MOST_NAMED: Final = 20
_RETRY_SECONDS: Final = 0.05  # after a connection that was refused


class End(StrEnum):
    """How a call ended, as its client saw it."""

    ANSWERED = "answered"
    REFUSED = "error status"
    BROKEN = "broken after content"
    EMPTY = "broken before content"
    IN_VAIN = "gave up waiting"
    LEFT = "left on purpose"


class Trip(Struct, frozen=True, kw_only=True):
    """Calls to make: so many, or for so many seconds."""

    port: int
    key: str
    path: str = "/api/v1/chat/completions"
    model: str = "mistral-small-latest"
    fields: dict[str, Any] = {}  # more of the body
    events: int = 3  # of a right answer
    lanes: int = 10
    calls: int | None = None
    seconds: float | None = None
    first: int = 0  # number of the first call
    patience: float = 60.0  # seconds a client waits for the next byte
    leaving: float = 0.0  # share of the calls whose client leaves before the end
    leaves_within: float = 1.0  # seconds
    stagger: float = 0.0  # seconds over which the lanes begin


class Tally(Struct, frozen=True, kw_only=True):
    """What became of them. Times to the first token are in seconds, in order; who gave up has what it waited."""

    calls: int
    ends: dict[End, int]
    first_tokens: list[float]
    first_failure: str
    empty_handed: list[str] = []  # numbers of the first calls that failed before any content


class Lane(asyncio.Protocol):
    """A client's connection, with at most one call on it."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self._parser: httptools.HttpResponseParser | None = None
        self._reader = StreamReader()
        self._over: asyncio.Future[str] | None = None
        self.status = 0
        self.body = b""
        self.first_at = 0.0
        self.heard_at = 0.0

    def ask(self, request: bytes) -> "asyncio.Future[str]":
        """Send a request; what is returned says `whole` or `cut` when its answer is over."""
        assert self.transport is not None
        self._parser = httptools.HttpResponseParser(self)
        self._reader = StreamReader()
        self.status, self.body, self.first_at, self.heard_at = 0, b"", 0.0, time.monotonic()
        self._over = asyncio.get_running_loop().create_future()
        self.transport.write(request)
        return self._over

    def fault(self, events: int) -> str:
        return self._reader.finish(events)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self.transport = None
        self._finish("cut")

    def data_received(self, data: bytes) -> None:
        self.heard_at = time.monotonic()
        if self._parser is not None:
            self._parser.feed_data(data)

    def on_body(self, data: bytes) -> None:
        if len(self.body) < 300:
            self.body += data[:300]
        self._reader.feed(data, time.monotonic_ns())
        if not self.first_at and self._reader.delays:
            self.first_at = time.monotonic()

    def on_message_complete(self) -> None:
        assert self._parser is not None
        self.status = self._parser.get_status_code()
        self._finish("whole")
        if not self._parser.should_keep_alive():
            self.close()

    def close(self) -> None:
        if self.transport is not None:
            self.transport.abort()
            self.transport = None

    def _finish(self, how: str) -> None:
        if self._over is not None and not self._over.done():
            self._over.set_result(how)


class Crowd:
    """One trip in progress."""

    def __init__(self, trip: Trip) -> None:
        self._trip = trip
        self._chance = Random(trip.first)
        self._calls = 0
        self._ends: Counter[End] = Counter()
        self._first_tokens = array("d")
        self._first_failure = ""
        self._empty_handed: list[str] = []
        self._until = float("inf")

    async def travel(self) -> Tally:
        if self._trip.seconds is not None:
            self._until = time.monotonic() + self._trip.seconds
        await asyncio.gather(*(self._ride(number) for number in range(self._trip.lanes)))
        return Tally(
            calls=self._calls,
            ends=dict(self._ends),
            first_tokens=sorted(self._first_tokens),
            first_failure=self._first_failure,
            empty_handed=self._empty_handed,
        )

    async def _ride(self, number: int) -> None:
        trip = self._trip
        await asyncio.sleep(trip.stagger * number / trip.lanes)
        lane = Lane()
        while time.monotonic() < self._until and (trip.calls is None or self._calls < trip.calls):
            call = trip.first + self._calls
            self._calls += 1
            while lane.transport is None:
                lane = await self._connect()
            end = await self._call(lane, call)
            self._ends[end] += 1
            if end not in (End.ANSWERED, End.LEFT):
                if end is not End.BROKEN and len(self._empty_handed) < _MOST_NAMED:
                    self._empty_handed.append(f"{call:08d}")
                self._first_failure = self._first_failure or f"call {call}: {end}: {lane.status} {lane.body!r}"
        lane.close()

    async def _connect(self) -> Lane:
        lane = Lane()
        try:
            await asyncio.get_running_loop().create_connection(partial(_same, lane), "127.0.0.1", self._trip.port)
        except OSError:
            await asyncio.sleep(_RETRY_SECONDS)
        return lane

    async def _call(self, lane: Lane, call: int) -> End:
        trip, started = self._trip, time.monotonic()
        leaves_at = float("inf")
        if self._chance.random() < trip.leaving:
            leaves_at = started + trip.leaves_within * self._chance.random()
        over = lane.ask(request_of(trip, call))
        while not over.done():
            limit = min(leaves_at, lane.heard_at + trip.patience)
            await asyncio.wait((over,), timeout=max(limit - time.monotonic(), 0))
            now = time.monotonic()
            if not over.done() and now >= min(leaves_at, lane.heard_at + trip.patience):
                lane.close()
                if now >= leaves_at:
                    return End.LEFT
                if not lane.first_at:
                    self._first_tokens.append(now - started)
                return End.IN_VAIN
        if lane.first_at:
            self._first_tokens.append(lane.first_at - started)
        if over.result() == "whole" and lane.status != 200:
            return End.REFUSED
        if over.result() == "whole" and not lane.fault(trip.events):
            return End.ANSWERED
        return End.BROKEN if lane.first_at else End.EMPTY


def _same(lane: Lane) -> Lane:
    return lane


def request_of(trip: Trip, call: int) -> bytes:
    """Return the bytes of a call with its number."""
    content = f"call {call:08d} in one sentence: what is a gantry over a road, and why does nobody stop?"
    body = msgspec.json.encode(
        {
            "model": trip.model,
            "stream": True,
            "messages": [{"role": "user", "content": content}],
            "metadata": {"call": f"{call:08d}"},
            **trip.fields,
        }
    )
    head = (
        f"POST {trip.path} HTTP/1.1\r\nhost: gantry\r\nauthorization: Bearer {trip.key}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def together(tallies: Sequence[Tally]) -> Tally:
    """Return the tally of several crowds."""
    ends: Counter[End] = Counter()
    for tally in tallies:
        ends.update(tally.ends)
    return Tally(
        calls=sum(tally.calls for tally in tallies),
        ends=dict(ends),
        first_tokens=sorted(chain.from_iterable(tally.first_tokens for tally in tallies)),
        first_failure=next((tally.first_failure for tally in tallies if tally.first_failure), ""),
        empty_handed=[*chain.from_iterable(tally.empty_handed for tally in tallies)],
    )


async def serve() -> None:
    """Take trips one after another until standard input ends."""
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.buffer.readline):
        tally = await Crowd(msgspec.json.decode(line, type=Trip)).travel()
        print(msgspec.json.encode(tally).decode(), flush=True)


if __name__ == "__main__":
    uvloop.run(serve())
