"""The board set right after prices were made again: by the difference, on the counters that would have counted it.

Law: only windows that are still on, as they would have counted at the call's time by the limits of today. A log does
not say which counters its call passed, so a limit that is younger than the call is moved like the others, as it is by
filling a lost board. Whoever is killed between writing prices and this leaves at most one batch of them undone, which
`gantry doctor` shows.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from gantry.board.all_counters import AllCounters
from gantry.core.limit_terms import Party, applying, credit_terms, customer_counters, customer_key
from gantry.core.limits import NO_BOOKS, Books, Counted, CounterKind, CounterTerms, LimitUnit
from gantry.core.periods import window_at
from gantry.core.priced_log import NewPrice
from gantry.core.vocabulary import Environment, LogMethod

_INFERENCE = LogMethod.INFERENCE.value

Moved = tuple[CounterTerms, int]


class PriceCorrections:
    """Corrects one board by prices that were written."""

    def __init__(
        self,
        counters: AllCounters,
        books: Mapping[str, Books],
        bound: Mapping[str, Sequence[str]],
        clock: Callable[[], int],
    ) -> None:
        """`bound`: the keys on whose limits a key's calls count, too."""
        self._counters = counters
        self._books = books
        self._bound = bound
        self._clock = clock

    def __call__(self, prices: Iterable[NewPrice]) -> None:
        """Move the counters by how prices have moved."""
        moved: defaultdict[tuple[bytes, int], int] = defaultdict(int)
        for price in prices:
            for term, amount in self._moved(price):
                if term.kind is CounterKind.WINDOW and term.unit is LimitUnit.COST:
                    window = window_at(term.period, price.log.started_at, term.anchor)
                    moved[term.key, window.number] += amount
        now = self._clock()
        for (key, number), amount in moved.items():
            if amount:
                counted = Counted(key, LimitUnit.COST, CounterKind.WINDOW, number, 0)
                self._counters.correct(counted, amount, now)

    def _moved(self, price: NewPrice) -> Iterator[Moved]:
        log = price.log
        organization_id, environment = log.organization_id, Environment(log.environment)
        cost = (price.cost or 0) - (log.cost or 0)
        books = self._books.get(organization_id, NO_BOOKS)
        if log.log_method == _INFERENCE:
            party = Party(
                organization_id=organization_id,
                environment=environment,
                key_ids=() if log.key_id is None else (log.key_id, *self._bound.get(log.key_id, ())),
                customer=log.customer_identifier,
                models=[name for name in (log.requested_model, log.model, f"{log.provider_id}/{log.model}") if name],
            )
            for term in applying(books.limits, party):
                yield term, cost
            if books.credits is not None:
                yield credit_terms(organization_id, books.credits), (price.charged or 0) - (log.charged or 0)
        if log.customer_identifier is not None:
            customer = log.customer_identifier
            terms = self._counters.customer(customer_key(organization_id, environment, customer))
            if terms is not None:
                theirs = _or_cost(price.customer_cost, price.cost) - _or_cost(log.customer_cost, log.cost)
                for term in customer_counters(organization_id, environment, customer, terms):
                    yield term, theirs


def _or_cost(theirs: int | None, cost: int | None) -> int:
    return (cost or 0) if theirs is None else theirs
