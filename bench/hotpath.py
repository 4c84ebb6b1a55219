"""The hot path without sockets: CPU of one relayed call with transports that only count.

What is left is our own code: framing, admission, plan, journal (really written), capture, response. Run it before and
after a change: `python -m bench.hotpath`. Ratios matter, the machine is noisy; `--profile` shows where the time goes.
`--instructions` counts instructions a call with valgrind, within some 2 %, whatever else the machine does. `--limits`
puts four limits upon the key: of cost and requests, of its own and of its organization, by the minute to the month.
"""

import argparse
import asyncio
import cProfile
import gc
import os
import pstats
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import uvloop

from gantry.core.limits import Limit, LimitScope, LimitUnit
from gantry.core.periods import Period
from gantry.core.vocabulary import Dialect, Operation
from gantry.dial.connection import UpstreamConnection
from gantry.gateway.client import ClientConnection
from gantry.routing.plan import Wish
from gantry.routing.planner import plan
from gantry.wire.body import encode_chunk
from tests.gateway.books import limit, limited_node
from tests.gateway.conftest import Node, running_node

ROADS = (
    ("/api/v1/chat/completions", b"mistral-client-python/1.12.4"),  # relay
    ("/api/chat/completions", b"OpenAI/Python 3.54.0"),  # adapt
    ("/api/anthropic/v1/messages", b"Anthropic/Python 2.12.0"),  # translate
)
BODY = b'{"model":"mistral-small-latest","messages":[{"role":"user","content":"' + b"x" * 180 + b'"}],"stream":false}'
ANSWER = (
    b'{"id":"1","object":"chat.completion","created":1,"model":"mistral-small-latest","choices":[{"index":0,'
    b'"message":{"role":"assistant","content":"' + b"y" * 300 + b'"},"finish_reason":"stop"}],'
    b'"usage":{"prompt_tokens":5,"completion_tokens":2,"total_tokens":7}}'
)
HEAD = (
    b"HTTP/1.1 200 OK\r\ndate: today\r\ncontent-type: %b\r\nmistral-correlation-id: 019aa0b1\r\n"
    b"x-ratelimit-limit-req-minute: 6000\r\nx-ratelimit-remaining-req-minute: 5999\r\n%b\r\n"
)
WHOLE = HEAD % (b"application/json", b"content-length: %d\r\n" % len(ANSWER)) + ANSWER
STREAM_HEAD = HEAD % (b"text/event-stream", b"transfer-encoding: chunked\r\n")
EVENT = encode_chunk(
    b'data: {"id":"1","model":"m","choices":[{"index":0,"delta":{"content":"word"},"finish_reason":null}]}\n\n'
)
_MUCH = 10**15  # nano-dollars, or calls: never reached
FOUR_LIMITS = (
    limit(_MUCH, LimitUnit.COST, period=Period.MONTH),
    limit(_MUCH, LimitUnit.REQUESTS, period=Period.MINUTE),
    limit(_MUCH, LimitUnit.COST, scope=LimitScope.ORGANIZATION, period=Period.DAY),
    limit(_MUCH, LimitUnit.TOKENS, scope=LimitScope.ORGANIZATION, period=Period.DAY),
)
LAST = encode_chunk(b"data: [DONE]\n\n") + b"0\r\n\r\n"


class CountingTransport(asyncio.Transport):
    """A transport that takes bytes and goes nowhere."""

    def __init__(self) -> None:
        super().__init__()
        self.writes = 0

    def write(self, data: Any) -> None:
        self.writes += 1

    def is_closing(self) -> bool:
        return False

    def is_reading(self) -> bool:
        return True

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None: ...
    def pause_reading(self) -> None: ...
    def resume_reading(self) -> None: ...
    def close(self) -> None: ...
    def abort(self) -> None: ...


async def measure(
    path: str, agent: bytes, events: int, rounds: int, calls: int, profile: bool, limits: Sequence[Limit]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        nowhere = "http://127.0.0.1:9"
        running = limited_node(Path(folder), nowhere, *limits) if limits else running_node(Path(folder), nowhere)
        async with running as node:
            await _measure(node, path, agent, events, rounds, calls, profile)


async def _measure(node: Node, path: str, agent: bytes, events: int, rounds: int, calls: int, profile: bool) -> None:
    worker: Any = node.worker
    client: ClientConnection = worker._accept()
    client.connection_made(CountingTransport())
    body = BODY.replace(b'"stream":false', b'"stream":true') if events else BODY
    request = node.request(
        path,
        body,
        b"Accept: application/json",
        b"Accept-Encoding: gzip, deflate",
        b"Connection: keep-alive",
        b"User-Agent: " + agent,
    )
    pool = worker._state.departure("POST", _attempt(worker)).pool
    upstream = UpstreamConnection(pool, "bench", pool._dialler.clock())
    upstream.connection_made(CountingTransport())
    pool._open.add(upstream)
    pool.keep(upstream)

    def call() -> None:
        client.data_received(request)
        if not events:
            upstream.data_received(WHOLE)
            return
        upstream.data_received(STREAM_HEAD)
        for _ in range(events):
            upstream.data_received(EVENT)
        upstream.data_received(LAST)

    gc.freeze()
    gc.set_threshold(50_000, 20, 50)  # as the worker's process does
    best = 1e9
    profiler = cProfile.Profile()
    for _ in range(rounds):
        started = time.thread_time_ns()
        if profile:
            profiler.enable()
        for _ in range(calls):
            call()
        profiler.disable()
        best = min(best, (time.thread_time_ns() - started) / calls / 1000)
        await asyncio.sleep(0)
    what = f"{path}, stream of {events} events" if events else f"{path}, whole answer"
    print(f"{what}: {best:.1f} µs per call" + (f", {best / events:.2f} per event" if events else ""))
    if profile:
        pstats.Stats(profiler).sort_stats("tottime").print_stats(45)


def _attempt(worker: Any) -> Any:
    wish = Wish("o1", "prod", (Dialect.MISTRAL,), Operation.CHAT, "", "mistral-small-latest")
    return plan(worker._state.snapshot, wish, lambda: 0.0).choices[0].attempts[0]


def count_instructions(road: int, events: int, *, limits: bool) -> int:
    """Return the instructions of one call: what more calls take more, by callgrind."""
    few, many = (20, 60) if events else (200, 600)

    def collected(calls: int) -> int:
        one = [sys.executable, "-m", "bench.hotpath", "--road", str(road), "--events", str(events)]
        one += ["--limits"] if limits else []
        argv = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", *one, "--calls", str(calls)]
        environment = {**os.environ, "PYTHONHASHSEED": "0"}
        done = subprocess.run([*argv, "--rounds", "1"], capture_output=True, text=True, check=True, env=environment)
        return int(done.stderr.rpartition("Collected : ")[2].split()[0])

    return (collected(many) - collected(few)) // (many - few)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--profile", action="store_true")
    parser.add_argument("--instructions", action="store_true")
    parser.add_argument("--limits", action="store_true")
    parser.add_argument("--road", type=int, choices=range(len(ROADS)))
    parser.add_argument("--events", type=int)
    parser.add_argument("--calls", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=40)
    options = parser.parse_args()
    for road, (path, agent) in enumerate(ROADS):
        for events in (0, 100) if options.events is None else (options.events,):
            if options.road not in (None, road):
                continue
            if options.instructions:
                counted = count_instructions(road, events, limits=options.limits)
                print(f"{path}, {events} events: {counted:,} instructions per call")
                continue
            alone = options.events is not None
            calls = options.calls if alone else max(options.calls // (events or 1), 20)
            limits = FOUR_LIMITS if options.limits else ()
            uvloop.run(measure(path, agent, events, options.rounds, calls, options.profile, limits))


if __name__ == "__main__":
    main()
