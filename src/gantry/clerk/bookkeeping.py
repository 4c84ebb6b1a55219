"""What the books need from time to time: old minutes go, credits expire, and all of it is added up again each night.

Every few seconds, what people have set for customers on another machine comes to this one's board.

Law: each step may be repeated. What expires is entered once, by reference; an audit changes nothing. Workers learn of
the ledger through the snapshot, so where what was granted is not what is published, the configuration's version rises:
whoever enters something does that, too, and this is for those who died in between (adr/0014).
"""

import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from gantry.board.counters import Counters
from gantry.clerk.publish import published_snapshot
from gantry.clerk.refill import put_terms
from gantry.core.credits import DAY
from gantry.home import Home, Keyring
from gantry.store.audit import Imbalance, audit_books
from gantry.store.control import ControlStore
from gantry.store.credits import expire_entries, granted_by_organization, organizations_with_expiry
from gantry.store.customers import managed_since
from gantry.store.database import Address, is_file
from gantry.store.logs import LogStore
from gantry.store.rollups import prune_minutes

REST: Final = 3.0  # seconds between two looks at the clock, and at customers
_HOUR: Final = DAY // 24
_SETTLING: Final = 600 * 10**9  # after a start, before the first audit
_OVERLAP: Final = 60 * 10**9  # by so much clocks of machines may differ
_AUDITED: Final = 3  # days that may still have changed

Tell = Callable[[Sequence[Imbalance]], None]

logger = logging.getLogger(__name__)


def warn_of(found: Sequence[Imbalance]) -> None:
    """Say what does not agree in the clerk's own log."""
    for one in found:
        logger.warning("the books do not agree: %s", one.sentence)


class Bookkeeping:
    """The step of a loop of its own, so that a long audit holds up no record."""

    def __init__(
        self,
        home: Home,
        keyring: Keyring,
        logs: Address,
        control: str | Path,
        *,
        clock: Callable[[], int] = time.time_ns,
        tell: Tell = warn_of,
    ) -> None:
        """`tell` hears of what does not agree, whenever that was looked for and found."""
        self._home = home
        self._keyring = keyring
        self._addresses = logs, control
        self._clock = clock
        self._tell = tell
        self._stores: tuple[LogStore, ControlStore] | None = None
        self._board: Counters | None = None
        self._looked_at = 0
        self._next_hour = 0
        self._next_audit = clock() + _SETTLING

    def step(self) -> bool:
        """Do what is due. Raises StoreUnavailable."""
        now = self._clock()
        rests = is_file(self._addresses[0])
        if rests and now < min(self._next_hour, self._next_audit):
            return False
        if self._stores is None:
            logs, control = self._addresses
            self._stores = LogStore(logs), ControlStore(control)
        self._take_over(self._stores[0], now)
        if now >= self._next_hour:
            self._tidy(*self._stores, now)
            self._next_hour = (now // _HOUR + 1) * _HOUR
        if now >= self._next_audit:
            self._audit(self._stores[0], now)
            self._next_audit = (now // DAY + 1) * DAY + _SETTLING
        if rests:
            self._close()
        return False

    def _close(self) -> None:
        """Hold no connections until the next hour: each is 200 KB, and there are four."""
        for store in self._stores or ():
            store.close()
        self._stores = None

    def _take_over(self, logs: LogStore, now: int) -> None:
        """Put on this machine's board what people have said elsewhere that customers may spend.

        A database that is a file is this machine's alone: whoever changed it has put it there.
        """
        if is_file(self._addresses[0]) or not self._home.counters.exists():
            return
        if self._board is None:
            self._board = Counters(self._home.counters)
        with logs.reading() as connection:
            for key, terms in managed_since(connection, self._looked_at - _OVERLAP):
                put_terms(self._board, key, terms)
        self._looked_at = now

    def _tidy(self, logs: LogStore, control: ControlStore, now: int) -> None:
        with logs.writing() as connection:
            prune_minutes(connection, now)
        with logs.reading() as connection:
            concerned = organizations_with_expiry(connection, now)
        for organization_id in concerned:
            with logs.writing() as connection:
                expire_entries(connection, organization_id, now)
        with logs.reading() as connection:
            granted = granted_by_organization(connection)
        snapshot = published_snapshot(self._home, self._keyring)
        if snapshot is None:
            return
        books = snapshot.body.books
        published = {of: found.credits.granted for of, found in books.items() if found.credits is not None}
        if any(published.get(of) != amount for of, amount in granted.items()):
            control.raise_version(0)

    def _audit(self, logs: LogStore, now: int) -> None:
        with logs.reading() as connection:
            found = audit_books(connection, now, now // DAY - _AUDITED)
        if found:
            self._tell(found)
