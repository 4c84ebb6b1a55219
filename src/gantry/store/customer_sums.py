"""What logs add to their customers: the customer itself where it is new, and its sums, ever and by day.

Law: as in `store.rollups`, only logs really inserted are counted, in the transaction that inserted them. Whom traffic
names is a customer; what a customer may spend is what was said last, unless people have set it.

There may be a million, and another one in each call, so each has one row for itself, one for a day, and one index.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from msgspec import Struct
from sqlalchemy import ColumnElement, Table, and_, bindparam, case, func, not_, update

from gantry.core.credits import DAY
from gantry.core.limits import CustomerTerms
from gantry.core.log_figures import is_cache_hit, total_tokens
from gantry.core.priced_log import NewPrice
from gantry.core.request_log import RequestLog
from gantry.core.vocabulary import Outcome
from gantry.store.log_rows import INDEXED_LENGTH
from gantry.store.log_tables import customer_days, customers

_FINE: Final = frozenset((Outcome.SUCCESS, Outcome.LOGGED))
KEY: Final = ("organization_id", "environment", "customer_identifier")
# All in the order of their tables, for that is the order of a statement's parameters.
DAY_SUMS: Final = tuple(column.name for column in customer_days.c if not column.primary_key)
DAY_COLUMNS: Final = tuple(customer_days.c.keys())
_MEASURED: Final = (*DAY_SUMS, "time_to_first_token_sum", "time_to_first_token_count")
_SUMS: Final = tuple(name for name in _MEASURED if name in customers.c)
_FACTS: Final = ("name", "email", "group_identifier", "first_seen", "last_seen", "active_days")
COLUMNS: Final = (*KEY, *_FACTS, *_SUMS, "updated_at")
_REQUESTS: Final = DAY_COLUMNS.index("requests")
_ACTIVE: Final = COLUMNS.index("active_days")
TERMS: Final = (
    "period_budget",
    "budget_duration",
    "total_budget",
    "rate_limit",
    "markup_ppm",
    "period_start",
    "period_end",
)
_UNPRICED: Final = _MEASURED.index("unpriced")  # which no customer has ever

CustomerKey = tuple[str, str, str]  # organization, environment, identifier
Row = tuple[Any, ...]


class CustomerNote(Struct, frozen=True, gc=False):
    """What a call said about its customer beside its log. `terms` replace what was said before; None says nothing."""

    organization_id: str
    environment: str
    customer_identifier: str
    at: int
    terms: CustomerTerms | None = None
    metadata: str | None = None  # a JSON object


class _Sums(Struct):
    """Of one customer in one batch."""

    log: RequestLog  # the last that was stored: its names hold
    first_seen: int
    last_seen: int
    days: dict[int, list[int]]
    name: str | None = None
    email: str | None = None
    group_identifier: str | None = None


def customer_rows(logs: Iterable[RequestLog]) -> tuple[list[Row], list[Row]]:
    """Return what logs add by day, as DAY_COLUMNS, and to their customers, as COLUMNS, without active days."""
    found: dict[CustomerKey, _Sums] = {}
    for log in logs:
        if log.customer_identifier is not None:
            _add(found, log)
    by_day, rows = [], []
    for key in sorted(found):
        sums = found[key]
        organization_id, environment, identifier = key
        for day, amounts in sorted(sums.days.items()):
            by_day.append((organization_id, day, environment, identifier, *amounts[: len(DAY_SUMS)]))
        ever = next(iter(sums.days.values())) if len(sums.days) == 1 else _added_up(sums.days.values())
        facts = (sums.name, sums.email, sums.group_identifier, sums.first_seen, sums.last_seen)
        rows.append((*key, *facts, 0, *ever[:_UNPRICED], *ever[_UNPRICED + 1 :], sums.last_seen))
    by_day.sort()
    return by_day, rows


def is_new_day(row: Sequence[Any], requests: int) -> bool:
    """Say whether a day's row was not there before one was added to it, which has so many requests now."""
    return bool(requests == row[_REQUESTS])


def with_new_days(row: Sequence[Any], days: int) -> Row:
    """Return a customer's row with its active days."""
    return (*row[:_ACTIVE], days, *row[_ACTIVE + 1 :])


def customer_drift(prices: Iterable[NewPrice]) -> tuple[list[Row], list[Row]]:
    """Return what other prices add to customers' sums by day and ever: cost, theirs, unpriced; then the key."""
    by_day: dict[Row, list[int]] = {}
    for price in prices:
        before = price.log
        if before.customer_identifier is None:
            continue
        cost = (price.cost or 0) - (before.cost or 0)
        theirs = _or_cost(price.customer_cost, price.cost) - _or_cost(before.customer_cost, before.cost)
        unpriced = price.price_missing - before.price_missing
        identifier = before.customer_identifier
        key = (before.organization_id, before.started_at // DAY, before.environment, identifier)
        amounts = by_day.setdefault(key, [0, 0, 0])
        for place, amount in enumerate((cost, theirs, unpriced)):
            amounts[place] += amount
    ever: dict[Row, list[int]] = {}
    for (organization_id, _, environment, identifier), (cost, theirs, _) in by_day.items():
        amounts = ever.setdefault((organization_id, environment, identifier), [0, 0])
        amounts[0] += cost
        amounts[1] += theirs
    return [(*by_day[key], *key) for key in sorted(by_day)], [(*ever[key], *key) for key in sorted(ever)]


def _add(found: dict[CustomerKey, _Sums], log: RequestLog) -> None:
    key = (log.organization_id, log.environment._value_, (log.customer_identifier or "")[:INDEXED_LENGTH])
    at = log.started_at
    sums = found.get(key)
    if sums is None:
        sums = found[key] = _Sums(log, at, at, {})
    if at < sums.first_seen:
        sums.first_seen = at
    if at > sums.last_seen:
        sums.last_seen = at
    sums.name = log.customer_name or sums.name
    sums.email = log.customer_email or sums.email
    sums.group_identifier = log.group_identifier or sums.group_identifier
    day = at // DAY
    amounts = sums.days.get(day)
    if amounts is None:
        amounts = sums.days[day] = [0] * len(_MEASURED)
    amounts[0] += 1
    if log.outcome not in _FINE or log.status_code >= 400:
        amounts[1] += 1
    if not is_cache_hit(log):
        usage = log.usage
        amounts[2] += usage.input_tokens or 0
        amounts[3] += usage.output_tokens or 0
        amounts[4] += total_tokens(log) or 0
    if log.cost is not None:
        amounts[5] += log.cost
        amounts[6] += log.cost if log.customer_cost is None else log.customer_cost
    if log.price_missing:
        amounts[7] += 1
    if log.latency is not None:
        amounts[8] += log.latency
        amounts[9] += 1
    if log.time_to_first_token is not None:
        amounts[10] += log.time_to_first_token
        amounts[11] += 1


def _added_up(amounts: Iterable[list[int]]) -> list[int]:
    return [*map(sum, zip(*amounts, strict=True))]


def _or_cost(theirs: int | None, cost: int | None) -> int:
    return (cost or 0) if theirs is None else theirs


def put_customer(insert: Any) -> Any:
    """Return the statement that makes a customer or adds to it, for rows of COLUMNS."""
    new, old = insert.excluded, customers.c
    values: dict[str, Any] = {name: old[name] + new[name] for name in ("active_days", *_SUMS)}
    values |= {name: func.coalesce(new[name], old[name]) for name in ("name", "email", "group_identifier")}
    values["first_seen"] = case((new.first_seen < old.first_seen, new.first_seen), else_=old.first_seen)
    values["last_seen"] = case((new.last_seen > old.last_seen, new.last_seen), else_=old.last_seen)
    return insert.on_conflict_do_update(index_elements=customers.primary_key, set_=values)


def add_drift(table: Table, names: Sequence[str]) -> Any:
    """Return the statement that adds to these sums of a row that is there: the amounts, then its key."""
    key = table.primary_key.columns.keys()
    same: list[ColumnElement[bool]] = [table.c[name] == bindparam(f"of_{name}") for name in key]
    return update(table).where(and_(*same)).values({name: table.c[name] + bindparam(f"by_{name}") for name in names})


def put_terms() -> Any:
    """Return the statement that notes what a customer may spend, unless people have set it, for `terms_row`."""
    same: list[ColumnElement[bool]] = [customers.c[name] == bindparam(f"of_{name}") for name in KEY]
    values = {name: bindparam(f"new_{name}", type_=customers.c[name].type) for name in (*TERMS, "updated_at")}
    return update(customers).where(and_(*same, not_(customers.c.managed))).values(values)


def put_metadata() -> Any:
    same: list[ColumnElement[bool]] = [customers.c[name] == bindparam(f"of_{name}") for name in KEY]
    values = {name: bindparam(f"new_{name}", type_=customers.c[name].type) for name in ("metadata", "updated_at")}
    return update(customers).where(and_(*same)).values(values)


def terms_values(terms: CustomerTerms) -> Mapping[str, Any]:
    """Return terms as the columns of TERMS."""
    values = {name: getattr(terms, name) for name in TERMS}
    return values | {"budget_duration": None if terms.budget_duration is None else terms.budget_duration.value}


def key_of(note: CustomerNote) -> CustomerKey:
    return note.organization_id, note.environment, note.customer_identifier[:INDEXED_LENGTH]
