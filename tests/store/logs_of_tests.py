"""Request logs to store, with the fields a test does not care about filled in."""

from typing import Any

from gantry.core.request_log import RequestLog
from gantry.core.vocabulary import Environment, LogMethod, Outcome

ORGANIZATION = "0" * 32
OTHER = "f" * 32
HOUR = 3_600_000_000_000


def make_log(log_id: str, **fields: Any) -> RequestLog:
    values: dict[str, Any] = {
        "organization_id": ORGANIZATION,
        "key_id": "key",
        "environment": Environment.PROD,
        "log_method": LogMethod.INFERENCE,
        "outcome": Outcome.SUCCESS,
        "status_code": 200,
        "started_at": 1000 * HOUR,
        "ended_at": 1000 * HOUR + 1_000_000,
    }
    return RequestLog(log_id=log_id, **(values | fields))
