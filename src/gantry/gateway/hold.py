"""What one call has taken of what it may spend: held before it sets out, moved with its attempts, settled at its end.

Law: hold, then the open frame, then bytes upstream. The estimate is of the deployment that is tried; two attempts at
once are both held. At the end stands what the call cheaply knows of its usage, or else its estimate, and the clerk sets
right what the record turns out to cost. What was held is settled exactly once, whatever the call ends in.
"""

import logging
from collections.abc import Sequence
from functools import partial
from typing import Final

from msgspec import Raw
from msgspec.structs import replace

from gantry.board.held import NOTHING_HELD, Held, HeldElsewhere, Taking
from gantry.board.standings import Refused, pack_limits
from gantry.core.errors import Forbidden
from gantry.core.limits import Counted, Unpriced
from gantry.core.usage import Usage
from gantry.core.vocabulary import Operation
from gantry.gateway.counting import Counting
from gantry.gateway.estimate import MOST_TOKENS, UNKNOWN, measure
from gantry.gateway.expense import Came, Expense, spent
from gantry.gateway.kept_rates import KeptRates
from gantry.gateway.limit_words import refusal, warning
from gantry.gateway.params import NO_PARAMETERS
from gantry.gateway.prepare import Question
from gantry.gateway.purse import MONEY, Purse, Purses, Tariff, Terms, money_of, rate_of
from gantry.journal.frames import NOTHING, HoldNote, LimitNote
from gantry.prices.plain import plain_prices
from gantry.routing.plan import Attempt, Route, shown
from gantry.routing.snapshot import KeyRecord
from gantry.wire.envelope import Envelope

logger = logging.getLogger(__name__)

FREE: Final = frozenset((Operation.COUNT_TOKENS, Operation.MODELS, Operation.MODEL))
_PIECE: Final = 256  # tokens of an answer that are held at once beyond its estimate
_NO_NAMES: Final[Sequence[str]] = ()
_NO_COUNTERS: Final[list[Counted]] = []


class Taken:
    """What one attempt has to pass and may cost, what is held for it, and cost and tokens of one that is not the call's
    answer."""

    __slots__ = ("attempt", "expense", "held", "spent", "tariff", "terms")

    def __init__(self, attempt: Attempt | None, tariff: Tariff, terms: Terms, expense: Expense) -> None:
        self.attempt = attempt
        self.tariff = tariff
        self.terms = terms
        self.expense = expense
        self.held: Taking = NOTHING_HELD
        self.spent = (0, 0)

    def same_price(self, other: "Taken") -> bool:
        mine, theirs = self.expense, other.expense
        same = mine.cost == theirs.cost and mine.measure.tokens == theirs.measure.tokens
        return same and self.terms == other.terms

    def note(self, cost: int | None, tokens: int, held: Taking | None, noted: Raw | None) -> HoldNote:
        """Return what a frame says of it; `noted` are the counters that the open frame has."""
        markup = self.tariff.markup_ppm
        if isinstance(held, Held):
            counters = held.gate.counters
            if noted is None or noted is counters:
                named = NOTHING if noted is counters else counters
                return HoldNote(cost, tokens, _NO_COUNTERS, markup is not None, markup or 0, named, held.amounts)
        told = _NO_COUNTERS if held is None else list(held.counted)
        return HoldNote(cost, tokens, told, markup is not None, markup or 0)


class Hold:
    """One call's."""

    __slots__ = (
        "_answer",
        "_at",
        "_beside",
        "_counting",
        "_customer",
        "_envelope",
        "_kept_rates",
        "_key",
        "_more",
        "_noted",
        "_operation",
        "_own",
        "_purses",
        "_raised",
        "_raising",
        "spent",
        "warnings",
    )

    def __init__(
        self,
        purses: Purses,
        kept_rates: KeptRates,
        key: KeyRecord,
        customer: str | None,
        operation: Operation,
        envelope: Envelope | None,
        now: int,
    ) -> None:
        self._purses = purses
        self._counting = Counting(purses.counters, purses.shared, now)
        self._kept_rates = kept_rates
        self._key = key
        self._customer = customer
        self._operation = operation
        self._envelope = envelope
        self._at = now  # a call counts in the windows that it began in
        self._own: Taken | None = None
        self._beside: list[Taken] = []  # attempts that are not the call's answer, or not yet
        self._more: list[Taking] = []  # of its own attempt, beyond the estimate
        self._noted: Raw | None = None  # the counters that the open frame has
        self._raised = 0  # tokens beyond the estimate
        self._raising = False  # more is asked for
        self._answer: Taking | Refused | None = None  # the last
        self.spent = ""  # why no more can be held
        self.warnings: list[str] = []

    # Before an attempt

    def take(self, attempt: Attempt, host: str) -> None:
        """Hold what an attempt may cost, in place of what another one might have.

        Raises LimitReached, CreditsExhausted, and Forbidden where no price is known and calls without are not allowed.
        """
        taken = self._prepare(attempt, host)
        own = self._own
        if own is not None and taken is not None and own.same_price(taken):
            taken.held = own.held
            self._own = taken
            return
        self.let_go()
        if taken is not None:
            if self._beside and self._is_counted_beside:
                taken.terms = money_of(taken.terms)
            self._hold(taken)
            self._own = taken

    def take_beside(self, attempt: Attempt, host: str) -> None:
        """Hold what a second attempt may cost beside the call's own; it is one call still. Raises as `take`."""
        taken = self._prepare(attempt, host)
        if taken is not None:
            taken.terms = money_of(taken.terms)
            self._hold(taken)
            self._beside.append(taken)

    def take_free(self, route: Route | None) -> None:
        """Count a call that nobody has to be paid for. Raises LimitReached."""
        purse = self._find(route)
        if purse is not None:
            free = Expense(self._operation, UNKNOWN)
            free.cost = 0
            taken = Taken(None, Tariff(self._key, None, purse, purse.own), purse.own, free)
            self._hold(taken)
            self._own = taken

    # While an answer streams: see `gateway/bounded_stream`

    @property
    def input_tokens(self) -> int:
        return 0 if self._own is None else self._own.expense.input_tokens

    @property
    def output_tokens(self) -> int:
        usage = None if self._own is None else self._own.expense.measure.usage
        return MOST_TOKENS if usage is None else (usage.output_tokens or 0) + self._raised

    def may_go_on(self, output_tokens: int) -> bool:
        """Hold more for an answer that is longer than was thought: a piece of it, or else what has come."""
        needed = output_tokens - self.output_tokens
        self._raise_by(max(needed, _PIECE), needed)
        return not self.spent

    def _raise_by(self, tokens: int, least: int) -> None:
        """Ask for more, and once again for less; while the answer is not here, the stream goes on."""
        own = self._own
        if own is None or self._raising or self.spent:
            return
        self._raising = True
        amount = own.expense.priced(Usage(output_tokens=tokens)) or 0
        then = partial(self._raise, own, tokens, least)
        self._counting.hold_soon(money_of(own.terms), amount, tokens, then)

    def _raise(self, own: Taken, tokens: int, least: int, answer: Taking | Refused) -> None:
        self._raising = False
        if not isinstance(answer, Refused):
            if self._own is own:
                self._more.append(answer)
                self._raised += tokens
            else:  # the call is over
                self._counting.release(answer)
        elif tokens > least:
            self._raise_by(least, least)
        else:
            self.spent = refusal(answer, self._at).message

    # What became of attempts

    def drop_beside(self, attempt: Attempt, *, in_vain: bool) -> None:
        """Note the end of an attempt that is not the call's answer; one that was in vain has read the request."""
        for taken in self._beside:
            if taken.attempt is attempt:
                taken.spent = taken.expense.reading() if in_vain else (0, 0)
                return

    def adopt_beside(self, attempt: Attempt, *, unsent: bool) -> None:
        """Make a second attempt the call's own. What the first has taken stays until the call's end."""
        rival = next((taken for taken in self._beside if taken.attempt is attempt), None)
        if rival is not None:  # it may have had nothing to pass
            self._beside.remove(rival)
        own, self._own = self._own, rival
        if own is not None:
            own.spent = (0, 0) if unsent else own.expense.reading()
            self._beside.append(own)

    def let_go(self) -> None:
        """Give back what is held for the call's own attempt: it was not made, or gives way to another."""
        own, self._own = self._own, None
        if own is not None:
            self._counting.release(own.held)

    # What the record says

    def note(self) -> HoldNote | None:
        """Return what the open frame says."""
        own = self._own
        if own is None:
            return None
        held = own.held
        self._noted = held.gate.counters if isinstance(held, Held) else NOTHING
        expense = own.expense
        return own.note(expense.cost, expense.measure.tokens, held, None)

    @property
    def limits(self) -> LimitNote | None:
        """What the close frame says of the limits that were asked."""
        answer = self._answer
        if answer is None:
            return None
        if isinstance(answer, Held):
            return LimitNote(True, answer.gate.limits, answer.befores, answer.added)
        standings = answer.standings
        refusing = None
        if isinstance(answer, Refused) and answer.standing is not None:
            first = answer.standing.terms
            refusing = next((place for place, one in enumerate(standings) if one.terms is first), None)
        limits = pack_limits([one.terms for one in standings])
        befores, added = [one.current for one in standings], [one.new - one.current for one in standings]
        return LimitNote(not isinstance(answer, Refused), limits, befores, added, refusing)

    def settle(self, came: Came) -> HoldNote | None:
        """Put what the call was in place of what was held; return what the close frame says."""
        own, counting = self._own, self._counting
        self._own = None
        counting.close()
        amount = tokens = 0
        stays: Taking | None = None
        if own is not None:
            if own.tariff.purse.measures:
                amount, tokens = _spent_or_held(own, came)
            if not came.sent and own.attempt is not None:
                counting.release(own.held)
            else:
                stays = counting.settle(own.held, amount, tokens)
        noted = self._noted
        if own is not None and not self._more and not self._beside:  # of most calls
            return own.note(amount, tokens, stays, noted)
        for held in self._more:
            counting.release(held)
        counted: Sequence[Counted] = () if stays is None else stays.counted
        for taken in self._beside:
            counted = _joined(counted, counting.settle(taken.held, *taken.spent).counted)
            amount, tokens = amount + taken.spent[0], tokens + taken.spent[1]
        self._more.clear()
        self._beside.clear()
        if own is not None:
            return own.note(amount, tokens, HeldElsewhere(tuple(counted)), noted)
        # What is on record as held was let go, for an attempt that could not be paid or need not be.
        return None if noted is None else HoldNote(amount, tokens, list(counted))

    # Within

    @property
    def _is_counted_beside(self) -> bool:
        """Whether the call is counted as one by an attempt that is not its own any more."""
        return any(one.unit not in MONEY for taken in self._beside for one in taken.terms)

    def _find(self, route: Route | None) -> Purse | None:
        names = _NO_NAMES if route is None else route.names
        return self._purses.find(self._key, names, self._customer, self._at)

    def _prepare(self, attempt: Attempt, host: str) -> Taken | None:
        """Return what an attempt has to pass, of which nothing is held yet; None where that is nothing.

        Raises Forbidden.
        """
        tariff = self._purses.tariff(self._key, attempt, self._customer, host, self._at, self._kept_rates)
        if tariff is None:
            return None
        return Taken(attempt, tariff, tariff.terms, self._estimate(tariff, attempt.route, host))

    def _estimate(self, tariff: Tariff, route: Route, host: str) -> Expense:
        """Return what an attempt may cost. Raises Forbidden where that is unknown and must not be."""
        operation, kept, at = self._operation, self._kept_rates, self._at
        units = measure(operation, self._envelope, tariff.longest_answer)
        expense = Expense(operation, units, kept, route, host, at)
        if not tariff.counts_cost:
            return expense
        if tariff.rates is None:
            kept.want()  # the clerk has not compiled them yet: what the call cost is set right later
            return expense
        rate, plain, tier = tariff.rate, tariff.plain, units.service_tier
        if tier is not None:
            rate = rate_of(tariff.rates, route, host, at, tier)
            plain = None if rate is None else plain_prices(rate)
        if rate is not None:
            expense.estimate(rate, plain)
        elif route.upstream_model is not None:
            if tariff.purse.books.unpriced is Unpriced.BLOCK:
                raise Forbidden(
                    f"no price is known for {shown(route.names[0])}, and a limit of cost or credits would have to "
                    "count this call; give the model a price (a custom model has its own), or set `unpriced` to "
                    "`allow` in the settings of the books",
                    param="model",
                )
            expense.cost = 0
        return expense

    def _hold(self, taken: Taken) -> None:
        """Hold what an attempt may cost. Raises LimitReached, CreditsExhausted, HoldAwaited."""
        expense = taken.expense
        measured = expense.measure
        # Of tokens that cannot be known one is held, so that it does not pass a counter that is used up.
        tokens = measured.tokens if expense.cost is not None or measured.is_known else 1
        answer = self._answer = self._counting.hold(taken.terms, expense.cost, tokens)
        if not isinstance(answer, (Held, HeldElsewhere)):
            raise refusal(answer, self._at)
        warned = answer.warned
        if warned:
            self.warnings = [words for one in warned if (words := warning(one)) is not None]
        taken.held = answer


def begin_hold(
    purses: Purses,
    kept_rates: KeptRates,
    key: KeyRecord,
    question: Question,
    operation: Operation,
    now: int,
    *,
    is_limited: bool,
) -> Hold | None:
    """Return the hold of a call, which has taken nothing yet; None for calls that are free of all limits.

    For its counters a call begins `now`, once it is understood: a body that comes late must not find a window that is
    over, for there is nothing left to refuse it.
    """
    parameters, customer = question.parameters, None
    if parameters is not NO_PARAMETERS:
        customer = parameters.customer
        if "customer_params" in parameters.values:
            purses.learn(key, parameters.journal)
    if operation in FREE or not (is_limited or customer is not None):
        return None
    return Hold(purses, kept_rates, key, customer, operation, question.envelope, now)


def _spent_or_held(own: Taken, came: Came) -> tuple[int, int]:
    """Return cost and tokens of an answer; of one that cannot be read, what was held for it."""
    try:
        return spent(own.expense, came)
    except Exception:  # the boundary of all that reads an answer for its cost
        logger.exception("what a call cost cannot be read from its answer; its estimate stays")
        return own.expense.cost or 0, own.expense.measure.tokens


def _joined(counted: Sequence[Counted], others: Sequence[Counted]) -> Sequence[Counted]:
    """Return what several attempts of one call have counted, each counter once."""
    by_key = {(one.key, one.window): one for one in counted}
    for other in others:
        place = other.key, other.window
        one = by_key.get(place)
        if one is None or one.board < other.board:  # what was counted on shared counters that are gone is gone
            by_key[place] = other
        elif one.board == other.board:
            by_key[place] = replace(one, amount=one.amount + other.amount)
    return tuple(by_key.values())
