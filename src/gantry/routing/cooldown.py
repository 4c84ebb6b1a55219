"""When a deployment is left alone for a while, and when it is tried again: a circuit breaker, fed by live calls alone.

Law: pure, and only what is the deployment's fault counts: a caller's 400, a caller who leaves and a caller's own
credential change nothing. A cooldown makes the others be preferred; it never refuses a call that has nowhere else to
go, so that a mistaken breaker costs latency and not an outage.

A dead credential, a rate limit and a model without capacity cool at once, for as long as `Retry-After` says where it
says so. What is transient cools once more than half of the last few calls failed. When a cooldown is over, one call is
sent as a probe; the others wait for what becomes of it. If it fails, the next cooldown is twice as long. Calls sent
during one make it no longer: a hundred of them know no more than the first.

States and what moves them:

    well ──failures──► cooling ──time──► due ──claimed by one call──► cooling, until the probe is overdue
      ▲                   ▲                                              │
      └──── success ──────┴───────────────── failure, twice as long ─────┘
"""

from enum import StrEnum
from typing import Final

from gantry.core.standing import UNTOUCHED, Standing
from gantry.providers.failures import FailureKind

PROBE_MS: Final = 5_000  # after which another call may probe, if nobody heard of the first
_WEIGHT: Final = 200  # thousandths of the average that the newest call is
_TRIPS_ABOVE: Final = 560  # what every other call failing comes up to
_ALL: Final = 1_000
_LONGEST_ASKED_MS: Final = 3_600_000  # of what a provider asks for; a quota by the day is looked at again before

# The first pause and the longest, in milliseconds. What is missing here is not the deployment's fault.
_PAUSES: Final = {
    FailureKind.CREDENTIAL: (60_000, 900_000),
    FailureKind.LIMIT: (2_000, 60_000),
    FailureKind.CAPACITY: (10_000, 60_000),
    FailureKind.TRANSIENT: (5_000, 60_000),
}


class Condition(StrEnum):
    WELL = "well"
    DUE = "due"  # a call should be sent as a probe
    COOLING = "cooling"


def condition(standing: Standing, now: int) -> Condition:
    """Return what a standing means for the next call. `now` is in milliseconds, as all times here."""
    if not standing.since:
        return Condition.WELL
    cooling = now < standing.until or (standing.probed and now < standing.probed + PROBE_MS)
    return Condition.COOLING if cooling else Condition.DUE


def claim(standing: Standing, now: int) -> Standing:
    """Return the standing while one call probes."""
    return standing._replace(probed=now)


def after_failure(
    standing: Standing,
    kind: FailureKind,
    *,
    status: int,
    started: int,
    now: int,
    epoch: int,
    retry_after: float | None = None,
) -> Standing:
    """Return the standing after an attempt failed that began at `started`; `retry_after` is in seconds."""
    pauses = _PAUSES.get(kind)
    if pauses is None or started < standing.since:  # a call from before the cooldown tells nothing new
        return standing
    failing = standing.failing + (_ALL - standing.failing) * _WEIGHT // _ALL
    standing = standing._replace(failing=failing, status=status, failed_at=epoch)
    if kind is FailureKind.TRANSIENT and not standing.since and failing <= _TRIPS_ABOVE:
        return standing
    asked = 0 if retry_after is None else min(int(retry_after * 1000), _LONGEST_ASKED_MS)
    if standing.since and started < standing.until:
        return standing._replace(until=max(standing.until, now + asked))
    first, longest = pauses
    pause = max(min(first << min(standing.cooldowns, 20), longest), asked)
    return standing._replace(cooldowns=standing.cooldowns + 1, since=standing.since or now, until=now + pause, probed=0)


def after_success(standing: Standing, *, started: int) -> Standing:
    """Return the standing after an attempt succeeded; one that began before the cooldown does not end it."""
    if standing.since:
        return UNTOUCHED if started >= standing.since else standing
    failing = standing.failing * (_ALL - _WEIGHT) // _ALL
    return standing._replace(failing=failing) if failing > _WEIGHT // 20 else UNTOUCHED
