"""The soak: a thousand streams at a time before providers of which one request in twenty fails, and what is left of it.

Law: what must hold is counted, not estimated: every call is one row, every request that a provider saw is an attempt on
record, and when the clients have left, the workers hold nothing.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from msgspec import Struct

from bench.faulty import Behaviour, Fate
from bench.ledger import Ledger
from bench.measure import memory
from bench.riders import End, Tally, Trip
from bench.stand import Stand
from bench.workshop import Workshop
from gantry.board.board import Word

CREDENTIALS: Final = {"a": ("mistral", 5.0), "b": ("mistral", 3.0), "c": ("mistral", 1.0), "next": ("openai", 1.0)}
RULES: Final = {
    "fallback_models": ["openai/gpt-4o"],
    "retries": {"num_retries": 2, "retry_after": 0.2},
    "models": [
        {
            "match": "*",
            "hedge": {"after": 1.2, "share": 0.05},
            "first_token_timeout": 3,
            "fallback_models": ["openai/gpt-4o"],
        }
    ],
}
# One in twenty meets a fault; a client that leaves is one more in a hundred.
FAULTS: Final = {
    Fate.STATUS: 0.01,
    Fate.LIMITED: 0.005,
    Fate.OPENS_BADLY: 0.01,
    Fate.CUT_BEFORE: 0.01,
    Fate.CUT_AFTER: 0.01,
    Fate.STALLS: 0.005,
    Fate.SLOW: 0.02,  # no fault: what hedges are for
}
LEAVING: Final = 0.01
EVENTS: Final = 20
LONGEST_STREAM: Final = 10.0
GROWTH: Final = 1.1
_SETTLES_WITHIN: Final = 20.0
_IDLE: Final = 75.0  # the pools' idle connections are closed after 55 s
LONG: Final = 300.0  # a soak that waits for that, too
_POLL: Final = 0.5
_TASKS: Final = 4  # of a worker that has nothing to do


class Remains(Struct, frozen=True, kw_only=True):
    """What was counted when all was over."""

    tally: Tally
    rows: int
    calls_on_record: int  # different ones
    attempts: int
    seen: int  # requests, by the provider
    unrecorded: int  # requests that no attempt on record stands for
    unseen: int  # attempts on record that the provider did not see, and that were not cut off before they were sent
    board: Mapping[str, int]  # what the workers hold
    upstream_connections: int  # left, or of which one side alone knows
    early: Sequence[int]  # bytes of RSS of each worker after a fifth of the time
    late: Sequence[int]
    hedges: int
    outcomes: Mapping[str, int]
    fates: Mapping[str, int]
    stories: Sequence[str] = ()  # of calls that failed before any content: their attempts

    def violations(self) -> Iterator[str]:
        """Yield what does not hold."""
        calls = self.tally.calls
        if self.rows != calls or self.calls_on_record != calls:
            yield f"{calls} calls are {self.rows} rows of {self.calls_on_record} calls"
        if self.unrecorded:
            yield f"{self.unrecorded} requests came to the provider of which no attempt is on record"
        if self.unseen:
            yield f"{self.unseen} attempts on record never came to the provider"
        for name, count in self.board.items():
            if count:
                yield f"{name}: {count} left"
        if self.upstream_connections:
            yield f"{self.upstream_connections} connections to the provider are left"
        for number, (early, late) in enumerate(zip(self.early, self.late, strict=True)):
            if late > early * GROWTH:
                yield f"worker {number} grew from {early / 1e6:.1f} to {late / 1e6:.1f} MB"

    def lines(self) -> list[str]:
        """Return the table."""
        ends = ", ".join(f"{count:,} {end}" for end, count in sorted(self.tally.ends.items(), key=lambda one: -one[1]))
        fates = ", ".join(f"{count:,} {fate}" for fate, count in sorted(self.fates.items(), key=lambda one: -one[1]))
        outcomes = ", ".join(f"{count:,} {name}" for name, count in sorted(self.outcomes.items()))
        memory_text = " / ".join(
            f"{early / 1e6:.1f} → {late / 1e6:.1f} MB" for early, late in zip(self.early, self.late, strict=True)
        )
        left = ", ".join(f"{name} {count}" for name, count in self.board.items())
        rows = [
            ("calls", f"{self.tally.calls:,}: {ends}"),
            ("requests that the provider saw", f"{self.seen:,}: {fates}"),
            ("calls that failed before any content", f"{failed_needlessly(self.tally)}"),
            ("rows stored", f"{self.rows:,}, of {self.calls_on_record:,} different calls: {outcomes}"),
            ("attempts on record", f"{self.attempts:,}, {self.hedges:,} of them hedges"),
            ("requests without an attempt on record", f"{self.unrecorded}"),
            ("attempts on record without a request", f"{self.unseen}"),
            ("left in the workers", f"{left}"),
            ("connections to the provider left", f"{self.upstream_connections}"),
            ("RSS of each worker, after a fifth of the time → at the end", memory_text),
        ]
        rows += [("a call that failed before any content", story) for story in self.stories]
        return ["| soak | |", "| --- | --- |", *(f"| {name} | {text} |" for name, text in rows)]


def soak(shop: Workshop, seconds: float, streams: int) -> Remains:
    """Play it."""
    stand = Stand(shop, CREDENTIALS, workers=2)
    stand.rule(RULES)
    length = min(LONGEST_STREAM, seconds / 10)
    behaviour = Behaviour(FAULTS, first_token=0.2, slow=2.0, events=EVENTS, pace=length / EVENTS)
    stand.behave(**dict.fromkeys(CREDENTIALS, behaviour))
    workers = stand.gantry.worker_pids()
    stand.begin(
        Trip(
            port=stand.port,
            key=stand.key,
            events=EVENTS,
            lanes=streams,
            seconds=seconds,
            stagger=min(10.0, seconds / 4),
            leaving=LEAVING,
            leaves_within=length,
        )
    )
    time.sleep(seconds / 5)
    early = [memory([pid]).rss for pid in workers]
    time.sleep(seconds * 4 / 5)
    late = [memory([pid]).rss for pid in workers]
    tally = stand.tally(120)
    stand.gantry.wait_for_clerk(300)
    board, connections = await_nothing(stand, idle=seconds >= LONG)
    remains = count_remains(stand, Ledger(stand.gantry.home / "logs.db"), tally, board, connections, early, late)
    stand.stop()
    return remains


def await_nothing(stand: Stand, *, idle: bool, beside: int = 0) -> tuple[dict[str, int], int]:
    """Wait until the workers hold nothing, but no longer than that may take; return what is left.

    Connections may wait in their pools for the next call, unless it is to be waited until they are `idle` for too long.
    As many as `beside` may lead to the console and not to the provider.
    """
    deadline = time.monotonic() + (_IDLE if idle else _SETTLES_WITHIN)
    while True:
        slots, counts = stand.slots(), stand.counts()
        words = (Word.CONNECTIONS, Word.IN_FLIGHT, Word.ATTEMPTS, Word.BYTES_HELD)
        left = {word.name.lower().replace("_", " "): sum(slot[word] for slot in slots) for word in words}
        left["tasks beyond four"] = sum(max(slot[Word.TASKS] - _TASKS, 0) for slot in slots)
        left["answers under way"] = counts["answering"]
        pooled = sum(slot[Word.UPSTREAM_CONNECTIONS] for slot in slots)
        strange = pooled - counts["connections"]
        connections = pooled if idle else 0 if 0 <= strange <= beside else abs(strange)
        if not (connections or any(left.values())) or time.monotonic() > deadline:
            return left, connections
        time.sleep(_POLL)


def count_remains(
    stand: Stand,
    ledger: Ledger,
    tally: Tally,
    board: Mapping[str, int],
    connections: int,
    early: Sequence[int],
    late: Sequence[int],
) -> Remains:
    """Hold the stored rows against what the provider saw, call by call."""
    ledger.follow()
    unrecorded, unseen = ledger.compare(stand.seen())
    fates: dict[str, int] = {}
    for mark, count in stand.counts()["fates"].items():
        fate = mark.partition(" ")[2]
        fates[fate] = fates.get(fate, 0) + count
    return Remains(
        tally=tally,
        rows=ledger.rows,
        calls_on_record=ledger.calls,
        attempts=ledger.attempts,
        seen=stand.asked(),
        unrecorded=unrecorded,
        unseen=unseen,
        board=board,
        upstream_connections=connections,
        early=early,
        late=late,
        hedges=ledger.hedges,
        outcomes=ledger.outcomes,
        fates=fates,
        stories=ledger.stories(tally.empty_handed),
    )


def failed_needlessly(tally: Tally) -> int:
    """Return how many calls failed though nothing of an answer had come: what fallbacks are there to prevent."""
    return sum(tally.ends.get(end, 0) for end in (End.REFUSED, End.EMPTY, End.IN_VAIN))
