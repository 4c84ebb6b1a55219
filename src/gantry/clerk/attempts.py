"""The attempts of a call as its request log keeps them, and what a hedge cost.

Law: the cost of a log is what the call is billed for, whoever bills it, so sums of it are the bill. Of a call that was
hedged that is the answer, by the units its provider reported, and, as the part `hedge`, the request that was sent in
vain. What that one cost nobody tells, so it is an estimate and flagged as one: what the answer's provider read, for the
request is the same, at the attempt's own price, as if nothing of it was cached and nothing was generated. A request
that never went out costs nothing; without a price there is no estimate, but a warning.

An attempt is no request: there is one row for a call, and its units are those of the answer alone.
"""

from collections.abc import Sequence
from typing import Any, Final, TypeVar

import msgspec
from msgspec import Struct
from msgspec.structs import astuple, replace

from gantry.clerk.charge import Charge, charge_call, with_hedge
from gantry.core.custom_model import CustomModel
from gantry.core.logged_attempt import LoggedAttempt
from gantry.core.usage import NO_USAGE, Usage
from gantry.core.vocabulary import Outcome
from gantry.journal.frames import AttemptRecord
from gantry.prices.rates import Rates

_CANCELLED: Final = Outcome.CANCELLED.value
_WHY: Final = AttemptRecord.__struct_fields__.index("began")  # from here on, what a call without a choice does not tell
_encode: Final = msgspec.json.Encoder().encode
_Tried = TypeVar("_Tried", AttemptRecord, LoggedAttempt)


class Answered(Struct, frozen=True, gc=False):
    """The answer of a call, as far as it tells what another attempt with the same request cost."""

    attempt: AttemptRecord | None
    usage: Usage
    service_tier: str | None
    at: int
    custom: CustomModel | None
    model: str | None = None  # that it names
    turned_to: str = ""  # by the call, from the model that was requested


def find_serving(attempts: Sequence[_Tried]) -> _Tried | None:
    """Return the attempt that a log is of: the last but for those that another one was faster than."""
    if not attempts or attempts[-1].outcome != _CANCELLED:
        return attempts[-1] if attempts else None
    return next((attempt for attempt in reversed(attempts) if attempt.outcome != _CANCELLED), attempts[-1])


def charge_attempts(
    attempts: Sequence[AttemptRecord], answered: Answered, rates: Rates, charge: Charge, warnings: list[str]
) -> tuple[str | None, Charge]:
    """Return the attempts as JSON, and the charge of the call: the answer's with what was sent in vain beside it."""
    served = answered.attempt
    if served is None:
        return None, charge
    if len(attempts) == 1 and not served.step:
        return _encode([_with_basis(LoggedAttempt(*astuple(served)[:_WHY]), answered, rates)]).decode(), charge
    logged = [LoggedAttempt(*astuple(attempt)) for attempt in attempts]
    serving = attempts.index(served)
    logged[serving] = _with_basis(logged[serving], answered, rates)
    in_vain = 0
    for place, attempt in enumerate(attempts):
        if attempt.outcome != _CANCELLED or attempt.unsent:
            continue
        cost = _estimate(attempt, served, answered, rates)
        if cost is not None:
            logged[place] = replace(logged[place], cost=cost, cost_estimated=True)
            in_vain += cost
        elif charge.cost is not None:
            warnings.append(
                f"what {attempt.provider_id}/{attempt.upstream_model} ({attempt.credential_name}) cost, where another "
                "attempt was faster, is not known and not in the cost"
            )
    if in_vain:
        logged[serving] = replace(logged[serving], cost=charge.cost)
        charge = with_hedge(charge, in_vain)
    return _encode(logged).decode(), charge


def _with_basis(served: LoggedAttempt, answered: Answered, rates: Rates) -> LoggedAttempt:
    """Return the attempt that answered with what its price depends on, so that it can be priced again (law 7)."""
    tier, name, asked = answered.service_tier, answered.model, served.upstream_model
    if tier is None and name == asked and not answered.turned_to:
        return served
    basis: dict[str, Any] = {}
    if tier is not None:
        basis["service_tier"] = tier
    if answered.turned_to:
        basis["turned_to"] = answered.turned_to
    if name is not None and asked is not None and name != asked and answered.usage != NO_USAGE:
        rate = rates.find(served.provider_id, asked, answered.at, tier, host=served.upstream_host)
        if rate is None:
            basis["priced_as"] = name
    return replace(served, **basis) if basis else served


def _estimate(attempt: AttemptRecord, served: AttemptRecord, answered: Answered, rates: Rates) -> int | None:
    usage = answered.usage
    read = Usage(
        input_tokens=usage.input_tokens,
        input_image_tokens=usage.input_image_tokens,
        input_audio_tokens=usage.input_audio_tokens,
        input_video_tokens=usage.input_video_tokens,
        input_audio_seconds=usage.input_audio_seconds,
        characters=usage.characters,
    )
    if read == NO_USAGE:
        return None
    same_provider = attempt.provider_id == served.provider_id
    same_model = same_provider and attempt.upstream_model == served.upstream_model
    return charge_call(
        rates,
        attempt.provider_id,
        (attempt.upstream_model,),
        answered.at,
        answered.service_tier if same_provider else None,
        read,
        host=attempt.upstream_host,
        custom=answered.custom if same_model else None,  # it prices the model that it names
    ).cost
