"""The outbox on both engines: what is said is said once, in the transaction of what is told, and delivered surely."""

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from msgspec.structs import replace
from sqlalchemy import event

from gantry.core.alert import Alert, Event
from gantry.core.vocabulary import Environment
from gantry.store.alert_channels import Channel, ChannelKind
from gantry.store.alerts import (
    KEPT_DEAD,
    KEPT_DELIVERED,
    Delivered,
    Delivery,
    DeliveryState,
    Outbox,
    add_delivery,
    alerts_of,
    bury_orphans,
    claim_due,
    deliveries_of,
    due_among,
    find_delivery,
    prune_deliveries,
    raise_alert,
    redeliver,
    settle,
)
from gantry.store.database import Address
from gantry.store.logs import LogStore, RecordBatch
from tests.store.conftest import address_of_logs as address
from tests.store.logs_of_tests import ORGANIZATION, OTHER, make_log

__all__ = ["address"]

NOW = 1_795_000_000_000_000_000
MINUTE = 60_000_000_000


def channel(name: str, **fields: Any) -> Channel:
    values: dict[str, Any] = {"organization_id": ORGANIZATION, "kind": ChannelKind.WEBHOOK, "target": "https://x.test/"}
    return Channel(id=name, name=name, **(values | fields))


def alert(subject: str = "limit:1:80", **fields: Any) -> Alert:
    values: dict[str, Any] = {"organization_id": ORGANIZATION, "event": Event.LIMIT_THRESHOLD, "message": "80 %"}
    return Alert(subject=subject, **(values | {"data": {"percent": 80}} | fields))


ALL = channel("all")


def tell(logs: LogStore, one: Alert, *channels: Channel, now: int = NOW) -> bool:
    with logs.writing() as connection:
        return raise_alert(connection, one, channels, now)


def told(logs: LogStore, organization_id: str = ORGANIZATION) -> list[Delivery]:
    """Return all deliveries, the oldest first."""
    with logs.reading() as connection:
        return deliveries_of(connection, organization_id, 10_000)[::-1]


def claim(logs: LogStore, now: int = NOW, *, limit: int = 10) -> list[Delivery]:
    with logs.writing() as connection:
        return claim_due(connection, "all", now, now + MINUTE, limit)


def put(logs: LogStore, *results: Delivered) -> None:
    with logs.writing() as connection:
        settle(connection, results)


def test_the_same_is_said_once(logs: LogStore) -> None:
    assert tell(logs, alert(), ALL)
    assert not tell(logs, alert(message="in other words"), ALL, now=NOW + MINUTE)
    assert tell(logs, alert("limit:1:100"), ALL, now=NOW + MINUTE)
    assert tell(logs, alert(event=Event.LIMIT_EXCEEDED), ALL, now=NOW + MINUTE)
    assert tell(logs, alert(organization_id=OTHER), ALL)
    assert len(told(logs)) == 3
    assert told(logs, OTHER) == []
    with logs.reading() as connection:
        first, *_ = alerts_of(connection, ORGANIZATION, 10)[::-1]
        assert [one.subject for one in alerts_of(connection, ORGANIZATION, 1, before=first.id)] == []
    payload = json.loads(first.payload)
    assert payload == {
        "id": first.id,
        "event": "limit_threshold",
        "organization_id": ORGANIZATION,
        "environment": None,
        "subject": "limit:1:80",
        "message": "80 %",
        "raised_at": "2026-11-18T11:06:40Z",
        "data": {"percent": 80},
    }
    assert told(logs)[0].payload == first.payload


def test_alerts_are_listed_page_by_page(logs: LogStore) -> None:
    for number in range(5):
        tell(logs, alert(str(number)), now=NOW + number // 2)
    with logs.reading() as connection:
        pages, mark = [], None
        while page := alerts_of(connection, ORGANIZATION, 2, before=mark):
            pages.append([one.subject for one in page])
            mark = page[-1].id
    assert sorted(subject for page in pages for subject in page) == ["0", "1", "2", "3", "4"]
    assert [len(page) for page in pages] == [2, 2, 1]
    assert pages[0][0] == "4"


def test_a_channel_is_told_what_it_wants(logs: LogStore) -> None:
    test, prod = (channel(one, environment=one) for one in (Environment.TEST, Environment.PROD))
    picky = channel("picky", events=(Event.UNPRICED_MODEL,))
    off = channel("off", enabled=False)
    others = channel("others", organization_id=OTHER)
    logs_only = channel("logs", events=(Event.REQUEST_LOG,))
    everybody = (ALL, test, prod, picky, off, others, logs_only)
    tell(logs, alert("1"), *everybody)
    tell(logs, alert("2", environment=Environment.TEST), *everybody)
    tell(logs, alert("3", event=Event.UNPRICED_MODEL), *everybody)
    heard: dict[str, list[str]] = {}
    for delivery in told(logs):
        heard.setdefault(delivery.channel_id, []).append(json.loads(delivery.payload)["subject"])
    assert {name: sorted(subjects) for name, subjects in heard.items()} == {
        "all": ["1", "2", "3"],
        "test": ["1", "2", "3"],
        "prod": ["1", "3"],
        "picky": ["3"],
    }


def test_a_transaction_that_fails_has_told_nothing(logs: LogStore) -> None:
    def fail() -> None:
        with logs.writing() as connection:
            assert raise_alert(connection, alert(), [ALL], NOW)
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert told(logs) == []
    assert tell(logs, alert(), ALL)


def test_many_who_notice_the_same_tell_it_once(address: Address) -> None:
    stores = [LogStore(address) for _ in range(4)]
    subjects = [str(number % 10) for number in range(40)]

    def notice(store: LogStore) -> int:
        return sum(tell(store, alert(subject), ALL) for subject in subjects)

    with ThreadPoolExecutor(4) as pool:
        counts = list(pool.map(notice, stores))
    assert sum(counts) == 10
    assert len(told(stores[0])) == 10
    for store in stores:
        store.close()


def test_logs_are_told_with_their_rows_and_no_row_twice(logs: LogStore) -> None:
    listening = channel("logs", events=(Event.REQUEST_LOG, Event.UNPRICED_MODEL))
    only_test = channel("test", events=(Event.REQUEST_LOG,), environment=Environment.TEST)
    outbox = Outbox((alert(event=Event.UNPRICED_MODEL),), (ALL, listening, only_test), NOW)
    batch = RecordBatch(logs=[make_log("one"), make_log("two", environment=Environment.TEST)], outbox=outbox)
    logs.record(batch)
    logs.record(batch)
    logs.record(
        RecordBatch(logs=[make_log("two"), make_log("three"), make_log("x", organization_id=OTHER)], outbox=outbox)
    )
    found = sorted((one.channel_id, one.event, one.payload) for one in told(logs) if one.event == Event.REQUEST_LOG)
    assert found == [
        ("logs", "request_log", "one"),
        ("logs", "request_log", "three"),
        ("logs", "request_log", "two"),
        ("test", "request_log", "two"),
    ]
    assert sorted(one.channel_id for one in told(logs) if one.event == Event.UNPRICED_MODEL) == ["all", "logs"]


def test_what_no_engine_stores_as_it_is_is_told_all_the_same(logs: LogStore) -> None:
    odd = "a\0b\ud800c"
    outbox = Outbox((alert(odd, message=odd, data={"model": odd}),), (ALL,), NOW)
    logs.record(RecordBatch(logs=[make_log("one", model=odd)], outbox=outbox))
    payload = json.loads(told(logs)[0].payload)
    assert payload["data"] == {"model": "a\ufffdb?c"}
    assert payload["subject"] == "a\ufffdb?c"


def test_a_claim_is_nobody_elses_until_it_is_over(logs: LogStore) -> None:
    for number in range(3):
        tell(logs, alert(str(number)), ALL, now=NOW + number)
    with logs.reading() as connection:
        assert due_among(connection, ["none", "all"], NOW) == ["all"]
        assert due_among(connection, ["all"], NOW - 1) == []
    first = claim(logs, NOW + 5, limit=2)
    assert [json.loads(one.payload)["subject"] for one in first] == ["0", "1"]
    assert [one.attempts for one in first] == [1, 1]
    assert [json.loads(one.payload)["subject"] for one in claim(logs, NOW + 5)] == ["2"]
    assert claim(logs, NOW + 5) == []
    again = claim(logs, NOW + 5 + MINUTE)
    assert {one.id for one in again} >= {one.id for one in first}
    assert {one.attempts for one in again} == {2}


def test_claims_of_two_nodes_do_not_meet(address: Address) -> None:
    stores = [LogStore(address) for _ in range(2)]
    for number in range(40):
        tell(stores[0], alert(str(number)), ALL)

    def take(store: LogStore) -> list[str]:
        found: list[str] = []
        while claimed := claim(store, limit=3):
            found.extend(one.id for one in claimed)
        return found

    with ThreadPoolExecutor(2) as pool:
        taken = list(pool.map(take, stores))
    assert len(set(taken[0]) | set(taken[1])) == 40
    assert len(taken[0]) + len(taken[1]) == 40
    for store in stores:
        store.close()


def test_an_attempt_ends_delivered_later_or_dead_and_people_may_try_again(logs: LogStore) -> None:
    for subject in ("fine", "later", "dead"):
        tell(logs, alert(subject), ALL)
    by_subject = {json.loads(one.payload)["subject"]: one for one in claim(logs)}
    put(
        logs,
        Delivered(by_subject["fine"], NOW + 7),
        Delivered(by_subject["later"], NOW + 7, "it answered 500", NOW + 5 * MINUTE),
        Delivered(by_subject["dead"], NOW + 7, "x" * 1000),
    )
    states = {json.loads(one.payload)["subject"]: one for one in told(logs)}
    assert {subject: one.state for subject, one in states.items()} == {
        "fine": DeliveryState.DELIVERED,
        "later": DeliveryState.PENDING,
        "dead": DeliveryState.DEAD,
    }
    assert states["fine"].delivered_at == NOW + 7
    assert states["later"].last_error == "it answered 500"
    assert states["dead"].last_error == "x" * 500
    assert claim(logs, NOW + 2 * MINUTE) == []
    assert [one.id for one in claim(logs, NOW + 5 * MINUTE)] == [states["later"].id]
    dead = states["dead"].id
    with logs.reading() as connection:
        assert [one.id for one in deliveries_of(connection, ORGANIZATION, 10, DeliveryState.DEAD)] == [dead]
        assert find_delivery(connection, OTHER, dead) is None
    with logs.writing() as connection:
        assert redeliver(connection, OTHER, [dead], NOW) == 0
        assert redeliver(connection, ORGANIZATION, [dead, "nobody"], NOW + 5 * MINUTE) == 1
    (again,) = claim(logs, NOW + 5 * MINUTE)
    assert (again.id, again.attempts, again.payload) == (dead, 1, states["dead"].payload)


def test_a_log_that_is_delivered_leaves_no_delivery(logs: LogStore) -> None:
    listening = channel("all", events=(Event.REQUEST_LOG,))
    with logs.writing() as connection:
        add_delivery(connection, listening, Event.REQUEST_LOG, "one", NOW)
        add_delivery(connection, listening, Event.REQUEST_LOG, "two", NOW)
    one, two = claim(logs)
    put(logs, Delivered(one, NOW), Delivered(two, NOW, "no answer", NOW + 1))
    assert [delivery.id for delivery in told(logs)] == [two.id]


def test_what_is_old_goes_and_what_has_no_channel_is_given_up(logs: LogStore) -> None:
    for number in range(3):
        tell(logs, alert(str(number)), ALL, channel("gone"))
    first, second, third = claim(logs)
    put(logs, Delivered(first, NOW), Delivered(second, NOW, "no"))
    with logs.writing() as connection:
        assert bury_orphans(connection, ["all"], NOW) == 0
        assert bury_orphans(connection, ["all"], NOW + 1) == 3
        assert prune_deliveries(connection, NOW + KEPT_DELIVERED) == 0
        assert prune_deliveries(connection, NOW + KEPT_DELIVERED + 1) == 1
        assert prune_deliveries(connection, NOW + KEPT_DEAD) == 0
        assert prune_deliveries(connection, NOW + KEPT_DEAD + MINUTE, most=3) == 3
        assert prune_deliveries(connection, NOW + KEPT_DEAD + MINUTE, most=3) == 1
    assert [one.id for one in told(logs)] == [third.id]


def test_a_backlog_is_not_looked_through_while_nobody_else_writes(logs: LogStore) -> None:
    """A webhook that was told of every log and was down for a week may have a million on their way."""
    for number in range(5):
        tell(logs, alert(str(number)), channel("gone"), channel("gone too"), ALL)
    asked: list[tuple[str, tuple[object, ...]]] = []

    def note(_c: object, _cursor: object, statement: str, parameters: tuple[object, ...], *_: object) -> None:
        asked.append((statement, parameters))

    with logs.writing() as connection:
        event.listen(connection, "before_cursor_execute", note)
        assert bury_orphans(connection, ["all"], NOW + 1, most=7) == 7
        assert bury_orphans(connection, ["all"], NOW + 1, most=7) == 3
        assert bury_orphans(connection, ["all"], NOW + 1, most=7) == 0
        prune_deliveries(connection, NOW)
        event.remove(connection, "before_cursor_execute", note)
        if connection.dialect.name == "sqlite":
            explained = (connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}", said) for text, said in asked)
            plans = [" ".join(row.detail for row in rows) for rows in explained]
            assert all("SEARCH" in plan and "SCAN" not in plan.replace("SCAN CONSTANT", "") for plan in plans), plans
            assert any("sqlite_autoindex_deliveries_1 (id<?)" in plan for plan in plans), plans


@pytest.fixture
def many(logs: LogStore) -> LogStore:
    """A store in which one channel's receiver has been away for long."""
    away = replace(ALL, id="away", events=(Event.REQUEST_LOG,))
    with logs.writing() as connection:
        for number in range(2000):
            add_delivery(connection, away, Event.REQUEST_LOG, str(number), NOW + 10 * MINUTE)
    return logs


def test_a_channel_that_is_away_hides_no_other(many: LogStore) -> None:
    tell(many, alert(), ALL)
    with many.reading() as connection:
        assert due_among(connection, ["away", "all"], NOW) == ["all"]
    assert len(claim(many)) == 1
