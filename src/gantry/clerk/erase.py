"""Customers are erased: what is stored of them goes, and what is read of them later comes without them.

Law: from the moment an erasure is known, no record of a call that began before it is stored with the customer in it:
the recorder asks `Forgotten` at each commit, and an erasure becomes known between two commits. So what is deleted then
stays deleted, whatever the journals still hold. Other machines know of it within seconds, and until then the deletion
is done again.
"""

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from msgspec import structs

from gantry.board.answers import AnswerCache
from gantry.board.counters import Counters
from gantry.clerk.batch import Batch
from gantry.clerk.reject import RejectedFrames
from gantry.core.erasure import Erasure, subject_digest, without_subject
from gantry.core.limit_terms import customer_key
from gantry.core.request_log import RequestLog
from gantry.core.vocabulary import Environment
from gantry.home import Home, HomeError, Keyring
from gantry.journal.blank import blank_before
from gantry.journal.reader import Position
from gantry.store.database import Address, is_file
from gantry.store.erasures import (
    all_erasures,
    count_erasures,
    erase_customer,
    erase_slice,
    find_erasure,
    finish_erasure,
    unfinished_erasures,
)
from gantry.store.logs import LogStore
from gantry.store.scrub import scrub

REST: Final = 1.0  # seconds between two looks for erasures
SLICE: Final = 100
SETTLING: Final = 30 * 10**9  # in which other machines come to know of an erasure
PATIENCE: Final = 60.0
_SECONDS_BETWEEN: Final = 0.02
_SECONDS_BETWEEN_LOOKS: Final = 0.2

logger = logging.getLogger(__name__)


class Forgotten:
    """Who was erased, and when: asked by the recorder, told by the eraser."""

    def __init__(self, pepper: bytes) -> None:
        self._pepper: Final = pepper
        self._lock: Final = threading.Lock()
        self._known: dict[str, dict[str, list[Erasure]]] = {}

    @contextmanager
    def standing_still(self) -> Iterator[None]:
        """Nobody is forgotten within the block: for who looks, and stores what it saw."""
        with self._lock:
            yield

    def learn(self, erasures: Sequence[Erasure]) -> None:
        """Know these, and only these."""
        known: dict[str, dict[str, list[Erasure]]] = {}
        for one in erasures:
            known.setdefault(one.organization_id, {}).setdefault(one.subject_digest, []).append(one)
        with self._lock:
            self._known = known

    def applied(self, batch: Batch) -> Batch:
        """Return a batch as it may be stored: without what it says of those who were erased."""
        if not self._known:
            return batch
        logs = [self.stripped(log) for log in batch.logs]
        gone = {new.log_id for new, old in zip(logs, batch.logs, strict=True) if new is not old}
        if not gone:
            return batch
        kept = [one for one in batch.cache.kept if one.log_id not in gone]
        return structs.replace(
            batch,
            logs=logs,
            customers={log_id: note for log_id, note in batch.customers.items() if log_id not in gone},
            cache=structs.replace(batch.cache, kept=kept),
        )

    def stripped(self, log: RequestLog) -> RequestLog:
        """Return a log as it may be stored."""
        of = self._known.get(log.organization_id)
        if of is None or log.customer_identifier is None:
            return log
        digest = subject_digest(self._pepper, log.organization_id, log.customer_identifier)
        return without_subject(log) if any(one.covers(log) for one in of.get(digest, ())) else log


class Erasing:
    """The step of a loop of its own: one slice, where something is to be erased."""

    def __init__(
        self,
        home: Home,
        keyring: Keyring,
        logs: Address,
        forgotten: Forgotten,
        *,
        clock: Callable[[], int] = time.time_ns,
        rest: Callable[[float], object] = time.sleep,
    ) -> None:
        self._home = home
        self._rejected = RejectedFrames(home.rejected)
        self._answers = AnswerCache(home.responses, keyring.responses, keyring.response_names)
        self._address = logs
        self._is_file = is_file(logs)
        self._forgotten = forgotten
        self._clock = clock
        self._rest = rest
        self._store: LogStore | None = None
        self._known = 0
        self._work: Iterator[None] | None = None
        self._board: Counters | None = None
        self._uncut = self._is_file  # SQLite's log may still say what was erased, also by the clerk before

    def step(self) -> bool:
        """Erase a slice, and say whether there may be more at once. Raises StoreUnavailable."""
        if self._store is None:
            self._store = LogStore(self._address)
        if self._work is None:
            self._work = self._erase(self._store)
        work, self._work = self._work, None
        try:
            next(work)
        except StopIteration:
            return False
        self._work = work
        self._rest(_SECONDS_BETWEEN)
        return True

    def _erase(self, store: LogStore) -> Iterator[None]:
        with store.reading() as connection:
            if count_erasures(connection) != self._known:
                found = all_erasures(connection)
                self._forgotten.learn(found)
                self._known = len(found)
            waiting = unfinished_erasures(connection)
        swept = []
        for erasure in waiting:
            yield from self._sweep(store, erasure)
            if self._is_file or self._clock() - erasure.erased_at > SETTLING:
                swept.append(erasure)
        if swept:
            yield from self._finish(store, swept)
            self._uncut = self._is_file
        if self._uncut and self._known:
            self._uncut = not store.cut_log()

    def _finish(self, store: LogStore, swept: Sequence[Erasure]) -> Iterator[None]:
        """Make unreadable what was deleted, once for all that were swept: it goes through the whole store."""
        self._blank_journals(store)
        rejected = [self._forget_rejected(erasure) for erasure in swept]
        if self._is_file:
            yield from scrub(store)
        store.wipe()
        with store.writing() as connection:
            for erasure, gone in zip(swept, rejected, strict=True):
                finish_erasure(connection, erasure, self._clock(), gone)
        for erasure in swept:
            logger.info("erasure %s is done", erasure.id)

    def _sweep(self, store: LogStore, erasure: Erasure) -> Iterator[None]:
        while True:
            with store.writing() as connection:
                erasure, names, gone = erase_slice(connection, erasure, SLICE)
                self._answers.forget(erasure.organization_id, names)
            if not gone:
                break
            yield
        with store.writing() as connection:
            erase_customer(connection, erasure)
        self._forget_terms(erasure)
        yield

    def _forget_terms(self, erasure: Erasure) -> None:
        """Take off the board what the customer may spend."""
        if self._board is None and self._home.counters.exists():
            self._board = Counters(self._home.counters)
        for environment in Environment:
            if self._board is not None and erasure.environment in (None, environment):
                key = customer_key(erasure.organization_id, environment, erasure.erased.subject or "")
                self._board.forget_customer(key)

    def _blank_journals(self, store: LogStore) -> None:
        for incarnation, place in store.checkpoints().items():
            blank_before(self._home.journal, incarnation, Position(*place))

    def _forget_rejected(self, erasure: Erasure) -> int:
        """Delete records that could not be stored whole, where they name the customer."""
        gone = 0
        subject = erasure.erased.subject
        for path in self._rejected.that_name(erasure.organization_id, subject) if subject else ():
            os.unlink(path)
            gone += 1
        return gone


def carry_out(home: Home, keyring: Keyring, logs: Address, erasure: Erasure, *, patience: float = PATIENCE) -> Erasure:
    """Erase here where no clerk runs, and else wait for the one that does; return the receipt as it is then."""
    store = LogStore(logs)
    ends = time.monotonic() + patience
    try:
        while (found := _receipt(store, erasure)).erased.finished_at is None and time.monotonic() < ends:
            try:
                lock = home.lock("clerk")
            except HomeError:
                time.sleep(_SECONDS_BETWEEN_LOOKS)
                continue
            try:
                erasing = Erasing(home, keyring, logs, Forgotten(keyring.pepper))
                while erasing.step():
                    continue
            finally:
                lock.release()
            time.sleep(_SECONDS_BETWEEN_LOOKS)
        return found
    finally:
        store.close()


def _receipt(store: LogStore, erasure: Erasure) -> Erasure:
    with store.reading() as connection:
        return find_erasure(connection, erasure.organization_id, erasure.id) or erasure
