"""The stages of a call, and how long each may last without a sign of life."""

from enum import Enum, auto

from msgspec import Struct

from gantry.core.routing_rules import ModelRule
from gantry.gateway.limits import WorkerLimits


class Stage(Enum):
    READING = auto()  # the request's body is arriving
    PAUSING = auto()  # between two attempts
    CONNECTING = auto()
    WAITING = auto()  # sent; no answer yet
    ANSWERING = auto()
    OVER = auto()


# Python 3.11 reads an enum's member through a descriptor, which costs a tenth of a microsecond each time.
READING, PAUSING, CONNECTING, WAITING, ANSWERING, OVER = Stage


class Deadlines(Struct, frozen=True):
    """Of one attempt, in seconds; `total` is the whole call's. `is_callers`: it is the caller who is in a hurry."""

    connect: float
    first_token: float
    idle: float
    total: float | None
    is_callers: bool = False


def deadlines_of(limits: WorkerLimits) -> Deadlines:
    return Deadlines(limits.connect_timeout, limits.first_byte_timeout, limits.idle_timeout, limits.total_timeout)


def deadlines_by(
    rule: ModelRule | None, first_token: float | None, total: float | None, otherwise: Deadlines
) -> Deadlines:
    """Return the deadlines by a model's rule and the caller's own wishes; `otherwise` where neither says anything."""
    if rule is None and first_token is None and total is None:
        return otherwise
    rule = rule or ModelRule(match="*")
    return Deadlines(
        rule.connect_timeout or otherwise.connect,
        first_token or rule.first_token_timeout or otherwise.first_token,
        rule.idle_timeout or otherwise.idle,
        total or rule.total_timeout or otherwise.total,
        first_token is not None or total is not None,
    )


def overdue(stage: Stage, waited: float, deadlines: Deadlines) -> str | None:
    """Return what the provider is late with, after so many seconds; None while there is time."""
    if stage is CONNECTING and waited > deadlines.connect:
        return f"no connection to the provider within {deadlines.connect:g} s"
    if stage is WAITING and waited > deadlines.first_token:
        return f"the provider did not answer within {deadlines.first_token:g} s"
    if stage is ANSWERING and waited > deadlines.idle:
        return f"the provider's answer stalled for {deadlines.idle:g} s"
    return None
