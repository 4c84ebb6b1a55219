"""Limits, credits and holds: what an organization lets its calls cost, and what a call has taken of that.

Law: a limit is a counter with a capacity. Before a call goes out, its estimate is held on every counter that applies,
all of them or none; when it ends, what it really was replaces the hold. Several limits stack: each is asked.

Amounts are nano-dollars, or plain counts, by the unit. Counters of a period begin anew with it (`core.periods`); those
of a minute fill up again steadily instead (GCRA), so that a minute's worth is not spent twice around its end.
"""

from enum import IntEnum, StrEnum
from hashlib import blake2b
from typing import Annotated, Final

from msgspec import Meta, Struct

from gantry.core.periods import Period
from gantry.core.vocabulary import Environment

MOST_LIMITS: Final = 10_000
ANY_SUBJECT: Final = "*"  # of a customer's or a key's limit: each of them by itself
PPM: Final = 1_000_000  # a markup of 20 % is 200,000


class LimitScope(StrEnum):
    ORGANIZATION = "organization"
    API_KEY = "api_key"
    CUSTOMER = "customer"
    MODEL = "model"


class LimitUnit(StrEnum):
    COST = "cost"
    REQUESTS = "requests"
    TOKENS = "tokens"
    CONCURRENCY = "concurrency"


class LimitAction(StrEnum):
    WARN = "warn"
    BLOCK = "block"


class Limit(Struct, frozen=True, array_like=True):
    """One limit, as it is configured. Its id names its counters."""

    id: str
    scope: LimitScope
    subject: str  # a key's id, a customer's identifier, or ANY_SUBJECT; a model, as callers write it, with `*`; else ""
    unit: LimitUnit
    period: Period
    amount: int
    action: LimitAction = LimitAction.BLOCK
    name: str = ""
    environment: Environment | None = None  # None counts both together
    alerts: tuple[int, ...] = ()  # percentages of the amount at which somebody wants to know


class Unpriced(StrEnum):
    """What becomes of a call whose price nobody knows, where a limit of cost or credits would have to count it."""

    ALLOW = "allow"
    BLOCK = "block"


class CreditTerms(Struct, frozen=True, array_like=True):
    """An organization's credits: what calls through platform credentials are paid from."""

    granted: int  # the sum of all entries of the ledger but usage
    minimum_balance: int = 0
    markup_ppm: int = 0  # of what a call costs, on top
    low_balance: int | None = None  # below which somebody wants to know


class Books(Struct, frozen=True, array_like=True):
    """What an organization has decided about money, as a worker sees it."""

    limits: tuple[Limit, ...] = ()
    credits: CreditTerms | None = None  # None: calls through platform credentials are not paid for
    unpriced: Unpriced = Unpriced.ALLOW
    stop_streams: bool = False  # a stream that has used up its hold ends, if no more can be held


NO_BOOKS: Final = Books()


class CounterKind(IntEnum):
    WINDOW = 0  # counts up, and begins anew with its period
    RATE = 1  # GCRA: fills up steadily over a minute
    GAUGE = 2  # calls under way


class CounterTerms(Struct, frozen=True, gc=False):
    """One counter that a call must pass, and its place on the board. Made once for a key, a model and a customer."""

    key: bytes  # 16 bytes, see `counter_key`
    kind: CounterKind
    unit: LimitUnit
    capacity: int
    blocks: bool
    limit_id: str
    name: str  # as `limit_info` and messages call it: `org_credits`, `customer_budget`, the limit's own
    period: Period = Period.LIFETIME
    anchor: int = 0  # ns since the epoch, where a customer's period begins on a day of its own
    markup_ppm: int = 0  # what it counts of a cost, on top
    alerts: tuple[int, ...] = ()
    reserve: int | None = None  # of credits, which are told as a balance: what of it must stay


class Asked(Struct, frozen=True, array_like=True, gc=False):
    """A limit that a call has asked, as its record tells it."""

    name: str
    unit: str
    capacity: int
    reserve: int | None = None


class Counted(Struct, frozen=True, array_like=True, gc=False):
    """What a call has on one counter, as its record tells it, so that the clerk can set it right."""

    key: bytes
    unit: str
    kind: int
    window: int  # the period's number, 0 where there are none
    amount: int
    markup_ppm: int = 0
    board: int = 0  # of counters that several machines share: when they were made; 0 of a machine's own


class Difference(Struct, frozen=True, array_like=True, gc=False):
    """By how much a call's record differs from what was counted of it."""

    counted: Counted
    amount: int
    at: int = 0  # when it counts: at a call's start, or of a bucket, its end


class CustomerTerms(Struct, frozen=True, array_like=True, gc=False):
    """What a customer may spend. None where nothing is said."""

    period_budget: int | None = None
    budget_duration: Period | None = None
    total_budget: int | None = None
    rate_limit: int | None = None  # requests a minute
    markup_ppm: int = 0
    period_start: int | None = None  # ns since the epoch; anchors the period
    period_end: int | None = None  # from then on there is no budget any more
    managed: bool = False  # set by people, so that traffic does not change it


Percent = Annotated[int, Meta(ge=1, le=1000)]


def counter_key(
    organization_id: str, limit_id: str, subject: str = "", environment: Environment | str | None = None
) -> bytes:
    """Return the name of a counter on the board: of a limit, or of `org_credits`, `customer_budget`, `customer_total`,
    `customer_rate`; for a subject where each has its own; in one environment, or in both together."""
    lengths = f"{len(organization_id)},{len(limit_id)},{len(subject)},"
    text = f"{lengths}{organization_id}{limit_id}{subject}{environment or ''}"
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def marked_up(cost: int, markup_ppm: int) -> int:
    """Return a cost with what is put on top of it, rounded half to even."""
    if not markup_ppm:
        return cost
    quotient, rest = divmod(cost * (PPM + markup_ppm), PPM)
    return quotient + (2 * rest > PPM or (2 * rest == PPM and quotient % 2))
