"""Logs in ClickHouse beside SQL: what is sent again is there once, and what is undone in SQL counts nothing."""

from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

import pytest
from msgspec.structs import replace
from sqlalchemy import func, select

from gantry.core.priced_log import NewPrice
from gantry.core.vocabulary import Environment
from gantry.store.clickhouse.client import Client
from gantry.store.clickhouse.compiler import Asked, compile_select
from gantry.store.clickhouse.split import is_of_logs
from gantry.store.database import Apart, StoreUnavailable, TooMuchToRead
from gantry.store.log_changes import LogChange
from gantry.store.log_days import DAY, Kept
from gantry.store.log_deletion import delete_said
from gantry.store.log_filter import Condition, Operator, field_named
from gantry.store.log_query import LogQuery
from gantry.store.log_tables import customer_days, hour_sums, log_ids, request_logs
from gantry.store.logs import LogStore, RecordBatch
from gantry.store.repricing import START, PricedQuery
from tests.store.logs_of_tests import HOUR, ORGANIZATION, OTHER, make_log

pytestmark = pytest.mark.slow

FIRST = 20_400  # a day, counted from the epoch


def ids(logs: LogStore, **query: Any) -> list[str]:
    return [log.log_id for log in logs.page(LogQuery(organization_id=ORGANIZATION, **query)).logs]


def says(word: str) -> Condition:
    return Condition(field_named("messages"), Operator.WORDS, (word,))


def stored(address: Apart, columns: str) -> list[tuple[Any, ...]]:
    """Ask ClickHouse for all rows, also those that are replaced."""
    client = Client(address.logs)
    try:
        plain = f"SELECT {columns} FROM request_logs ORDER BY log_id, version SETTINGS final = 0"
        return [tuple(row) for row in client.select(Asked(plain, {}, ()))]
    finally:
        client.close()


def counted(logs: LogStore) -> tuple[int, int]:
    """Return how many requests the sums say, and how many ids are taken."""
    with logs.reading() as connection:
        requests = connection.scalar(select(func.sum(hour_sums.c.requests)))
        taken = connection.scalar(select(func.count()).select_from(log_ids))
    return int(requests or 0), int(taken or 0)


def test_all_rows_of_a_large_batch_are_there(logs: LogStore, address: Apart) -> None:
    said = Random(1).randbytes(1500)  # that long, the client sends it in several blocks
    batch = [make_log(f"log-{number:04}", full_request=said, full_response=said) for number in range(3000)]
    assert len(logs.record(RecordBatch(logs=batch))) == 3000
    assert counted(logs) == (3000, 3000)
    assert len(stored(address, "log_id")) == 3000


def test_a_batch_of_which_the_server_took_less_is_not_stored(
    logs: LogStore, address: Apart, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert logs._apart is not None
    driver = logs._apart._client._client
    whole = driver.insert
    monkeypatch.setattr(driver, "insert", lambda table, rows, **how: whole(table, rows[:2], **how))
    with pytest.raises(StoreUnavailable, match="took 2 of 3 rows"):
        logs.record(RecordBatch(logs=[make_log(f"log-{number:04}") for number in range(3)]))
    assert counted(logs) == (0, 0)
    monkeypatch.undo()
    logs.record(RecordBatch(logs=[make_log(f"log-{number:04}") for number in range(3)]))
    assert counted(logs) == (3, 3)
    assert len(ids(logs)) == 3


def test_rows_of_a_transaction_that_is_undone_are_there_once_when_they_are_sent_again(
    logs: LogStore, address: Apart, monkeypatch: pytest.MonkeyPatch
) -> None:
    send = Client.insert

    def send_and_fail(client: Client, rows: Sequence[Sequence[Any]]) -> None:
        send(client, rows)
        raise StoreUnavailable("the connection is gone before the answer")

    batch = RecordBatch(logs=[make_log("a", input="once"), make_log("b")])
    with monkeypatch.context() as patched:
        patched.setattr(Client, "insert", send_and_fail)
        for _ in range(2):
            with pytest.raises(StoreUnavailable):
                logs.record(batch)
    assert counted(logs) == (0, 0)
    assert logs.record(batch) == {"a", "b"}
    assert logs.record(batch) == set()
    assert counted(logs) == (2, 2)
    assert sorted(ids(logs)) == ["a", "b"]
    assert ids(logs, filters=says("once")) == ["a"]
    assert logs.summary(LogQuery(organization_id=ORGANIZATION, filters=says("once"))).requests == 1
    numbers = {seq for (seq,) in stored(address, "seq")}
    assert len(numbers) == len(stored(address, "seq")), "what was sent in vain keeps its number"


def test_numbers_go_on_where_the_process_before_had_set_some_aside(logs_url: str, tmp_path: Path) -> None:
    address = Apart(tmp_path / "logs.db", logs_url)
    for log_id in "abc":
        store = LogStore(address)
        store.record(RecordBatch(logs=[make_log(log_id)]))
        store.close()
    first, second, third = sorted(seq for (seq,) in stored(address, "seq"))
    assert second - first == third - second == 10_000
    store = LogStore(address)
    assert [log.log_id for log in store.tail(ORGANIZATION)[0]] == ["a", "b", "c"]
    store.close()


def test_a_change_is_a_newer_version_of_the_row_with_all_that_was_said(logs: LogStore, address: Apart) -> None:
    log = make_log("a", input="toll bridge", full_request=b"\xff\x00", metadata='{"team":"red"}')
    logs.record(RecordBatch(logs=[log, make_log("a", organization_id=OTHER)]))
    assert logs.change(ORGANIZATION, None, [LogChange("a", {"note": "it's \\ 'here'", "is_pinned": True})]) == {"a"}
    assert logs.change(ORGANIZATION, None, [LogChange("a", {"note": None, "positive_feedback": False})]) == {"a"}
    assert logs.change(ORGANIZATION, "another key", [LogChange("a", {"note": "no"})]) == set()
    changed = replace(log, is_pinned=True, positive_feedback=False)
    assert logs.find(ORGANIZATION, "a") == changed
    assert ids(logs, filters=says("bridge")) == ["a"]
    of_mine = [version for organization, version in stored(address, "organization_id, version")]
    assert sorted(of_mine) == [0, 0, 1, 2]
    assert logs.find(OTHER, "a") == make_log("a", organization_id=OTHER)


def test_a_deleted_log_gives_its_id_free_and_comes_back_unchanged(logs: LogStore) -> None:
    logs.record(RecordBatch(logs=[make_log("a"), make_log("b")]))
    logs.change(ORGANIZATION, None, [LogChange("a", {"note": "old"})])
    assert logs.delete(ORGANIZATION, None, "a")
    assert not logs.delete(ORGANIZATION, None, "a")
    assert ids(logs) == ["b"]
    assert counted(logs) == (2, 1)
    assert logs.record(RecordBatch(logs=[make_log("a")])) == {"a"}
    assert logs.find(ORGANIZATION, "a") == make_log("a")
    logs.wipe()
    assert sorted(ids(logs)) == ["a", "b"]


def test_a_price_is_put_only_over_the_one_that_was_read(logs: LogStore) -> None:
    logs.record(RecordBatch(logs=[make_log("a", cost=5), make_log("b", cost=5, customer_identifier="ann")]))
    query = PricedQuery(organization_id=ORGANIZATION, since=0, until=2000 * HOUR)
    read = logs.priced_logs(query, START, 10)
    prices = [
        NewPrice(one, 9, '{"input_tokens":9}', False, "catalogue", "2", one.attempts, customer_cost=11) for one in read
    ]
    stale = replace(prices[0], log=replace(prices[0].log, cost=6))
    assert logs.reprice([stale, prices[1]]) == [prices[1]]
    assert logs.reprice(prices) == [prices[0]]
    assert [(log.cost, log.price_version) for log in logs.page(LogQuery(organization_id=ORGANIZATION)).logs] == [
        (9, "2")
    ] * 2
    with logs.reading() as connection:
        assert int(connection.scalar(select(func.sum(hour_sums.c.cost))) or 0) == 18
        assert int(connection.scalar(select(func.sum(customer_days.c.customer_cost))) or 0) == 11


def test_a_day_that_nobody_keeps_goes_with_its_ids_and_what_was_said_goes_alone(logs: LogStore, address: Apart) -> None:
    days = [FIRST, FIRST + 1, FIRST + 2]
    logs.record(
        RecordBatch(
            logs=[
                make_log(f"{day}{number}", started_at=day * DAY + number, input="spoken", organization_id=of)
                for day in days
                for number, of in enumerate((ORGANIZATION, OTHER))
            ]
        )
    )
    logs.change(OTHER, None, [LogChange(f"{days[1]}1", {"is_pinned": True})])
    first, second, third = logs.days()
    assert [first.name, second.name, third.name] == ["20251108", "20251109", "20251110"]
    cut = Kept(dict.fromkeys(Environment, days[2] * DAY), None)
    assert not logs.is_over(first, {ORGANIZATION: cut})
    kept = {ORGANIZATION: cut, OTHER: cut}
    assert [logs.is_over(day, kept) for day in (first, second, third)] == [True, False, False]
    logs.drop_day(first)
    assert [day.name for day in logs.days()] == [second.name, third.name]
    assert counted(logs) == (6, 4)
    assert ids(logs) == [f"{days[2]}0", f"{days[1]}0"]

    silent = {one: Kept(dict.fromkeys(Environment), (days[2] + 1) * DAY) for one in (ORGANIZATION, OTHER)}
    assert not logs.is_over(second, silent, said=True), "one of its logs is pinned"
    assert logs.is_over(third, silent, said=True)
    logs.drop_day(third, said=True)
    assert not logs.is_over(third, silent, said=True), "nothing is left to drop"
    assert ids(logs, filters=says("spoken")) == [f"{days[1]}0"]
    assert logs.find(ORGANIZATION, f"{days[2]}0") == make_log(f"{days[2]}0", started_at=days[2] * DAY)
    assert sorted(stored(address, "content IS NULL, input_words")) == [(0, " spoken ")] * 3 + [(1, "")] * 2


def test_a_batch_may_be_of_as_many_days_as_it_likes(logs: LogStore) -> None:
    many = [make_log(f"{day}", started_at=(FIRST + day) * DAY, input="x") for day in range(150)]
    assert len(logs.record(RecordBatch(logs=many))) == len(logs.days()) == 150
    with logs.writing() as connection:
        delete_said(connection, list(connection.scalars(select(request_logs.c.seq))))
    assert len(ids(logs, page_size=1000)) == 150


def test_nothing_that_a_caller_writes_is_part_of_a_statement() -> None:
    written = "x' OR 1=1 -- {p0:String} \\"
    asked = compile_select(
        select(request_logs.c.log_id).where(
            request_logs.c.model == written, request_logs.c.note.in_([written]), request_logs.c.cost > 2**70
        )
    )
    assert written not in asked.text
    assert list(asked.values.values()) == [written, [written], 2**70]
    assert "{p0:String}" in asked.text
    assert "{p1:Array(String)}" in asked.text
    assert "{p2:Float64}" in asked.text


def test_a_statement_of_two_stores_is_refused() -> None:
    assert is_of_logs(select(request_logs.c.seq).subquery().select())
    assert not is_of_logs(select(hour_sums))
    with pytest.raises(ValueError, match="hour_sums, request_logs"):
        is_of_logs(select(request_logs.c.seq).where(request_logs.c.cost == hour_sums.c.cost))


def test_a_server_that_is_away_is_told_without_the_password(address: Apart) -> None:
    with pytest.raises(StoreUnavailable, match=r"http://127\.0\.0\.1") as told:
        LogStore(Apart(address.sql, "http://user:secret@127.0.0.1:9/x"))
    assert "secret" not in str(told.value)


def test_a_question_that_takes_too_long_is_ended(address: Apart) -> None:
    client = Client(address.logs)
    with pytest.raises(TooMuchToRead):
        client.select(Asked("SELECT count() FROM numbers(1000000000000) WHERE number % 7 = 3", {}, ()), 0.2)
    client.close()
