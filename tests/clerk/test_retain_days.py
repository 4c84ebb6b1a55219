"""On PostgreSQL a day that is over for all goes as a whole; where somebody keeps it, rows of the others are deleted."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from gantry.clerk.retain import Retaining
from gantry.core.retention import DAY, FOR_EVER, Retention
from gantry.store.control import ControlStore, default_organization
from gantry.store.log_changes import LogChange
from gantry.store.log_days import name_of
from gantry.store.log_query import LogQuery
from gantry.store.logs import LogStore, RecordBatch
from tests.postgresql import create_database
from tests.store.conftest import postgres_server
from tests.store.logs_of_tests import OTHER, make_log

__all__ = ["postgres_server"]
pytestmark = pytest.mark.slow

TODAY = 20_000
NOW = TODAY * DAY + DAY // 2


class Arrival:
    day = TODAY

    def __call__(self) -> int:
        return self.day


class Shop:
    """An organization with two logs for each of the last 10 days, each stored on its day."""

    def __init__(self, address: str, control: Path) -> None:
        self.address, self.control = address, control
        with ControlStore(control) as store, store.reading() as connection:
            self.organization_id = default_organization(connection)
        self.arrival = Arrival()
        self.logs = LogStore(address, arrival=self.arrival)
        for self.arrival.day in range(TODAY - 9, TODAY + 1):
            self.record(self.organization_id, "first", "last")

    def record(self, organization_id: str, *names: str) -> None:
        day = self.arrival.day
        moments = (day * DAY, (day + 1) * DAY - 1)
        some = [
            make_log(f"{name} {TODAY - day}", organization_id=organization_id, started_at=at, ended_at=at, input="said")
            for name, at in zip(names, moments, strict=False)
        ]
        self.logs.record(RecordBatch(logs=some))

    def days(self) -> set[str]:
        past = {name_of(day) for day in range(TODAY - 9, TODAY + 1)}
        return {day.name for day in self.logs.days() if day.name in past}

    def kept(self) -> set[str]:
        query = LogQuery(organization_id=self.organization_id, page_size=1000)
        return {log.log_id for log in self.logs.page(query).logs}

    def retain(self, usual: Retention) -> int:
        """Let the clerk do all that is due, and return in how many slices."""
        retaining = Retaining(self.address, self.control, usual, clock=lambda: NOW, rest=lambda _: None)
        slices = 0
        while retaining.step():
            slices += 1
        return slices


@pytest.fixture
def shop(postgres_server: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Shop]:
    made = Shop(create_database(postgres_server, f"retain_{abs(hash(request.node.name))}"), tmp_path / "control.db")
    yield made
    made.logs.close()


def test_days_that_are_over_go_whole_and_none_before_it_ended(shop: Shop) -> None:
    assert shop.retain(FOR_EVER) == 0
    assert len(shop.days()) == 10
    assert shop.retain(Retention(days=3)) == 6, "a step for each day, and no row by itself"
    assert shop.days() == {name_of(day) for day in range(TODAY - 3, TODAY + 1)}
    assert shop.kept() == {f"{name} {day}" for name in ("first", "last") for day in range(4)}
    assert shop.retain(Retention(days=3)) == 0


def test_what_was_said_goes_by_days_too(shop: Shop) -> None:
    assert shop.retain(Retention(body_days=2)) == 7
    assert len(shop.kept()) == 20
    texts = {log.log_id: log.input for log in shop.logs.tail(shop.organization_id)[0]}
    assert {log_id for log_id, said in texts.items() if said} == {
        f"{n} {day}" for n in ("first", "last") for day in range(3)
    }


def test_a_pinned_log_keeps_its_day_and_no_other_log_of_it(shop: Shop) -> None:
    shop.logs.change(shop.organization_id, None, [LogChange("last 8", {"is_pinned": True})])
    shop.retain(Retention(days=3))
    assert shop.days() == {name_of(day) for day in (TODAY - 8, *range(TODAY - 3, TODAY + 1))}
    assert shop.kept() == {"last 8", *(f"{name} {day}" for name in ("first", "last") for day in range(4))}


def test_logs_of_nobody_who_is_known_keep_their_day(shop: Shop) -> None:
    shop.arrival.day = TODAY - 9
    shop.record(OTHER, "stranger")
    shop.retain(Retention(days=3))
    assert name_of(TODAY - 9) in shop.days()
    assert shop.logs.find(OTHER, "stranger 9") is not None
    assert shop.kept() == {f"{name} {day}" for name in ("first", "last") for day in range(4)}
