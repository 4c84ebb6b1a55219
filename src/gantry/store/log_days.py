"""Days: on PostgreSQL what is stored of calls lies in a partition for each day of arrival, which goes as a whole.

Law: a log's number says when it arrived: the day, by the database's clock, above a counter that no day begins anew. So
numbers grow with arrival on all machines, and the number alone says in which partition a log, what was said in it and
its words lie. What a store held before it had days lies in one more partition, under numbers that are smaller than any
with a day in it.

A unique index cannot span partitions without having the number in it. So ids are unique within a partition, and an id
is looked for in the others where it may stand: one of ours says when it was made, and nothing is stored before that.

SQLite has no days: there, a number is the counter alone.
"""

from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from typing import Any, Final

from msgspec import Struct
from sqlalchemy import Connection, text

from gantry.core.vocabulary import Environment
from gantry.store.schema_lock import lock_schema

COUNTER_BITS: Final = 36  # 68 thousand million logs; with a day of this century above them, less than 2^53
COUNTER: Final = (1 << COUNTER_BITS) - 1
AHEAD: Final = 3  # days that are made before they come
DAY: Final = 86_400_000_000_000  # ns
BEFORE: Final = "before"  # the partition of what was stored before there were days

ROWS: Final = "request_logs"
SAID: Final = ("request_log_texts", "request_log_bodies")  # what was said: its words, and itself
NEXT_NUMBERS: Final = (  # the day, where it is not the database's; how many
    "SELECT (coalesce(%s::bigint, extract(epoch FROM now())::bigint / 86400) << 36) + "
    "nextval('request_logs_seq_seq') FROM generate_series(1, %s::int)"
)

_TODAY: Final = text("SELECT extract(epoch FROM now())::bigint / 86400")
_EPOCH: Final = date(1970, 1, 1)
# Every table that is named as a partition: attached, on its way out, or detached by whoever did not come to drop it.
_PARTITIONS: Final = text(
    "SELECT parent.relname, substr(child.relname, length(parent.relname) + 2), i.inhdetachpending "
    "FROM pg_class child JOIN pg_class parent ON parent.relname = substring(child.relname FROM '^(.*)_[^_]*$') "
    "LEFT JOIN pg_inherits i ON i.inhrelid = child.oid AND i.inhparent = parent.oid "
    "WHERE parent.oid = ANY (ARRAY[to_regclass('request_logs')::oid, to_regclass('request_log_bodies')::oid, "
    "to_regclass('request_log_texts')::oid]) "
    "AND child.relkind = 'r' AND pg_table_is_visible(child.oid) AND child.relname ~ '_([0-9]{8}|before)$'"
)


class Kept(Struct, frozen=True):
    """From when on an organization keeps its logs, by environment, and what was said; None: all of it."""

    logs: Mapping[Environment, int | None]
    said: int | None


class LogDay(Struct, frozen=True):
    """The partitions of one day, by the tables they belong to: of use, on their way out, and out but not dropped."""

    name: str
    tables: frozenset[str]
    leaving: frozenset[str]
    left: frozenset[str]

    def is_before(self, moment: int) -> bool:
        """Say whether the day ended before a moment, ns since the epoch; what lay there before days did."""
        return self.name == BEFORE or self.name < name_of(moment // DAY)


def first_number(day: int) -> int:
    """Return the least number of what arrives on a day, counted from the epoch."""
    return day << COUNTER_BITS


def day_of(number: int) -> int:
    return number >> COUNTER_BITS


def today(connection: Connection) -> int:
    return int(connection.execute(_TODAY).scalar_one())


def name_of(day: int) -> str:
    """Return the day as partitions are named by it: 20261130."""
    return (_EPOCH + timedelta(days=day)).strftime("%Y%m%d")


def days_in(connection: Connection) -> list[LogDay]:
    """Return the days there are partitions of, the oldest first; what lay there before is the first."""
    found: dict[str, tuple[set[str], set[str], set[str]]] = {}
    for table, name, is_leaving in connection.execute(_PARTITIONS):
        state = 2 if is_leaving is None else int(is_leaving)
        found.setdefault(name, (set(), set(), set()))[state].add(table)
    ordered = sorted(found, key=lambda name: (name != BEFORE, name))
    return [LogDay(name, *map(frozenset, found[name])) for name in ordered]


def make_days(connection: Connection, days: Iterable[int]) -> None:
    """Make the partitions of some days where there are none.

    Made apart and attached: that stops nobody who reads or writes, which making them in their place would.
    """
    lock_schema(connection)
    known = {day.name for day in days_in(connection)}
    for day in days:
        if (name := name_of(day)) not in known:
            for table in (ROWS, *SAID):
                connection.execute(text(f"CREATE TABLE {table}_{name} (LIKE {table} INCLUDING ALL)"))
                if table == ROWS:
                    connection.execute(text(unique_index(name)))
                bounds = f"FROM ({first_number(day)}) TO ({first_number(day + 1)})"
                connection.execute(text(f"ALTER TABLE {table} ATTACH PARTITION {table}_{name} FOR VALUES {bounds}"))


def unique_index(name: str) -> str:
    return f"CREATE UNIQUE INDEX uq_{ROWS}_{name} ON {ROWS}_{name} (log_id, organization_id)"


def is_over(connection: Connection, name: str, kept: Mapping[str, Kept], *, said: bool) -> bool:
    """Say whether nobody keeps anything of a day any more: logs, or only what was `said` in them."""
    table = f"{ROWS}_{name}"
    return all(
        one in kept and not _is_kept(connection, table, one, kept[one], said=said)
        for one in _organizations(connection, table)
    )


def _organizations(connection: Connection, table: str) -> list[str]:
    """Return whose logs there are, one look into an index for each."""
    least = f"SELECT min(organization_id) FROM {table}"  # noqa: S608 - a partition's name is ours
    statement = (
        f"WITH RECURSIVE found(id) AS (({least}) "  # noqa: S608
        f"UNION ALL SELECT ({least} WHERE organization_id > found.id) FROM found WHERE found.id IS NOT NULL) "
        "SELECT id FROM found WHERE id IS NOT NULL"
    )
    return list(connection.scalars(text(statement)))


def _is_kept(connection: Connection, table: str, organization_id: str, kept: Kept, *, said: bool) -> bool:
    for environment, since in kept.logs.items():
        cut = max((one for one in (since, kept.said) if one is not None), default=None) if said else since
        asked: dict[str, Any] = {"id": organization_id}
        where = f"organization_id = :id AND environment = '{environment.value}'"  # written out, for a partial index
        if cut is not None:
            where, asked = f"{where} AND started_at >= :cut", {**asked, "cut": cut}
        if connection.scalar(text(f"SELECT EXISTS (SELECT 1 FROM {table} WHERE {where})"), asked):  # noqa: S608
            return True
    pinned = text(f"SELECT EXISTS (SELECT 1 FROM {table} WHERE organization_id = :id AND is_pinned)")  # noqa: S608
    return bool(connection.scalar(pinned, {"id": organization_id}))


def drop_day(connection: Connection, day: LogDay, tables: Iterable[str]) -> None:
    """Drop a day's partitions of some tables, by a connection that is in no transaction.

    Detached first, beside whoever reads: to drop them in their place would wait for all readers and hold up all that
    come after. One that was interrupted between the two is finished.
    """
    for table in tables:
        part = f"{table}_{day.name}"
        if table in day.leaving:
            connection.execute(text(f"ALTER TABLE {table} DETACH PARTITION {part} FINALIZE"))
        elif table in day.tables:
            connection.execute(text(f"ALTER TABLE {table} DETACH PARTITION {part} CONCURRENTLY"))
        connection.execute(text(f"DROP TABLE IF EXISTS {part}"))
