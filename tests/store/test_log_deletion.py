"""Logs deleted in slices, on both engines: rows, what was said, its words."""

from gantry.core.vocabulary import Environment
from gantry.store.log_deletion import (
    Place,
    count_old_logs,
    delete_logs,
    delete_said,
    old_logs,
    oldest_log,
    stored_bytes,
)
from gantry.store.log_filter import EVERYTHING, Condition, Filter, Operator, field_named
from gantry.store.log_query import LogQuery
from gantry.store.logs import LogChange, LogStore, RecordBatch
from tests.store.conftest import address_of_logs as address
from tests.store.logs_of_tests import ORGANIZATION, OTHER, make_log

__all__ = ["address"]


def ids(logs: LogStore, said: str | None = None) -> list[str]:
    words: Filter = EVERYTHING if said is None else Condition(field_named("search"), Operator.WORDS, (said,))
    return sorted(log.log_id for log in logs.page(LogQuery(organization_id=ORGANIZATION, filters=words)).logs)


def test_slices_of_the_oldest_and_their_end(logs: LogStore) -> None:
    logs.record(
        RecordBatch(
            logs=[
                make_log("a", started_at=1, input="hello", environment=Environment.TEST),
                make_log("b", started_at=2, input="hello"),
                make_log("c", started_at=2),
                make_log("d", started_at=3, input="hello"),
                make_log("pinned", started_at=1, input="hello"),
                make_log("x", started_at=1, input="hello", organization_id=OTHER),
            ]
        )
    )
    logs.change(ORGANIZATION, None, [LogChange("pinned", {"is_pinned": True})])
    with logs.writing() as connection:
        assert oldest_log(connection, ORGANIZATION) == 1
        assert stored_bytes(connection, ORGANIZATION) > stored_bytes(connection, OTHER) > 1000
        cuts = {Environment.PROD: 3, Environment.TEST: 1}
        assert count_old_logs(connection, ORGANIZATION, cuts, 10) == 2
        first = old_logs(connection, ORGANIZATION, Place(), 2)
        rest = old_logs(connection, ORGANIZATION, first[-1].place, 9, before=3)
        said = old_logs(connection, ORGANIZATION, Place(), 9, said=True, environment=Environment.PROD)
        assert [one.place.started_at for one in (*first, *rest)] == [1, 2, 2]
        assert [one.place.started_at for one in said] == [2, 3]
        delete_logs(connection, [first[0].place.seq, rest[0].place.seq])
        delete_said(connection, [said[0].place.seq])
    assert ids(logs) == ["b", "d", "pinned"]
    assert ids(logs, "hello") == ["d", "pinned"]
    found = logs.find(ORGANIZATION, "b")
    assert found is not None
    assert found.input is None
