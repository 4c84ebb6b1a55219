"""Those who watch logs come, and the one reader that looks for all of them.

Law: while nobody watches, nothing is read. However many watch, the numbers of what is new are read once, each question
is put to those rows once, and what is found is encoded once. Who does not keep up is let go: nobody waits for them.

Clerks of several machines may commit a lower number after a higher one, so each look goes a little back.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Protocol, TypeVar

import msgspec
from msgspec import Struct

from gantry.console.log_question import Question
from gantry.console.request_logs import shown
from gantry.core.errors import GatewayError, Overloaded
from gantry.store.log_query import LogQuery
from gantry.store.log_tail import Numbered, logs_among, newest_number, numbers_after
from gantry.store.logs import LogStore

logger = logging.getLogger(__name__)

T = TypeVar("T")

SECONDS_BETWEEN_LOOKS: Final = 0.5
AT_A_TIME: Final = 200
MOST_WATCHERS: Final = 500
MOST_OF_ONE: Final = 100  # of an organization, so that none keeps the others out
MOST_WAITING: Final = 4 * 1024 * 1024  # bytes that one watcher has not taken yet
_LOOK_BACK: Final = 200


class Ask(Protocol):
    """How the log store is asked, off the loop."""

    def __call__(self, question: Callable[[LogStore], T]) -> Awaitable[T]: ...


class Piece(Struct, frozen=True):
    """Some events as they are sent, and the number of the last log among them."""

    data: bytes
    last: int


class Watcher:
    """Somebody who watches: what has come for them and is not taken yet. `start` is where their watch begins."""

    def __init__(self, question: Question, start: int) -> None:
        self.question: Final = question
        self.start: Final = start
        self.is_let_go = False
        self._waiting: list[Piece] = []
        self._came: Final = asyncio.Event()

    def offer(self, piece: Piece) -> bool:
        """Keep a piece for them; False where too much waits already, and they are let go."""
        if sum(len(one.data) for one in self._waiting) + len(piece.data) > MOST_WAITING and self._waiting:
            self.let_go()
            return False
        self._waiting.append(piece)
        self._came.set()
        return True

    def let_go(self) -> None:
        self.is_let_go = True
        self._came.set()

    async def take(self, seconds: float) -> list[Piece]:
        """Return what has come, after at most so many seconds; nothing where nothing has."""
        try:
            async with asyncio.timeout(seconds):
                await self._came.wait()
        except TimeoutError:
            return []
        self._came.clear()
        pieces, self._waiting = self._waiting, []
        return pieces


class LogWatch:
    """All who watch. `looks` counts the looks at the store, which depend on how many watch in nothing."""

    def __init__(self, ask: Ask, pause: float = SECONDS_BETWEEN_LOOKS) -> None:
        self._ask: Final = ask
        self._pause: Final = pause
        self._watchers: Final[set[Watcher]] = set()
        self._joining: Final = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None
        self._mark = 0
        self._seen: set[int] = set()
        self._is_closed = False
        self.looks = 0

    async def join(self, question: Question) -> Watcher:
        """Let somebody watch from now on. Raises Overloaded."""
        async with self._joining:
            own = sum(one.question.query.organization_id == question.query.organization_id for one in self._watchers)
            if self._is_closed or len(self._watchers) >= MOST_WATCHERS or own >= MOST_OF_ONE:
                raise Overloaded("Too many watch already, or the console is leaving. Try again later.", retry_after=5)
            if self._task is None or self._task.done():
                self._mark, self._seen = await self._ask(_start)
                watcher = self._add(question)
                self._task = asyncio.create_task(self._look_on())
                return watcher
            return self._add(question)

    def _add(self, question: Question) -> Watcher:
        watcher = Watcher(question, self._mark)
        self._watchers.add(watcher)
        return watcher

    def leave(self, watcher: Watcher) -> None:
        self._watchers.discard(watcher)

    def close(self) -> None:
        """Let everybody go, and nobody come."""
        self._is_closed = True
        for watcher in self._watchers:
            watcher.let_go()
        self._watchers.clear()

    async def catch_up(self, question: Question, after: int, until: int) -> tuple[Piece, bool]:
        """Return what came after one number up to another for who was away, and whether there is more of it."""

        def read(store: LogStore) -> tuple[Piece, bool]:
            with store.reading() as connection:
                numbers = [number for number in numbers_after(connection, after, AT_A_TIME) if number <= until]
                found = logs_among(connection, question.query, numbers)
            last = numbers[-1] if numbers else until
            return Piece(events_of(found, question), last), bool(numbers) and last < until

        return await self._ask(read)

    async def _look_on(self) -> None:
        waits = False
        while self._watchers:
            try:
                more, waits = await self._look(), False
            except GatewayError as error:  # the store is locked or gone: those who watch wait for it
                if not waits:
                    logger.info("the tail of the logs waits: %s", error)
                more, waits = False, True
            if not more:
                await asyncio.sleep(self._pause)

    async def _look(self) -> bool:
        """Hand out what is new, and say whether there may be more at once."""
        self.looks += 1
        back, seen = self._mark - _LOOK_BACK, self._seen
        numbers = await self._ask(lambda store: _numbers(store, back))
        fresh = [number for number in numbers if number not in seen]
        if not fresh:
            return False
        self._mark = max(self._mark, fresh[-1])
        self._seen = {number for number in (*seen, *fresh) if number > self._mark - _LOOK_BACK}
        watchers = list(self._watchers)  # who comes from here on begins behind these
        for question in _distinct([watcher.question for watcher in watchers]):
            found = await self._ask(lambda store, query=question.query: _logs(store, query, fresh))  # type: ignore[misc]
            if not found:
                continue
            piece = Piece(events_of(found, question), found[-1][0])
            for watcher in watchers:
                if watcher.question == question and not watcher.offer(piece):
                    self._watchers.discard(watcher)
        return len(fresh) >= AT_A_TIME


def events_of(found: Numbered, question: Question) -> bytes:
    """Return logs as events; the number of each is its id."""
    events = ((number, msgspec.json.encode(shown(log, question))) for number, log in found)
    return b"".join(b"id: %d\nevent: log\ndata: %s\n\n" % event for event in events)


def _start(store: LogStore) -> tuple[int, set[int]]:
    with store.reading() as connection:
        mark = newest_number(connection)
        return mark, set(numbers_after(connection, mark - _LOOK_BACK, _LOOK_BACK))


def _numbers(store: LogStore, after: int) -> list[int]:
    with store.reading() as connection:
        return numbers_after(connection, after, _LOOK_BACK + AT_A_TIME)


def _logs(store: LogStore, query: LogQuery, numbers: Sequence[int]) -> Numbered:
    with store.reading() as connection:
        return logs_among(connection, query, numbers)


def _distinct(questions: Sequence[Question]) -> list[Question]:
    different: list[Question] = []
    for question in questions:
        if question not in different:
            different.append(question)
    return different
