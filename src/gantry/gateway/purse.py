"""Which counters a call must pass: those of its organization's limits that concern it, its customer's own, and credits;
and at which price.

Law: a key's, an organization's and a model's limits hold whichever customer a caller names, for naming one takes
nothing off the key. What a snapshot says is found once for a key, a model and a customer, and remembered until the next
one; what a customer may spend stands on the board, for there may be a million, and is looked up when one is named.
"""

from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from gantry.board.counters import Counters
from gantry.core.limit_terms import Party, applying, credit_terms, customer_counters, customer_key
from gantry.core.limits import NO_BOOKS, Books, CounterTerms, CustomerTerms, LimitUnit
from gantry.core.vocabulary import Environment
from gantry.dialects.customer_params import read_customer_text
from gantry.gateway.counting import SharedCounters
from gantry.gateway.kept_rates import KeptRates
from gantry.prices.custom import custom_rate
from gantry.prices.plain import plain_prices
from gantry.prices.rate import Rate
from gantry.prices.rates import MINUTE_NS, Rates
from gantry.routing.plan import Attempt, Route
from gantry.routing.snapshot import KeyRecord, Snapshot

_MOST_REMEMBERED: Final = 10_000
_MOST_TARIFFS: Final = 1000
MONEY: Final = (LimitUnit.COST, LimitUnit.TOKENS)  # what attempts use up, each for itself

Terms = tuple[CounterTerms, ...]


class Purse:
    """What calls of one key for one model must pass. Through a platform credential, credits stand in front."""

    __slots__ = ("books", "measures", "on_platform", "own", "spends")

    def __init__(self, own: Terms, on_platform: Terms, books: Books) -> None:
        self.own = own
        self.on_platform = on_platform
        self.books = books
        self.spends = any(one.unit is LimitUnit.COST for one in own)  # beside the credits
        self.measures = any(one.unit in MONEY for one in on_platform)  # something counts cost or tokens

    def terms(self, *, platform: bool) -> Terms:
        return self.on_platform if platform else self.own

    def counts_cost(self, *, platform: bool) -> bool:
        return self.spends or (platform and self.books.credits is not None)


class Tariff:
    """What an attempt has to pass and at which price, if its caller names no customer and no tier.

    It holds for one minute: so long do prices. It is known by its attempt, which is one for all calls of a key that
    have no choice.
    """

    __slots__ = (
        "attempt",
        "counts_cost",
        "key",
        "longest_answer",
        "markup_ppm",
        "minute",
        "plain",
        "purse",
        "rate",
        "rates",
        "terms",
    )

    def __init__(
        self,
        key: KeyRecord,
        attempt: Attempt | None,
        purse: Purse,
        terms: Terms,
        rates: Rates | None = None,
        rate: Rate | None = None,
        minute: int = 0,
    ) -> None:
        self.key = key
        self.attempt = attempt
        self.purse = purse
        self.terms = terms
        self.counts_cost = False
        self.markup_ppm: int | None = None  # of credits, where they pay for it
        self.rates = rates  # that the rate is from
        self.rate = rate
        self.plain = None if rate is None else plain_prices(rate)
        self.minute = minute
        self.longest_answer = 0 if attempt is None else attempt.route.provider.max_tokens


class _Customers(Struct, frozen=True, gc=False):
    """What one customer may spend, and the purse of its last call."""

    terms: CustomerTerms
    counters: Terms
    beside: Purse  # what its calls must pass otherwise
    whole: Purse


class Purses:
    """One instance for a worker."""

    __slots__ = ("_by_customer", "_by_key", "_snapshot", "_tariffs", "counters", "shared")

    def __init__(self, counters: Counters, shared: SharedCounters | None = None) -> None:
        self.counters = counters
        self.shared = shared  # in their place for what calls count, where several machines count together
        self._snapshot: Snapshot | None = None
        self._by_key: dict[tuple[str, Environment, Sequence[str], str | None], Purse] = {}
        self._tariffs: dict[int, Tariff] = {}
        self._by_customer: dict[tuple[str, Environment, str], _Customers] = {}

    def swap(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self._by_key.clear()
        self._tariffs.clear()

    @property
    def spend(self) -> bool:
        """Whether anybody has a limit of cost, or credits: then prices are wanted before the first call."""
        every = () if self._snapshot is None else self._snapshot.body.books.values()
        return any(
            books.credits is not None or any(limit.unit is LimitUnit.COST for limit in books.limits) for books in every
        )

    def stop_streams(self, organization_id: str) -> bool:
        """Say whether a stream of an organization ends that has used up what is held for it."""
        return self._snapshot is not None and self._snapshot.books_of(organization_id).stop_streams

    def limits(self, organization_id: str) -> bool:
        """Say whether an organization has books: the calls of others are looked at only where they name a customer."""
        return self._snapshot is not None and organization_id in self._snapshot.body.books

    def learn(self, key: KeyRecord, parameters: bytes) -> None:
        """Put on the board what a caller says that its customer may spend, unless people have set it."""
        said = read_customer_text(parameters)
        if said is None or said.terms is None:
            return
        place = customer_key(key.organization_id, key.environment, said.customer_identifier)
        if self.counters.customer(place) != said.terms:
            self.counters.put_customer(place, said.terms, only_unmanaged=True)

    def find(self, key: KeyRecord, names: Sequence[str], customer: str | None, now: int) -> Purse | None:
        """Return what applies to a call for a model under its names; None where nothing does."""
        asked = (key.key_id, key.environment, names, customer)
        purse = self._by_key.get(asked)
        if purse is None:
            purse = self._make(key, names, customer)
            if len(self._by_key) >= _MOST_REMEMBERED:
                self._by_key.clear()  # customers and models are names that callers write
            self._by_key[asked] = purse
        if customer is not None:
            purse = self._with_customers_own(purse, key, customer, now)
        return purse if purse.on_platform else None

    def tariff(
        self, key: KeyRecord, attempt: Attempt, customer: str | None, host: str, now: int, kept: KeptRates
    ) -> Tariff | None:
        """Return what applies to an attempt; None where nothing does."""
        minute, rates = now // MINUTE_NS, kept.rates
        found = self._tariffs.get(id(attempt)) if customer is None else None
        if (
            found is not None
            and found.attempt is attempt
            and found.key is key
            and found.minute == minute
            and found.rates is rates
        ):
            return found
        route = attempt.route
        purse = self.find(key, route.names, customer, now)
        if purse is None:
            return None
        platform = attempt.credential.organization_id is None and not attempt.callers_credential
        terms = purse.terms(platform=platform)
        if not terms:
            return None
        counts_cost = purse.counts_cost(platform=platform)
        paid = purse.books.credits if platform else None
        rate = None if rates is None or not counts_cost else rate_of(rates, route, host, now, None)
        found = Tariff(key, attempt, purse, terms, rates, rate, minute)
        found.counts_cost = counts_cost
        found.markup_ppm = None if paid is None else paid.markup_ppm
        if customer is None and not attempt.callers_credential:
            if len(self._tariffs) >= _MOST_TARIFFS:
                self._tariffs.clear()
            self._tariffs[id(attempt)] = found
        return found

    def _make(self, key: KeyRecord, names: Sequence[str], customer: str | None) -> Purse:
        assert self._snapshot is not None, "a key was found in it"
        books = self._snapshot.body.books.get(key.organization_id, NO_BOOKS)
        own = tuple(applying(books.limits, _party_of(key, names, customer)))
        paid = () if books.credits is None else (credit_terms(key.organization_id, books.credits),)
        return Purse(own, paid + own, books)

    def _with_customers_own(self, purse: Purse, key: KeyRecord, customer: str, now: int) -> Purse:
        """Return a purse with the counters of what a customer may spend, as the board has it now."""
        terms = self.counters.customer(customer_key(key.organization_id, key.environment, customer))
        if terms is None or (terms.period_end is not None and terms.period_end <= now):
            return purse
        name = (key.organization_id, key.environment, customer)
        kept = self._by_customer.get(name)
        if kept is None or kept.terms != terms or kept.beside is not purse:
            if len(self._by_customer) >= _MOST_REMEMBERED:
                self._by_customer.clear()
            theirs = tuple(customer_counters(*name, terms)) if kept is None or kept.terms != terms else kept.counters
            whole = Purse(purse.own + theirs, purse.on_platform + theirs, purse.books) if theirs else purse
            kept = self._by_customer[name] = _Customers(terms, theirs, purse, whole)
        return kept.whole


def rate_of(rates: Rates, route: Route, host: str, at: int, service_tier: str | None) -> Rate | None:
    """Return the rate of a deployment; None where no price is known."""
    rate = rates.find_first(route.provider.id, (route.upstream_model,), at, service_tier, host=host)
    return rate if route.custom is None else custom_rate(rates, route.custom, rate, at, service_tier)


def money_of(terms: Terms) -> Terms:
    """Return the counters of what is used up: not those that count calls."""
    return tuple(one for one in terms if one.unit in MONEY)


def _party_of(key: KeyRecord, names: Sequence[str], customer: str | None) -> Party:
    return Party(
        organization_id=key.organization_id,
        environment=key.environment,
        key_ids=(key.key_id, *key.bound_by),
        customer=customer,
        models=names,
    )
