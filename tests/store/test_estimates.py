"""store/estimates: which index answers which question, in an empty database as in a full one."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from gantry.core.vocabulary import Environment
from gantry.store.database import Database
from gantry.store.log_filter import AllOf, Condition, Operator, Value, field_named
from gantry.store.log_query import LogQuery, chosen_rows
from gantry.store.log_tables import LOGS
from gantry.store.schema import ensure_schema
from tests.postgresql import needs_sqlite

pytestmark = needs_sqlite


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database(tmp_path / "logs.db")
    ensure_schema(opened, LOGS)
    yield opened
    opened.close()


def is_(name: str, *values: Value, operator: Operator = Operator.EQUAL) -> Condition:
    return Condition(field_named(name), operator, values)


DEAR = is_("cost", 10**9, operator=Operator.GTE)
FAILED = is_("status", "error")


@pytest.mark.parametrize(
    ("conditions", "index", "covers"),
    [
        ((), "newest", True),
        ((is_("model", "a"),), "model_newest", True),
        ((is_("organization_key_id", "a"),), "key_newest", True),
        ((is_("customer_identifier", "a"),), "customer_newest", True),
        ((is_("customer_identifier", "a", "b"),), "customer_newest", True),
        ((is_("customer_identifier", "a"), FAILED), "customer_newest", False),
        ((is_("model", "a"), DEAR), "model_newest", False),
        ((is_("organization_key_id", "a"), DEAR), "key_newest", False),
        ((DEAR,), "facts", True),
        ((FAILED,), "facts", True),
        ((DEAR, FAILED, is_("tokens_per_second", 9.0, operator=Operator.LT)), "facts", True),
        ((is_("metadata__team", "red"),), "facts", True),
        ((is_("error_message", "limit", operator=Operator.ICONTAINS),), "facts", True),
        ((is_("thread_identifier", "a"),), "thread_identifier", False),
        ((is_("user_agent", "a"),), "newest", False),  # a text that every row has: only the rows have it
    ],
)
def test_the_index_of_a_question(
    database: Database, conditions: tuple[Condition, ...], index: str, covers: bool
) -> None:
    query = LogQuery(organization_id="o", environment=Environment.PROD, since=1, filters=AllOf(conditions))
    kind = "COVERING INDEX" if covers else "INDEX"
    assert f"USING {kind} ix_request_logs_{index} " in plan_of(database, query)


def test_the_newest_come_in_the_order_of_an_index(database: Database) -> None:
    for conditions in ((), (is_("model", "a"),), (is_("customer_identifier", "a"),)):
        query = LogQuery(organization_id="o", environment=Environment.PROD, since=1, filters=AllOf(conditions))
        assert "B-TREE" not in plan_of(database, query), conditions


@pytest.mark.parametrize("name", ["cost", "latency", "total_tokens", "tokens_per_second", "model", "status_code"])
def test_sorting_reads_no_rows(database: Database, name: str) -> None:
    query = LogQuery(organization_id="o", environment=Environment.PROD, since=1, sort_by=field_named(name))
    assert "COVERING INDEX ix_request_logs_facts" in plan_of(database, query)


def plan_of(database: Database, query: LogQuery) -> str:
    with database.reading() as connection:
        statement = chosen_rows(query, is_sqlite=True).limit(10)
        sql = statement.compile(dialect=connection.dialect, compile_kwargs={"literal_binds": True})
        return "\n".join(row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}"))
