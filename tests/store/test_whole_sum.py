"""Sums that leave 64 bits are large for the organization that has such, and exact for the others; no question fails."""

import pytest
from sqlalchemy import BigInteger, Column, Connection, MetaData, Table, func, insert, select, text
from sqlalchemy.exc import DBAPIError

from gantry.core.vocabulary import Environment
from gantry.store.counter_sums import calls_between, charged_before, customers_between
from gantry.store.credits import charged_by_day, charged_to, granted_by_organization
from gantry.store.customers import find_customer, spent_in_period
from gantry.store.hour_spending import spent_in_hour, spent_in_hours
from gantry.store.key_sums import sum_keys
from gantry.store.logs import LogStore, RecordBatch
from gantry.store.whole_sum import WholeSum
from tests.store.logs_of_tests import HOUR, ORGANIZATION, OTHER, make_log

MOST = 2**63 - 1
TABLES = ("minute_sums", "hour_sums", "day_sums", "customer_days")
VALUES = Table("some_values", MetaData(), Column("value", BigInteger))


@pytest.mark.parametrize(
    "values", [[MOST], [MOST, -MOST - 1], [2**62, -7, None], [-(10**9) - 1, 1], [MOST - 999_999_999, 999_999_999], []]
)
def test_exact_as_long_as_it_can_be(logs: LogStore, values: list[int | None]) -> None:
    with logs.writing() as connection:
        VALUES.create(connection)
        for value in values:
            connection.execute(insert(VALUES).values(value=value))
        found = connection.scalar(select(WholeSum(VALUES.c.value)))
        assert (None if found is None else int(found)) == (sum(one or 0 for one in values) if values else None)


def test_no_tenants_numbers_are_anothers_fault(logs: LogStore) -> None:
    called = {"customer_identifier": "ada", "cost": 7, "charged": 7, "customer_cost": 7, "model": "m"}
    first, second = called | {"key_id": "k1"}, called | {"key_id": "k2"}
    logs.record(RecordBatch(logs=[make_log("a", **first), make_log("b", **second)]))
    logs.record(RecordBatch(logs=[make_log("d", **first, organization_id=OTHER)]))
    with logs.writing() as connection:
        _burst(connection)
    logs.record(RecordBatch(logs=[make_log("c", **first, started_at=1000 * HOUR + 1)]))
    with logs.reading() as connection:
        by_key = {one.key_id: one.counts.cost for one in calls_between(connection, ORGANIZATION, 0, 2000 * HOUR)}
        assert min(by_key.values()) >= MOST
        (others,) = calls_between(connection, OTHER, 0, 2000 * HOUR)
        assert others.counts.cost == 7
        assert charged_before(connection, ORGANIZATION, 2000 * HOUR) >= MOST
        assert charged_to(connection, ORGANIZATION) >= MOST
        assert (charged_to(connection, OTHER), charged_by_day(connection, OTHER)) == (7, {1000 // 24: 7})
        assert granted_by_organization(connection) == {}
        assert spent_in_hour(connection, OTHER, 1000) == {"k1": 7}
        assert spent_in_hours(connection, ORGANIZATION, [1000])[1000] >= MOST
        assert sum_keys(connection, OTHER, ["k1"])["k1"].cost == 7
        assert sum_keys(connection, ORGANIZATION, ["k1"])["k1"].cost >= MOST
        found = dict(customers_between(connection, ORGANIZATION, None, None, 0, 2000 * HOUR))
        assert found["ada"].cost >= MOST
        ada = find_customer(connection, ORGANIZATION, Environment.PROD, "ada")
        assert ada is not None
        assert spent_in_period(connection, ada, 1000 * HOUR) >= MOST
        if connection.dialect.name == "sqlite":
            kinds = connection.execute(text("SELECT DISTINCT typeof(cost) FROM day_sums")).scalars().all()
            assert kinds == ["integer"], "what is added to the most is the most, and no float"
            with pytest.raises(DBAPIError, match="overflow"):  # else this is needless
                connection.scalar(select(func.sum(text("cost"))).select_from(text("day_sums")))


def _burst(connection: Connection) -> None:
    """Let an organization's sums be as large as they can."""
    for table in TABLES:
        charged = "customer_cost" if table == "customer_days" else "charged"
        said = f"UPDATE {table} SET cost = {MOST}, {charged} = {MOST} WHERE organization_id = '{ORGANIZATION}'"
        connection.execute(text(said))
