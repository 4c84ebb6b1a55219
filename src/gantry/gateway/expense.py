"""What an attempt may cost at its deployment's price, and what its answer says that it did.

Law: what nobody knows is None, and not 0. What came of an answer is read by the readers that the clerk uses, from its
end, where providers report usage. An answer that broke off has cost what it reported or, if that is more, what came of
it; one that never began, nothing, unless its caller left while it was being made.
"""

from typing import Final

from msgspec import structs

from gantry.core.usage import NO_USAGE, Usage
from gantry.core.vocabulary import EMBEDDING_OPERATIONS, Dialect, Operation, Outcome
from gantry.dialects.plain_usage import MOST_BYTES, read_plain, read_plain_answer, usage_in_answer
from gantry.dialects.reported_usage import read_reported_usage
from gantry.dialects.tail import cut_usage
from gantry.dialects.usage import service_tier_in
from gantry.gateway.estimate import Measure, received_tokens
from gantry.gateway.kept_rates import KeptRates
from gantry.gateway.purse import rate_of
from gantry.prices.cost import cost
from gantry.prices.plain import PlainPrices
from gantry.prices.rate import Rate
from gantry.routing.plan import Route

_FAILED: Final = 400
_SUCCESS: Final = Outcome.SUCCESS
_BEGINNING: Final = 4096  # bytes of a stream, in which some dialects tell what was read
# The last usage in an answer is that of one result, or of what was paid when it was made.
_UNTOLD: Final = frozenset((Operation.FILES, Operation.BATCHES, Operation.RESPONSE))
_ONLY_READING: Final = EMBEDDING_OPERATIONS | {Operation.RERANK}


class Expense:
    """What one attempt may cost: its units and its price, each None where it cannot be known."""

    __slots__ = ("at", "cost", "host", "kept", "measure", "operation", "plain", "rate", "route")

    def __init__(
        self,
        operation: Operation,
        measure: Measure,
        kept: KeptRates | None = None,
        route: Route | None = None,
        host: str = "",
        at: int = 0,
    ) -> None:
        self.operation = operation
        self.measure = measure
        self.kept = kept
        self.route = route
        self.host = host
        self.at = at
        self.cost: int | None = None
        self.rate: Rate | None = None  # that the estimate was made by
        self.plain: PlainPrices | None = None  # its prices, if it has only such

    def estimate(self, rate: Rate, plain: PlainPrices | None) -> None:
        """Say what the attempt may cost at a rate."""
        self.rate, self.plain = rate, plain
        self.cost = self.measure.cost_at(rate, plain)

    @property
    def input_tokens(self) -> int:
        measure = self.measure
        if measure.is_plain:
            return measure.read
        return 0 if measure.others is None else measure.others.input_tokens or 0

    def priced(self, usage: Usage, service_tier: str | None = None) -> int | None:
        """Return what units cost at this deployment; None where no price is known for them."""
        tier = service_tier or self.measure.service_tier
        rate = self.rate
        if rate is None or tier != self.measure.service_tier:
            rate = self.find_rate(tier)
        return None if rate is None else cost(rate, usage)

    def find_rate(self, service_tier: str | None) -> Rate | None:
        """Return the rate of this deployment; None where no price is known, or none is here yet."""
        rates = None if self.kept is None else self.kept.rates  # they may have come since it was estimated
        if rates is None or self.route is None:
            return None
        return rate_of(rates, self.route, self.host, self.at, service_tier)

    def reading(self) -> tuple[int, int]:
        """Return cost and tokens of what the request alone makes a provider read."""
        usage = self.measure.usage
        if usage is None:
            return 0, 0
        read = Usage(input_tokens=usage.input_tokens, characters=usage.characters)
        return self.priced(read) or 0, self.input_tokens


class Came:
    """What came of a call's answer, as far as it is at hand at its end."""

    __slots__ = ("body", "dialect", "outcome", "sent", "status", "streamed", "told", "total")

    def __init__(
        self,
        outcome: Outcome,
        status: int,
        sent: bool,
        body: bytes,
        total: int,
        streamed: bool,
        dialect: Dialect,
        told: Usage | None = None,
    ) -> None:
        self.outcome = outcome
        self.status = status
        self.sent = sent  # something of the request went out
        self.body = body  # the end of the answer, or all of it
        self.total = total  # bytes that came in all
        self.streamed = streamed
        self.dialect = dialect
        self.told = told  # by us, of a stream that we ended


def spent(expense: Expense, came: Came) -> tuple[int, int]:
    """Return what an attempt cost and how many tokens it took, as far as that is known by its end."""
    if not came.sent or came.status >= _FAILED:
        return 0, 0
    succeeded = came.outcome is _SUCCESS
    if not came.total and not succeeded:
        return expense.reading() if came.outcome is Outcome.CLIENT_GONE else (0, 0)
    if came.told is not None:
        return expense.priced(came.told) or 0, _tokens_of(came.told)
    is_told, body, raw = expense.operation not in _UNTOLD, came.body, None
    is_whole = not came.streamed and came.total == len(body) <= MOST_BYTES
    prices = expense.plain
    if prices is not None and succeeded and is_whole and is_told:  # most
        plain = read_plain_answer(body)
        if plain is not None:
            return prices.cost(plain[0], plain[1]), plain[2]
    if is_told:
        raw = (usage_in_answer(body) if is_whole else b"") or cut_usage(body)
    if prices is not None and raw is not None and succeeded:
        plain = read_plain(raw)
        if plain is not None:
            return prices.cost(plain[0], plain[1]), plain[2]
    if raw is None and succeeded and not came.streamed:
        return expense.cost or 0, expense.measure.tokens
    usage, tier = NO_USAGE, None
    if raw is not None:
        usage, tier = read_reported_usage(came.dialect, raw)[0], service_tier_in(raw)
    usage = _completed(usage, expense, came)
    amount = expense.priced(usage, tier)
    if amount is None:
        amount = expense.cost or 0
    return amount, _tokens_of(usage)


def _completed(usage: Usage, expense: Expense, came: Came) -> Usage:
    """Return a usage with what it does not say, or cannot yet have said when the answer broke off."""
    measured = expense.measure.usage
    if expense.operation in _ONLY_READING and usage.input_tokens is None and usage.total_tokens is not None:
        usage = structs.replace(usage, input_tokens=usage.total_tokens)
    if measured is None:
        return usage
    if usage.input_tokens is None:
        usage = structs.replace(usage, input_tokens=_told_first(came) or measured.input_tokens)
    counted = came.outcome is Outcome.SUCCESS and usage.output_tokens is not None
    if not counted and measured.output_tokens is not None:
        received = min(received_tokens(expense.operation, came.body, came.total), measured.output_tokens)
        usage = structs.replace(usage, output_tokens=max(usage.output_tokens or 0, received))
    if usage.characters is None and measured.characters is not None:
        usage = structs.replace(usage, characters=measured.characters)
    return usage


def _told_first(came: Came) -> int | None:
    """Return the input that a stream told at its beginning, where that is still at hand."""
    raw = cut_usage(came.body[:_BEGINNING])
    return None if raw is None else read_reported_usage(came.dialect, raw)[0].input_tokens


def _tokens_of(usage: Usage) -> int:
    if usage.total_tokens is not None:
        return usage.total_tokens
    return (usage.input_tokens or 0) + (usage.output_tokens or 0)
