"""store/log_days and log_copy, on PostgreSQL alone: a day goes as a whole, and an id is stored once on all days."""

import itertools
import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
from alembic import command
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from sqlalchemy import MetaData, Table, insert, text

from gantry.core.ids import format_id
from gantry.core.request_log import RequestLog
from gantry.core.vocabulary import Environment
from gantry.store.database import Database
from gantry.store.log_changes import LogChange
from gantry.store.log_days import BEFORE, COUNTER, DAY, SAID, Kept, day_of, name_of
from gantry.store.log_filter import FIELDS, Condition, Operator
from gantry.store.log_query import LogQuery
from gantry.store.log_rows import COLUMNS, row_of
from gantry.store.log_tables import LOGS
from gantry.store.logs import LogStore, RecordBatch
from gantry.store.migrate import alembic_config, migrate
from gantry.store.online_ddl import create_index
from tests.postgresql import create_database
from tests.store.logs_of_tests import ORGANIZATION, OTHER, make_log

pytestmark = pytest.mark.slow

FIRST = 20_400  # a day, counted from the epoch
CHOSEN = "0199f0b0c0de8000800000000000000a"  # what a client's own id means
_numbers = itertools.count()


class Clock:
    """The day on which logs arrive."""

    day = FIRST

    def __call__(self) -> int:
        return self.day


@pytest.fixture
def address(postgres_server: str) -> str:
    return create_database(postgres_server, f"days_{next(_numbers)}")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def logs(address: str, clock: Clock) -> Iterator[LogStore]:
    store = LogStore(address, arrival=clock)
    yield store
    store.close()


def minted(day: int, number: int, hour: int = 12) -> str:
    return format_id((day * 24 + hour) * 3_600_000, number)


def log_of(day: int, log_id: str, **changes: object) -> RequestLog:
    started_at = day * DAY + 1
    return make_log(log_id, started_at=started_at, ended_at=started_at, input=f"said {log_id}", **changes)


def record(logs: LogStore, *some: RequestLog) -> set[str]:
    return logs.record(RecordBatch(logs=list(some)))


def ids(logs: LogStore, **query: object) -> list[str]:
    return [log.log_id for log in logs.page(LogQuery(organization_id=ORGANIZATION, **query)).logs]  # type: ignore[arg-type]


def kept_since(cut: int | None, said: int | None = None) -> dict[str, Kept]:
    return {ORGANIZATION: Kept(dict.fromkeys(Environment, cut), said)}


def test_a_number_says_the_day_and_grows(logs: LogStore, clock: Clock) -> None:
    record(logs, log_of(FIRST, minted(FIRST, 1)), log_of(FIRST, minted(FIRST, 2)))
    clock.day += 1
    record(logs, log_of(FIRST + 1, minted(FIRST + 1, 3)))
    with logs.reading() as connection:
        rows = connection.execute(text("SELECT tableoid::regclass::text, seq FROM request_logs ORDER BY log_id")).all()
    assert [day_of(seq) for _, seq in rows] == [FIRST, FIRST, FIRST + 1]
    assert [table for table, _ in rows] == [f"request_logs_{name_of(FIRST + number)}" for number in (0, 0, 1)]
    assert [seq & COUNTER for _, seq in rows] == [1, 2, 3], "no day begins the counter anew"
    assert name_of(FIRST) == "20251108"


@pytest.mark.parametrize("log_id", [minted(FIRST, 7), minted(FIRST, 7, hour=0), CHOSEN, "not a uuid"])
@pytest.mark.parametrize("later", [0, 1, 40])
def test_an_id_is_stored_once_on_whatever_day_it_comes_again(
    logs: LogStore, clock: Clock, log_id: str, later: int
) -> None:
    assert record(logs, log_of(FIRST, log_id)) == {log_id}
    for day in range(later):  # of which each has its partition
        clock.day = FIRST + day
        record(logs, log_of(clock.day, minted(clock.day, 100)))
    clock.day = FIRST + later
    new = minted(clock.day, 8)
    assert record(logs, log_of(clock.day, log_id), log_of(clock.day, new)) == {new}
    assert record(logs, log_of(clock.day, log_id, organization_id=OTHER)) == {log_id}, "another's id is another"
    assert logs.summary(LogQuery(organization_id=ORGANIZATION)).requests == 2 + later


def test_an_id_of_a_day_that_has_not_come_is_looked_for_on_all(logs: LogStore, clock: Clock) -> None:
    log_id = minted(FIRST + 30, 7)
    for clock.day, new in ((FIRST, {log_id}), (FIRST + 1, set())):
        assert record(logs, log_of(FIRST, log_id)) == new


def test_an_id_that_comes_twice_in_a_batch_is_stored_once(logs: LogStore) -> None:
    first, again, other = (log_of(FIRST, CHOSEN), log_of(FIRST, CHOSEN), log_of(FIRST, minted(FIRST, 1)))
    assert record(logs, first, again, other) == {CHOSEN, other.log_id}
    assert logs.summary(LogQuery(organization_id=ORGANIZATION)).requests == 2


def test_two_clerks_that_store_one_id_at_once_store_it_once(logs: LogStore, address: str, clock: Clock) -> None:
    stored: list[set[str]] = []
    both = threading.Barrier(2)

    def store_some(first: int) -> None:
        other = LogStore(address, arrival=clock)
        both.wait(30)
        for number in range(first, first + 20):
            stored.append(record(other, log_of(FIRST, minted(FIRST, number)), log_of(FIRST, minted(FIRST, number + 1))))
        other.close()

    threads = [threading.Thread(target=store_some, args=(first,)) for first in (0, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sum(map(len, stored)) == 26
    assert logs.summary(LogQuery(organization_id=ORGANIZATION)).requests == 26
    assert len(ids(logs)) == 26


def test_a_day_on_which_nobody_keeps_anything_goes_whole(logs: LogStore, clock: Clock) -> None:
    for clock.day in (FIRST, FIRST + 1):
        record(logs, log_of(clock.day, minted(clock.day, 1)))
    old, new = (day for day in logs.days() if day.name in (name_of(FIRST), name_of(FIRST + 1)))
    kept = kept_since((FIRST + 1) * DAY)
    assert logs.is_over(old, kept)
    assert not logs.is_over(new, kept)
    assert not logs.is_over(old, kept_since(None))
    assert not logs.is_over(old, {}), "nobody knows whose logs these are"
    before = logs.summary(LogQuery(organization_id=ORGANIZATION))
    logs.drop_day(old)
    assert ids(logs) == [minted(FIRST + 1, 1)]
    assert logs.summary(LogQuery(organization_id=ORGANIZATION)) == before, "what was counted stays counted"
    assert old.name not in {day.name for day in logs.days()}


def test_a_day_stays_for_a_pinned_log_and_for_who_keeps_longer(logs: LogStore) -> None:
    record(logs, log_of(FIRST, CHOSEN), log_of(FIRST, CHOSEN, organization_id=OTHER))
    (day,) = (one for one in logs.days() if one.name == name_of(FIRST))
    over = kept_since((FIRST + 1) * DAY)
    assert not logs.is_over(day, over)
    assert not logs.is_over(day, {**over, OTHER: Kept(dict.fromkeys(Environment), None)})
    both = over | {OTHER: over[ORGANIZATION]}
    assert logs.is_over(day, both)
    logs.change(ORGANIZATION, None, [LogChange(CHOSEN, {"is_pinned": True})])
    assert not logs.is_over(day, both)


def test_what_was_said_may_go_before_the_logs(logs: LogStore) -> None:
    record(logs, log_of(FIRST, CHOSEN))
    (day,) = (one for one in logs.days() if one.name == name_of(FIRST))
    search = Condition(FIELDS["search"], Operator.WORDS, ("said",))
    assert ids(logs, filters=search) == [CHOSEN]
    kept = kept_since(None, said=(FIRST + 1) * DAY)
    assert (logs.is_over(day, kept), logs.is_over(day, kept, said=True)) == (False, True)
    logs.drop_day(day, said=True)
    assert (ids(logs), ids(logs, filters=search)) == ([CHOSEN], [])
    (day,) = (one for one in logs.days() if one.name == name_of(FIRST))
    assert day.tables == {"request_logs"}


def test_a_day_that_was_only_detached_is_seen_and_dropped(logs: LogStore, address: str) -> None:
    record(logs, log_of(FIRST, CHOSEN))
    name = name_of(FIRST)
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute(f"ALTER TABLE request_logs DETACH PARTITION request_logs_{name} CONCURRENTLY")  # type: ignore[call-overload, unused-ignore]
    (day,) = (one for one in logs.days() if one.name == name)
    assert day.left == {"request_logs"}
    assert day.tables == set(SAID)
    logs.drop_day(day)
    assert name not in {one.name for one in logs.days()}


def test_a_question_about_late_days_reads_no_early_ones(logs: LogStore, clock: Clock, address: str) -> None:
    for clock.day in range(FIRST, FIRST + 5):
        record(logs, log_of(clock.day, minted(clock.day, 1)))
    assert ids(logs, since=(FIRST + 3) * DAY) == [minted(FIRST + 4, 1), minted(FIRST + 3, 1)]
    late = log_of(FIRST + 1, minted(FIRST + 4, 2))  # posted three days after it began
    record(logs, late)
    assert late.log_id in ids(logs, since=(FIRST + 1) * DAY, until=(FIRST + 2) * DAY)
    with psycopg.connect(address, autocommit=True) as connection:
        for day in range(FIRST, FIRST + 2):  # a day before, for clocks that are ahead, is looked at
            connection.execute(f"DROP TABLE request_logs_{name_of(day)}")  # type: ignore[call-overload, unused-ignore]
            connection.execute(
                f"CREATE TABLE request_logs_{name_of(day)} PARTITION OF request_logs FOR VALUES "  # type: ignore[call-overload, unused-ignore]
                f"FROM ({day << 36}) TO ({(day + 1) << 36})"
            )
        blocker = psycopg.connect(address)
        blocker.execute(f"LOCK TABLE request_logs_{name_of(FIRST)} IN ACCESS EXCLUSIVE MODE")  # type: ignore[call-overload, unused-ignore]
        assert len(ids(logs, since=(FIRST + 3) * DAY)) == 2, "what is locked is not looked at"
        blocker.close()


def test_a_store_that_had_no_days_becomes_the_oldest_of_them(address: str, clock: Clock) -> None:
    database = Database(address)
    with database.writing() as connection:
        command.upgrade(alembic_config(LOGS, connection), "l0007")
        old = Table("request_logs", MetaData(), autoload_with=connection)
        values = [dict(zip(COLUMNS, row_of(log_of(FIRST, log_id)), strict=True)) for log_id in ("a", "b")]
        connection.execute(insert(old), [{name: row[name] for name in row if name in old.c} for row in values])
    migrate(database, LOGS)
    with database.writing() as connection:  # as a clerk of the version before goes on
        number = connection.scalar(text("SELECT nextval(pg_get_serial_sequence('request_logs', 'seq'))"))
        row = dict(zip(COLUMNS, row_of(log_of(FIRST, "c")), strict=True))
        connection.execute(insert(old).values({name: row[name] for name in row if name in old.c} | {"seq": number}))
    logs = LogStore(address, arrival=clock)
    assert record(logs, log_of(FIRST, "a"), log_of(FIRST, "d")) == {"d"}, "what was stored before is known"
    assert sorted(ids(logs, since=FIRST * DAY)) == ["a", "b", "c", "d"]
    assert [log.log_id for log in logs.tail(ORGANIZATION)[0]] == ["a", "b", "c", "d"], "in order of arrival"
    days = logs.days()
    assert days[0].name == BEFORE
    assert logs.is_over(days[0], kept_since((FIRST + 1) * DAY))
    logs.drop_day(days[0])
    assert ids(logs) == ["d"]
    logs.close()
    database.close()


def test_an_index_is_made_on_one_day_after_the_other_and_again_where_it_was_interrupted(
    logs: LogStore, clock: Clock, address: str
) -> None:
    for clock.day in (FIRST, FIRST + 1):
        record(logs, log_of(clock.day, minted(clock.day, 1)))
    name = f"ix_new_{name_of(FIRST)}"
    database = Database(address)
    with database.apart() as connection:  # as an interrupted one leaves it
        connection.execute(text(f"CREATE INDEX {name} ON request_logs_{name_of(FIRST)} (note)"))
        connection.execute(
            text("UPDATE pg_index SET indisvalid = false WHERE indexrelid = to_regclass(:name)"), {"name": name}
        )
    with database.migrating() as connection:
        config = alembic_config(LOGS, connection)
        config.attributes["in_transaction"] = False
        environment: Any = SimpleNamespace(config=config)
        options = {"transaction_per_migration": True}
        context = MigrationContext.configure(connection, environment_context=environment, opts=options)
        with Operations.context(context), context.begin_transaction(_per_migration=True):
            create_index("ix_new", "request_logs", ["note"], where="note IS NOT NULL")
    with database.reading() as connection:
        asked = text("SELECT count(*), bool_and(indisvalid) FROM pg_index WHERE indexrelid::regclass::text ~ '^ix_new'")
        found = connection.execute(asked).one()
    assert tuple(found) == (len([day for day in logs.days() if day.tables]) + 1, True)
    clock.day += 1
    record(logs, log_of(clock.day, minted(clock.day, 1)))  # a day that is made later has it, too
    with database.reading() as connection:
        assert (
            connection.scalar(text("SELECT count(*) FROM pg_inherits WHERE inhparent = 'ix_new'::regclass")) == found[0]
        )
    database.close()
