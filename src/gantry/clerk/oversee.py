"""What no single batch tells: what is looked for every few seconds, in sums, on the board and in the file of health.

Law: it reads, and writes only what is news, so it may be late and holds up nothing. What concerns the machine and not
an organization is told to the operator's, which is the first one.
"""

import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from gantry.board.board import CLERK_SLOT, Board, Word
from gantry.board.health import opened_health
from gantry.clerk.alert_book import AlertBook
from gantry.clerk.limit_alerts import Counting, alerts_of_credits, alerts_of_limit, is_watched
from gantry.clerk.spend_anomaly import Anomaly, hours_before, judge
from gantry.clerk.watch import Memory
from gantry.core.alert import Alert, Event
from gantry.core.limit_terms import is_each
from gantry.core.log_item import iso_of
from gantry.core.money import usd_from_nano
from gantry.journal.writer import JournalLevel
from gantry.routing.cooldown import Condition, condition
from gantry.store import Connection
from gantry.store.alerts import Outbox, post
from gantry.store.hour_spending import spent_in_hour, spent_in_hours
from gantry.store.logs import LogStore

LOOK_EVERY: Final = 10.0  # seconds
SUM_EVERY: Final = 60.0
_NS: Final = 1_000_000_000
_HOUR: Final = 3600 * _NS
_DAY: Final = 24 * _HOUR


class Overseer:
    """For the thread that delivers."""

    def __init__(
        self,
        book: AlertBook,
        logs: LogStore,
        counters: Counting,
        board: Board,
        health: Path,
        *,
        clock: Callable[[], int] = time.time_ns,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._book = book
        self._logs = logs
        self._counters = counters
        self._board = board
        self._health = health
        self._clock = clock
        self._monotonic = monotonic
        self._memory = Memory()
        self._looked = self._summed = -SUM_EVERY
        self._rejected = board.slot(CLERK_SLOT)[Word.RECORDS_REJECTED]
        self._past: dict[tuple[str, str | None, int], dict[int, int]] = {}

    def look(self) -> None:
        """Look, if the last look is long ago, and raise what there is to tell. Raises StoreUnavailable."""
        moment = self._monotonic()
        if moment - self._looked < LOOK_EVERY:
            return
        self._looked = moment
        self._book.refresh()
        now = self._clock()
        found = [*self._limits(now), *self._machine(now), *self._cooldowns(moment, now)]
        if moment - self._summed >= SUM_EVERY:
            self._summed = moment
            with self._logs.reading() as connection:
                found.extend(self._anomalies(connection, now))
        self._raise(found, now)

    def _raise(self, found: list[Alert], now: int) -> None:
        wanted = [alert for alert in found if alert.event not in self._book.rules_of(alert.organization_id).off]
        news = list(self._memory.news(wanted, now))
        if not news:
            return
        try:
            with self._logs.writing() as connection:
                post(connection, Outbox(news, self._book.channels, now), ())
        except BaseException:
            self._memory = Memory()  # it was not told
            raise

    def _limits(self, now: int) -> Iterator[Alert]:
        """Yield alerts of limits that have one counter, and of credits: those of a batch may have been late for it."""
        for organization_id, books in self._book.books.items():
            for limit in books.limits:
                if is_watched(limit) and not is_each(limit):
                    yield from alerts_of_limit(organization_id, limit, limit.subject, self._counters, now)
            yield from alerts_of_credits(organization_id, books.credits, self._counters, now)

    def _machine(self, now: int) -> Iterator[Alert]:
        node = socket.gethostname()
        level = max((slot[Word.JOURNAL_LEVEL] for slot in self._board.workers()), default=0)
        if level:
            name = JournalLevel(level).name.lower()
            yield Alert(
                organization_id=self._book.operator,
                event=Event.JOURNAL_FILLING,
                subject=f"{node}:{name}:{now // _HOUR}",
                message=f"The journal of {node} is filling up ({name}): its records are not stored fast enough.",
                data={"level": name, "node": node},
            )
        rejected = self._board.slot(CLERK_SLOT)[Word.RECORDS_REJECTED]
        count, self._rejected = rejected - self._rejected, rejected
        if count > 0:
            yield Alert(
                organization_id=self._book.operator,
                event=Event.RECORDS_REJECTED,
                subject=f"{node}:{now // _DAY}",
                message=f"{count} records could not be kept whole on {node}; `rejected/` of its home has the rest.",
                data={"records": count, "node": node},
            )

    def _cooldowns(self, moment: float, now: int) -> Iterator[Alert]:
        with opened_health(self._health) as health:
            standings = [] if health is None else list(health.all())
        for board_id, standing in standings:
            credential_id, _, model = board_id.partition("/")
            owned = self._book.credentials.get(credential_id)
            if owned is None or condition(standing, int(moment * 1000)) is not Condition.COOLING:
                continue
            name = f"{owned.name}/{model}".rstrip("/")
            yield Alert(
                organization_id=owned.organization_id,
                event=Event.DEPLOYMENT_COOLDOWN,
                subject=f"{name}:{now // _HOUR}",
                message=f"{name} has failed and is left alone for a while; `gantry health` shows how it stands.",
                data={"deployment": name, "status": standing.status or None, "cooldowns": standing.cooldowns},
            )

    def _anomalies(self, connection: Connection, now: int) -> Iterator[Alert]:
        hour = now // _HOUR
        for organization_id in self._book.organizations:
            floor = self._book.rules_of(organization_id).anomaly_floor
            by_key = spent_in_hour(connection, organization_id, hour)
            spenders: list[tuple[str | None, int]] = [(None, sum(by_key.values()))]
            spenders.extend((key_id, cost) for key_id, cost in by_key.items() if key_id)
            for key_id, spent in spenders:
                if spent > floor:
                    yield from self._anomaly(connection, organization_id, key_id, hour, spent)

    def _anomaly(
        self, connection: Connection, organization_id: str, key_id: str | None, hour: int, spent: int
    ) -> Iterator[Alert]:
        past = self._past.get((organization_id, key_id, hour))
        if past is None:
            self._past = {key: value for key, value in self._past.items() if key[2] == hour}
            past = spent_in_hours(connection, organization_id, hours_before(hour), key_id)
            self._past[organization_id, key_id, hour] = past
        found = judge(hour, spent, past, self._book.rules_of(organization_id))
        if found is not None:
            yield _anomaly_alert(organization_id, key_id, hour, found)


def _anomaly_alert(organization_id: str, key_id: str | None, hour: int, found: Anomaly) -> Alert:
    spent, usual, threshold = map(usd_from_nano, (found.spent, found.usual, found.threshold))
    who = "The organization" if key_id is None else f"The API key {key_id}"
    return Alert(
        organization_id=organization_id,
        event=Event.SPEND_ANOMALY,
        subject=f"{key_id or ''}:{hour * _HOUR // _DAY}",
        message=f"{who} has spent {spent:.2f} USD in this hour, where {usual:.2f} USD are usual.",
        data={
            "api_key_id": key_id,
            "hour": iso_of(hour * _HOUR),
            "spent": spent,
            "usual": usual,
            "threshold": threshold,
        },
    )
