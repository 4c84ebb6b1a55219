"""Results of a batch that are fetched again: charged once, shown each time."""

from typing import Any

import msgspec
import pytest

from gantry.core.limits import Counted, CounterKind, Difference, LimitUnit
from gantry.core.request_log import RequestLog
from gantry.core.usage import Usage
from gantry.core.vocabulary import LogMethod
from gantry.store.database import Address
from gantry.store.logs import BoardNote, LogQuery, LogStore, RecordBatch
from tests.store.conftest import address_of_logs as address
from tests.store.logs_of_tests import ORGANIZATION, OTHER, make_log

__all__ = ["address"]

RESULTS = "batch-results:0123456789abcdef0123456789abcdef"
USAGE = Usage(input_tokens=1000, output_tokens=10)


def results(log_id: str, **fields: Any) -> RequestLog:
    values: dict[str, Any] = {
        "operation": "files",
        "response_id": RESULTS,
        "usage": USAGE,
        "cost": 500,
        "cost_by_unit": '{"input_tokens":400,"output_tokens":100}',
        "price_source": "genai-prices",
    }
    return make_log(log_id, **(values | fields))


def charges(logs: LogStore, *log_ids: str) -> list[int | None]:
    found = [logs.find(ORGANIZATION, log_id) for log_id in log_ids]
    return [log.cost for log in found if log is not None]


def test_a_second_fetch_keeps_its_units_and_names_the_first(logs: LogStore) -> None:
    logs.record(RecordBatch(logs=[results("a")]))
    logs.record(RecordBatch(logs=[results("b", warnings='["w"]')]))
    assert logs.find(ORGANIZATION, "a") == results("a")
    again = logs.find(ORGANIZATION, "b")
    assert again is not None
    assert (again.cost, again.cost_by_unit, again.price_missing, again.usage) == (0, None, False, USAGE)
    assert again.warnings == '["w","these results were counted before, by a"]'
    summary = logs.summary(LogQuery(organization_id=ORGANIZATION))
    assert (summary.requests, summary.cost) == (2, 500)


def test_within_one_transaction_too(logs: LogStore) -> None:
    logs.record(RecordBatch(logs=[make_log("x"), results("a"), results("b", operation="batches"), results("c")]))
    assert charges(logs, "a", "b", "c") == [500, 0, 0]


def test_a_log_that_is_stored_again_finds_itself(logs: LogStore) -> None:
    logs.record(RecordBatch(logs=[results("a")]))
    assert logs.record(RecordBatch(logs=[results("a"), results("b")])) == {"b"}
    assert charges(logs, "a", "b") == [500, 0]
    log = logs.find(ORGANIZATION, "a")
    assert log is not None
    assert log.warnings is None


def test_the_board_is_told_of_no_cost_that_was_counted_before(logs: LogStore) -> None:
    """What a record differs by was found before anybody knew that its results were counted."""
    spend, credits_, tokens = (
        Counted(name, unit, CounterKind.WINDOW, 0, amount, markup)
        for name, unit, amount, markup in (
            (b"a" * 16, LimitUnit.COST, 20, 0),
            (b"b" * 16, LimitUnit.COST, 0, 200_000),
            (b"c" * 16, LimitUnit.TOKENS, 0, 0),
        )
    )
    found = [Difference(spend, 480), Difference(credits_, 600), Difference(tokens, 1010)]
    for number, log_id in enumerate(("a", "b")):
        note = BoardNote("board", number, 0, {log_id: found})
        logs.record(RecordBatch(logs=[results(log_id)], board=note))
    noted = [
        msgspec.msgpack.decode(payload, type=list[Difference]) for _, payload in logs.noted_differences("board", 0)
    ]
    assert noted == [found, [Difference(spend, -20), Difference(tokens, 1010)]]


def test_they_stay_counted_when_the_first_log_is_deleted(logs: LogStore) -> None:
    logs.record(RecordBatch(logs=[results("a")]))
    assert logs.delete(ORGANIZATION, None, "a")
    logs.record(RecordBatch(logs=[results("b")]))
    assert charges(logs, "b") == [0]


@pytest.mark.parametrize(
    "fields",
    [
        {"organization_id": OTHER},
        {"response_id": RESULTS + "0"},
        {"response_id": None},
        {"operation": "chat"},
        {"log_method": LogMethod.LOGGING_API},
    ],
)
def test_what_only_looks_alike_is_charged(logs: LogStore, fields: dict[str, Any]) -> None:
    logs.record(RecordBatch(logs=[results("a"), results("b", **fields)]))
    other = logs.find(fields.get("organization_id", ORGANIZATION), "b")
    assert other is not None
    assert other.cost == 500


def test_a_transaction_that_fails_takes_nothing(logs: LogStore, address: Address) -> None:
    broken = RecordBatch(logs=[results("a")], checkpoints={"incarnation": (None, 0)})  # type: ignore[dict-item]
    with pytest.raises(Exception, match=r"(?i)null"):
        logs.record(broken)
    logs.record(RecordBatch(logs=[results("b")]))
    assert charges(logs, "b") == [500]
