"""What a request says of a limit, as the limit that is to be stored. Pure.

Law: a member that we do not know, or not any more, is a 400 and never passed over: whoever writes `budget` believes in
it. What our answers have beside what may be written is taken back as it is.
"""

from collections.abc import Callable
from difflib import get_close_matches
from typing import Any, Final

import msgspec
from msgspec import UNSET, Struct, UnsetType
from msgspec.structs import replace

from gantry.console.limit_use import Use
from gantry.core.errors import InvalidRequest
from gantry.core.limit_check import LimitRefused
from gantry.core.limit_words import read_amount, show_amount
from gantry.core.limits import ANY_SUBJECT, Limit, LimitAction, LimitScope, LimitUnit
from gantry.core.log_item import iso_of
from gantry.core.periods import Period
from gantry.core.vocabulary import Environment
from gantry.store.credentials import ManagedBy
from gantry.store.limits import BrokenLimit, StoredLimit

# What such a thing is called elsewhere, and was called before it was here.
_RETIRED: Final = {
    "budget": '"unit": "cost", "amount": …',
    "budgets": '"unit": "cost", "amount": …',
    "max_budget": '"unit": "cost", "amount": …',
    "spending_limit": '"unit": "cost", "amount": …',
    "max_usage": '"unit": "requests", "amount": …',
    "rate_limit": '"unit": "requests", "period": "minute", "amount": …',
    "rpm": '"unit": "requests", "period": "minute", "amount": …',
    "tpm": '"unit": "tokens", "period": "minute", "amount": …',
    "budget_duration": '"period": …',
    "key": '"scope": "api_key", "subject": …',
    "api_key": '"scope": "api_key", "subject": …',
    "customer_identifier": '"scope": "customer", "subject": …',
    "model": '"scope": "model", "subject": …',
}


class LimitForm(Struct, frozen=True, forbid_unknown_fields=True):
    """A request's body; what is left out of a change stays."""

    name: str | UnsetType = UNSET
    scope: LimitScope | UnsetType = UNSET
    subject: str | UnsetType = UNSET
    unit: LimitUnit | UnsetType = UNSET
    period: Period | UnsetType | None = UNSET
    amount: int | float | UnsetType = UNSET
    action: LimitAction | UnsetType = UNSET
    environment: Environment | UnsetType | None = UNSET
    alerts: tuple[int, ...] | UnsetType = UNSET
    # Of our answers, so that one can be changed and sent back.
    id: Any = UNSET
    state: Any = UNSET
    current_value: Any = UNSET
    resets_at: Any = UNSET
    managed_by: Any = UNSET
    created_at: Any = UNSET
    updated_at: Any = UNSET


class LimitItem(Struct, frozen=True, kw_only=True, tag_field="state", tag="ok"):
    """A limit as the API shows it; USD where it counts cost. `current_value` is null where nobody's is asked for."""

    id: str
    name: str
    scope: LimitScope
    subject: str
    unit: LimitUnit
    period: Period
    amount: int | float
    action: LimitAction
    environment: Environment | None
    alerts: tuple[int, ...]
    current_value: int | float | None
    resets_at: str | None
    managed_by: ManagedBy | None
    created_at: str
    updated_at: str


class BrokenLimitItem(Struct, frozen=True, kw_only=True, tag_field="state", tag="unreadable"):
    """What can be told of a limit that this version of Gantry does not read."""

    id: str
    name: str
    error: str


_WRITABLE: Final = ("name", "scope", "subject", "unit", "period", "amount", "action", "environment", "alerts")


def read_form(body: bytes) -> LimitForm:
    """Return what a body says. Raises InvalidRequest."""
    try:
        members = msgspec.json.decode(body, type=dict[str, Any])
        for name in members:
            if name not in LimitForm.__struct_fields__:
                raise InvalidRequest(f"There is no `{name}` here{_hint(name)}.", param=name)
        return msgspec.json.decode(body, type=LimitForm)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidRequest(f"The body does not describe a limit: {error}.") from None


def made(form: LimitForm, find_key: Callable[[str], str]) -> Limit:
    """Return the limit that a body describes. `find_key` returns the id of a key. Raises LimitRefused."""
    for name in ("scope", "unit", "amount"):
        if getattr(form, name) is UNSET:
            raise LimitRefused(name, "it is missing")
    assert form.scope is not UNSET, "it was looked for"
    assert form.unit is not UNSET, "it was looked for"
    subject = form.subject or ""
    if form.scope is LimitScope.API_KEY and subject not in ("", ANY_SUBJECT):
        subject = find_key(subject)
    return Limit(
        id="",
        scope=form.scope,
        subject=subject,
        unit=form.unit,
        period=form.period or Period.LIFETIME,
        amount=read_amount(form.unit, form.amount),
        action=form.action or LimitAction.BLOCK,
        name=form.name or "",
        environment=form.environment or None,
        alerts=form.alerts or (),
    )


def changed(known: Limit, form: LimitForm, find_key: Callable[[str], str]) -> Limit:
    """Return a limit with what a body says of it. Raises LimitRefused."""
    said = {name: getattr(form, name) for name in _WRITABLE if getattr(form, name) is not UNSET}
    if said.get("scope", known.scope) is LimitScope.API_KEY and said.get("subject", ANY_SUBJECT) != ANY_SUBJECT:
        said["subject"] = find_key(said["subject"])
    if "amount" in said:
        said["amount"] = read_amount(known.unit, said["amount"])
    if "period" in said:
        said["period"] = said["period"] or Period.LIFETIME
    return replace(known, **said)


def limit_item(stored: StoredLimit, use: Use | None) -> LimitItem:
    """Return a limit as the API shows it. What it has counted is null for one of `*`, where nobody is named."""
    limit = stored.limit
    return LimitItem(
        id=limit.id,
        name=limit.name,
        scope=limit.scope,
        subject=limit.subject,
        unit=limit.unit,
        period=limit.period,
        amount=show_amount(limit.unit, limit.amount),
        action=limit.action,
        environment=limit.environment,
        alerts=limit.alerts,
        current_value=None if use is None else show_amount(limit.unit, use.current),
        resets_at=None if use is None or use.resets_at is None else iso_of(use.resets_at),
        managed_by=stored.managed_by,
        created_at=iso_of(stored.created_at),
        updated_at=iso_of(stored.updated_at),
    )


def broken_item(broken: BrokenLimit) -> BrokenLimitItem:
    return BrokenLimitItem(id=broken.id, name=broken.name, error=broken.reason)


def _hint(name: str) -> str:
    if name in _RETIRED:
        return f"; a limit says {_RETIRED[name]}"
    near = get_close_matches(name, _WRITABLE, 1, cutoff=0.6)
    return f"; did you mean `{near[0]}`?" if near else f"; known are {', '.join(_WRITABLE)}"
