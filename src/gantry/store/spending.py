"""What was spent with a provider by day: from the sums by day, or from logs where credentials are told apart.

Law: sums go on counting logs that were deleted, for a provider bills them too; logs by credential cannot.
"""

from typing import Final

from msgspec import Struct
from sqlalchemy import Connection, func, literal, select

from gantry.store.log_tables import day_sums, request_logs
from gantry.store.whole_sum import WholeSum

_DAY: Final = 86_400_000_000_000


class Spent(Struct, frozen=True):
    day: int  # since the epoch, UTC
    model: str
    credential_name: str
    input_tokens: int
    output_tokens: int
    cost: int
    unpriced: int  # requests


def read_spending(
    connection: Connection, organization_id: str, provider_id: str, days: tuple[int, int], *, by_credential: bool
) -> list[Spent]:
    """Return what was spent from the first of two days to the last, both included."""
    first, last = days
    if by_credential:
        logs = request_logs.c
        day = (logs.started_at // _DAY).label("day")
        names = (day, logs.model, logs.deployment_name)
        sums = (WholeSum(logs.input_tokens), WholeSum(logs.output_tokens), WholeSum(logs.cost))
        query = (
            select(*names, *sums, func.count().filter(logs.price_missing))
            .where(
                logs.organization_id == organization_id,
                logs.provider_id == provider_id,
                logs.started_at >= first * _DAY,
                logs.started_at < (last + 1) * _DAY,
            )
            .group_by(*names)
        )
    else:
        days_of = day_sums.c
        summed = (days_of.input_tokens, days_of.output_tokens, days_of.cost, days_of.unpriced)
        query = (
            select(days_of.day, days_of.model, literal("").label("credential"), *map(WholeSum, summed))
            .where(
                days_of.organization_id == organization_id,
                days_of.provider_id == provider_id,
                days_of.day.between(first, last),
            )
            .group_by(days_of.day, days_of.model)
        )
    return [
        Spent(int(day), model or "", credential or "", *(int(amount or 0) for amount in amounts))
        for day, model, credential, *amounts in connection.execute(query)
    ]
