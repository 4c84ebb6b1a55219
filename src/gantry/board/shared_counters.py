"""The counters of several machines, on a Redis or Valkey server that all of them ask.

Law: nothing hangs. A call waits for an answer no longer than `timeout`; after a silence the server is left alone until
somebody who is no call has had an answer from it. Meanwhile calls are counted on this machine's own file, or refused:
by setting. Answers come by callback on the loop, or at once.

What was counted on this machine's file only, its record says is counted as nothing: the clerk then adds what it came to
when the server is back. The file begins from what the server last said, so a silence does not give everything anew.
"""

import asyncio
import logging
import secrets
import time
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from typing import Any, Final

from msgspec.structs import replace
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError, RedisError

from gantry.board import rate
from gantry.board.counters import Counters
from gantry.board.held import HeldElsewhere, Taking
from gantry.board.shared_scripts import (
    HOLD,
    LATE,
    LOST,
    MADE,
    REFUSED,
    RENEW,
    REPLACE,
    amount_of,
    ask_hold,
    ask_replace,
    window_of,
)
from gantry.board.standings import Refused, Standing, is_to_tell, refusal
from gantry.core.limits import Counted, CounterKind, CounterTerms
from gantry.core.periods import Window
from gantry.core.secret import Secret

LEASE_SECONDS: Final = 60.0  # a machine that is gone has had its calls under way for so long
_MOST_CONNECTIONS: Final = 32
_MOST_REMEMBERED: Final = 32_768
_FIRST_PAUSE: Final = 0.1
_LONGEST_PAUSE: Final = 2.0
_SILENT: Final = "the counters that several machines share do not answer"

logger = logging.getLogger(__name__)


class _Silent(Exception):
    """The server has not answered in time, or not as a server of counters does."""


class SharedCounters:
    """One instance for a worker, on its loop."""

    def __init__(
        self,
        url: Secret,
        local: Counters,
        *,
        timeout: float = 0.1,
        fail_closed: bool = False,
        lease: float = LEASE_SECONDS,
    ) -> None:
        pool = BlockingConnectionPool.from_url(
            url.reveal(),
            max_connections=_MOST_CONNECTIONS,
            timeout=timeout,
            socket_timeout=timeout,
            socket_connect_timeout=timeout,
            retry=Retry(NoBackoff(), 0),
        )
        self._client = Redis.from_pool(pool)
        self._local = local
        self._timeout = timeout
        self._fail_closed = fail_closed
        self._lease = lease
        self._node = secrets.token_hex(8)
        self._calls = 0
        self._ahead = 0  # the server's clock over our monotonic one, in microseconds
        self._shas: dict[str, str] = {}
        self._tasks: set[asyncio.Task[None]] = set()  # of calls
        self._watches: list[asyncio.Task[None]] = []
        self._under_way: dict[str, list[str]] = {}  # by call: the names of its gauges
        self._seen: dict[bytes, int] = {}
        self._owed: deque[tuple[HeldElsewhere, Sequence[int]]] = deque(maxlen=_MOST_REMEMBERED)  # what was not replaced
        self._wanted = asyncio.Event()  # that somebody looks for the server
        self.answers = False  # whether calls ask the server

    async def start(self) -> None:
        """Look for the server, for no longer than an answer may take, and go on looking whenever it is silent."""
        await self._look()
        loop = asyncio.get_running_loop()
        self._watches += (loop.create_task(self._keep_looking()), loop.create_task(self._keep_renewing()))

    async def close(self) -> None:
        """Wait for what calls have settled, for no longer than an answer may take, and ask nothing more."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=self._timeout)
        while ending := [task for task in (*self._tasks, *self._watches) if not task.done()]:
            for task in ending:  # again, for the client may take a cancellation for a silence of the server
                task.cancel()
            await asyncio.wait(ending, timeout=self._timeout)
        await self._client.aclose()

    # A call

    def hold(
        self,
        terms: Sequence[CounterTerms],
        cost: int | None,
        tokens: int,
        now: int,
        then: Callable[[Taking | Refused], None],
        *,
        present: int = 0,
    ) -> None:
        """Count a call's estimate on all its counters, or on none, as `Counters.hold` does."""
        if self.answers:
            self._spawn(self._hold(tuple(terms), cost, tokens, now, then, present))
        else:
            then(self._hold_alone(tuple(terms), cost, tokens, now, present))

    def settle(
        self, held: Taking, cost: int, tokens: int, now: int, then: Callable[[tuple[Counted, ...]], None]
    ) -> None:
        """Replace a call's estimate by what it was. Where the server is silent, the estimate stays, and is told."""
        assert isinstance(held, HeldElsewhere), "what is held here is settled here"
        if held.local is not None:
            self._local.settle(held.local, cost, tokens, now)
        amounts = [amount_of(term, max(0, cost), max(0, tokens)) for term in held.terms]
        self._replace(held, amounts, then)

    def release(self, held: Taking, now: int) -> None:
        """Count nothing of a call any more."""
        assert isinstance(held, HeldElsewhere), "what is held here is released here"
        if held.local is not None:
            self._local.release(held.local, now)
        self._replace(held, [0] * len(held.terms), _ignore)

    async def _hold(
        self,
        terms: tuple[CounterTerms, ...],
        cost: int | None,
        tokens: int,
        now: int,
        then: Callable[[Taking | Refused], None],
        present: int,
    ) -> None:
        self._calls += 1
        call = f"{self._node}:{self._calls}"
        windows = [window_of(term, now) for term in terms]
        keys, arguments = ask_hold(terms, windows, cost, tokens, int(self._lease * 1000), call)
        try:
            answer = await self._ask(HOLD, keys, arguments)
        except _Silent:
            then(self._hold_alone(terms, cost, tokens, now, present))
            return
        server_now, currents = answer[1] * 1000, [int(current) for current in answer[5:]]
        standings = tuple(
            _standing(term, window, current, amount_of(term, cost, tokens), server_now)
            for term, window, current in zip(terms, windows, currents, strict=True)
        )
        if answer[0] == REFUSED:
            first = standings[answer[3] - 1]
            if first.terms.kind is CounterKind.RATE:
                then(Refused(refusal(first, answer[4] * 1000 or None, server_now), standings))
            else:
                then(Refused(refusal(first, first.resets_at, now), standings))
            return
        then(self._keep(terms, windows, standings, call, answer[2], keys[1:]))

    def _keep(
        self,
        terms: tuple[CounterTerms, ...],
        windows: Sequence[Window],
        standings: tuple[Standing, ...],
        call: str,
        made: bytes,
        names: Sequence[str],
    ) -> HeldElsewhere:
        amounts = tuple(standing.new - standing.current for standing in standings)
        if len(self._seen) >= _MOST_REMEMBERED:
            self._seen.clear()
        for term, standing in zip(terms, standings, strict=True):
            self._seen[term.key] = standing.new
        gauges = [name for name, term in zip(names, terms, strict=True) if term.kind is CounterKind.GAUGE]
        if gauges:
            self._under_way[call] = gauges
        board = int(made)
        counted = tuple(
            Counted(term.key, term.unit, int(term.kind), window.number, amount, term.markup_ppm, board)
            for term, window, amount in zip(terms, windows, amounts, strict=True)
            if term.kind is not CounterKind.GAUGE
        )
        warned = tuple(one for one in standings if is_to_tell(one.terms, one.new))
        held = HeldElsewhere(counted, warned, standings)
        held.terms, held.names, held.there = terms, tuple(names), tuple(map(_there, standings))
        held.call, held.made = call, made
        return held

    def _hold_alone(
        self, terms: tuple[CounterTerms, ...], cost: int | None, tokens: int, now: int, present: int
    ) -> HeldElsewhere | Refused:
        """Hold on this machine's file, beginning from what the server last said."""
        if self._fail_closed:
            return Refused(None, (), _SILENT)
        for term in terms:
            seen = self._seen.pop(term.key, None)
            if seen is not None:
                self._local.fill(term, seen, now)
        answer = self._local.hold(terms, cost, tokens, now, present=present)
        if isinstance(answer, Refused):
            return answer
        counted = tuple(replace(one, amount=0) for one in answer.counted)
        return HeldElsewhere(counted, answer.warned, answer.standings, answer)

    def _replace(
        self, held: HeldElsewhere, amounts: Sequence[int], then: Callable[[tuple[Counted, ...]], None]
    ) -> None:
        is_over, held.is_over = held.is_over, True
        self._under_way.pop(held.call, None)
        if is_over or held.local is not None or not self.answers:
            then(held.counted)
        else:
            self._spawn(self._replace_there(held, amounts, then))

    async def _replace_there(
        self, held: HeldElsewhere, amounts: Sequence[int], then: Callable[[tuple[Counted, ...]], None]
    ) -> None:
        differences = [amount - before for amount, before in zip(amounts, held.there, strict=True)]
        try:
            answer = await self._ask_replace(held, differences)
        except _Silent:
            self._owed.append((held, differences))
            then(held.counted)
            return
        found = [0] * len(amounts) if answer[0] == LOST else answer[2:]
        now_counted = {
            term.key: amount if there else 0 for term, amount, there in zip(held.terms, amounts, found, strict=True)
        }
        held.counted = tuple(replace(one, amount=now_counted[one.key]) for one in held.counted)
        then(held.counted)

    async def _ask_replace(self, held: HeldElsewhere, differences: Sequence[int]) -> list[Any]:
        keys, arguments = ask_replace(held.terms, held.names, differences)
        return await self._ask(REPLACE, keys, [held.made, held.call, *arguments])

    async def _pay(self) -> None:
        """Replace what a silence kept from being replaced: records already say that it was."""
        with suppress(_Silent):
            while self._owed:
                await self._ask_replace(*self._owed[0])
                self._owed.popleft()

    # The server

    async def _ask(self, script: str, keys: Sequence[str], arguments: Sequence[str | int | bytes]) -> list[Any]:
        """Run a script. Raises _Silent when there is no answer in time, and leaves the server alone then."""
        deadline = time.monotonic_ns() // 1000 + self._ahead + int(self._timeout * 1_000_000)
        try:
            async with asyncio.timeout(self._timeout):
                answer = await self._run(script, keys, [deadline, *arguments])
        except (RedisError, OSError, TimeoutError) as error:
            self._leave_alone(str(error) or "no answer in time")
            raise _Silent from error
        if answer[0] == LATE:
            self._leave_alone("it answered late")
            raise _Silent
        return answer

    async def _run(self, script: str, keys: Sequence[str], arguments: Sequence[str | int | bytes]) -> list[Any]:
        sha = self._shas.get(script)
        if sha is not None:
            try:
                return await self._client.evalsha(sha, len(keys), *keys, *arguments)  # type: ignore[no-any-return]
            except NoScriptError:  # it was started anew
                pass
        sha = self._shas[script] = str(await self._client.script_load(script))
        return await self._client.evalsha(sha, len(keys), *keys, *arguments)  # type: ignore[no-any-return]

    def _leave_alone(self, why: str) -> None:
        if self.answers:
            meanwhile = "calls are refused" if self._fail_closed else "this machine counts alone"
            logger.error("the shared counters are silent (%s); until they answer, %s", why, meanwhile)
        self.answers = False
        self._wanted.set()

    async def _look(self) -> None:
        """Ask the server for its time; with an answer, calls ask it again."""
        try:
            async with asyncio.timeout(self._timeout):
                seconds, microseconds = await self._client.time()
        except (RedisError, OSError, TimeoutError) as error:
            self._leave_alone(str(error) or "no answer in time")
            return
        self._ahead = seconds * 1_000_000 + microseconds - time.monotonic_ns() // 1000
        if not self.answers:
            logger.info("the shared counters answer")
        self.answers = True
        self._wanted.clear()

    async def _keep_looking(self) -> None:
        while True:
            await self._wanted.wait()
            pause = _FIRST_PAUSE
            while not self.answers:
                await asyncio.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)
                await self._look()
            await self._pay()

    async def _keep_renewing(self) -> None:
        """Renew the leases of calls under way, and the difference of the clocks."""
        while True:
            await asyncio.sleep(self._lease / 3)
            if not self.answers:
                continue
            await self._look()
            leases = [(name, call) for call, names in self._under_way.items() for name in names]
            if leases and self.answers:
                keys = [MADE, *(name for name, _ in leases)]
                with suppress(_Silent):
                    await self._ask(RENEW, keys, [int(self._lease * 1000), *(call for _, call in leases)])

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _standing(term: CounterTerms, window: Window, current: int, amount: int, server_now: int) -> Standing:
    resets_at = window.end
    if term.kind is CounterKind.RATE and term.capacity > 0:
        resets_at = server_now + current * 60_000_000_000 // term.capacity
    return Standing(term, current, current + amount, resets_at)


def _there(standing: Standing) -> int:
    """Return what is held of a call, which a bucket that only warns may not have had whole."""
    terms, amount = standing.terms, standing.new - standing.current
    if terms.blocks or terms.kind is not CounterKind.RATE:
        return amount
    return rate.given(terms.capacity, standing.current, amount)


def _ignore(_: tuple[Counted, ...]) -> None:
    pass
