"""Alerts: what somebody wants to know, with the events there are, what each tells, and the rules that raise them.

Law: pure. The same is said once: two alerts of one event about one subject are one, so a subject holds whatever makes
it worth saying again, such as a window, a day or a percentage. `EVENTS` is the one table of events; `docs/alerts.md` is
written from it. A payload never holds a secret. Money in it is dollars, as in the rest of the API, and times are ISO.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, Struct

from gantry.core.log_item import iso_of
from gantry.core.money import NANO_PER_USD
from gantry.core.vocabulary import Environment

SETTING: Final = "alerts"  # of an organization: its `AlertRules`


class Event(StrEnum):
    LIMIT_THRESHOLD = "limit_threshold"
    LIMIT_EXCEEDED = "limit_exceeded"
    LIMIT_BLOCKED = "limit_blocked"
    LOW_CREDIT_BALANCE = "low_credit_balance"
    UNPRICED_MODEL = "unpriced_model"
    ZERO_COST = "zero_cost"
    SPEND_ANOMALY = "spend_anomaly"
    PROVIDER_ERRORS = "provider_errors"
    DEPLOYMENT_COOLDOWN = "deployment_cooldown"
    BOOKS_DIFFER = "books_differ"
    JOURNAL_FILLING = "journal_filling"
    RECORDS_REJECTED = "records_rejected"
    TEST = "test"
    REQUEST_LOG = "request_log"


class EventTerms(Struct, frozen=True):
    """What an event means, when it is said again, and the members of its `data` with an example of each."""

    means: str
    again: str
    data: Mapping[str, Any] = {}


_LIMIT: Final[Mapping[str, Any]] = {
    "limit_id": "0192f0c00000700080000000000000aa",
    "limit_name": "team budget",
    "scope": "api_key",
    "limit_subject": "0192f0c00000700080000000000000bb",
    "unit": "cost",
    "period": "month",
    "window_start": "2026-11-01T00:00:00Z",
    "current_value": 80.04,
    "limit_value": 100.0,
}

EVENTS: Final[Mapping[Event, EventTerms]] = {
    Event.LIMIT_THRESHOLD: EventTerms(
        "A limit is used up to one of its alert percentages. Calls under way count with their estimates.",
        "in the limit's next period",
        {**_LIMIT, "percent": 80},
    ),
    Event.LIMIT_EXCEEDED: EventTerms(
        "A limit that only warns is used up; calls go on.", "in the limit's next period", _LIMIT
    ),
    Event.LIMIT_BLOCKED: EventTerms(
        "A call was refused by a limit, a customer's budget or missing credits; `limit_name` says which.",
        "on the next day (UTC)",
        {
            "limit_name": "team budget",
            "api_key_id": "0192f0c00000700080000000000000bb",
            "customer_identifier": "user_123",
            "current_value": 99.98,
            "new_value": 100.31,
            "limit_value": 100.0,
            "log_id": "0192f0c00000700080000000000000cc",
        },
    ),
    Event.LOW_CREDIT_BALANCE: EventTerms(
        "The credits of the organization are below the balance at which it wants to know.",
        "when credits were added and are used up again",
        {"balance": 4.9, "threshold": 5.0},
    ),
    Event.UNPRICED_MODEL: EventTerms(
        "A model was called whose price nobody knows: what it cost is in no sum.",
        "on the next day (UTC)",
        {"model": "acme-large", "provider_id": "acme", "log_id": "0192f0c00000700080000000000000cc"},
    ),
    Event.ZERO_COST: EventTerms(
        "A call that used tokens cost nothing, on a model that has a price.",
        "on the next day (UTC)",
        {
            "model": "mistral-large-latest",
            "provider_id": "mistral",
            "total_tokens": 412,
            "log_id": "0192f0c00000700080000000000000cc",
        },
    ),
    Event.SPEND_ANOMALY: EventTerms(
        "The organization, or one of its API keys, has spent far more in an hour than it used to.",
        "on the next day (UTC)",
        {
            "api_key_id": None,
            "hour": "2026-11-29T18:00:00Z",
            "spent": 42.5,
            "usual": 3.1,
            "threshold": 9.3,
        },
    ),
    Event.PROVIDER_ERRORS: EventTerms(
        "Many of a deployment's last calls failed, by the provider's fault.",
        "in the next hour",
        {
            "provider_id": "mistral",
            "deployment_name": "default",
            "model": "mistral-large-latest",
            "requests": 40,
            "errors": 31,
            "error_rate": 0.775,
            "minutes": 5,
        },
    ),
    Event.DEPLOYMENT_COOLDOWN: EventTerms(
        "A deployment has failed and is left alone for a while; others are asked in its place, where there are some.",
        "in the next hour",
        {"deployment": "mistral/default/mistral-large-latest", "status": 503, "cooldowns": 2},
    ),
    Event.BOOKS_DIFFER: EventTerms(
        "The books do not balance: sums, ledger and logs say different amounts.",
        "on the next day (UTC)",
        {
            "finding": "charged of 0192f0c0…: $0.000001000 by the ledger, $0.000000000 by sums by day",
            "findings": 1,
        },
    ),
    Event.JOURNAL_FILLING: EventTerms(
        "The journal of a machine is filling up, because its records cannot be stored fast enough, or at all.",
        "in the next hour, or at a higher level",
        {"level": "no_bodies", "node": "gateway-1"},
    ),
    Event.RECORDS_REJECTED: EventTerms(
        "Records could not be kept whole; what they were made of lies in `rejected/` of that machine's home.",
        "on the next day (UTC)",
        {"records": 3, "node": "gateway-1"},
    ),
    Event.TEST: EventTerms("Somebody tries a channel out.", "each time", {"channel": "ops"}),
    Event.REQUEST_LOG: EventTerms(
        "A request log was stored. The body is the log itself, as the API shows one in full; to webhooks that ask.",
        "for each log",
    ),
}

# What a channel that names no events is told: all but what comes with every call, or is asked for.
USUAL_EVENTS: Final = frozenset(Event) - {Event.REQUEST_LOG, Event.TEST}


class Alert(Struct, frozen=True, kw_only=True):
    organization_id: str
    event: Event
    subject: str
    message: str  # for a person, in a sentence
    data: Mapping[str, Any]
    environment: Environment | None = None  # None concerns both


class AlertRules(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When alerts are raised that have no limit of their own; the organization's setting `alerts`."""

    off: tuple[Event, ...] = ()  # what is not raised at all
    error_percent: Annotated[int, Meta(ge=1, le=100)] = 50  # of a deployment's calls in the last minutes
    error_requests: Annotated[int, Meta(ge=1)] = 20  # fewer calls tell nothing
    error_minutes: Annotated[int, Meta(ge=1, le=60)] = 5
    anomaly_floor: Annotated[int, Meta(ge=0)] = NANO_PER_USD  # nano-dollars an hour that nobody needs to hear of
    anomaly_deviations: Annotated[float, Meta(gt=0)] = 6.0  # from the median of what is usual
    anomaly_ratio: Annotated[float, Meta(gt=1)] = 3.0  # to the highest of the last days


DEFAULT_RULES: Final = AlertRules()


def payload_of(alert: Alert, alert_id: str, raised_at: int) -> str:
    """Return an alert as the JSON text that is delivered. Its id stays the same, however often it is delivered."""
    return msgspec.json.encode(
        {
            "id": alert_id,
            "event": alert.event,
            "organization_id": alert.organization_id,
            "environment": alert.environment,
            "subject": _shown(alert.subject),
            "message": _shown(alert.message),
            "raised_at": iso_of(raised_at),
            "data": {name: _shown(value) for name, value in alert.data.items()},
        }
    ).decode()


def _shown(value: Any) -> Any:
    """Return a text without what no JSON can hold: half a surrogate in a name that a caller made up; and no NUL."""
    return value.replace("\0", "\ufffd").encode("utf-8", "replace").decode() if isinstance(value, str) else value
