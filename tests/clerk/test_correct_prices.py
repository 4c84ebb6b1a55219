"""Prices that are made again move the counters as the calls would have moved them."""

from pathlib import Path

from msgspec.structs import replace

from gantry.board.counters import Counters
from gantry.clerk.correct_prices import PriceCorrections
from gantry.clerk.refill import compare_board, fill_board
from gantry.core.credits import DAY
from gantry.core.limit_terms import CUSTOMER_TOTAL, customer_counters
from gantry.core.limits import Books, CreditTerms, CustomerTerms, Limit, LimitScope, LimitUnit
from gantry.core.periods import Period
from gantry.core.priced_log import NewPrice
from gantry.core.vocabulary import Environment, LogMethod, Outcome
from gantry.store.customer_sums import CustomerNote
from gantry.store.logs import LogStore, RecordBatch
from gantry.store.repricing import START, PricedQuery
from tests.store.logs_of_tests import ORGANIZATION, make_log

NOW = 20_000 * DAY + 1000
LIMITS = tuple(
    Limit(f"{scope}{unit}{period}", scope, subject, unit, period, 10**15)
    for scope, subject in (
        (LimitScope.ORGANIZATION, ""),
        (LimitScope.API_KEY, "one"),
        (LimitScope.MODEL, "mistral/m*"),
        (LimitScope.CUSTOMER, "*"),
    )
    for unit in (LimitUnit.COST, LimitUnit.REQUESTS)
    for period in (Period.LIFETIME, Period.DAY)
)
BOOKS = {ORGANIZATION: Books(LIMITS, CreditTerms(10**15, markup_ppm=200_000))}
BOUND = {"two": ("one",)}
TERMS = CustomerTerms(total_budget=10**12)


def test_a_board_agrees_with_the_sums_before_and_after(tmp_path: Path) -> None:
    store = LogStore(tmp_path / "logs.db")
    some = [
        make_log(
            f"{number}",
            key_id=("one", "two", "three")[number % 3],
            model="mistral-small" if number % 2 else "other",
            provider_id="mistral",
            customer_identifier="ada" if number % 5 == 0 else None,
            started_at=NOW - 900 - number % 2 * DAY,
            cost=100,
            charged=120,
            markup_ppm=200_000,
        )
        for number in range(30)
    ]
    posted = {"log_method": LogMethod.LOGGING_API, "outcome": Outcome.LOGGED, "charged": None, "markup_ppm": None}
    some.append(replace(some[0], log_id="posted", **posted))
    store.record(RecordBatch(logs=some, customers=[CustomerNote(ORGANIZATION, "prod", "ada", NOW, TERMS)]))
    board = Counters(tmp_path / "counters", clock=lambda: NOW - 1)
    with store.reading() as connection:
        fill_board(board, connection, BOOKS, BOUND, lambda: NOW)

    correct = PriceCorrections(board, BOOKS, BOUND, lambda: NOW)
    query = PricedQuery(organization_id=ORGANIZATION, since=0, until=2**62)
    for cost, charged in ((170, 204), (None, None), (5, 6)):
        priced = store.priced_logs(query, START, 100)
        new = [
            NewPrice(log, cost, None, cost is None, None, None, None, charged if log.markup_ppm else None)
            for log in priced
        ]
        written = store.reprice(new)
        assert len(written) == 31
        correct(written)
        with store.reading() as connection:
            drift = list(compare_board(board, connection, BOOKS, BOUND, NOW))
        assert [term.limit_id for term, *_ in drift if not term.limit_id.startswith("customer")] == []
        (total,) = customer_counters(ORGANIZATION, Environment.PROD, "ada", TERMS)
        assert total.name == CUSTOMER_TOTAL
        assert board.read(total, NOW) == 7 * (cost or 0)
    store.close()
