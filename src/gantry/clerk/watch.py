"""What the recorder looks at each batch for: alerts that its logs give reason to, and whom to tell.

Law: it costs little and holds up nothing. The store says whether an alert is new; what was told lately is remembered
here, so that a limit past its threshold is no statement of each batch. How many alerts of one event an organization may
have in a day is bounded: a caller makes up model names, and each would be told to somebody's telephone.
"""

import logging
import time
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

from gantry.clerk.alert_book import AlertBook
from gantry.clerk.error_tally import ErrorTally
from gantry.clerk.limit_alerts import Counting, alerts_of_batch, alerts_of_credits
from gantry.clerk.log_alerts import IsPriced, alerts_of_log, may_alert
from gantry.core.alert import Alert, Event
from gantry.core.request_log import RequestLog
from gantry.store.alerts import Outbox

MOST_A_DAY: Final = 200  # alerts of one event, of one organization
_REMEMBERED: Final = 10_000
_DAY: Final = 86_400_000_000_000

logger = logging.getLogger(__name__)


class Memory:
    """What was told lately. Forgetting costs a statement, and nothing is told twice for it."""

    def __init__(self) -> None:
        self._told: OrderedDict[tuple[str, Event, str], None] = OrderedDict()
        self._counts: defaultdict[tuple[str, Event], int] = defaultdict(int)
        self._day = 0

    def news(self, alerts: Iterable[Alert], now: int) -> Iterator[Alert]:
        """Yield the alerts that were not told lately, as far as there may be more of them today."""
        if now // _DAY != self._day:
            self._day = now // _DAY
            self._counts.clear()
        for alert in alerts:
            key = (alert.organization_id, alert.event, alert.subject)
            kind = (alert.organization_id, alert.event)
            if key in self._told or self._counts[kind] >= MOST_A_DAY:
                continue
            self._told[key] = None
            self._counts[kind] += 1
            if self._counts[kind] == MOST_A_DAY:
                logger.warning("%d alerts of %s were told today; no more will be", MOST_A_DAY, alert.event)
            if len(self._told) > _REMEMBERED:
                self._told.popitem(last=False)
            yield alert


class Watch:
    """For the recorder's thread."""

    def __init__(
        self,
        book: AlertBook,
        counters: Counting | None,
        is_priced: IsPriced,
        *,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        self._book = book
        self._counters = counters
        self._is_priced = is_priced
        self._clock = clock
        self._tally = ErrorTally()
        self._memory = Memory()

    def look_at(self, logs: Sequence[RequestLog]) -> Outbox:
        """Return what a batch gives reason to tell."""
        self._book.refresh()
        now = self._clock()
        return Outbox(tuple(self._memory.news(self._alerts(logs, now), now)), self._book.channels, now)

    def _alerts(self, logs: Sequence[RequestLog], now: int) -> Iterator[Alert]:
        by_organization: defaultdict[str, list[RequestLog]] = defaultdict(list)
        for log in logs:
            by_organization[log.organization_id].append(log)
        for organization_id, own in by_organization.items():
            rules, books = self._book.rules_of(organization_id), self._book.books_of(organization_id)
            found: list[Alert] = []
            tally = self._tally
            for log in own:
                if may_alert(log):
                    found.extend(alerts_of_log(log, books, self._is_priced))
                troubles = tally.count(log, rules)
                if troubles:
                    found.extend(troubles)
            if self._counters is not None:
                found.extend(alerts_of_batch(organization_id, books, own, self._counters, now))
                found.extend(alerts_of_credits(organization_id, books.credits, self._counters, now))
            yield from (alert for alert in found if alert.event not in rules.off)
