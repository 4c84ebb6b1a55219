"""Filling a board that is new, because the old one was lost: what its counters had counted, from the sums of the store.

Law: a counter gets what began before the board was made; what began later is counted live, all the while. Killed in
the middle, it is done again from the beginning, and nothing is added twice. What stands in no sum is not made up: calls
under way, and the buckets of a minute, which are full again before this is done. Limits of a model are filled by the
names of the provider, since sums do not know what callers called it.
"""

import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final

from gantry.board.counters import Counters
from gantry.clerk.limit_alerts import Counting
from gantry.clerk.publish_books import open_books
from gantry.core.credits import DAY
from gantry.core.limit_terms import credit_terms, customer_counters, customer_key, is_each, terms_of
from gantry.core.limits import (
    ANY_SUBJECT,
    Books,
    CounterKind,
    CounterTerms,
    CustomerTerms,
    Limit,
    LimitScope,
    LimitUnit,
)
from gantry.core.periods import Period, window_at
from gantry.core.vocabulary import Environment
from gantry.store import Connection
from gantry.store.control import ControlStore
from gantry.store.counter_sums import (
    Calls,
    Counts,
    Days,
    bound_keys,
    budgets_before,
    calls_between,
    charged_before,
    customers_between,
)
from gantry.store.credits import granted_by_organization
from gantry.store.customer_sums import CustomerKey
from gantry.store.customers import customers_with_terms
from gantry.store.logs import LogStore

_LONGEST: Final = 366 * DAY  # a customer's period
_EVER: Final = (1 << 63) - 1

Amount = tuple[CounterTerms, int]

logger = logging.getLogger(__name__)


def fill_if_new(counters: Counters, control: str | Path, store: LogStore, clock: Callable[[], int]) -> None:
    """Fill a board that is new, by what is configured now. Raises StoreUnavailable, SchemaError."""
    if counters.is_new:
        with ControlStore(control) as configured, configured.reading() as connection:
            books, bound = books_now(connection, store)
        with store.reading() as connection:
            fill_board(counters, connection, books, bound, clock)


def books_now(control: Connection, store: LogStore) -> tuple[Mapping[str, Books], Mapping[str, Sequence[str]]]:
    """Return what organizations have decided, credits of all of them, and on whose limits the calls of keys count."""
    with store.reading() as connection:
        granted = granted_by_organization(connection)
    return dict(open_books(control).of(granted, has_platform=True)), bound_keys(control)


def fill_board(
    counters: Counters,
    connection: Connection,
    books: Mapping[str, Books],
    bound: Mapping[str, Sequence[str]],
    clock: Callable[[], int],
) -> None:
    """Fill a new board. `bound`: the keys on whose limits a key's calls count, too. Raises StoreUnavailable."""
    count = 0
    for key, terms in customers_with_terms(connection):
        put_terms(counters, key, terms)
    for term, amount in amounts_before(connection, books, bound, counters.made_at, clock):
        count += counters.fill(term, amount, clock())
    counters.mark_filled()
    logger.info("the board was new: %d counters are filled from the sums of the store", count)


def put_customers_if_new(counters: Counters, store: LogStore) -> None:
    """Put on a new board what customers may spend, and nothing of what they spent: that is counted elsewhere."""
    if counters.is_new:
        with store.reading() as connection:
            for key, terms in customers_with_terms(connection):
                put_terms(counters, key, terms)
        counters.mark_filled()


def put_terms(counters: Counters, key: CustomerKey, terms: CustomerTerms) -> None:
    """Put on the board what the store says that a customer may spend."""
    place = customer_key(key[0], Environment(key[1]), key[2])
    counters.put_customer(place, terms, only_unmanaged=not terms.managed)


def amounts_before(
    connection: Connection,
    books: Mapping[str, Books],
    bound: Mapping[str, Sequence[str]],
    end: int,
    clock: Callable[[], int],
) -> Iterator[Amount]:
    """Yield all counters, those of customers' budgets too, with what the store knows of them from before a moment."""
    for organization_id, decided in books.items():
        yield from amounts_of(connection, organization_id, decided, bound, end, clock())
    for key, terms, ever, days in budgets_before(connection, (clock() - _LONGEST) // DAY, end):
        yield from spent_of(key[0], Environment(key[1]), key[2], terms, ever, days, clock())


def amounts_of(
    connection: Connection,
    organization_id: str,
    books: Books,
    bound: Mapping[str, Sequence[str]],
    end: int,
    now: int,
) -> Iterator[Amount]:
    """Yield the counters of an organization, with what the store knows of them from before a moment."""
    if books.credits is not None:
        yield credit_terms(organization_id, books.credits), charged_before(connection, organization_id, end)
    by_period: defaultdict[Period, list[Limit]] = defaultdict(list)
    for limit in books.limits:
        if terms_of(organization_id, limit).kind is CounterKind.WINDOW:
            by_period[limit.period].append(limit)
    for period, limits in by_period.items():
        start = window_at(period, now).start
        if start >= end:
            continue
        plain = [limit for limit in limits if limit.scope is not LimitScope.CUSTOMER]
        if plain:
            calls = list(calls_between(connection, organization_id, start, end))
            for limit in plain:
                yield from _of_calls(organization_id, limit, calls, bound)
        for limit in limits:
            if limit.scope is LimitScope.CUSTOMER:
                one = None if limit.subject == ANY_SUBJECT else limit.subject
                found = customers_between(connection, organization_id, limit.environment, one, start, end)
                for customer, counts in found:
                    yield terms_of(organization_id, limit, customer), _amount(limit, counts)


def spent_of(
    organization_id: str,
    environment: Environment,
    customer: str,
    terms: CustomerTerms,
    ever: int,
    days: Days,
    now: int,
) -> Iterator[Amount]:
    """Yield the counters of a customer's budgets, with what it has spent ever, and by day."""
    for term in customer_counters(organization_id, environment, customer, terms):
        if term.kind is CounterKind.WINDOW:
            first = window_at(term.period, now, term.anchor).start // DAY
            spent = ever if term.period is Period.LIFETIME else sum(cost for day, cost in days.items() if day >= first)
            yield term, spent


def _of_calls(
    organization_id: str, limit: Limit, calls: Iterable[Calls], bound: Mapping[str, Sequence[str]]
) -> Iterator[Amount]:
    found: defaultdict[str, Counts] = defaultdict(Counts)
    for some in calls:
        if limit.environment in (None, some.environment):
            for subject in _subjects_of(limit, some, bound):
                found[subject].add(some.counts, some.sign)
    for subject, counts in found.items():
        yield terms_of(organization_id, limit, subject), _amount(limit, counts)


def _subjects_of(limit: Limit, calls: Calls, bound: Mapping[str, Sequence[str]]) -> Iterator[str]:
    if limit.scope is LimitScope.ORGANIZATION:
        yield ""
    elif limit.scope is LimitScope.MODEL:
        names = (calls.model, f"{calls.provider_id}/{calls.model}")
        if any(fnmatchcase(name, limit.subject) for name in names):
            yield limit.subject
    else:
        for key_id in (calls.key_id, *bound.get(calls.key_id, ())):
            if is_each(limit) or key_id == limit.subject:
                yield key_id


def _amount(limit: Limit, counts: Counts) -> int:
    if limit.unit is LimitUnit.COST:
        return counts.cost
    return counts.tokens if limit.unit is LimitUnit.TOKENS else counts.requests


def compare_board(
    counters: Counting,
    connection: Connection,
    books: Mapping[str, Books],
    bound: Mapping[str, Sequence[str]],
    now: int,
) -> Iterator[tuple[CounterTerms, int, int]]:
    """Yield the counters that say something else than the store, with what they say and what it does.

    Calls under way count with their estimates, and those whose records are not stored yet are in no sum: only on a node
    at rest must the two be the same.
    """
    for organization_id, decided in books.items():
        for term, amount in amounts_of(connection, organization_id, decided, bound, _EVER, now):
            counted = counters.read(term, now)
            if counted != amount:
                yield term, counted, amount
