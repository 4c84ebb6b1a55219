"""The clerk's eyes, over a home of their own: what is told of batches, and of what no batch tells; and each once."""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from gantry.board.board import CLERK_SLOT, FIRST_WORKER_SLOT, Board, Word
from gantry.board.counters import Counters
from gantry.board.health import HealthBook
from gantry.board.held import Held
from gantry.clerk import watch
from gantry.clerk.alert_book import AlertBook
from gantry.clerk.book_alerts import BookAlerts
from gantry.clerk.oversee import LOOK_EVERY, SUM_EVERY, Overseer
from gantry.clerk.publish import Publisher
from gantry.clerk.watch import Watch
from gantry.console.channel_service import ChannelForm, make_channel
from gantry.core.alert import DEFAULT_RULES, EVENTS, Event
from gantry.core.ids import format_id
from gantry.core.limit_terms import terms_of
from gantry.core.limits import Limit, LimitScope, LimitUnit
from gantry.core.logged_attempt import LoggedAttempt
from gantry.core.periods import Period
from gantry.core.request_log import RequestLog
from gantry.core.secret import Secret
from gantry.core.standing import Standing
from gantry.home import Home, load_keyring
from gantry.store.alert_rules import put_alert_rules
from gantry.store.alerts import RaisedAlert, alerts_of, deliveries_of
from gantry.store.audit import Imbalance
from gantry.store.control import Change, ControlStore, default_organization, put_setting
from gantry.store.credentials import NewCredential, add_credential
from gantry.store.limits import add_limit
from gantry.store.logs import LogStore, RecordBatch, StoreUnavailable
from gantry.store.vault import Vault
from tests.store.logs_of_tests import make_log

NS = 1_000_000_000
HOUR = 3600 * NS
NOW = 1_795_000_000 * NS
USD = 1_000_000_000


class House:
    """A home with a channel and a published configuration, and the two who look."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self.keyring = load_keyring(home, create=True)
        self.control = ControlStore(home.control_db)
        self.logs = LogStore(home.logs_db)
        self.counters = Counters(home.counters)
        self.board = Board(home.board)
        self.now = NOW
        self.moment = 1000.0
        with self.control.reading() as connection:
            self.organization_id = default_organization(connection)
        self.vault = Vault(self.keyring.vault)
        self.publisher = Publisher(home, self.keyring, self.control, {}, granted=dict)
        form = ChannelForm(name="ops", target="https://x.test/")
        self.change(lambda change: make_channel(change, self.vault, self.organization_id, form, private=True))
        self.book = AlertBook(home, self.keyring, home.control_db, clock=lambda: self.moment)
        self.watch = Watch(self.book, self.counters, lambda _: True, clock=lambda: self.now)
        self.overseer = Overseer(
            self.book,
            self.logs,
            self.counters,
            self.board,
            home.health,
            clock=lambda: self.now,
            monotonic=lambda: self.moment,
        )

    def change(self, made: Callable[[Change], Any]) -> Any:
        """Change the configuration, publish it, and let a moment go by."""
        with self.control.changing() as change:
            result = made(change)
        self.publisher.publish()
        self.pass_by(2.0)
        return result

    def pass_by(self, seconds: float) -> None:
        self.moment = getattr(self, "moment", 1000.0) + seconds

    def log(self, log_id: str = "1", **fields: Any) -> RequestLog:
        return make_log(log_id, **({"organization_id": self.organization_id, "started_at": self.now} | fields))

    def see(self, *logs: RequestLog) -> list[str]:
        """Let a batch be looked at, and store it; return the events that are news."""
        outbox = self.watch.look_at(list(logs))
        self.logs.record(RecordBatch(logs=list(logs), outbox=outbox))
        return [alert.event for alert in outbox.alerts]

    def look(self, seconds: float = LOOK_EVERY) -> list[str]:
        """Look again after some time; return the events that were raised by that."""
        before = {alert.id for alert in self.raised()}
        self.pass_by(seconds)
        self.overseer.look()
        return sorted(alert.event for alert in self.raised() if alert.id not in before)

    def raised(self) -> list[RaisedAlert]:
        with self.logs.reading() as connection:
            return alerts_of(connection, self.organization_id, 1000)

    def deliveries(self) -> int:
        with self.logs.reading() as connection:
            return len(deliveries_of(connection, self.organization_id, 1000))

    def spend(self, limit: Limit, cost: int) -> None:
        held = self.counters.hold([terms_of(self.organization_id, limit, "key")], cost, 0, self.now)
        assert isinstance(held, Held)

    def close(self) -> None:
        self.counters.close()
        self.logs.close()
        self.control.close()


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    home = Home(tmp_path / "home")
    home.prepare()
    house = House(home)
    yield house
    for alert in house.raised():
        assert json.loads(alert.payload)["data"].keys() == EVENTS[Event(alert.event)].data.keys()
    house.close()


def budget(house: House, **fields: Any) -> Limit:
    values: dict[str, Any] = {
        "id": "",
        "scope": LimitScope.API_KEY,
        "subject": "*",
        "unit": LimitUnit.COST,
        "period": Period.MONTH,
        "amount": USD,
        "alerts": (80,),
    }
    limit = Limit(**(values | fields))
    return house.change(lambda change: add_limit(change, house.organization_id, limit)).limit  # type: ignore[no-any-return]


def test_a_threshold_is_told_with_the_batch_that_passed_it_and_once(house: House) -> None:
    limit = budget(house)
    house.spend(limit, USD * 79 // 100)
    assert house.see(house.log("1")) == []
    house.spend(limit, USD // 100)
    assert house.see(house.log("2")) == [Event.LIMIT_THRESHOLD]
    assert house.see(house.log("3")) == []
    assert house.deliveries() == 1


def test_another_clerk_that_notices_the_same_tells_it_no_second_time(house: House) -> None:
    limit = budget(house)
    house.spend(limit, USD)
    assert house.see(house.log("1")) == [Event.LIMIT_THRESHOLD]
    house.watch = Watch(house.book, house.counters, lambda _: True, clock=lambda: house.now)
    assert house.see(house.log("2")) == [Event.LIMIT_THRESHOLD]
    assert (len(house.raised()), house.deliveries()) == (1, 1)


def test_what_nobody_wants_raised_is_not(house: House) -> None:
    assert house.see(house.log("1", price_missing=True, model="m")) == [Event.UNPRICED_MODEL]
    rules = replace(DEFAULT_RULES, off=(Event.UNPRICED_MODEL,))
    house.change(lambda change: put_alert_rules(change, house.organization_id, rules))
    assert house.see(house.log("2", price_missing=True, model="n")) == []
    house.change(lambda change: put_setting(change, house.organization_id, "alerts", {"of a newer version": 1}))
    assert house.see(house.log("3", price_missing=True, model="n")) == [Event.UNPRICED_MODEL]


def test_provider_errors_are_counted_over_batches(house: House) -> None:
    failed = LoggedAttempt("mistral", "c", "default", "small", status=503, outcome="upstream_error")
    attempts = msgspec.json.encode([failed]).decode()
    logs = [house.log(str(number), attempts=attempts) for number in range(30)]
    told = [event for log in logs for event in house.see(log)]
    assert told == [Event.PROVIDER_ERRORS]


@pytest.mark.plain
def test_names_that_a_caller_makes_up_are_not_all_told(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "MOST_A_DAY", 10)
    logs = [house.log(str(number), price_missing=True, model=f"made-up-{number}") for number in range(50)]
    assert len(house.see(*logs)) == 10
    assert house.see(house.log("x", price_missing=True, model="more")) == []
    house.now += 24 * HOUR
    assert house.see(house.log("y", price_missing=True, model="more")) == [Event.UNPRICED_MODEL]


def test_channels_that_are_new_are_told_at_once(house: House) -> None:
    house.see(house.log("1", price_missing=True, model="m"))
    form = ChannelForm(name="second", target="https://y.test/", events=(Event.REQUEST_LOG, Event.UNPRICED_MODEL))
    house.change(lambda change: make_channel(change, house.vault, house.organization_id, form, private=True))
    house.see(house.log("2", price_missing=True, model="n"))
    assert house.deliveries() == 1 + 2 + 1


class Away:
    def version(self) -> int:
        raise StoreUnavailable("gone")


def test_the_store_away_leaves_what_was_read_before(house: House) -> None:
    house.see(house.log("1"))
    house.book._store = Away()  # type: ignore[assignment]
    house.home.snapshot.write_bytes(b"broken")
    house.pass_by(5)
    assert house.see(house.log("2", price_missing=True, model="m")) == [Event.UNPRICED_MODEL]
    assert house.deliveries() == 1


def test_a_budget_of_one_counter_is_looked_for_without_a_call(house: House) -> None:
    limit = budget(house, subject="key")
    each = budget(house)
    house.spend(limit, USD)
    house.spend(each, USD)
    assert house.look() == [Event.LIMIT_THRESHOLD]
    assert house.look() == []
    assert house.deliveries() == 1


def test_what_the_overseer_could_not_store_is_told_later(house: House) -> None:
    house.spend(budget(house, subject="key"), USD)
    logs, house.overseer._logs = house.overseer._logs, None  # type: ignore[assignment]
    with pytest.raises(AttributeError):
        house.look()
    house.overseer._logs = logs
    assert house.look() == [Event.LIMIT_THRESHOLD]


def test_a_journal_that_fills_up_is_told_by_level(house: House) -> None:
    slot = house.board.slot(FIRST_WORKER_SLOT)
    slot.claim(1, NOW)
    assert house.look() == []
    slot[Word.JOURNAL_LEVEL] = 1
    assert house.look() == [Event.JOURNAL_FILLING]
    assert house.look() == []
    slot[Word.JOURNAL_LEVEL] = 2
    assert house.look() == [Event.JOURNAL_FILLING]
    house.now += HOUR
    assert house.look() == [Event.JOURNAL_FILLING]


def test_records_that_were_rejected_are_told(house: House) -> None:
    assert house.look() == []
    house.board.slot(CLERK_SLOT).add(Word.RECORDS_REJECTED, 3)
    assert house.look() == [Event.RECORDS_REJECTED]
    assert json.loads(house.raised()[0].payload)["data"]["records"] == 3


def test_a_deployment_that_is_left_alone_is_told_by_its_name(house: House) -> None:
    secrets = {"api_key": Secret("k")}
    new = NewCredential(provider_id="mistral", name="default", base_url="https://api.mistral.ai", secrets=secrets)
    credential = house.change(lambda change: add_credential(change, house.vault, house.organization_id, new))
    house.moment = time.monotonic()
    now = int(house.moment * 1000)
    health = HealthBook(house.home.health)
    for deployment in (f"{credential.id}/small", "nobody/small"):
        health.change(deployment, lambda _: Standing(cooldowns=2, since=now, until=now + 600_000, status=503))
    health.change(f"{credential.id}/well", lambda _: Standing(failing=100))
    health.close()
    house.overseer._looked = -1e9
    assert house.look(2.0) == [Event.DEPLOYMENT_COOLDOWN]
    data = json.loads(house.raised()[0].payload)["data"]
    assert data == {"deployment": "mistral/default/small", "status": 503, "cooldowns": 2}


def test_books_that_differ_are_told_once_a_day_to_those_whose_they_are(house: House) -> None:
    teller = BookAlerts(house.book, house.home.logs_db, clock=lambda: house.now)
    found = [
        Imbalance(organization_id, "charged", "the ledger", 1000, "sums by day", number)
        for organization_id in (house.organization_id, "another")
        for number in range(2)
    ]
    teller.tell(found)
    teller.tell(found[1:])
    assert [alert.event for alert in house.raised()] == [Event.BOOKS_DIFFER]
    data = json.loads(house.raised()[0].payload)["data"]
    assert data == {"finding": found[0].sentence, "findings": 2}
    assert house.deliveries() == 1
    house.now += 24 * HOUR
    teller.tell(found)
    assert len(house.raised()) == 2


def test_an_hour_that_is_ten_times_dearer_is_told_for_the_organization_and_the_key(house: House) -> None:
    """Two keys spend a dollar an hour for two weeks; then one of them spends ten."""
    logs = [
        house.log(format_id(hour, key), key_id=f"key{key}", cost=USD, started_at=NOW - hour * HOUR)
        for hour in range(1, 15 * 24)
        for key in range(2)
    ]
    house.logs.record(RecordBatch(logs=logs))
    house.logs.record(RecordBatch(logs=[house.log(f"now{key}", key_id=f"key{key}", cost=USD) for key in range(2)]))

    assert house.look(SUM_EVERY) == []
    house.logs.record(RecordBatch(logs=[house.log("c", key_id="key1", cost=9 * USD)]))
    assert house.look(LOOK_EVERY) == []  # sums are asked once a minute
    assert house.look(SUM_EVERY) == [Event.SPEND_ANOMALY, Event.SPEND_ANOMALY]
    found = {alert["api_key_id"]: alert for alert in (json.loads(one.payload)["data"] for one in house.raised())}
    assert found.keys() == {None, "key1"}
    assert (found["key1"]["spent"], found["key1"]["usual"], found[None]["spent"]) == (10.0, 1.0, 11.0)
    house.now += HOUR
    house.logs.record(RecordBatch(logs=[house.log("d", key_id="key1", cost=30 * USD)]))
    assert house.look(SUM_EVERY) == []  # once a day
    house.now += 24 * HOUR
    house.logs.record(RecordBatch(logs=[house.log("e", key_id="key1", cost=100 * USD)]))
    assert len(house.look(SUM_EVERY)) == 2
