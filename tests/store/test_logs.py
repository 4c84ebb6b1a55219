"""The log store: one batch, one transaction; each id once; nothing that a caller sends stops it."""

import sqlite3
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import func, select

from gantry.console.filter_grammar import read_filters
from gantry.core.usage import Usage
from gantry.core.vocabulary import Environment, Outcome
from gantry.store.database import Address, Apart, StoreUnavailable, open_database
from gantry.store.log_filter import field_named
from gantry.store.log_tables import hour_sums
from gantry.store.logs import LogQuery, LogStore, RecordBatch
from tests.postgresql import needs_sqlite
from tests.store.conftest import address_of_logs as address
from tests.store.logs_of_tests import HOUR, ORGANIZATION, OTHER, make_log

__all__ = ["address"]


def _sums(address: Address) -> tuple[int, int, int]:
    """Return the requests, errors and input tokens that the hour_sums say."""
    database = open_database(address)
    sums = (func.sum(hour_sums.c.requests), func.sum(hour_sums.c.errors), func.sum(hour_sums.c.input_tokens))
    with database.reading() as connection:
        row = connection.execute(select(*sums)).one()
    database.close()
    return int(row[0] or 0), int(row[1] or 0), int(row[2] or 0)


def _ids(logs: LogStore, **query: Any) -> list[str]:
    """Return the ids of a page; `sort_by` is a name of the API, and `where` equality as a body has it."""
    order = query.pop("sort_by", "-id")
    name = order.removeprefix("-")
    where = {name: {"value": [value]} for name, value in query.pop("where", {}).items()}
    asked = LogQuery(
        organization_id=ORGANIZATION,
        filters=read_filters(where, str),
        sort_by=None if name == "id" else field_named(name),
        descending=order.startswith("-"),
        **query,
    )
    return [log.log_id for log in logs.page(asked).logs]


def test_a_log_comes_back_as_it_was_stored(logs: LogStore) -> None:
    log = make_log(
        "a",
        model="mistral-small-latest",
        usage=Usage(input_tokens=3, output_tokens=5, total_tokens=8, estimated=True),
        cost=12,
        metadata='{"team": "é"}',
        input="[…]",
        output="hello",
        full_request=b'{"a":1}',
        full_response=b"data: {}\n\n" * 500,
        stream=True,
    )
    assert logs.record(RecordBatch(logs=[log])) == {"a"}
    assert logs.find(ORGANIZATION, "a") == log
    assert logs.find(OTHER, "a") is None
    assert logs.find(ORGANIZATION, "b") is None


def test_a_log_is_stored_and_counted_once(logs: LogStore, address: Address) -> None:
    batch = RecordBatch(logs=[make_log("a", usage=Usage(input_tokens=3)), make_log("b", usage=Usage(input_tokens=5))])
    assert logs.record(batch) == {"a", "b"}
    assert logs.record(batch) == set()
    more = [make_log("b"), make_log("c", usage=Usage(input_tokens=7)), make_log("c", usage=Usage(input_tokens=7))]
    assert logs.record(RecordBatch(logs=more)) == {"c"}
    assert _sums(address) == (3, 0, 15)


def test_rows_with_and_without_rare_columns_keep_their_order_and_are_counted_once(
    logs: LogStore, address: Address
) -> None:
    mixed = [make_log("a"), make_log("b", customer_identifier="c"), make_log("c"), make_log("d", metadata="{}")]
    assert logs.record(RecordBatch(logs=mixed[1:3])) == {"b", "c"}
    assert logs.record(RecordBatch(logs=mixed)) == {"a", "d"}
    assert logs.tail(ORGANIZATION)[0] == [mixed[1], mixed[2], mixed[0], mixed[3]]
    assert _sums(address)[0] == 4


def test_two_organizations_may_choose_the_same_id(logs: LogStore) -> None:
    mine, theirs = make_log("a", output="mine"), make_log("a", output="theirs", organization_id=OTHER)
    assert logs.record(RecordBatch(logs=[mine])) == {"a"}
    assert logs.record(RecordBatch(logs=[theirs])) == {"a"}
    assert logs.find(ORGANIZATION, "a") == mine
    assert logs.find(OTHER, "a") == theirs


def test_errors_are_counted(logs: LogStore, address: Address) -> None:
    batch = [
        make_log("a"),
        make_log("b", outcome=Outcome.LOGGED),
        make_log("c", outcome=Outcome.LOGGED, status_code=500),
        make_log("d", outcome=Outcome.CLIENT_GONE),
    ]
    logs.record(RecordBatch(logs=batch))
    assert _sums(address) == (4, 2, 0)


def test_open_calls_live_in_the_store_until_they_are_closed_or_forgotten(logs: LogStore) -> None:
    logs.record(
        RecordBatch(
            opened=[("a", "w1", b"A"), ("b", "w1", b"B"), ("c", "w2", b"C")],
            parts=[("a", "w1", 1, 2, b"second"), ("a", "w1", 0, 1, b"first"), ("c", "w2", 0, 1, b"other")],
            checkpoints={"w1": (1, 100), "w2": (1, 50)},
        )
    )
    assert logs.open_calls() == [("a", "w1", b"A"), ("b", "w1", b"B"), ("c", "w2", b"C")]
    assert logs.open_calls("w2") == [("c", "w2", b"C")]
    assert logs.open_parts("a") == [("a", "w1", 0, 1, b"first"), ("a", "w1", 1, 2, b"second")]
    again = RecordBatch(
        opened=[("a", "w1", b"A")], parts=[("a", "w1", 0, 1, b"first")], closed=["b"], checkpoints={"w1": (2, 0)}
    )
    logs.record(again)
    assert logs.open_calls("w1") == [("a", "w1", b"A")]
    assert len(logs.open_parts("a")) == 2
    assert logs.checkpoints() == {"w1": (2, 0), "w2": (1, 50)}
    logs.record(RecordBatch(closed=["a"]))
    assert logs.open_parts("a") == []
    logs.record(RecordBatch(forget=["w2"]))
    assert (logs.open_calls(), logs.open_parts("c"), logs.checkpoints()) == ([], [], {"w1": (2, 0)})


def test_a_batch_is_stored_whole_or_not_at_all(logs: LogStore) -> None:
    impossible = RecordBatch(logs=[make_log("a")], checkpoints={"w1": (1, None)})  # type: ignore[dict-item]
    with pytest.raises(Exception, match=r"(?i)not.null"):
        logs.record(impossible)
    assert (_ids(logs), logs.checkpoints()) == ([], {})
    assert logs.record(RecordBatch(logs=[make_log("a")])) == {"a"}


def test_what_an_engine_refuses_is_mended_and_stored(logs: LogStore, address: Address) -> None:
    hostile = make_log(
        "a\0",
        customer_identifier="nul\0 and half a pair \ud800",
        model="m\0",
        error_message="\udfff",
        input="\ud83d",
        status_code=10**25,
        usage=Usage(input_tokens=10**30),
        customer_name="x" * 10_000,
    )
    logs.record(RecordBatch(logs=[make_log("before"), hostile]))
    assert sorted(_ids(logs)) in (["a\0", "before"], ["a\ufffd", "before"])
    assert _sums(address)[0] == 2


def test_a_large_batch_with_odd_values_is_stored_whole(logs: LogStore, address: Address) -> None:
    batch = [make_log(f"a{number}", input="plain words", output="café") for number in range(300)]
    batch[7] = make_log("odd", input="half a pair \ud83d", output="odd\0words")
    assert len(logs.record(RecordBatch(logs=[*batch, batch[0]]))) == 300
    assert _sums(address)[0] == 300
    for word, count in (("words", 300), ("plain", 299), ("café", 299), ("odd", 1), ("pair", 1)):
        asked = read_filters({"search": {"operator": "full_text_search", "value": [word]}}, str)
        assert logs.page(LogQuery(organization_id=ORGANIZATION, filters=asked)).count == count, word


def test_sums_beyond_64_bits_do_not_stop_the_store(logs: LogStore) -> None:
    for number in range(3):
        logs.record(RecordBatch(logs=[make_log(str(number), usage=Usage(input_tokens=2**63 - 1))]))
    assert len(_ids(logs)) == 3


def test_a_long_text_in_an_index_does_not_stop_the_store(logs: LogStore) -> None:
    noise = "".join(chr(0x4E00 + number * 7919 % 20000) for number in range(9000))
    logs.record(RecordBatch(logs=[make_log("a", customer_identifier=noise, model=noise, provider_id=noise)]))
    assert _ids(logs) == ["a"]


def test_newest_first_and_pages(logs: LogStore) -> None:
    logs.record(RecordBatch(logs=[make_log(str(n), started_at=n * HOUR) for n in (3, 1, 2, 5, 4)]))
    assert _ids(logs) == ["5", "4", "3", "2", "1"]
    assert _ids(logs, sort_by="id") == ["1", "2", "3", "4", "5"]
    assert _ids(logs, page_size=2, page=2) == ["3", "2"]
    assert _ids(logs, since=2 * HOUR, until=4 * HOUR) == ["3", "2"]
    page = logs.page(LogQuery(organization_id=ORGANIZATION, since=2 * HOUR, page_size=1))
    assert (len(page.logs), page.count) == (1, 4)
    assert logs.page(LogQuery(organization_id=ORGANIZATION, count=False)).count is None
    assert logs.page(LogQuery(organization_id=OTHER)).count == 0
    with pytest.raises(ValueError, match="page_size"):
        _ids(logs, page_size=1001)


def test_sorting_puts_the_unknown_last(logs: LogStore) -> None:
    costs = {"a": None, "b": 5, "c": 50}
    logs.record(RecordBatch(logs=[make_log(name, cost=cost) for name, cost in costs.items()]))
    assert _ids(logs, sort_by="-cost") == ["c", "b", "a"]
    assert _ids(logs, sort_by="cost") == ["b", "c", "a"]


def test_filters(logs: LogStore) -> None:
    batch = [
        make_log("a", customer_identifier="ann", stream=True, cost=7),
        make_log("b", customer_identifier="bob", environment=Environment.TEST, status_code=500),
        make_log("c"),
    ]
    logs.record(RecordBatch(logs=batch))
    assert _ids(logs, where={"customer_identifier": "ann"}) == ["a"]
    assert _ids(logs, where={"customer_identifier": None}) == ["c"]
    assert _ids(logs, where={"status_code": "500"}) == ["b"]
    assert _ids(logs, where={"stream": "true"}) == ["a"]
    assert _ids(logs, where={"cost": 7e-9, "stream": True}) == ["a"]
    assert _ids(logs, environment=Environment.TEST) == ["b"]
    assert sorted(_ids(logs, environment=Environment.PROD)) == ["a", "c"]


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("team", "red", ["a"]),
        ("n", 7, ["a"]),
        ("n", "7", ["a"]),
        ("flag", "true", ["a"]),
        ("half", "0.5", ["a"]),
        ("odd\"'name", "x", ["a"]),
        ("team", "blue", []),
        ("missing", "x", []),
        ("zero", "x", []),
    ],
)
def test_metadata_filters(logs: LogStore, name: str, value: str | int, expected: list[str]) -> None:
    metadata = '{"team":"red","n":7,"flag":true,"half":0.5,"odd\\"\'name":"x","none":null}'
    odd = ["{", "[1]", '"text"', "", "null", '{"zero":"\\u0000","team":"\\u0000"}', None]
    batch = [make_log("a", metadata=metadata), *(make_log(f"odd{i}", metadata=text) for i, text in enumerate(odd))]
    logs.record(RecordBatch(logs=batch))
    assert _ids(logs, where={f"metadata__{name}": value}) == expected


def test_tail_follows_the_order_of_arrival(logs: LogStore) -> None:
    logs.record(RecordBatch(logs=[make_log("late", started_at=9 * HOUR), make_log("other", organization_id=OTHER)]))
    logs.record(RecordBatch(logs=[make_log("early", started_at=1 * HOUR)]))
    found, mark = logs.tail(ORGANIZATION, limit=1)
    assert [log.log_id for log in found] == ["early"]
    found, _ = logs.tail(ORGANIZATION)
    assert [log.log_id for log in found] == ["late", "early"]
    assert logs.tail(ORGANIZATION, after=mark) == ([], mark)
    logs.record(RecordBatch(logs=[make_log("next")]))
    assert [log.log_id for log in logs.tail(ORGANIZATION, after=mark)[0]] == ["next"]
    assert logs.tail(OTHER + "x") == ([], 0)


@needs_sqlite
def test_a_locked_database_is_unavailable_and_then_available(tmp_path: Path) -> None:
    logs = LogStore(tmp_path / "logs.db", busy_timeout=0.01)
    other = sqlite3.connect(tmp_path / "logs.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreUnavailable, match=r"logs\.db: database is locked"):
        logs.record(RecordBatch(logs=[make_log("a")]))
    other.execute("ROLLBACK")
    other.close()
    assert logs.record(RecordBatch(logs=[make_log("a")])) == {"a"}
    logs.close()


@needs_sqlite
def test_a_full_disk_is_unavailable(tmp_path: Path) -> None:
    logs = LogStore(tmp_path / "logs.db")
    with logs._database.writing() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages + 1}")
    with pytest.raises(StoreUnavailable, match="full"):
        logs.record(RecordBatch(logs=[make_log(str(n), error_message="x" * 4000) for n in range(500)]))
    assert _ids(logs) == []
    logs.close()


def test_a_reader_does_not_hold_up_the_writer(logs: LogStore, address: Address) -> None:
    if isinstance(address, Apart):
        pytest.skip("ClickHouse has no view that stays as it is")
    logs.record(RecordBatch(logs=[make_log("a")]))
    with logs._database.reading() as connection:
        before = connection.exec_driver_sql("SELECT count(*) FROM request_logs").scalar_one()
        logs.record(RecordBatch(logs=[make_log("b")]))
        assert connection.exec_driver_sql("SELECT count(*) FROM request_logs").scalar_one() == before == 1
    assert len(_ids(logs)) == 2


@needs_sqlite
def test_a_reader_cannot_write(tmp_path: Path) -> None:
    logs = LogStore(tmp_path / "logs.db")
    with pytest.raises(StoreUnavailable, match="readonly"), logs._database.reading() as connection:
        connection.exec_driver_sql("DELETE FROM request_logs")
    logs.close()


@pytest.mark.slow
def test_a_lost_connection_is_unavailable_and_then_made_anew(postgres_server: str) -> None:
    name = "lost"
    with psycopg.connect(postgres_server, autocommit=True) as admin:
        admin.execute(f'CREATE DATABASE "{name}"')  # type: ignore[call-overload, unused-ignore]
        logs = LogStore(postgres_server.replace("/postgres?", f"/{name}?"))
        everybody = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s"
        with pytest.raises(StoreUnavailable):  # noqa: PT012 - the connection is lost between its begin and its end
            with logs._database.writing() as connection:
                assert admin.execute(everybody, (name,)).rowcount
                connection.exec_driver_sql("SELECT 1")
        assert logs.record(RecordBatch(logs=[make_log("a")])) == {"a"}
        logs.close()


@needs_sqlite
def test_a_home_that_cannot_be_written_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match="cannot open"):
        LogStore(tmp_path / "missing" / "logs.db")


@needs_sqlite
def test_the_file_is_its_owners_alone(tmp_path: Path) -> None:
    LogStore(tmp_path / "logs.db").close()
    assert (tmp_path / "logs.db").stat().st_mode & 0o777 == 0o600
