"""Results of a batch that are fetched again: the log says so and charges nothing.

Law: of an organization's logs with the same results, the first one stored carries their cost, whoever stores the others
and whenever; also after it is deleted, for the money was spent. The results are taken in the transaction that stores
the log, so a crash takes both or neither, and a log that is stored again finds itself.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec
from msgspec.structs import replace
from sqlalchemy import Connection, and_, select

from gantry.core.limits import Difference, LimitUnit, marked_up
from gantry.core.request_log import RequestLog
from gantry.core.vocabulary import LogMethod, Operation
from gantry.store.log_tables import counted_results

RESULTS: Final = "batch-results:"  # how the dialects begin the name of a batch's results
_OPERATIONS: Final = frozenset((Operation.BATCHES.value, Operation.FILES.value))


def numbered_results(logs: Sequence[RequestLog]) -> list[tuple[int, RequestLog]]:
    """Return the logs that stand for the results of a batch, with their places among these."""
    return [(index, log) for index, log in enumerate(logs) if log.operation in _OPERATIONS and _is_of_results(log)]


def counted_once(
    connection: Connection, take: str, found: Sequence[tuple[int, RequestLog]]
) -> Iterator[tuple[int, RequestLog]]:
    """Take the results of these logs, with the statement `take`; return those that were taken before, uncharged."""
    cursor: Any = connection.connection.cursor()
    for index, log in found:
        cursor.execute(take, (log.organization_id, log.response_id, log.log_id))
        if cursor.rowcount == 1:
            continue
        results = counted_results.c
        same = and_(results.organization_id == log.organization_id, results.response_id == log.response_id)
        first = connection.scalar(select(results.log_id).where(same))
        if first != log.log_id:
            yield index, _uncharged(log, first)
    cursor.close()


def without_cost(differences: Sequence[Difference], cost: int | None) -> list[Difference]:
    """Return by how much a log that is uncharged differs from what was counted of it, by what was found with a cost."""
    found = []
    for one in differences:
        counted, amount = one.counted, one.amount
        if counted.unit == LimitUnit.COST:
            amount -= marked_up(cost or 0, counted.markup_ppm)
        if amount:
            found.append(Difference(counted, amount))
    return found


def _is_of_results(log: RequestLog) -> bool:
    return log.log_method is LogMethod.INFERENCE and (log.response_id or "").startswith(RESULTS)


def _uncharged(log: RequestLog, first: str | None) -> RequestLog:
    """Return a log with its units and without their cost."""
    warnings = msgspec.json.decode(log.warnings, type=list[str]) if log.warnings is not None else []
    said = msgspec.json.encode([*warnings, f"these results were counted before, by {first}"]).decode()
    nothing = {name: 0 for name in ("charged", "customer_cost") if getattr(log, name) is not None}
    return replace(log, cost=0, cost_by_unit=None, price_missing=False, warnings=said, **nothing)
