"""A client that calls at a steady beat a deployment that answers at once: how long a call itself waits.

Law: a call is due at its beat; one that could not be sent then, as the one before it was not over, waits since then.

It takes a trip on stdin (`lanes`, `calls` and `leaving` mean nothing here); then each line asks for the findings
since the last one, and the line `end` for the last of them. It ends when its standard input does.
"""

import asyncio
import sys
import time
from functools import partial
from typing import Final

import msgspec
import uvloop
from msgspec import Struct

from bench.riders import Lane, Trip, request_of

BEAT: Final = 0.1


class Findings(Struct, frozen=True, kw_only=True):
    """Calls since the last findings: milliseconds to the first token, and what was wrong with the first that failed."""

    waits: list[float]
    calls: int
    failed: int
    first_failure: str


class Probe:
    """One call after the other."""

    def __init__(self, trip: Trip) -> None:
        self._trip = trip
        self._lane = Lane()
        self._number = trip.first
        self._asked_at = trip.first
        self._waits: list[float] = []
        self._failures: list[str] = []
        self.ending = False

    async def call_on(self) -> None:
        due = time.monotonic()
        while not self.ending:
            late = due <= time.monotonic()
            if not late:
                await asyncio.sleep(due - time.monotonic())
            await self._call(due if late else time.monotonic())
            due += BEAT
        self._lane.close()

    async def _call(self, started: float) -> None:
        loop, trip, number = asyncio.get_running_loop(), self._trip, self._number
        self._number += 1
        try:
            if self._lane.transport is None:
                self._lane = lane = Lane()
                await loop.create_connection(partial(_same, lane), "127.0.0.1", trip.port)
            how = await asyncio.wait_for(self._lane.ask(request_of(trip, number)), trip.patience)
        except (OSError, TimeoutError) as error:
            self._failures.append(f"call {number}: {error!r}")
            self._lane.close()
            return
        fault = self._lane.fault(trip.events)
        if how != "whole" or self._lane.status != 200 or fault:
            self._failures.append(f"call {number}: {how}: {self._lane.status} {fault} {self._lane.body!r}")
        else:
            self._waits.append(1000 * (self._lane.first_at - started))

    def tell(self) -> Findings:
        waits, failures, asked_at = self._waits, self._failures, self._asked_at
        self._waits, self._failures, self._asked_at = [], [], self._number
        return Findings(
            waits=waits,
            calls=self._number - asked_at,
            failed=len(failures),
            first_failure=failures[0] if failures else "",
        )


def _same(lane: Lane) -> Lane:
    return lane


async def serve() -> None:
    """Call until standard input ends, or says so."""
    loop = asyncio.get_running_loop()
    probe = Probe(msgspec.json.decode(await loop.run_in_executor(None, sys.stdin.buffer.readline), type=Trip))
    calling = loop.create_task(probe.call_on())
    while line := await loop.run_in_executor(None, sys.stdin.buffer.readline):
        if line.strip() == b"end":
            probe.ending = True
            await calling
        print(msgspec.json.encode(probe.tell()).decode(), flush=True)


if __name__ == "__main__":
    uvloop.run(serve())
