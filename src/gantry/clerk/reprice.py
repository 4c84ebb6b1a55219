"""The price of a log that is stored, made again by the rates of today from the units that it keeps (law 7).

Law: it is the price that the meter would give the same call now, by the same functions. What no rate of ours made is
left as it is: what a user posted, an answer out of the cache, the results of a batch, of which a log keeps the sum
and not the parts, and what a call was held at that crashed. Where amount and parts come out the same, so does the log,
with the version that it was priced by.
"""

from collections.abc import Callable
from enum import StrEnum
from typing import Final

from msgspec import Struct
from msgspec.structs import astuple

from gantry.clerk.attempts import Answered, charge_attempts, find_serving
from gantry.clerk.charge import HELD, LARGEST, POSTED, Charge, charge_at, find_rate, likely_provider
from gantry.core.custom_model import CustomModel
from gantry.core.limits import marked_up
from gantry.core.logged_attempt import LoggedAttempt, read_attempts
from gantry.core.priced_log import NewPrice, PricedLog
from gantry.core.request_log import CACHED_MODEL
from gantry.core.usage import NO_USAGE
from gantry.core.vocabulary import LogMethod, Operation, Outcome
from gantry.dialects.usage import service_tier_in
from gantry.journal.frames import AttemptRecord
from gantry.prices.rate import Rate
from gantry.prices.rates import Rates

FindCustom = Callable[[str, str | None], CustomModel | None]  # by organization and name

_INFERENCE: Final = LogMethod.INFERENCE.value
_OF_BATCHES: Final = frozenset((Operation.FILES.value, Operation.BATCHES.value))
_CANCELLED: Final = Outcome.CANCELLED.value
_IN_RECORD: Final = len(AttemptRecord.__struct_fields__)


class Left(StrEnum):
    """Why a log is not priced again, in words that follow its count."""

    CACHED = "answered from the cache"
    POSTED = "with a cost or prices that were posted"
    RESULTS = "of files and batches"
    NO_USAGE = "without usage"
    HELD = "of calls that crashed, at what was held for them"


class Basis(Struct, frozen=True):
    """All that finds the rate of a log."""

    provider_id: str | None
    names: tuple[str | None, ...]
    at: int
    service_tier: str | None
    host: str | None
    custom: CustomModel | None

    def find_rate(self, rates: Rates) -> Rate | None:
        """Return the rate in force at the time of the call, as the rates are today."""
        return find_rate(
            rates, self.provider_id, self.names, self.at, self.service_tier, host=self.host, custom=self.custom
        )


def left_as_it_is(log: PricedLog) -> Left | None:
    """Return why a log is not priced again; None where it is."""
    if log.model == CACHED_MODEL:
        return Left.CACHED
    if log.price_source == POSTED:
        return Left.POSTED
    if log.log_method == _INFERENCE and log.operation in _OF_BATCHES:
        return Left.RESULTS
    if log.price_source == HELD:
        return Left.HELD
    return Left.NO_USAGE if log.usage == NO_USAGE else None


def reprice(log: PricedLog, rates: Rates, find_custom: FindCustom) -> NewPrice | Left | None:
    """Return the price of a log where it is another one now, None where it is not, or why it is not made again."""
    left = left_as_it_is(log)
    if left is not None:
        return left
    attempts = read_attempts(log.attempts)
    basis = _basis_of(log, attempts, rates, find_custom)
    charge, told = charge_at(basis.find_rate(rates), log.usage), log.attempts
    if any(attempt.outcome == _CANCELLED for attempt in attempts):
        told, charge = _with_hedge(log, attempts, basis, rates, charge)
    cost = None if charge.cost is None else min(charge.cost, LARGEST)
    if (log.cost, log.cost_by_unit, log.price_missing) == (cost, charge.cost_by_unit, charge.price_missing):
        return None
    return NewPrice(
        log,
        cost,
        charge.cost_by_unit,
        charge.price_missing,
        charge.price_source,
        charge.price_version,
        told,
        _marked_up(cost, log.markup_ppm),
        _marked_up(cost, log.customer_markup_ppm),
    )


def _marked_up(cost: int | None, markup_ppm: int | None) -> int | None:
    return None if cost is None or markup_ppm is None else min(marked_up(cost, markup_ppm), LARGEST)


def basis_of(log: PricedLog, rates: Rates, find_custom: FindCustom) -> Basis:
    """Return what finds the rate of a log."""
    return _basis_of(log, read_attempts(log.attempts), rates, find_custom)


def _basis_of(log: PricedLog, attempts: list[LoggedAttempt], rates: Rates, find_custom: FindCustom) -> Basis:
    served = find_serving(attempts)
    told = service_tier_in(log.usage_raw.encode()) if log.usage_raw is not None else None
    if log.log_method != _INFERENCE:
        custom = find_custom(log.organization_id, log.requested_model)
        return Basis(log.provider_id, (log.model,), log.ended_at, told, None, custom)
    if served is None:
        provider_id = log.provider_id or likely_provider(log.requested_model, rates)
        custom = find_custom(log.organization_id, log.requested_model)
        return Basis(provider_id, (log.model,), log.started_at, told, None, custom)
    return Basis(
        served.provider_id,
        (log.model, served.priced_as),
        log.started_at,
        served.service_tier or told,
        served.upstream_host,
        find_custom(log.organization_id, served.turned_to or log.requested_model),
    )


def _with_hedge(
    log: PricedLog, attempts: list[LoggedAttempt], basis: Basis, rates: Rates, charge: Charge
) -> tuple[str | None, Charge]:
    """Return the attempts with what was sent in vain beside the answer at today's prices, and the charge with it."""
    records = [AttemptRecord(*astuple(attempt)[:_IN_RECORD]) for attempt in attempts]
    served, told = find_serving(records), find_serving(attempts)
    assert told is not None
    answered = Answered(
        served, log.usage, basis.service_tier, basis.at, basis.custom, told.priced_as, told.turned_to or ""
    )
    return charge_attempts(records, answered, rates, charge, [])
