"""Customers, as people and the board see them: found, listed, changed, forgotten; and what they may spend.

Law: rows are made by traffic (`store.customer_sums`) and never by who reads them. What people set of what a customer
may spend is `managed`: from then on traffic does not change it.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Final

from msgspec import Struct
from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    and_,
    case,
    delete,
    exists,
    func,
    null,
    or_,
    select,
    tuple_,
    update,
)

from gantry.core.credits import DAY
from gantry.core.limits import CustomerTerms
from gantry.core.periods import Period, window_at
from gantry.core.vocabulary import Environment
from gantry.store.customer_sums import KEY, TERMS, CustomerKey, terms_values
from gantry.store.filter_sql import condition_of
from gantry.store.log_filter import EVERYTHING, NANO, Field, Filter, FilterRefused, Kind, conditions_in
from gantry.store.log_tables import HAS_MARKS, customer_days, customers
from gantry.store.streamed import streamed
from gantry.store.upsert import insert_by
from gantry.store.whole_sum import WholeSum

COUNT_BOUND: Final = 100_000
_AT_ONCE: Final = 300  # customers of one question
_READ_AT_ONCE: Final = 5000
_CHOSEN: Final = select(*(customers.c[name] for name in (*KEY, *TERMS, "managed")))
FIELDS: Final[Mapping[str, Field]] = {
    "id": Field("customer_identifier"),
    "customer_identifier": Field("customer_identifier"),
    "name": Field("name"),
    "email": Field("email"),
    "group_identifier": Field("group_identifier"),
    "metadata": Field("metadata", Kind.OBJECT),
    "environment": Field("environment"),
    "first_seen": Field("first_seen", Kind.TIME),
    "last_active_timeframe": Field("last_seen", Kind.TIME),
    "last_seen": Field("last_seen", Kind.TIME),
    "updated_at": Field("updated_at", Kind.TIME),
    "active_days": Field("active_days", Kind.NUMBER),
    "number_of_requests": Field("requests", Kind.NUMBER),
    "total_requests": Field("requests", Kind.NUMBER),
    "number_of_errors": Field("errors", Kind.NUMBER),
    "total_prompt_tokens": Field("input_tokens", Kind.NUMBER),
    "total_completion_tokens": Field("output_tokens", Kind.NUMBER),
    "total_tokens": Field("total_tokens", Kind.NUMBER),
    "tokens": Field("total_tokens", Kind.NUMBER),
    "total_cost": Field("cost", Kind.NUMBER, NANO),
    "cost": Field("cost", Kind.NUMBER, NANO),
    "average_latency": Field("average_latency", Kind.NUMBER, NANO),
    "average_ttft": Field("average_ttft", Kind.NUMBER, NANO),
    "period_budget": Field("period_budget", Kind.NUMBER, NANO),
    "total_budget": Field("total_budget", Kind.NUMBER, NANO),
    "rate_limit": Field("rate_limit", Kind.NUMBER),
}
_NAMED: Final = ("name", "email", "group_identifier", "metadata")
CHANGEABLE: Final = frozenset((*_NAMED, *TERMS))


class Customer(Struct, frozen=True, kw_only=True):
    """A row. Money in nano-dollars, times in ns since the epoch, durations in ns."""

    organization_id: str
    environment: str
    customer_identifier: str
    name: str | None
    email: str | None
    group_identifier: str | None
    metadata: str | None
    first_seen: int
    last_seen: int
    active_days: int
    requests: int
    errors: int
    input_tokens: int
    output_tokens: int
    total_tokens: int
    cost: int
    customer_cost: int
    latency_sum: int
    latency_count: int
    time_to_first_token_sum: int
    time_to_first_token_count: int
    terms: CustomerTerms
    updated_at: int

    @property
    def key(self) -> CustomerKey:
        return self.organization_id, self.environment, self.customer_identifier


class CustomerQuery(Struct, frozen=True, kw_only=True):
    """A page of an organization's customers: the newest come first, or as sorted."""

    organization_id: str
    environment: Environment | None = None  # None: all
    filters: Filter = EVERYTHING
    sort_by: Field = FIELDS["first_seen"]
    descending: bool = True
    page: int = 1
    page_size: int = 50


class CustomerMark(Struct, frozen=True):
    """What of a customer bears on the price of its calls: a markup, or that people have set it."""

    markup_ppm: int
    managed: bool


def field_named(name: str) -> Field:
    """Return the field of a customer that the API calls so. Raises FilterRefused."""
    field = FIELDS.get(name)
    if field is None:
        known = ", ".join(sorted(FIELDS))
        raise FilterRefused(f"There is no field `{name}` of customers to filter or sort by. Known are: {known}.", name)
    return field


def page_of_customers(connection: Connection, query: CustomerQuery) -> list[Customer]:
    """Return a page, in the order asked for, as the indexes have it; what is unknown stands last."""
    value = _column_of(query.sort_by)
    if query.sort_by.column == _INDEXED and conditions_in(query.filters):
        value = value + 0  # by the index, a filter that few meet would look up all rows in an order not theirs
    identifier = customers.c.customer_identifier
    order = [one.desc() if query.descending else one.asc() for one in (value, identifier)]
    if query.sort_by.column not in _KNOWN:
        order[0] = order[0].nulls_last()
    statement = (
        select(customers)
        .where(_matching(query))
        .order_by(*order)
        .limit(query.page_size)
        .offset((query.page - 1) * query.page_size)
    )
    return [_customer(row) for row in connection.execute(statement)]


def count_customers(connection: Connection, query: CustomerQuery, *, bound: int = COUNT_BOUND) -> int:
    """Return how many match; of more than the bound, the bound."""
    some = select(customers.c.customer_identifier).where(_matching(query)).limit(bound).subquery()
    return connection.scalar(select(func.count()).select_from(some)) or 0


def find_customer(
    connection: Connection, organization_id: str, environment: Environment, customer_identifier: str
) -> Customer | None:
    row = connection.execute(
        select(customers).where(_is(organization_id, environment, customer_identifier))
    ).one_or_none()
    return None if row is None else _customer(row)


def add_customer(
    connection: Connection, organization_id: str, environment: Environment, customer_identifier: str, now: int
) -> bool:
    """Add a customer that has made no call yet, and say whether it was not there."""
    key = (organization_id, environment.value, customer_identifier)
    known = dict.fromkeys(_SUMMED, 0) | {"active_days": 0}
    known |= {"first_seen": now, "last_seen": now, "updated_at": now}
    insert = insert_by(connection, customers)
    statement = insert.values({**dict(zip(KEY, key, strict=True)), **known}).on_conflict_do_nothing()
    # A row that comes back says it on both engines: of an INSERT on PostgreSQL, SQLAlchemy counts no rows.
    return connection.execute(statement.returning(customers.c.customer_identifier)).first() is not None


def change_customer(
    connection: Connection,
    organization_id: str,
    environment: Environment,
    customer_identifier: str,
    values: Mapping[str, Any],
    now: int,
) -> Customer | None:
    """Set some of CHANGEABLE, by the names of columns; None removes. Whoever sets terms manages them. None: no such."""
    set_: dict[str, Any] = {**values, "updated_at": now}
    if set_.get("markup_ppm", 0) is None:
        set_["markup_ppm"] = 0
    if not set_.keys().isdisjoint(TERMS):
        set_["managed"] = True
    mine = _is(organization_id, environment, customer_identifier)
    row = connection.execute(update(customers).where(mine).values(set_).returning(*customers.c)).one_or_none()
    return None if row is None else _customer(row)


def delete_customer(
    connection: Connection, organization_id: str, environment: Environment, customer_identifier: str
) -> bool:
    """Forget a customer with its sums, and say whether it was there. Its logs stay, and the sums of all."""
    days = customer_days.c
    theirs = and_(
        days.organization_id == organization_id,
        days.environment == environment.value,
        days.customer_identifier == customer_identifier,
    )
    connection.execute(delete(customer_days).where(theirs))
    return (
        connection.execute(delete(customers).where(_is(organization_id, environment, customer_identifier))).rowcount > 0
    )


def spent_in_period(connection: Connection, customer: Customer, now: int) -> int:
    """Return what a customer has spent, with its markup, in the days of its budget's period."""
    terms = customer.terms
    window = window_at(terms.budget_duration or Period.MONTH, now, terms.period_start or 0)
    days = customer_days.c
    first, last = max(window.start, customer.first_seen) // DAY, min(now, customer.last_seen) // DAY
    statement = select(WholeSum(days.customer_cost)).where(
        days.organization_id == customer.organization_id,
        days.day.in_(range(first, last + 1)),  # the key begins by the day: each is looked up
        days.environment == customer.environment,
        days.customer_identifier == customer.customer_identifier,
    )
    return int(connection.scalar(statement) or 0)


def marks_of(connection: Connection, keys: Collection[CustomerKey]) -> dict[CustomerKey, CustomerMark]:
    """Return the marks of those among some customers who have one. Most often nobody has: one look says so."""
    if not keys or not connection.scalar(select(exists().where(HAS_MARKS).select_from(customers))):
        return {}
    found = {}
    columns = [customers.c[name] for name in KEY]
    listed = sorted(keys)
    for start in range(0, len(listed), _AT_ONCE):
        some = tuple_(*columns).in_(listed[start : start + _AT_ONCE])
        for *key, markup_ppm, managed in connection.execute(
            select(*columns, customers.c.markup_ppm, customers.c.managed).where(HAS_MARKS, some)
        ):
            found[(key[0], key[1], key[2])] = CustomerMark(markup_ppm, managed)
    return found


def customers_with_terms(connection: Connection) -> Iterator[tuple[CustomerKey, CustomerTerms]]:
    """Yield the customers of whom is said what they may spend. A million of them are never in memory together."""
    said = or_(*(customers.c[name].is_not(None) for name in ("period_budget", "total_budget", "rate_limit")), HAS_MARKS)
    for row in streamed(connection, _CHOSEN.where(said), _READ_AT_ONCE):
        yield (row.organization_id, row.environment, row.customer_identifier), terms_of(row)


def managed_since(connection: Connection, since: int) -> Iterator[tuple[CustomerKey, CustomerTerms]]:
    """Yield the customers of whom people have said what they may spend, if they were changed from a moment on."""
    changed = _CHOSEN.where(HAS_MARKS, customers.c.managed, customers.c.updated_at >= since)
    for row in streamed(connection, changed, _READ_AT_ONCE):
        yield (row.organization_id, row.environment, row.customer_identifier), terms_of(row)


def terms_of(row: Row[Any]) -> CustomerTerms:
    duration = row.budget_duration
    return CustomerTerms(
        row.period_budget,
        None if duration is None else Period(duration),
        row.total_budget,
        row.rate_limit,
        row.markup_ppm,
        row.period_start,
        row.period_end,
        bool(row.managed),
    )


def values_of(terms: CustomerTerms) -> Mapping[str, Any]:
    """Return terms as `change_customer` takes them."""
    return terms_values(terms)


_INDEXED: Final = "first_seen"
_KNOWN: Final = frozenset(column.name for column in customers.c if not column.nullable)


def _column_of(field: Field) -> ColumnElement[Any]:
    columns = customers.c
    match field.column:
        case "average_latency":
            return _average(columns.latency_sum, columns.latency_count)
        case "average_ttft":
            return _average(columns.time_to_first_token_sum, columns.time_to_first_token_count)
    return columns[field.column]


def _average(total: ColumnElement[Any], count: ColumnElement[Any]) -> ColumnElement[Any]:
    return case((count > 0, total * 1.0 / count), else_=null())


def _matching(query: CustomerQuery) -> ColumnElement[bool]:
    of = [customers.c.organization_id == query.organization_id, condition_of(query.filters, customers)]
    if query.environment is not None:
        of.append(customers.c.environment == query.environment.value)
    return and_(*of)


def _is(organization_id: str, environment: Environment, customer_identifier: str) -> ColumnElement[bool]:
    columns = customers.c
    return and_(
        columns.organization_id == organization_id,
        columns.environment == environment.value,
        columns.customer_identifier == customer_identifier,
    )


def _customer(row: Row[Any]) -> Customer:
    values = row._mapping
    kept = {name: values[name] for name in Customer.__struct_fields__ if name != "terms"}
    sums = {name: int(values[name]) for name in _SUMMED}
    return Customer(**kept | sums, terms=terms_of(row))


_SUMMED: Final[Sequence[str]] = (
    "requests errors input_tokens output_tokens total_tokens cost customer_cost latency_sum latency_count "
    "time_to_first_token_sum time_to_first_token_count"
).split()
