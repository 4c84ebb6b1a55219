"""How far limits and credits are used up, by the counters on the board, and whether somebody wants to know.

Law: what is asked is a counter's number and nothing is summed, so this costs a few microseconds a limit. A number holds
the estimates of calls under way, as the limits themselves go by it. Only the highest percentage that is passed is told.

A subject holds the limit's amount: one that is raised is used up anew.
"""

from collections.abc import Iterable, Iterator
from typing import Any, Final, Protocol

from gantry.core.alert import Alert, Event
from gantry.core.limit_terms import credit_terms, is_each, kind_of, terms_of
from gantry.core.limits import (
    Books,
    CounterKind,
    CounterTerms,
    CreditTerms,
    Limit,
    LimitAction,
    LimitScope,
    LimitUnit,
)
from gantry.core.log_item import iso_of
from gantry.core.money import usd_from_nano
from gantry.core.periods import Window, window_at
from gantry.core.request_log import RequestLog

_ALL: Final = 100


class Counting(Protocol):
    """The counters on the board."""

    def read(self, terms: CounterTerms, now: int) -> int: ...


def is_watched(limit: Limit) -> bool:
    """Say whether anybody wants to hear how far a limit is used up."""
    told = bool(limit.alerts) or limit.action is LimitAction.WARN
    return told and limit.amount > 0 and kind_of(limit) is CounterKind.WINDOW


def alerts_of_batch(
    organization_id: str, books: Books, logs: Iterable[RequestLog], counters: Counting, now: int
) -> Iterator[Alert]:
    """Yield the alerts of the limits that these logs, all of one organization, were counted on.

    A key's are also counted on the limits of those it is bound by, which a log does not tell: `clerk/oversee.py` looks
    at them a moment later.
    """
    watched = [limit for limit in books.limits if is_watched(limit)]
    if not watched:
        return
    there: dict[LimitScope, set[str]] = {LimitScope.API_KEY: set(), LimitScope.CUSTOMER: set()}
    for log in logs:
        there[LimitScope.API_KEY].add(log.key_id or "")
        there[LimitScope.CUSTOMER].add(log.customer_identifier or "")
    for limit in watched:
        met = there.get(limit.scope, {limit.subject})
        for subject in sorted(met - {""}) if is_each(limit) else met & {limit.subject}:
            yield from alerts_of_limit(organization_id, limit, subject, counters, now)


def alerts_of_limit(organization_id: str, limit: Limit, subject: str, counters: Counting, now: int) -> Iterator[Alert]:
    """Yield what there is to tell of one counter of a limit."""
    value = counters.read(terms_of(organization_id, limit, subject), now)
    window = window_at(limit.period, now)
    passed = max((one for one in limit.alerts if value * _ALL >= one * limit.amount), default=None)
    if passed is not None:
        yield _threshold(organization_id, limit, subject, window, value, passed)
    if limit.action is LimitAction.WARN and value > limit.amount:
        yield _exceeded(organization_id, limit, subject, window, value)


def alerts_of_credits(organization_id: str, terms: CreditTerms | None, counters: Counting, now: int) -> Iterator[Alert]:
    """Yield an alert where an organization's credits are below what it set. What was granted says which time it is."""
    if terms is None or terms.low_balance is None:
        return
    balance = terms.granted - counters.read(credit_terms(organization_id, terms), now)
    if balance < terms.low_balance:
        shown, threshold = usd_from_nano(balance), usd_from_nano(terms.low_balance)
        yield Alert(
            organization_id=organization_id,
            event=Event.LOW_CREDIT_BALANCE,
            subject=f"{terms.low_balance}:{terms.granted}",
            message=f"{shown:.2f} USD of credits are left, which is below {threshold:.2f} USD.",
            data={"balance": shown, "threshold": threshold},
        )


def _threshold(organization_id: str, limit: Limit, subject: str, window: Window, value: int, passed: int) -> Alert:
    return Alert(
        organization_id=organization_id,
        event=Event.LIMIT_THRESHOLD,
        subject=f"{limit.id}:{subject}:{window.number}:{limit.amount}:{passed}",
        message=f"{_name(limit, subject)} is used to {value * _ALL // limit.amount} %: {_amount(limit, value)}.",
        data={**_data(limit, subject, window, value), "percent": passed},
        environment=limit.environment,
    )


def _exceeded(organization_id: str, limit: Limit, subject: str, window: Window, value: int) -> Alert:
    return Alert(
        organization_id=organization_id,
        event=Event.LIMIT_EXCEEDED,
        subject=f"{limit.id}:{subject}:{limit.amount}:{window.number}",
        message=f"{_name(limit, subject)} is passed: {_amount(limit, value)}. Calls go on, for it only warns.",
        data=_data(limit, subject, window, value),
        environment=limit.environment,
    )


def _data(limit: Limit, subject: str, window: Window, value: int) -> dict[str, Any]:
    return {
        "limit_id": limit.id,
        "limit_name": limit.name,
        "scope": limit.scope,
        "limit_subject": subject,
        "unit": limit.unit,
        "period": limit.period,
        "window_start": None if window.end is None else iso_of(window.start),
        "current_value": _shown(limit, value),
        "limit_value": _shown(limit, limit.amount),
    }


def _name(limit: Limit, subject: str) -> str:
    whose = f" for {limit.scope.replace('_', ' ')} {subject}" if subject else ""
    return f"The limit {limit.name or limit.id}{whose}"


def _amount(limit: Limit, value: int) -> str:
    unit = "USD" if limit.unit is LimitUnit.COST else limit.unit
    return f"{_shown(limit, value):.6g} of {_shown(limit, limit.amount):.6g} {unit} ({limit.period})"


def _shown(limit: Limit, value: int) -> float | int:
    return usd_from_nano(value) if limit.unit is LimitUnit.COST else value
