"""Old logs go: by their age and by how much an organization keeps, each hour, a slice at a time.

Law: a slice is a short transaction, and between two of them those who record get their turn. What is deleted here was
counted long ago, and stays counted. Clerks of several machines may do the same at once: a log is deleted once.

On PostgreSQL a day on which nobody keeps anything any more goes as a whole, whatever is in it; so there logs are over
by days (UTC) and not by hours, and only what others keep their part of is deleted row by row.
"""

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final

from gantry.core.retention import DAY, Retention
from gantry.core.vocabulary import Environment
from gantry.store.control import ControlStore
from gantry.store.database import Address
from gantry.store.full_text import merge_taken_out
from gantry.store.log_days import ROWS, SAID, Kept
from gantry.store.log_deletion import Found, Place, delete_logs, delete_said, old_logs, stored_bytes
from gantry.store.logs import LogStore
from gantry.store.retention import retention_by_organization

REST: Final = 2.0  # seconds between two looks at the clock
SLICE: Final = 200
_SECONDS_BETWEEN: Final = 0.02
_HOUR: Final = 3_600_000_000_000

logger = logging.getLogger(__name__)


class Retaining:
    """The step of a loop of its own: one slice, where one is due."""

    def __init__(
        self,
        logs: Address,
        control: str | Path,
        usual: Retention,
        *,
        clock: Callable[[], int] = time.time_ns,
        rest: Callable[[float], object] = time.sleep,
        slice_of: int = SLICE,
    ) -> None:
        self._addresses = logs, control
        self._usual = usual
        self._clock = clock
        self._rest = rest
        self._slice = slice_of
        self._stores: tuple[LogStore, ControlStore] | None = None
        self._work: Iterator[int] | None = None
        self._next = 0

    def step(self) -> bool:
        """Delete a slice of what is over, and say whether there may be more. Raises StoreUnavailable."""
        now = self._clock()
        if self._work is None:
            if now < self._next:
                return False
            if self._stores is None:
                logs, control = self._addresses
                self._stores = LogStore(logs), ControlStore(control)
            self._work = self._slices(*self._stores, now)
        work, self._work = self._work, None
        if next(work, None) is None:  # a generator that failed is over, and the next step begins again
            self._next = (now // _HOUR + 1) * _HOUR
            self._close()
            return False
        self._work = work
        self._rest(_SECONDS_BETWEEN)
        return True

    def _close(self) -> None:
        """Hold no connections until the next hour: each is 200 KB, and there are four."""
        for store in self._stores or ():
            store.close()
        self._stores = None

    def _slices(self, logs: LogStore, control: ControlStore, now: int) -> Iterator[int]:
        with control.reading() as connection:
            said = retention_by_organization(connection, self._usual)
        if logs.has_days:
            now -= now % DAY
            logs.make_days()
            yield from self._drop_days(logs, said, now)
        for organization_id, retention in said.items():
            gone = 0
            for deleted in self._of(logs, organization_id, retention, now):
                gone += deleted
                yield deleted
            if gone:
                logger.info("retention: %d logs of %s are over, or what was said in them", gone, organization_id)

    def _drop_days(self, logs: LogStore, said: Mapping[str, Retention], now: int) -> Iterator[int]:
        kept = {
            organization_id: Kept(
                {environment: retention.kept_since(environment, now) for environment in Environment},
                retention.said_since(now),
            )
            for organization_id, retention in said.items()
        }
        for day in logs.days():
            if day.left or day.leaving:
                logs.drop_day(day, said=ROWS not in day.left | day.leaving)
            elif day.is_before(now - DAY) and logs.is_over(day, kept):
                logs.drop_day(day)
            elif day.is_before(now - DAY) and day.tables & set(SAID) and logs.is_over(day, kept, said=True):
                logs.drop_day(day, said=True)
            else:
                continue
            logger.info("retention: what is over of the day %s is dropped", day.name)
            yield 1

    def _of(self, logs: LogStore, organization_id: str, retention: Retention, now: int) -> Iterator[int]:
        for environment in Environment:
            cut = retention.kept_since(environment, now)
            if cut is not None:
                yield from self._by_age(logs, organization_id, cut, environment, said=False)
        cut = retention.said_since(now)
        if cut is not None:
            yield from self._by_age(logs, organization_id, cut, None, said=True)
        if retention.max_bytes is not None:
            yield from self._by_size(logs, organization_id, retention.max_bytes)

    def _by_age(
        self, logs: LogStore, organization_id: str, cut: int, environment: Environment | None, *, said: bool
    ) -> Iterator[int]:
        place = Place()
        while True:
            with logs.reading() as connection:
                found = old_logs(
                    connection, organization_id, place, self._slice, before=cut, environment=environment, said=said
                )
            if not found:
                return
            with logs.writing() as connection:
                (delete_said if said else delete_logs)(connection, [one.place.seq for one in found])
                merge_taken_out(connection)
            place = found[-1].place
            yield len(found)

    def _by_size(self, logs: LogStore, organization_id: str, most: int) -> Iterator[int]:
        with logs.reading() as connection:
            over = stored_bytes(connection, organization_id) - most
        place = Place()
        while over > 0:
            with logs.reading() as connection:
                found = old_logs(connection, organization_id, place, self._slice)
            taken: list[Found] = []
            for one in found:
                if over <= 0:
                    break
                taken.append(one)
                over -= one.size
            if not taken:
                return
            with logs.writing() as connection:
                delete_logs(connection, [one.place.seq for one in taken])
                merge_taken_out(connection)
            place = taken[-1].place
            yield len(taken)
