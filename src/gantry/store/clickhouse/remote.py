"""What a log store does with logs that are in ClickHouse, beside the transaction of all else.

Law: who counts a log takes its id first, in SQL, and who changes one holds it there; so two never count the same log,
or change the same version of it. See `gantry.store.clickhouse` for what happens when one dies in between.

Numbers say the order of arrival. On SQLite some thousands are set aside at once and are never given out again, also not
where a transaction was undone: a row that it sent may be there, and have been read.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import count
from typing import Any, Final

import msgspec
from sqlalchemy import ColumnElement, Connection, and_, func, select, text

from gantry.core.priced_log import NewPrice
from gantry.core.request_log import RequestLog
from gantry.store.clickhouse.compiler import Asked
from gantry.store.clickhouse.split import SplitConnection, SplitDatabase, hold_ids
from gantry.store.clickhouse.tables import COLUMNS, TABLE, VERSION
from gantry.store.content import Content, pack_content
from gantry.store.full_text import entry_of, spaced_words
from gantry.store.log_days import DAY, NEXT_NUMBERS, ROWS, SAID, Kept, LogDay
from gantry.store.log_rows import COLUMNS as LOG_COLUMNS
from gantry.store.log_rows import Row, row_of, storable
from gantry.store.log_tables import request_log_bodies, request_logs
from gantry.store.repricing import WRITTEN, parameters_of

_SET_ASIDE: Final = 10_000
_AT_ONCE: Final = 10_000  # ids that one transaction forgets
_STARTED, _LOG_ID, _ORGANIZATION = map(LOG_COLUMNS.index, ("started_at", "log_id", "organization_id"))
# Ids come as one value: a batch has more of them than a statement may have values.
_TAKE: Final = {
    True: text(
        "INSERT INTO log_ids (log_id, organization_id, day) "
        "SELECT value ->> 0, value ->> 1, value ->> 2 FROM json_each(:ids) WHERE true "
        "ON CONFLICT DO NOTHING RETURNING log_id, organization_id"
    ),
    False: text(
        "INSERT INTO log_ids (log_id, organization_id, day) "
        "SELECT value ->> 0, value ->> 1, (value ->> 2)::bigint FROM json_array_elements(CAST(:ids AS json)) "
        "ORDER BY 1, 2 ON CONFLICT DO NOTHING RETURNING log_id, organization_id"
    ),
}
_ADVANCE: Final = text("UPDATE sqlite_sequence SET seq = seq + :count WHERE name = 'request_logs' RETURNING seq")
_BEGIN: Final = text("INSERT INTO sqlite_sequence (name, seq) VALUES ('request_logs', :count) RETURNING seq")
_FORGET_DAY: Final = text(
    "DELETE FROM log_ids WHERE (log_id, organization_id) IN "  # noqa: S608 - a number
    f"(SELECT log_id, organization_id FROM log_ids WHERE day = :day LIMIT {_AT_ONCE})"
)
_NUMBERED: Final = (  # by their key, too, in whose order they lie
    f"SELECT {', '.join(COLUMNS)} FROM {TABLE} WHERE seq IN ({{p0:Array(Int64)}}) "  # noqa: S608 - names of columns
    "AND organization_id IN ({p1:Array(String)}) AND started_at IN ({p2:Array(Int64)})"
)
_PARTS: Final = (
    "SELECT partition FROM system.parts WHERE active AND database = currentDatabase() AND table = {p0:String} "
    "GROUP BY partition ORDER BY partition"
)


class RemoteLogs:
    """The logs of one store, in ClickHouse."""

    def __init__(self, database: SplitDatabase) -> None:
        self._database: Final = database
        self._client: Final = database.logs
        self._numbers: Iterable[int] = ()
        self._left = 0

    def set_aside(self, wanted: int) -> None:
        """Have so many numbers on SQLite. In a transaction of its own, which nothing undoes."""
        if not self._database.is_sqlite or self._left >= wanted:
            return
        number = {"count": max(_SET_ASIDE, wanted)}
        with self._database.writing() as connection:
            last = connection.scalar(_ADVANCE, number) or connection.scalar(_BEGIN, number)
        self._left = number["count"]
        self._numbers = count(int(last or 0) - self._left + 1)

    def take_ids(self, connection: Connection, cursor: Any, rows: Sequence[Row]) -> dict[int, int]:
        """Take the ids of rows, and return of those that nobody had taken the index and the number they have now."""
        if not rows:
            return {}
        places: dict[tuple[str, str], int] = {}
        for index, row in enumerate(rows):
            places.setdefault((row[_LOG_ID], row[_ORGANIZATION]), index)
        ids = [(*one, rows[index][_STARTED] // DAY) for one, index in places.items()]
        taken = connection.execute(_TAKE[self._database.is_sqlite], {"ids": msgspec.json.encode(ids).decode()})
        new = sorted(places[log_id, organization_id] for log_id, organization_id in taken)
        return dict(zip(new, self._next_numbers(cursor, len(new)), strict=True))

    def _next_numbers(self, cursor: Any, wanted: int) -> list[int]:
        if self._database.is_sqlite:
            self._left -= wanted
            numbers = iter(self._numbers)
            return [next(numbers) for _ in range(wanted)]
        cursor.execute(NEXT_NUMBERS, (None, wanted))
        return [number for (number,) in cursor.fetchall()]

    def insert(self, logs: Iterable[tuple[int, RequestLog]]) -> None:
        """Store logs by their numbers; again, where that was done before and the ids were not taken after all."""
        self._client.insert([_row_of(number, log) for number, log in logs])

    def hold(self, connection: Connection, organization_id: str, ids: Iterable[str]) -> None:
        """Let nobody else change these logs until the transaction is over."""
        hold_ids(connection, [(log_id, organization_id) for log_id in sorted(set(ids))])

    def write_marks(self, connection: Connection, of: ColumnElement[bool], values: Mapping[str, Any]) -> None:
        """Change logs that are held."""
        assert isinstance(connection, SplitConnection)
        connection.change_logs(of, values)

    def put_prices(self, connection: Connection, prices: Sequence[NewPrice]) -> list[NewPrice]:
        """Write prices over those that were read, and return those of logs that still had them."""
        hold_ids(connection, sorted({(price.log.log_id, price.log.organization_id) for price in prices}))
        seq, cost, missing = (COLUMNS.index(name) for name in ("seq", "cost", "price_missing"))
        numbers = [price.log.seq for price in prices]
        owners = sorted({price.log.organization_id for price in prices})
        asked = {"p0": numbers, "p1": owners, "p2": [price.log.started_at for price in prices]}
        rows = {row[seq]: row for row in self._client.select(Asked(_NUMBERED, asked, COLUMNS))}
        put, found = [], []
        for price in prices:
            row = rows.get(price.log.seq)
            if row is None or row[cost] != price.log.cost or row[missing] != price.log.price_missing:
                continue
            new = dict(zip(COLUMNS, row, strict=True))
            new.update(zip(WRITTEN, parameters_of(price)[: len(WRITTEN)], strict=True))
            new[VERSION] += 1
            put.append(tuple(new.values()))
            found.append(price)
        self._client.insert(put)
        return found

    def days(self) -> list[LogDay]:
        """Return the days there are partitions of, the oldest first."""
        return [
            LogDay(str(name), frozenset((ROWS, *SAID)), frozenset(), frozenset())
            for (name,) in self._client.select(Asked(_PARTS, {"p0": TABLE}, ()))
        ]

    def is_over(self, day: LogDay, kept: Mapping[str, Kept], *, said: bool) -> bool:
        """Say whether nobody keeps anything of a day, or of what was said on it."""
        columns = request_logs.c
        found = select(
            columns.organization_id,
            columns.environment,
            func.max(columns.started_at),
            func.count().filter(columns.is_pinned.is_(True)),
        ).where(_within(day))
        with self._database.reading() as connection:
            if said and not connection.scalar(select(func.count()).where(_within(day), _has_said())):
                return False
            for organization_id, environment, newest, pinned in connection.execute(
                found.group_by(columns.organization_id, columns.environment)
            ):
                of = kept.get(organization_id)
                since = None if of is None else of.logs.get(environment)
                if of is not None and said:
                    since = max((one for one in (since, of.said) if one is not None), default=None)
                if since is None or newest >= since or pinned:
                    return False
        return True

    def drop_day(self, day: LogDay, *, said: bool) -> None:
        """Drop all that is stored of a day's calls, or only what was said in them."""
        if said:
            with self._database.writing() as connection:
                assert isinstance(connection, SplitConnection)
                connection.forget_said(and_(_within(day), _has_said()))
            self._client.run(f"OPTIMIZE TABLE {TABLE} PARTITION {day.name} FINAL")
            return
        self._client.run(f"ALTER TABLE {TABLE} DROP PARTITION {day.name}")
        number = {"day": _start_of(day) // DAY}
        gone = _AT_ONCE
        while gone == _AT_ONCE:
            with self._database.writing() as connection:
                gone = connection.execute(_FORGET_DAY, number).rowcount

    def wipe(self) -> None:
        """Leave nothing on the disk of what was deleted."""
        self._client.run(f"ALTER TABLE {TABLE} APPLY DELETED MASK")


def _row_of(number: int, log: RequestLog) -> Row:
    said = Content(*storable((log.full_request, log.input, log.full_response, log.output)))
    is_said = any(one is not None for one in msgspec.structs.astuple(said))
    words = entry_of(number, said) or ("", "", number)
    content = bytes(pack_content(said)) if is_said else None  # its client takes no bytearray
    return (number, *storable(row_of(log)), content, *map(spaced_words, words[:2]), 0)


def _within(day: LogDay) -> ColumnElement[bool]:
    start = _start_of(day)
    return and_(request_logs.c.started_at >= start, request_logs.c.started_at < start + DAY)


def _has_said() -> ColumnElement[bool]:
    return request_log_bodies.c.content.is_not(None)


def _start_of(day: LogDay) -> int:
    return int(datetime.strptime(day.name, "%Y%m%d").replace(tzinfo=UTC).timestamp()) * 10**9
