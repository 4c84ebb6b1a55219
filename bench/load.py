"""The load generator: a process that takes jobs on stdin and answers with results on stdout.

Every body is checked. It ends when its standard input does, so it cannot outlive the run.
"""

import asyncio
import gc
import sys
import time
from array import array
from collections.abc import Callable
from functools import partial
from typing import cast

import httptools
import msgspec
import uvloop

from bench.jobs import Job, Target, TargetResult, percentiles
from bench.traffic import ANSWER, ANSWER_MARK, StreamReader, chat_body

_GRACE = 60.0  # a call that takes longer is a failure of the whole job


class Tally:
    """The results of one target, as they come in."""

    __slots__ = ("delays", "failures", "first_events", "first_failure", "latencies", "reads", "target")

    def __init__(self, target: Target) -> None:
        self.target = target
        self.latencies = array("q")
        self.first_events = array("q")
        self.delays = array("q")
        self.reads = 0
        self.failures = 0
        self.first_failure = ""

    def fail(self, reason: str) -> None:
        self.failures += 1
        self.first_failure = self.first_failure or reason

    def result(self, seconds: float, *, samples: bool) -> TargetResult:
        return TargetResult(
            name=self.target.name,
            calls=len(self.latencies),
            failures=self.failures,
            first_failure=self.first_failure,
            seconds=seconds,
            latency=percentiles(self.latencies),
            first_event=percentiles(self.first_events) if self.first_events else None,
            event_delay=percentiles(self.delays) if self.delays else None,
            events=len(self.delays),
            reads=self.reads,
            latencies=list(self.latencies) if samples else [],
        )


class Lane(asyncio.Protocol):
    """One kept-alive connection to a target, with at most one call on it."""

    def __init__(self, tally: Tally, job: Job, on_answer: Callable[["Lane"], None]) -> None:
        self._tally = tally
        self._events = job.shape.events
        self._on_answer = on_answer
        self._request = _request(tally.target, job)
        self._transport: asyncio.Transport | None = None
        self._parser: httptools.HttpResponseParser | None = None
        self._body = b""
        self._reader: StreamReader | None = None
        self._started = 0
        self._first = 0
        self._busy = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def call(self) -> None:
        """Send the next call; `on_answer` hears of its end, good or bad."""
        self._busy = True
        if self._transport is None:
            self._end("the connection was closed between calls")
            return
        self._parser = httptools.HttpResponseParser(self)
        self._body = b""
        self._first = 0
        self._reader = StreamReader() if self._events else None
        self._started = time.monotonic_ns()
        self._transport.write(self._request)

    def close(self) -> None:
        self._busy = False
        if self._transport is not None:
            self._transport.close()

    def data_received(self, data: bytes) -> None:
        if self._parser is None:
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._end(f"unreadable answer: {error}")

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if self._busy:
            self._end("the connection was closed in the middle of a call")

    def on_body(self, data: bytes) -> None:
        if self._reader is None:
            self._body = self._body + data if self._body else data
            return
        now = time.monotonic_ns()
        if self._first == 0:
            self._first = now
        self._tally.reads += 1
        self._reader.feed(data, now)

    def on_message_complete(self) -> None:
        assert self._parser is not None
        self._tally.latencies.append(time.monotonic_ns() - self._started)
        status = self._parser.get_status_code()
        if status != 200:
            self._end(f"status {status}: {self._body[:300]!r}")
        elif self._reader is not None:
            self._tally.first_events.append(self._first - self._started)
            self._tally.delays.extend(self._reader.delays)
            self._end(self._reader.finish(self._events))
        elif self._tally.target.exact:
            self._end("" if self._body == ANSWER else f"not the upstream's answer: {self._body[:300]!r}")
        else:
            self._end("" if ANSWER_MARK in self._body else f"an answer without its text: {self._body[:300]!r}")

    def _end(self, fault: str) -> None:
        self._busy = False
        if fault:
            self._tally.fail(fault)
        self._on_answer(self)


class Run:
    """One job in progress."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._loop = asyncio.get_running_loop()
        self._tallies = [Tally(target) for target in job.targets]
        self._lanes: list[Lane] = []
        self._finished = self._loop.create_future()
        self._left = sys.maxsize if job.calls is None else job.calls
        self._idle = 0
        self._turn = 0
        self._until = 0.0

    async def results(self) -> list[TargetResult]:
        started = self._loop.time()
        try:
            await self._connect()
            started = self._loop.time()
            await self._call_all(started)
        except (OSError, TimeoutError) as error:
            for tally in self._tallies:
                tally.fail(f"{type(error).__name__}: {error}")
        seconds = self._loop.time() - started
        for lane in self._lanes:
            lane.close()
        return [tally.result(seconds, samples=self._job.samples) for tally in self._tallies]

    async def _connect(self) -> None:
        for tally in self._tallies:
            for _ in range(self._job.connections):
                lane = Lane(tally, self._job, self._answered)
                await self._loop.create_connection(partial(_same, lane), "127.0.0.1", tally.target.port)
                self._lanes.append(lane)

    async def _call_all(self, started: float) -> None:
        self._until = started + self._job.seconds if self._job.seconds is not None else float("inf")
        if len(self._tallies) > 1:
            self._next_turn()
        else:
            for number, lane in enumerate(self._lanes):
                self._loop.call_later(number * self._job.stagger / len(self._lanes), self._next_call, lane)
        await asyncio.wait_for(self._finished, (self._job.seconds or 0) + self._job.stagger + _GRACE)

    def _answered(self, lane: Lane) -> None:
        if len(self._tallies) > 1:
            self._next_turn()
        else:
            self._next_call(lane)

    def _next_call(self, lane: Lane) -> None:
        if self._may_call(self._tallies[0]):
            lane.call()
            return
        self._idle += 1
        if self._idle == len(self._lanes):
            self._finish()

    def _next_turn(self) -> None:
        if not self._may_call(self._tallies[self._turn]):
            self._finish()
            return
        lane = self._lanes[self._turn]
        self._turn = (self._turn + 1) % len(self._lanes)
        self._loop.call_soon(lane.call)

    def _may_call(self, tally: Tally) -> bool:
        """Take one call from what is left. A target that fails again and again is not worth the time."""
        if self._left == 0 or self._loop.time() >= self._until or tally.failures > 20:
            return False
        self._left -= 1
        return True

    def _finish(self) -> None:
        if not self._finished.done():
            self._finished.set_result(None)


def _same(lane: Lane) -> Lane:
    return lane


def _request(target: Target, job: Job) -> bytes:
    body = chat_body(target.model, job.shape, job.size)
    headers = {"host": f"127.0.0.1:{target.port}", **target.headers, "content-length": str(len(body))}
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"POST {target.path} HTTP/1.1\r\n{lines}\r\n".encode() + body


async def serve() -> None:
    """Run jobs one after the other until standard input ends."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=1 << 24)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    decoder = msgspec.json.Decoder(Job)
    gc.freeze()
    while line := await reader.readline():
        gc.collect()
        gc.disable()
        results = await Run(decoder.decode(line)).results()
        gc.enable()
        sys.stdout.buffer.write(msgspec.json.encode(results) + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    uvloop.run(serve())
