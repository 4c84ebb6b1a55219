"""What a request log by itself gives reason to tell: no price, a cost of 0, a refusal for its limits. Pure."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

import msgspec

from gantry.clerk.charge import POSTED
from gantry.core.alert import Alert, Event
from gantry.core.limit_terms import ORG_CREDITS, is_each
from gantry.core.limits import Books, Limit, LimitAction, LimitScope
from gantry.core.log_figures import is_cache_hit, total_tokens
from gantry.core.request_log import RequestLog
from gantry.core.vocabulary import Outcome
from gantry.prices.custom import SOURCE as CUSTOM

_DAY: Final = 86_400_000_000_000
_HOUR: Final = 3_600_000_000_000
_OVER: Final = '"is_within_limit":false'
_NOT_OURS: Final = (None, POSTED, CUSTOM)  # a price of 0 was somebody's wish
_CUSTOMERS_OWN: Final = "customer_"

IsPriced = Callable[[RequestLog], bool]


def day_of(log: RequestLog) -> int:
    return log.started_at // _DAY


def may_alert(log: RequestLog) -> bool:
    """Say whether `alerts_of_log` is worth asking: of most logs it has nothing to tell."""
    return log.cost == 0 or log.price_missing or log.limit_info is not None


def alerts_of_log(log: RequestLog, books: Books, is_priced: IsPriced) -> Iterator[Alert]:
    """Yield the alerts of one log. `is_priced` says whether its model has a price above 0."""
    if log.price_missing:
        yield _unpriced(log)
    elif log.cost == 0 and _cost_nothing(log, is_priced):
        yield _zero_cost(log)
    if log.limit_info is not None and _OVER in log.limit_info:
        yield from _over_limits(log, books)


def _unpriced(log: RequestLog) -> Alert:
    model = log.model or log.requested_model or "unknown"
    return Alert(
        organization_id=log.organization_id,
        event=Event.UNPRICED_MODEL,
        subject=f"{log.provider_id or ''}/{model}:{day_of(log)}",
        message=(
            f"Nobody knows the price of {model}, so what calls of it cost is in no sum. Give it one with "
            "`gantry models`, then `gantry prices recompute`."
        ),
        data={"model": model, "provider_id": log.provider_id, "log_id": log.log_id},
        environment=log.environment,
    )


def _cost_nothing(log: RequestLog, is_priced: IsPriced) -> bool:
    """Say whether a cost of 0 is odd: tokens were bought, and what they cost was for us to say."""
    is_ours = log.price_source not in _NOT_OURS and not is_cache_hit(log)
    return is_ours and bool(total_tokens(log)) and is_priced(log)


def _zero_cost(log: RequestLog) -> Alert:
    return Alert(
        organization_id=log.organization_id,
        event=Event.ZERO_COST,
        subject=f"{log.provider_id or ''}/{log.model or ''}:{day_of(log)}",
        message=(
            f"A call of {log.model} used {total_tokens(log)} tokens and cost nothing, though the model has a price. "
            f"`gantry prices explain {log.log_id}` tells why."
        ),
        data={
            "model": log.model,
            "provider_id": log.provider_id,
            "total_tokens": total_tokens(log),
            "log_id": log.log_id,
        },
        environment=log.environment,
    )


def _over_limits(log: RequestLog, books: Books) -> Iterator[Alert]:
    """Yield an alert for the limit that refused the call; or for those a minute that only warn.

    How much is used up of a period is what counters tell; those of a minute have forgotten it by then.
    """
    allowed, entries = _read_info(log.limit_info or "")
    over = [entry for entry in entries if entry.get("is_within_limit") is False]
    if not allowed and log.outcome == Outcome.REFUSED and over:
        yield _blocked(log, over[0], _named(books, over[0], LimitAction.BLOCK))
    if allowed:
        for entry in over:
            limit = _named(books, entry, LimitAction.WARN)
            if limit is not None:
                yield _warned(log, entry, limit)


def _blocked(log: RequestLog, entry: dict[str, Any], limit: Limit | None) -> Alert:
    name = str(entry.get("name") or "")
    subject = _subject_of(log, limit)
    if name.startswith(_CUSTOMERS_OWN):
        subject = log.customer_identifier or ""
    whose = f" of {subject}" if subject else ""
    reason = "its credits are used up" if name == ORG_CREDITS else f"the limit {name}{whose} is used up"
    return Alert(
        organization_id=log.organization_id,
        event=Event.LIMIT_BLOCKED,
        subject=f"{limit.id if limit is not None else name}:{subject}:{day_of(log)}",
        message=f"A call was refused: {reason}.",
        data={
            "limit_name": name,
            "api_key_id": log.key_id,
            "customer_identifier": log.customer_identifier,
            "current_value": entry.get("current_value"),
            "new_value": entry.get("new_value"),
            "limit_value": entry.get("limit_value"),
            "log_id": log.log_id,
        },
        environment=log.environment,
    )


def _warned(log: RequestLog, entry: dict[str, Any], limit: Limit) -> Alert:
    subject = _subject_of(log, limit)
    return Alert(
        organization_id=log.organization_id,
        event=Event.LIMIT_EXCEEDED,
        subject=f"{limit.id}:{subject}:{limit.amount}:{log.started_at // _HOUR}",
        message=f"The limit {limit.name or limit.id} of {limit.unit} was passed; calls go on, for it only warns.",
        data={
            "limit_id": limit.id,
            "limit_name": limit.name,
            "scope": limit.scope,
            "limit_subject": subject,
            "unit": limit.unit,
            "period": limit.period,
            "window_start": None,
            "current_value": entry.get("new_value"),
            "limit_value": entry.get("limit_value"),
        },
        environment=limit.environment,
    )


def _subject_of(log: RequestLog, limit: Limit | None) -> str:
    """Return on whose counter a limit counts a log."""
    if limit is None:
        return ""
    if not is_each(limit):
        return limit.subject
    return (log.customer_identifier if limit.scope is LimitScope.CUSTOMER else log.key_id) or ""


def _named(books: Books, entry: dict[str, Any], action: LimitAction) -> Limit | None:
    name = entry.get("name")
    return next((one for one in books.limits if one.action is action and name in (one.name, one.id)), None)


def _read_info(text: str) -> tuple[bool, Iterable[dict[str, Any]]]:
    try:
        info = msgspec.json.decode(text, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeError):
        return True, ()
    entries = info.get("limits")
    return bool(info.get("is_allowed", True)), entries if isinstance(entries, list) else ()
