"""A board that is lost is filled from the sums: with what began before it was made, to the nano-dollar."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from gantry.board.counters import Counters
from gantry.clerk.refill import compare_board, fill_board
from gantry.core.credits import DAY
from gantry.core.limit_terms import (
    CUSTOMER_BUDGET,
    CUSTOMER_TOTAL,
    credit_terms,
    customer_counters,
    customer_key,
    terms_of,
)
from gantry.core.limits import (
    ANY_SUBJECT,
    Books,
    CounterTerms,
    CreditTerms,
    CustomerTerms,
    Limit,
    LimitScope,
    LimitUnit,
)
from gantry.core.log_figures import total_tokens
from gantry.core.periods import Period, window_at
from gantry.core.request_log import RequestLog
from gantry.core.usage import Usage
from gantry.core.vocabulary import Environment, LogMethod, Outcome
from gantry.store.customer_sums import CustomerNote
from gantry.store.logs import LogStore, RecordBatch
from tests.store.logs_of_tests import HOUR, ORGANIZATION, OTHER, make_log

NOW = 20_000 * DAY + 13 * HOUR + 40 * 60 * 10**9  # a Tuesday, and the fourth of a month
MADE_AT = NOW - 25 * 60 * 10**9 - 7
BOUND = {"two": ("one",)}  # what `two` spends counts on `one`, too

LIMITS = [
    Limit(f"{scope}-{unit}-{period}-{environment}", scope, subject, unit, period, 10**15, environment=environment)
    for scope, subject in (
        (LimitScope.ORGANIZATION, ""),
        (LimitScope.API_KEY, "one"),
        (LimitScope.API_KEY, ANY_SUBJECT),
        (LimitScope.MODEL, "mistral/*"),
        (LimitScope.CUSTOMER, "ada"),
        (LimitScope.CUSTOMER, ANY_SUBJECT),
    )
    for unit in (LimitUnit.COST, LimitUnit.REQUESTS, LimitUnit.TOKENS)
    for period in (Period.LIFETIME, Period.MONTH, Period.DAY, Period.HOUR)
    for environment in (None, Environment.TEST)
]
LIMITS = [replace(limit, id=f"{number}-{limit.id}") for number, limit in enumerate(LIMITS)]
BOOKS = Books(tuple(LIMITS), CreditTerms(10**15, markup_ppm=100_000))


def some_logs() -> list[RequestLog]:
    chance = random.Random(2)
    return [
        make_log(
            str(number),
            organization_id=OTHER if number % 10 == 0 else ORGANIZATION,
            environment=chance.choice((Environment.TEST, Environment.PROD)),
            key_id=chance.choice(("one", "two", "three")),
            model=chance.choice(("a", "b")),
            provider_id=chance.choice(("mistral", "openai")),
            outcome=chance.choice((Outcome.SUCCESS, Outcome.SUCCESS, Outcome.REFUSED, Outcome.UPSTREAM_ERROR)),
            started_at=NOW - chance.choice((chance.randrange(HOUR), chance.randrange(40 * DAY))),
            cost=chance.choice((None, chance.randrange(10**9))),
            charged=chance.choice((None, chance.randrange(10**9))),
            usage=Usage(input_tokens=5, output_tokens=chance.choice((1, 7))),
            customer_identifier=chance.choice((None, "ada", "bob")),
        )
        for number in range(400)
    ]


def expected(limit: Limit, subject: str, logs: list[RequestLog]) -> int:
    """Count as the workers would have, one by one."""
    start = window_at(limit.period, NOW).start
    total = 0
    for log in logs:
        if log.organization_id != ORGANIZATION or not start <= log.started_at < MADE_AT:
            continue
        if limit.environment not in (None, log.environment):
            continue
        by_customer = limit.scope is LimitScope.CUSTOMER
        if log.outcome is Outcome.REFUSED and not (by_customer and limit.period is not Period.HOUR):
            continue  # sums by customer do not know it
        applies = {
            LimitScope.ORGANIZATION: True,
            LimitScope.API_KEY: subject in (log.key_id, *BOUND.get(log.key_id or "", ())),
            LimitScope.MODEL: log.provider_id == "mistral",
            LimitScope.CUSTOMER: log.customer_identifier == subject,
        }[limit.scope]
        if applies:
            amounts = {LimitUnit.COST: log.cost or 0, LimitUnit.REQUESTS: 1, LimitUnit.TOKENS: total_tokens(log) or 0}
            total += amounts[limit.unit]
    return total


@pytest.fixture
def store(tmp_path: Path) -> Iterator[LogStore]:
    opened = LogStore(tmp_path / "logs.db")
    yield opened
    opened.close()


def make_board(path: Path) -> Counters:
    return Counters(path / "counters", clock=lambda: MADE_AT)


def fill(board: Counters, store: LogStore) -> None:
    with store.reading() as connection:
        fill_board(board, connection, {ORGANIZATION: BOOKS}, BOUND, lambda: NOW)


def subjects(limit: Limit) -> list[str]:
    if limit.subject != ANY_SUBJECT:
        return [limit.subject]
    return ["one", "two", "three"] if limit.scope is LimitScope.API_KEY else ["ada", "bob"]


def test_every_counter_has_what_it_had_counted(tmp_path: Path, store: LogStore) -> None:
    logs = some_logs()
    store.record(RecordBatch(logs=logs))
    board = make_board(tmp_path)
    assert [board.is_new] == [True]
    fill(board, store)
    assert [board.is_new] == [False]
    for limit in LIMITS:
        for subject in subjects(limit):
            counted = board.read(terms_of(ORGANIZATION, limit, subject), NOW)
            assert counted == expected(limit, subject, logs), (limit.id, subject)
    charged = [log.charged or 0 for log in logs if log.organization_id == ORGANIZATION and log.started_at < MADE_AT]
    assert BOOKS.credits is not None
    assert board.read(credit_terms(ORGANIZATION, BOOKS.credits), NOW) == sum(charged)


def test_killed_in_the_middle_it_is_done_again_and_adds_nothing_twice(tmp_path: Path, store: LogStore) -> None:
    store.record(RecordBatch(logs=some_logs()))
    board = make_board(tmp_path)
    left = 40

    def mortal() -> int:
        nonlocal left
        left -= 1
        if left < 0:
            raise KeyboardInterrupt
        return NOW

    with store.reading() as connection, pytest.raises(KeyboardInterrupt):
        fill_board(board, connection, {ORGANIZATION: BOOKS}, BOUND, mortal)
    assert board.is_new
    fill(board, store)
    logs = some_logs()
    whole = LIMITS[0]
    assert board.read(terms_of(ORGANIZATION, whole), NOW) == expected(whole, "", logs)


def test_what_is_counted_meanwhile_stays(tmp_path: Path, store: LogStore) -> None:
    store.record(RecordBatch(logs=some_logs()))
    board = make_board(tmp_path)
    term = terms_of(ORGANIZATION, LIMITS[0])
    board.hold([term], 77, 0, NOW)
    fill(board, store)
    assert board.read(term, NOW) == expected(LIMITS[0], "", some_logs()) + 77


def test_customers_get_their_terms_and_what_they_spent(tmp_path: Path, store: LogStore) -> None:
    monthly = CustomerTerms(10**12, Period.MONTH, 10**13, 60, markup_ppm=500_000)
    anchored = CustomerTerms(10**12, Period.WEEK, period_start=NOW - 10 * DAY // DAY * DAY - NOW % DAY, managed=True)
    said = {"ada": monthly, "bob": anchored}
    some = [
        make_log(
            f"{customer}{day}",
            customer_identifier=customer,
            cost=100 + day,
            customer_cost=150 + day if customer == "ada" else None,
            started_at=NOW - day * DAY,
        )
        for customer in ("ada", "bob", "cem")
        for day in range(40)
    ]
    notes = [CustomerNote(ORGANIZATION, "prod", name, NOW, terms) for name, terms in said.items()]
    store.record(RecordBatch(logs=some, customers=notes))
    board = make_board(tmp_path)
    fill(board, store)
    for name, terms in said.items():
        stored = board.customer(customer_key(ORGANIZATION, Environment.PROD, name))
        assert stored == replace(terms, managed=False)
        mine = [log for log in some if log.customer_identifier == name and log.started_at < MADE_AT]
        for term in customer_counters(ORGANIZATION, Environment.PROD, name, terms):
            if term.name in (CUSTOMER_BUDGET, CUSTOMER_TOTAL):
                start = window_at(term.period, NOW, term.anchor).start
                spent = sum(log.customer_cost or log.cost or 0 for log in mine if log.started_at >= start)
                assert board.read(term, NOW) == spent, (name, term.name)


def test_a_board_that_drifted_is_told_with_its_numbers(tmp_path: Path, store: LogStore) -> None:
    """Pain 10: counters that say something else than the books are found, and nobody is refused without a reason."""
    logs = [log for log in some_logs() if log.started_at < MADE_AT]
    store.record(RecordBatch(logs=logs))
    board = make_board(tmp_path)
    fill(board, store)

    def drift() -> list[tuple[CounterTerms, int, int]]:
        with store.reading() as connection:
            return list(compare_board(board, connection, {ORGANIZATION: BOOKS}, BOUND, NOW))

    assert drift() == []
    term = terms_of(ORGANIZATION, LIMITS[0])
    board.hold([term], 5, 0, NOW)
    before = expected(LIMITS[0], "", logs)
    assert drift() == [(term, before + 5, before)]


def test_posted_logs_are_no_calls(tmp_path: Path, store: LogStore) -> None:
    log = make_log("p", outcome=Outcome.LOGGED, log_method=LogMethod.LOGGING_API, cost=5, started_at=NOW - 2 * DAY)
    store.record(RecordBatch(logs=[log, replace(log, log_id="c", outcome=Outcome.SUCCESS)]))
    board = make_board(tmp_path)
    fill(board, store)
    assert board.read(terms_of(ORGANIZATION, LIMITS[0]), NOW) == 5
