"""What is stored of a customer, erased in slices, on both engines; the receipt, and the books."""

from msgspec import structs
from sqlalchemy import select

from gantry.core.alert import Alert, Event
from gantry.core.erasure import Erased, Erasure
from gantry.core.limits import LimitScope
from gantry.core.vocabulary import Environment
from gantry.store.alerts import raise_alert
from gantry.store.audit import audit_books
from gantry.store.customers import find_customer
from gantry.store.erasures import (
    add_erasure,
    count_erasures,
    erase_customer,
    erase_slice,
    erasures_of,
    find_erasure,
    finish_erasure,
    unfinished_erasures,
)
from gantry.store.log_query import LogQuery
from gantry.store.log_tables import alerts
from gantry.store.logs import LogStore, RecordBatch
from tests.store.conftest import address_of_logs as address
from tests.store.logs_of_tests import HOUR, ORGANIZATION, OTHER, make_log

__all__ = ["address"]

AT = 1000 * HOUR
ERASURE = Erasure(
    id="e",
    organization_id=ORGANIZATION,
    subject_digest="digest",
    environment=None,
    erased=Erased(subject="ada"),
    author="somebody",
    erased_at=AT,
)


def record(logs: LogStore) -> None:
    ada = {"customer_identifier": "ada", "cost": 5, "input": "hello"}
    logs.record(
        RecordBatch(
            logs=[
                make_log("a", **ada, started_at=AT - 3),
                make_log("b", **ada, started_at=AT - 2),
                make_log("c", **ada, started_at=AT - 1, environment=Environment.TEST),
                make_log("later", **ada, started_at=AT + 1),
                make_log("bob", **(ada | {"customer_identifier": "bob"}), started_at=AT - 1),
                make_log("theirs", **ada, started_at=AT - 1, organization_id=OTHER),
            ]
        )
    )


def ids(logs: LogStore) -> set[str]:
    return {log.log_id for log in logs.page(LogQuery(organization_id=ORGANIZATION)).logs}


def test_slice_by_slice_until_the_receipt_is_all_that_is_left(logs: LogStore) -> None:
    record(logs)
    with logs.writing() as connection:
        add_erasure(connection, ERASURE)
    counts: list[int] = []
    while not counts or counts[-1]:
        with logs.writing() as connection:
            (waiting,) = unfinished_erasures(connection)
            counts.append(erase_slice(connection, waiting, 2)[2])
    assert counts == [2, 1, 0]
    with logs.writing() as connection:
        assert erase_customer(connection, ERASURE).erased.customers == 2
        assert find_customer(connection, ORGANIZATION, Environment.PROD, "ada") is None
        assert find_customer(connection, ORGANIZATION, Environment.PROD, "bob") is not None
        assert find_customer(connection, OTHER, Environment.PROD, "ada") is not None
    assert ids(logs) == {"later", "bob"}
    with logs.writing() as connection:
        finish_erasure(connection, ERASURE, AT + 9, 0)
        assert unfinished_erasures(connection) == []
        receipt = find_erasure(connection, ORGANIZATION, "e")
        assert receipt == structs.replace(
            ERASURE, erased=Erased(finished_at=AT + 9, logs=3, customers=2), oldest_at=AT - 3, newest_at=AT - 1
        )
        assert erasures_of(connection, ORGANIZATION, 9) == [receipt]
        assert find_erasure(connection, OTHER, "e") is None
        assert (count_erasures(connection, ORGANIZATION), count_erasures(connection, OTHER)) == (1, 0)
        assert audit_books(connection, AT + 9) == []
    assert logs.summary(LogQuery(organization_id=ORGANIZATION, since=0, until=2 * AT)).cost == 25


def test_in_one_environment(logs: LogStore) -> None:
    record(logs)
    erasure = structs.replace(ERASURE, environment=Environment.TEST)
    with logs.writing() as connection:
        add_erasure(connection, erasure)
        assert erase_slice(connection, erasure, 9)[2] == 1
        assert erase_customer(connection, erasure).erased.customers == 1
        assert find_customer(connection, ORGANIZATION, Environment.PROD, "ada") is not None
    assert ids(logs) == {"a", "b", "later", "bob"}


def test_alerts_about_the_customer_go_and_those_that_say_the_word_stay(logs: LogStore) -> None:
    """A customer may be called as an environment is, a field, or a model."""
    erasure = structs.replace(ERASURE, erased=Erased(subject="test"))
    about: list[tuple[str, dict[str, object]]] = [
        ("blocked", {"customer_identifier": "test", "log_id": "x"}),
        ("limit", {"scope": LimitScope.CUSTOMER, "limit_subject": "test"}),
        ("of a model", {"scope": LimitScope.MODEL, "limit_subject": "test"}),
        ("elsewhere", {"customer_identifier": "bob", "model": "test"}),
    ]
    with logs.writing() as connection:
        add_erasure(connection, erasure)
        for subject, data in about:
            alert = Alert(
                organization_id=ORGANIZATION,
                event=Event.LIMIT_BLOCKED,
                subject=subject,
                message="test",
                data=data,
                environment=Environment.TEST,
            )
            assert raise_alert(connection, alert, (), AT)
        assert erase_customer(connection, erasure).erased.alerts == 2
        assert set(connection.scalars(select(alerts.c.subject))) == {"of a model", "elsewhere"}
