"""A limit in the words of the command line and of gantry.toml: `key = "ci"`, `cost = 1.00`, `per = "month"`. Pure.

Law: what is counted is named by one word, whose it is by another; two of either, or none, is an error and no guess.
"""

from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

from msgspec import Struct

from gantry.core.limit_check import MOST_AMOUNT, LimitRefused
from gantry.core.limits import ANY_SUBJECT, Limit, LimitAction, LimitScope, LimitUnit
from gantry.core.money import NANO_PER_USD, nano_from_usd, usd_from_nano
from gantry.core.periods import Period
from gantry.core.vocabulary import Environment

_SCOPES: Final = {"key": LimitScope.API_KEY, "customer": LimitScope.CUSTOMER, "model": LimitScope.MODEL}
_MOST_USD: Final = MOST_AMOUNT // NANO_PER_USD


class LimitWords(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A `[[limits]]` table of gantry.toml: applied again at each start, and read-only elsewhere."""

    name: str = ""
    key: str | None = None  # an API key's id, prefix or name; `*` is each by itself
    customer: str | None = None  # an identifier; `*` is each by itself
    model: str | None = None  # as callers write it, with `*`
    organization: bool = False  # all calls together
    cost: float | None = None  # USD
    requests: int | None = None
    tokens: int | None = None
    concurrency: int | None = None  # calls under way
    per: Period | None = None
    warn: bool = False  # say so, and let the call pass
    environment: Environment | None = None
    alerts: tuple[int, ...] = ()  # percentages at which an alert is sent


def read_words(words: LimitWords, find_key: Callable[[str], str]) -> Limit:
    """Return the limit that is meant, without an id. `find_key` returns the id of a key. Raises LimitRefused."""
    whose = [name for name in _SCOPES if getattr(words, name) is not None] + ["organization"] * words.organization
    if len(whose) != 1:
        raise LimitRefused("limits", "say exactly one of key, customer, model and organization")
    counted = [unit for unit in LimitUnit if getattr(words, unit) is not None]
    if len(counted) != 1:
        raise LimitRefused("limits", "say exactly one of cost, requests, tokens and concurrency")
    subject = "" if words.organization else getattr(words, whose[0])
    if words.key is not None and words.key != ANY_SUBJECT:
        subject = find_key(words.key)
    return Limit(
        id="",
        scope=_SCOPES.get(whose[0], LimitScope.ORGANIZATION),
        subject=subject,
        unit=counted[0],
        period=words.per or Period.LIFETIME,
        amount=read_amount(counted[0], getattr(words, counted[0]), counted[0]),
        action=LimitAction.WARN if words.warn else LimitAction.BLOCK,
        name=words.name,
        environment=words.environment,
        alerts=words.alerts,
    )


def read_amount(unit: LimitUnit, given: Any, param: str = "amount") -> int:
    """Return an amount as it is counted: USD as nano-dollars. Raises LimitRefused, naming the parameter it came by."""
    if unit is not LimitUnit.COST:
        if not isinstance(given, int) or isinstance(given, bool):
            raise LimitRefused(param, f"{unit} are counted in whole numbers, and {given!r} is none")
        return given
    try:
        if not abs(given) <= _MOST_USD:
            raise LimitRefused(param, f"{given:g} USD is no amount to be held to")
        return nano_from_usd(given)
    except (TypeError, ValueError, ArithmeticError) as error:
        if isinstance(error, LimitRefused):
            raise
        raise LimitRefused(param, f"it must be an amount in USD, and {given!r} is none") from None


def show_amount(unit: LimitUnit, amount: int) -> float | int:
    """Return an amount as people give it: USD for a cost."""
    return usd_from_nano(amount) if unit is LimitUnit.COST else amount


def amount_in_words(unit: LimitUnit, amount: int) -> str:
    """Return an amount for a sentence: `$1.00`, `60 requests`, `5 calls at once`."""
    if unit is LimitUnit.COST:
        whole, _, cents = f"{Decimal(abs(amount)) / NANO_PER_USD:.9f}".rstrip("0").partition(".")
        return f"{'-' if amount < 0 else ''}${whole}.{cents.ljust(2, '0')}"
    if unit is LimitUnit.CONCURRENCY:
        return f"{amount} calls at once"
    return f"{amount} {unit}"
