"""What the price of a stored log depends on, and the price that it is given in place of the one it has.

Law: nothing here is what somebody said; a million logs are priced again without reading one body.
"""

from msgspec import Struct

from gantry.core.usage import Usage


class PricedLog(Struct, frozen=True, gc=False):
    """The fields are those of `RequestLog` under their names; `seq` is the row's number."""

    seq: int
    log_id: str
    organization_id: str
    key_id: str | None
    environment: str
    log_method: str
    operation: str
    model: str | None
    requested_model: str | None
    provider_id: str | None
    attempts: str | None
    outcome: str
    started_at: int
    ended_at: int
    usage: Usage
    usage_raw: str | None
    cost: int | None
    cost_by_unit: str | None
    price_missing: bool
    price_source: str | None
    price_version: str | None
    credential_id: str | None
    status_code: int
    charged: int | None
    markup_ppm: int | None
    customer_identifier: str | None
    customer_cost: int | None
    customer_markup_ppm: int | None


class NewPrice(Struct, frozen=True, gc=False):
    """What to write into a log in place of its price. `log` is the log as it was read."""

    log: PricedLog
    cost: int | None
    cost_by_unit: str | None
    price_missing: bool
    price_source: str | None
    price_version: str | None
    attempts: str | None
    charged: int | None = None
    customer_cost: int | None = None
