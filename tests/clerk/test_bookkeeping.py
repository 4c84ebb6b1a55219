"""The clerk's third loop: minutes go, credits expire once, the ledger is published, and what does not agree is told."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from sqlalchemy import func, select, update

from gantry.board.counters import Counters
from gantry.clerk.bookkeeping import Bookkeeping, warn_of
from gantry.clerk.publish import Publisher
from gantry.core.credits import DAY, EntryKind, NewEntry
from gantry.core.limit_terms import customer_key
from gantry.core.limits import CustomerTerms
from gantry.core.vocabulary import Environment
from gantry.home import Home, Keyring, load_keyring
from gantry.store.audit import Imbalance
from gantry.store.control import ControlStore, default_organization
from gantry.store.credits import add_entry, balance_of, granted_by_organization
from gantry.store.customers import add_customer, change_customer
from gantry.store.log_tables import day_sums, minute_sums
from gantry.store.logs import LogStore, RecordBatch
from tests.postgresql import url_of
from tests.store.logs_of_tests import make_log

START = 20_000 * DAY + 5


class House:
    def __init__(self, path: Path) -> None:
        self.home = Home(path)
        self.home.prepare()
        self.keyring: Keyring = load_keyring(self.home, create=True)
        self.now = START
        self.told: list[Sequence[Imbalance]] = []
        self.logs = LogStore(self.home.logs_db)
        self.control = ControlStore(self.home.control_db)
        with self.control.reading() as connection:
            self.organization = default_organization(connection)
        self.books = Bookkeeping(
            self.home,
            self.keyring,
            self.home.logs_db,
            self.home.control_db,
            clock=lambda: self.now,
            tell=self.told.append,
        )

    def step_at(self, now: int) -> None:
        self.now = now
        self.books.step()

    def granted(self) -> dict[str, int]:
        with self.logs.reading() as connection:
            return granted_by_organization(connection)

    def grant(self, amount: int, expires_at: int | None) -> None:
        entry = NewEntry(
            organization_id=self.organization,
            kind=EntryKind.GRANT,
            amount=amount,
            created_at=self.now,
            expires_at=expires_at,
        )
        with self.logs.writing() as connection:
            add_entry(connection, entry)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path)
    yield made
    made.logs.close()
    made.control.close()


def test_minutes_are_kept_for_some_days(house: House) -> None:
    some = [make_log(str(day), started_at=START - day * DAY) for day in range(6)]
    house.logs.record(RecordBatch(logs=some))
    house.step_at(START)
    with house.logs.reading() as connection:
        assert connection.scalar(select(func.count()).select_from(minute_sums)) == 4
        assert connection.scalar(select(func.sum(day_sums.c.requests))) == 6


def test_what_expires_is_taken_out_once(house: House) -> None:
    house.grant(100, START + DAY)
    for day in range(5):
        house.step_at(START + day * DAY)
        with house.logs.reading() as connection:
            assert balance_of(connection, house.organization) == (100 if day < 2 else 0)


def test_what_was_entered_and_not_published_is_published(house: House) -> None:
    """The one who entered it died before the version rose; and the clerk's own entries are published likewise."""
    publisher = Publisher(house.home, house.keyring, house.control, {}, granted=house.granted)
    publisher.poll()
    now = START
    for amount, expires_at in ((100, None), (50, START + 2 * DAY)):
        house.grant(amount, expires_at)
        assert publisher.poll() is None, "nobody has raised the version"
        house.step_at(now)
        assert publisher.poll() is not None
        now += DAY // 24
    house.step_at(START + 3 * DAY)
    assert publisher.poll() is not None, "50 have expired"
    house.step_at(START + 4 * DAY)
    assert publisher.poll() is None


def test_pain_2_each_night_the_books_are_added_up(house: House, caplog: pytest.LogCaptureFixture) -> None:
    log = make_log("a", started_at=START, cost=7)
    house.logs.record(RecordBatch(logs=[log]))
    house.step_at(START)
    house.step_at(START + 600 * 10**9)
    assert house.told == []
    with house.logs.writing() as connection:
        connection.execute(update(day_sums).values(cost=8))
    house.step_at(START + DAY - 6)
    assert house.told == [], "it was looked at today"
    house.step_at(START + DAY + 600 * 10**9)
    (found,) = house.told
    assert {(one.what, one.one_sum, one.other_sum) for one in found} == {("cost", 7, 8)}
    warn_of(found)
    assert "the books do not agree: cost of" in caplog.text


def test_what_a_customer_may_spend_reaches_every_machine_of_a_shared_database(house: House) -> None:
    customers = [(house.organization, Environment.PROD, name) for name in ("ada", "bob")]
    with house.logs.writing() as connection:
        for customer in customers:
            add_customer(connection, *customer, START)
        change_customer(connection, *customers[0], {"total_budget": 5}, START)
    counters = Counters(house.home.counters)
    house.step_at(START)
    assert counters.customer(customer_key(*customers[0])) is None  # whoever changed a file has put it there
    logs = url_of(house.home.logs_db)
    books = Bookkeeping(house.home, house.keyring, logs, house.home.control_db, clock=lambda: house.now)
    books.step()
    assert counters.customer(customer_key(*customers[0])) == CustomerTerms(total_budget=5, managed=True)
    assert counters.customer(customer_key(*customers[1])) is None  # nobody has said anything
    with house.logs.writing() as connection:
        change_customer(connection, *customers[0], {"total_budget": 7}, START + 3 * 10**9)
    house.now = START + 3 * 10**9
    books.step()
    assert counters.customer(customer_key(*customers[0])) == CustomerTerms(total_budget=7, managed=True)
    counters.close()
