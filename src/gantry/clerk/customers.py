"""Customers in a batch: what their calls said of them, and what the calls cost them.

Law: a markup is of the call's time. It is what the call itself says, unless people have set what its customer may
spend; else what the customer had when the batch was made, and what calls before it in the batch have said.
"""

from collections.abc import Mapping
from typing import Final

from msgspec.structs import replace

from gantry.clerk.charge import LARGEST
from gantry.core.limits import CustomerTerms, marked_up
from gantry.core.request_log import RequestLog
from gantry.dialects.customer_params import PARAMS, read_customer_text
from gantry.store.customer_sums import CustomerKey, CustomerNote
from gantry.store.customers import CustomerMark
from gantry.store.log_rows import INDEXED_LENGTH

_SAID: Final = f'"{PARAMS}"'.encode()
_NO_MARK: Final = CustomerMark(0, False)


def note_customer(log: RequestLog, params: bytes) -> CustomerNote | None:
    """Return what the parameters of a call, or a posted log, say of its customer beside its name; None: nothing."""
    if log.customer_identifier is None or _SAID not in params:
        return None
    said = read_customer_text(params)
    if said is None or said.customer_identifier != log.customer_identifier:
        return None
    if said.terms is None and said.metadata is None:
        return None
    return CustomerNote(
        log.organization_id, log.environment.value, log.customer_identifier, log.started_at, said.terms, said.metadata
    )


def key_of(log: RequestLog) -> CustomerKey | None:
    if log.customer_identifier is None:
        return None
    return log.organization_id, log.environment.value, log.customer_identifier[:INDEXED_LENGTH]


def bill_customers(
    logs: list[RequestLog], said: Mapping[str, CustomerTerms], marks: dict[CustomerKey, CustomerMark]
) -> None:
    """Put on logs what they cost their customers. `said`: terms by the ids of the logs that say them."""
    for place, log in enumerate(logs):
        key = key_of(log)
        if key is None:
            continue
        mark, terms = marks.get(key, _NO_MARK), said.get(log.log_id)
        if terms is not None and not mark.managed:
            mark = marks[key] = CustomerMark(terms.markup_ppm, managed=False)
        if not mark.markup_ppm:
            continue
        cost = None if log.cost is None else min(marked_up(log.cost, mark.markup_ppm), LARGEST)
        logs[place] = replace(log, customer_cost=cost, customer_markup_ppm=mark.markup_ppm)
