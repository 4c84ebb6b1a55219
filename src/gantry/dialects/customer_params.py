"""What a caller says about its customer: who it is, and what it may spend. Pure.

Law: one reader for both doors and both planes, the worker that counts by it and the clerk that keeps it, so they never
differ. A field that is wrong is as if it were not there: the labels' reader has said so in the log. The names are
Respan's: amounts in dollars, a markup in per cent, a period by its adverb.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from msgspec import Raw, Struct

from gantry.core.errors import InvalidRequest
from gantry.core.limits import PPM, CustomerTerms
from gantry.core.money import nano_from_usd
from gantry.core.periods import Period
from gantry.dialects.fields import Fields, object_members

PARAMS: Final = "customer_params"
DURATIONS: Final[Mapping[str, Period]] = {
    "hourly": Period.HOUR,
    "daily": Period.DAY,
    "weekly": Period.WEEK,
    "monthly": Period.MONTH,
    "yearly": Period.YEAR,
}
MOST_USD: Final = 10**9
MOST_MARKUP: Final = 10_000  # per cent
MOST_REQUESTS: Final = 10**9  # a minute
_PER_CENT: Final = PPM // 100
_TERMS: Final = frozenset(
    "period_budget budget_duration total_budget rate_limit markup_percentage period_start period_end".split()
)


class CustomerSaid(Struct, frozen=True, gc=False):
    """What a caller said. `terms` is None where nothing was said of what the customer may spend."""

    customer_identifier: str
    name: str | None = None
    email: str | None = None
    group_identifier: str | None = None
    metadata: str | None = None  # a JSON object
    terms: CustomerTerms | None = None


def read_customer(members: Mapping[str, Raw]) -> CustomerSaid | None:
    """Return what the gateway's parameters, or a posted log, say about the customer; None where they name none."""
    said = Fields(dict(members), [])
    inner = Fields(said.members(PARAMS), [])
    identifier = said.identifier("customer_identifier") or inner.identifier("customer_identifier")
    if identifier is None:
        return None
    metadata = inner.json_object("metadata")
    return CustomerSaid(
        identifier,
        said.identifier("customer_name") or inner.identifier("name"),
        said.identifier("customer_email") or inner.identifier("email"),
        said.identifier("group_identifier") or inner.identifier("group_identifier"),
        metadata.decode("utf-8", "replace") if metadata else None,
        read_terms(inner) if _TERMS & inner.rest.keys() else None,
    )


def read_customer_text(params: bytes) -> CustomerSaid | None:
    """Return what parameters say as JSON; None where they name no customer, or are none."""
    try:
        return read_customer(object_members(params, "the gateway parameters"))
    except InvalidRequest:
        return None


def read_terms(fields: Fields) -> CustomerTerms:
    """Take what a customer may spend out of `customer_params`."""
    percentage = fields.amount("markup_percentage", MOST_MARKUP)
    return CustomerTerms(
        period_budget=_nano(fields.amount("period_budget", MOST_USD)),
        budget_duration=DURATIONS.get((fields.text("budget_duration") or "").lower()),
        total_budget=_nano(fields.amount("total_budget", MOST_USD)),
        rate_limit=fields.count("rate_limit", MOST_REQUESTS),
        markup_ppm=0 if percentage is None else int(percentage * _PER_CENT),
        period_start=fields.moment("period_start"),
        period_end=fields.moment("period_end"),
    )


def _nano(usd: Decimal | None) -> int | None:
    return None if usd is None else nano_from_usd(usd)
