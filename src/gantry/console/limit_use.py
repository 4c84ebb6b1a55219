"""How much of a limit is used, as the board has it now: for the API, the CLI, and whoever wants to know why a call was
refused.

Law: what is read here is what workers count by. Nothing is counted by looking.
"""

from collections.abc import Iterable, Iterator
from typing import Protocol

from msgspec import Struct

from gantry.core.limit_terms import Party, applying, credit_terms, customer_counters, customer_key, is_each, terms_of
from gantry.core.limits import CounterKind, CounterTerms, CreditTerms, CustomerTerms, Limit, LimitUnit
from gantry.core.periods import Period, window_at


class Reader(Protocol):
    """What is read of the counters of a machine, or of several."""

    def read(self, terms: CounterTerms, now: int, /) -> int: ...

    def customer(self, key: bytes) -> CustomerTerms | None: ...


class Use(Struct, frozen=True):
    """How one counter stands."""

    terms: CounterTerms
    current: int
    resets_at: int | None  # ns since the epoch; None where it fills up steadily, or never

    @property
    def left(self) -> int:
        return max(0, self.terms.capacity - self.current)

    @property
    def is_used_up(self) -> bool:
        return self.terms.capacity <= self.current


def use_of(reader: Reader | None, terms: CounterTerms, now: int) -> Use:
    """Return how a counter stands; nothing is counted where there are no counters yet."""
    current = 0 if reader is None else reader.read(terms, now)
    end = None
    if terms.kind is CounterKind.WINDOW and terms.period is not Period.LIFETIME:
        end = window_at(terms.period, now, terms.anchor).end
    return Use(terms, current, end)


def use_of_limit(reader: Reader | None, organization_id: str, limit: Limit, subject: str, now: int) -> Use | None:
    """Return how a limit stands; None for one of `*` where no subject is named, for each has a counter of its own."""
    if is_each(limit) and not subject:
        return None
    return use_of(reader, terms_of(organization_id, limit, subject), now)


def uses_for(
    reader: Reader | None, limits: Iterable[Limit], party: Party, now: int, credits_of: CreditTerms | None = None
) -> Iterator[Use]:
    """Yield how everything stands that a party's next call must pass: its credits, limits, and its customer's own."""
    if credits_of is not None:
        yield use_of(reader, credit_terms(party.organization_id, credits_of), now)
    for terms in applying(limits, party):
        yield use_of(reader, terms, now)
    if party.customer is None or reader is None:
        return
    theirs = reader.customer(customer_key(party.organization_id, party.environment, party.customer))
    if theirs is None or (theirs.period_end is not None and theirs.period_end <= now):
        return
    for terms in customer_counters(party.organization_id, party.environment, party.customer, theirs):
        yield use_of(reader, terms, now)


def blocking(uses: Iterable[Use]) -> Use | None:
    """Return what would block any call that counts at all: the first that is used up."""
    return next((use for use in uses if use.terms.blocks and use.is_used_up), None)


def tightest(uses: Iterable[Use], unit: LimitUnit) -> Use | None:
    """Return what would block first by a unit: the one with least left."""
    return min((use for use in uses if use.terms.blocks and use.terms.unit is unit), key=_left, default=None)


def _left(use: Use) -> int:
    return use.left
