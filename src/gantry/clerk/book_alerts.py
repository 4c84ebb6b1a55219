"""Books that do not balance, told to the organization whose they are: one alert a day, however much differs."""

import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from gantry.clerk.alert_book import AlertBook
from gantry.clerk.bookkeeping import warn_of
from gantry.core.alert import Alert, Event
from gantry.core.credits import DAY
from gantry.store.alerts import Outbox, post
from gantry.store.audit import Imbalance
from gantry.store.database import Address
from gantry.store.logs import LogStore

_ADVICE: Final = "`gantry doctor` shows all of it."


class BookAlerts:
    """Hears of what an audit found; for the thread of the bookkeeping."""

    def __init__(self, book: AlertBook, logs: Address, *, clock: Callable[[], int] = time.time_ns) -> None:
        self._book = book
        self._address = logs
        self._clock = clock
        self._logs: LogStore | None = None

    def tell(self, found: Sequence[Imbalance]) -> None:
        """Say it in the log, and raise an alert for each organization concerned. Raises StoreUnavailable."""
        warn_of(found)
        self._book.refresh()
        if self._logs is None:
            self._logs = LogStore(self._address)
        now = self._clock()
        wanted = [
            alert for alert in _alerts(found, now) if alert.event not in self._book.rules_of(alert.organization_id).off
        ]
        with self._logs.writing() as connection:
            post(connection, Outbox(wanted, self._book.channels, now), ())


def _alerts(found: Sequence[Imbalance], now: int) -> Iterator[Alert]:
    by_organization: defaultdict[str, list[Imbalance]] = defaultdict(list)
    for one in found:
        by_organization[one.organization_id].append(one)
    for organization_id, own in by_organization.items():
        places = "one place" if len(own) == 1 else f"{len(own)} places"
        yield Alert(
            organization_id=organization_id,
            event=Event.BOOKS_DIFFER,
            subject=str(now // DAY),
            message=f"The books differ in {places}: {own[0].sentence}. {_ADVICE}",
            data={"finding": own[0].sentence, "findings": len(own)},
        )
