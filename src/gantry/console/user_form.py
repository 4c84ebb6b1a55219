"""What a request says of a customer, in Respan's words (`users`); and a customer as the API shows it. Pure.

Law: a field that is unknown, or that nobody can set, is refused by its name. Amounts are dollars, a markup per cent.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Final

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from gantry.console.filter_values import ValueRefused, read_time
from gantry.console.parameters import Moment
from gantry.core.errors import InvalidRequest
from gantry.core.limits import PPM
from gantry.core.log_item import embed, iso_of, seconds_of
from gantry.core.money import nano_from_usd, usd_from_nano
from gantry.core.periods import Period, window_at
from gantry.core.vocabulary import Environment
from gantry.dialects.customer_params import DURATIONS, MOST_MARKUP, MOST_REQUESTS, MOST_USD
from gantry.store.customers import Customer
from gantry.store.log_rows import INDEXED_LENGTH

_LONGEST: Final = 256
_LARGEST_METADATA: Final = 16 * 1024
_NANO: Final = 1_000_000_000
_MONTH: Final = 30.4375 * 86_400 * _NANO
_PER_CENT: Final = PPM // 100
_ADVERBS: Final[Mapping[Period, str]] = {period: adverb for adverb, period in DURATIONS.items()}


_Duration = Annotated[str, Meta(extra_json_schema={"enum": [*DURATIONS]})]


class UserForm(Struct, frozen=True, forbid_unknown_fields=True):
    """A request's body; what is left out stays, and null removes."""

    customer_identifier: str | UnsetType = UNSET
    environment: str | UnsetType = UNSET
    name: str | UnsetType | None = UNSET
    email: str | UnsetType | None = UNSET
    group_identifier: str | UnsetType | None = UNSET
    metadata: dict[str, Any] | UnsetType | None = UNSET
    period_budget: float | UnsetType | None = UNSET
    budget_duration: _Duration | UnsetType | None = UNSET
    total_budget: float | UnsetType | None = UNSET
    period_start: str | UnsetType | None = UNSET
    period_end: str | UnsetType | None = UNSET
    markup_percentage: float | UnsetType | None = UNSET
    rate_limit: int | UnsetType | None = UNSET


class UserItem(Struct, frozen=True, kw_only=True):
    """A customer in a list. Averages are seconds; what is null was never said or seen."""

    id: str
    customer_identifier: str
    unique_organization_id: str
    environment: str
    name: str | None
    email: str | None
    group_identifier: str | None
    first_seen: Moment
    last_active_timeframe: Moment
    active_days: int
    number_of_requests: int
    total_requests: int
    number_of_errors: int
    total_tokens: int
    tokens: int
    total_cost: float
    cost: float
    average_latency: float | None
    average_ttft: float | None
    average_monthly_cost: float
    period_budget: float | None
    budget_duration: str | None
    total_budget: float | None


class FullUser(UserItem, frozen=True, kw_only=True):
    """A customer with what it has spent in its period, and may."""

    organization_name: str
    total_period_usage: float
    total_usage: float
    period_start: Moment
    period_end: Moment | None
    total_prompt_tokens: int
    total_completion_tokens: int
    markup_percentage: float
    rate_limit: int | None
    metadata: Any
    is_test: bool
    managed: bool
    last_active: Moment
    created_at: Moment
    updated_at: Moment


def read_user_form(body: bytes) -> UserForm:
    """Return what a body says. Raises InvalidRequest."""
    try:
        return msgspec.json.decode(body, type=UserForm)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidRequest(f"The body does not describe a user: {error}.") from None


def values_in(form: UserForm) -> dict[str, Any]:
    """Return what a form sets, by the names of columns; None removes. Raises InvalidRequest."""
    values: dict[str, Any] = {
        name: _text(name, getattr(form, name))
        for name in ("name", "email", "group_identifier")
        if getattr(form, name) is not UNSET
    }
    if form.metadata is not UNSET:
        values["metadata"] = _metadata(form.metadata)
    for name in ("period_budget", "total_budget"):
        if getattr(form, name) is not UNSET:
            values[name] = _dollars(name, getattr(form, name))
    for name in ("period_start", "period_end"):
        if getattr(form, name) is not UNSET:
            values[name] = _moment(name, getattr(form, name))
    if form.budget_duration is not UNSET:
        values["budget_duration"] = _duration(form.budget_duration)
    if form.markup_percentage is not UNSET:
        values["markup_ppm"] = _markup(form.markup_percentage)
    if form.rate_limit is not UNSET:
        values["rate_limit"] = _rate(form.rate_limit)
    start, end = values.get("period_start"), values.get("period_end")
    if start is not None and end is not None and end <= start:
        raise InvalidRequest("`period_end` must be after `period_start`.", param="period_end")
    return values


def read_identifier(form: UserForm) -> str:
    """Return who a new customer is. Raises InvalidRequest."""
    identifier = "" if form.customer_identifier is UNSET else form.customer_identifier
    if not identifier or len(identifier) > INDEXED_LENGTH or "\0" in identifier:
        raise InvalidRequest(
            f"`customer_identifier` must be a text of 1 to {INDEXED_LENGTH} characters.", param="customer_identifier"
        )
    return identifier


def user_item(customer: Customer, now: int) -> dict[str, Any]:
    """Return a customer as an item of a list."""
    cost = usd_from_nano(customer.cost)
    terms = customer.terms
    months = max(1.0, (now - customer.first_seen) / _MONTH)
    return {
        "id": f"{customer.environment}/{customer.customer_identifier}",
        "customer_identifier": customer.customer_identifier,
        "unique_organization_id": customer.organization_id,
        "environment": customer.environment,
        "name": customer.name,
        "email": customer.email,
        "group_identifier": customer.group_identifier,
        "first_seen": iso_of(customer.first_seen),
        "last_active_timeframe": iso_of(customer.last_seen),
        "active_days": customer.active_days,
        "number_of_requests": customer.requests,
        "total_requests": customer.requests,
        "number_of_errors": customer.errors,
        "total_tokens": customer.total_tokens,
        "tokens": customer.total_tokens,
        "total_cost": cost,
        "cost": cost,
        "average_latency": _average(customer.latency_sum, customer.latency_count),
        "average_ttft": _average(customer.time_to_first_token_sum, customer.time_to_first_token_count),
        "average_monthly_cost": cost / months,
        "period_budget": _usd(terms.period_budget),
        "budget_duration": None if terms.budget_duration is None else _ADVERBS.get(terms.budget_duration),
        "total_budget": _usd(terms.total_budget),
    }


def full_user_item(customer: Customer, organization_name: str, spent: int, now: int) -> dict[str, Any]:
    """Return a customer in full; `spent` is what it has spent in its period, with its markup."""
    terms = customer.terms
    window = window_at(terms.budget_duration or Period.MONTH, now, terms.period_start or 0)
    end = terms.period_end if window.end is None else min(window.end, terms.period_end or window.end)
    return {
        **user_item(customer, now),
        "organization_name": organization_name,
        "total_period_usage": usd_from_nano(spent),
        "total_usage": usd_from_nano(customer.customer_cost),
        "period_start": iso_of(window.start),
        "period_end": None if end is None else iso_of(end),
        "total_prompt_tokens": customer.input_tokens,
        "total_completion_tokens": customer.output_tokens,
        "markup_percentage": terms.markup_ppm / _PER_CENT,
        "rate_limit": terms.rate_limit,
        "metadata": None if customer.metadata is None else embed(customer.metadata),
        "is_test": customer.environment == Environment.TEST,
        "managed": terms.managed,
        "last_active": iso_of(customer.last_seen),
        "created_at": iso_of(customer.first_seen),
        "updated_at": iso_of(customer.updated_at),
    }


def _usd(nano: int | None) -> float | None:
    return None if nano is None else usd_from_nano(nano)


def _average(total: int, count: int) -> float | None:
    return seconds_of(round(total / count)) if count else None


def _text(name: str, given: str | None) -> str | None:
    if given is not None and (len(given) > _LONGEST or "\0" in given):
        raise InvalidRequest(f"`{name}` must be a text of at most {_LONGEST} characters.", param=name)
    return given or None


def _metadata(given: dict[str, Any] | None) -> str | None:
    if given is None:
        return None
    text = msgspec.json.encode(given)
    if len(text) > _LARGEST_METADATA:
        raise InvalidRequest(f"`metadata` has more than {_LARGEST_METADATA} bytes.", param="metadata")
    return text.decode()


def _dollars(name: str, given: float | None) -> int | None:
    if given is None:
        return None
    if not 0 <= given <= MOST_USD:
        raise InvalidRequest(f"`{name}` must be an amount of US dollars, or null for none.", param=name)
    return nano_from_usd(given)


def _moment(name: str, given: str | None) -> int | None:
    try:
        return None if given is None else read_time(given)
    except ValueRefused as error:
        raise InvalidRequest(f"`{name}` {error}.", param=name) from None


def _duration(given: str | None) -> str | None:
    if given is None:
        return None
    period = DURATIONS.get(given.lower())
    if period is None:
        raise InvalidRequest(f"`budget_duration` must be one of: {', '.join(DURATIONS)}.", param="budget_duration")
    return period.value


def _markup(given: float | None) -> int | None:
    if given is None:
        return None
    if not 0 <= given <= MOST_MARKUP:
        raise InvalidRequest(f"`markup_percentage` must be from 0 to {MOST_MARKUP}.", param="markup_percentage")
    return round(given * _PER_CENT)


def _rate(given: int | None) -> int | None:
    if given is not None and not 1 <= given <= MOST_REQUESTS:
        raise InvalidRequest(
            "`rate_limit` must be a number of requests a minute, or null for none.", param="rate_limit"
        )
    return given
