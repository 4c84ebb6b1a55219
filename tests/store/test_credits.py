"""The ledger on both engines: what calls are charged is entered once, with the row; references; expiry; balances."""

from pathlib import Path

import pytest
from msgspec.structs import replace
from sqlalchemy import event

from gantry.core.credits import BY_PEOPLE, DAY, EntryKind, EntryRefused, NewEntry
from gantry.core.priced_log import NewPrice
from gantry.store.credits import (
    add_entry,
    balance_of,
    charged_to,
    count_entries,
    entries_of,
    expire_entries,
    find_entry,
    granted_by_organization,
    organizations_with_expiry,
)
from gantry.store.logs import LogStore, RecordBatch
from gantry.store.repricing import START, PricedQuery
from tests.postgresql import needs_sqlite
from tests.store.conftest import address_of_logs as address
from tests.store.logs_of_tests import HOUR, ORGANIZATION, OTHER, make_log

__all__ = ["address"]

OPENING = NewEntry(organization_id=ORGANIZATION, kind=EntryKind.PURCHASE, amount=1000, created_at=5, reference="a")
EVERYTHING = PricedQuery(organization_id=ORGANIZATION, since=0, until=2**62)


def exact(logs: LogStore) -> int:
    with logs.reading() as connection:
        entries = entries_of(connection, ORGANIZATION, page_size=None)
        assert count_entries(connection, ORGANIZATION) == len(entries)
        balance = balance_of(connection, ORGANIZATION)
    assert balance == sum(entry.amount for entry in entries)
    return balance


def test_what_a_call_is_charged_is_entered_once(logs: LogStore) -> None:
    some = [make_log(str(number), cost=number, charged=2 * number, started_at=number * HOUR) for number in range(9)]
    free = [make_log("own", cost=7), make_log("other", cost=5, charged=5, organization_id=OTHER)]
    with logs.writing() as connection:
        add_entry(connection, OPENING)
    for batch in (some[:5], some[3:], free, some):
        logs.record(RecordBatch(logs=batch))
    assert exact(logs) == 1000 - 2 * sum(range(9))
    with logs.reading() as connection:
        assert charged_to(connection, OTHER) == 5
        found = find_entry(connection, ORGANIZATION, "cu_3")
        assert found is not None
        assert (found.kind, found.amount, found.log_id) == (EntryKind.USAGE, -6, "3")
        assert find_entry(connection, OTHER, "cu_3") is None


def test_a_reference_is_entered_once_and_means_one_thing(logs: LogStore) -> None:
    with logs.writing() as connection:
        first = add_entry(connection, OPENING)
        assert add_entry(connection, replace(OPENING, created_at=9, author="another")) == first
        with pytest.raises(EntryRefused, match=f"'a' is that of {first.id}, whose amount is another"):
            add_entry(connection, replace(OPENING, amount=999))
        theirs = add_entry(connection, replace(OPENING, organization_id=OTHER))
        assert theirs.id != first.id
        again = [add_entry(connection, replace(OPENING, reference=None)) for _ in range(2)]
        assert again[0].id != again[1].id
    with logs.reading() as connection:
        assert granted_by_organization(connection) == {ORGANIZATION: 3000, OTHER: 1000}
        assert [entry.id for entry in entries_of(connection, ORGANIZATION, page=2, page_size=2)] == [
            min(first.id, *(entry.id for entry in again))
        ]


def test_another_price_is_entered_as_a_difference(logs: LogStore) -> None:
    """Both directions, an unknown price, and a log that is not charged; the first entries stay."""
    some = [
        make_log("dearer", cost=10, charged=12, markup_ppm=200_000),
        make_log("unknown", cost=10, charged=12, markup_ppm=200_000),
        make_log("own", cost=10),
    ]
    logs.record(RecordBatch(logs=some))
    new = {"dearer": (100, 120), "unknown": (None, None), "own": (100, None)}
    prices = [
        NewPrice(log, *new[log.log_id][:1], None, new[log.log_id][0] is None, None, None, None, new[log.log_id][1])
        for log in logs.priced_logs(EVERYTHING, START, 10)
    ]
    assert len(logs.reprice(prices)) == 3
    assert exact(logs) == -120
    with logs.reading() as connection:
        (entry,) = entries_of(connection, ORGANIZATION, kinds={EntryKind.REPRICING})
        assert (entry.amount, entry.description) == (-120 + 24, "2 calls priced again")
        assert [one.amount for one in entries_of(connection, ORGANIZATION, kinds={EntryKind.USAGE})] == [-12, -12]
    assert logs.reprice(prices) == []
    assert exact(logs) == -120


def test_what_is_left_of_a_grant_is_taken_out_once(logs: LogStore) -> None:
    grant = replace(OPENING, kind=EntryKind.GRANT, amount=100, expires_at=2 * DAY, reference=None)
    with logs.writing() as connection:
        add_entry(connection, OPENING)
        given = add_entry(connection, grant)
    logs.record(RecordBatch(logs=[make_log("a", cost=30, charged=30, started_at=DAY)]))
    for now, balance in ((2 * DAY + 1, 1070), (3 * DAY, 1000), (9 * DAY, 1000)):
        with logs.writing() as connection:
            concerned = organizations_with_expiry(connection, now)
            assert concerned == ([ORGANIZATION] if now >= 3 * DAY else [])
            for organization in concerned:
                expire_entries(connection, organization, now)
        assert exact(logs) == balance
    with logs.reading() as connection:
        (entry,) = entries_of(connection, ORGANIZATION, kinds={EntryKind.EXPIRY})
        assert (entry.amount, entry.description) == (-70, f"what was left of {given.id}")


@needs_sqlite
def test_what_people_entered_is_found_without_looking_at_every_call(tmp_path: Path) -> None:
    """What expires is asked each hour by whoever holds SQLite's writer, and a ledger has an entry for every call."""
    asked: list[tuple[str, tuple[object, ...]]] = []

    def note(_c: object, _cursor: object, statement: str, parameters: tuple[object, ...], *_: object) -> None:
        if "FROM credit_entries" in statement:
            asked.append((statement, parameters))

    LogStore(tmp_path / "logs.db").close()  # whoever makes the tables does not know the estimates yet
    logs = LogStore(tmp_path / "logs.db")
    with logs.writing() as connection:
        add_entry(connection, replace(OPENING, expires_at=2 * DAY))
        event.listen(connection, "before_cursor_execute", note)
        (expired,) = expire_entries(connection, ORGANIZATION, 4 * DAY)
        assert organizations_with_expiry(connection, 4 * DAY) == [ORGANIZATION]
        assert count_entries(connection, ORGANIZATION, kinds={EntryKind.PURCHASE, EntryKind.EXPIRY}) == 2
        assert len(entries_of(connection, ORGANIZATION, kinds=BY_PEOPLE)) == 1
        event.remove(connection, "before_cursor_execute", note)
        plans = [
            " ".join(row.detail for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters))
            for statement, parameters in asked
            if statement.startswith("SELECT")
        ]
    logs.close()
    assert expired.amount == -1000
    assert len(plans) >= 4
    assert all("ix_credit_entries_granted" in plan for plan in plans), plans
