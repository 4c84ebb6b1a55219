"""Why a call may not set out, in words and numbers; and of what only warns, that it is passed.

Law: whoever is refused learns which limit it was, how much of it is used, what the call would have added, and when it
begins anew. A wait that is worth sleeping through is told as one (`Retry-After`, DESIGN §5).
"""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

from gantry.board.standings import Refused, Standing
from gantry.core.errors import CallerError, CreditsExhausted, GatewayError, LimitReached, Overloaded
from gantry.core.limits import CounterKind, LimitUnit
from gantry.core.periods import Period

_NANO: Final = Decimal(1_000_000_000)
_NS: Final = 1_000_000_000
_SPANS: Final = {
    Period.LIFETIME: "in all",
    Period.MINUTE: "a minute",
    Period.HOUR: "an hour",
    Period.DAY: "a day",
    Period.WEEK: "a week",
    Period.MONTH: "a month",
    Period.YEAR: "a year",
}
_SECONDS_BETWEEN_CALLS: Final = 1.0  # until one of those under way may have ended


def refusal(refused: Refused, now: int) -> GatewayError:
    """Return the error of a call that a counter refused."""
    standing = refused.standing
    if standing is None:
        return Overloaded(f"this call's limits cannot be counted, so it may not pass: {refused.reason}", retry_after=5)
    terms = standing.terms
    if terms.reserve is not None:
        return _out_of_credits(standing, terms.reserve)
    added = standing.new - standing.current
    if terms.kind is CounterKind.GAUGE:
        words = f"the limit {terms.name} is reached: {standing.current} of {terms.capacity} calls are under way"
        return LimitReached(f"{words}; wait for one to end", retry_after=_SECONDS_BETWEEN_CALLS)
    used, capacity = shown(terms.unit, standing.current), shown(terms.unit, terms.capacity)
    words = f"the limit {terms.name} is reached: {used} of {capacity} {_SPANS[terms.period]} are used"
    if standing.current < terms.capacity and added > 0:
        words += f", and this call may take {shown(terms.unit, added)}"
    if terms.kind is CounterKind.RATE:
        wait = standing.retry_after
        if wait is None:
            return LimitReached(f"{words}; it never allows so much at once: raise it, or ask for less")
        return LimitReached(f"{words}; try again in {wait} s", retry_after=wait)
    if standing.resets_at is None:
        return LimitReached(f"{words}; it does not begin anew: raise it, or ask for less")
    seconds = max(-((now - standing.resets_at) // _NS), 1)
    moment = datetime.fromtimestamp(standing.resets_at // _NS, UTC).isoformat().replace("+00:00", "Z")
    return LimitReached(f"{words}; it begins anew at {moment}, in {_span(seconds)}", retry_after=seconds)


def _out_of_credits(standing: Standing, minimum: int) -> CallerError:
    balance = standing.terms.capacity + minimum - standing.current
    words = f"the organization's credits are used up: the balance is {shown(LimitUnit.COST, balance)}"
    if minimum:
        words += f", of which {shown(LimitUnit.COST, minimum)} must stay"
    added = standing.new - standing.current
    if balance > minimum and added > 0:
        words += f", and this call may cost {shown(LimitUnit.COST, added)}"
    return CreditsExhausted(f"{words}; buy or grant credits, or use a credential of your own for the provider")


def warning(standing: Standing) -> str | None:
    """Return what the record of a call warns of that only a warning limit let pass."""
    terms = standing.terms
    if terms.blocks or standing.new <= terms.capacity:
        return None
    used, capacity = shown(terms.unit, standing.new), shown(terms.unit, terms.capacity)
    return f"the limit {terms.name} is passed: {used} of {capacity} {_SPANS[terms.period]}; it only warns"


def shown(unit: LimitUnit, amount: int) -> str:
    if unit is not LimitUnit.COST:
        return f"{amount:,} {unit}"
    return f"{'-' if amount < 0 else ''}${_plain(Decimal(abs(amount)) / _NANO)}"


def _plain(dollars: Decimal) -> str:
    """Return dollars with all their digits, and at least two behind the point."""
    whole, _, fraction = f"{dollars:f}".partition(".")
    return f"{int(whole):,}.{fraction.rstrip('0').ljust(2, '0')}"


def _span(seconds: int) -> str:
    days, rest = divmod(seconds, 86_400)
    hours, rest = divmod(rest, 3600)
    minutes, rest = divmod(rest, 60)
    parts = [(days, "d"), (hours, "h"), (minutes, "min"), (rest, "s")]
    told = [f"{count} {unit}" for count, unit in parts if count]
    return " ".join(told[:2]) or "1 s"
