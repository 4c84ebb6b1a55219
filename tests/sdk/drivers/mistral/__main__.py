"""Drives mistralai 1, 2 or 3. Reads BASE_URL, KEY and BAD_KEY from the environment; arguments name cases."""

import sys
from typing import Any

from tests.sdk.drivers.cases import run_cases
from tests.sdk.drivers.mistral import canned, chat, failures, media, resources


def fields_of(error: Exception) -> dict[str, Any]:
    """Return the fields that Mistral's errors have."""
    headers = getattr(error, "headers", None)
    details = getattr(getattr(error, "data", None), "detail", None)
    return {
        "status": getattr(error, "status_code", None),
        "body": getattr(error, "body", None),
        "retry_after": headers.get("retry-after") if headers is not None else None,
        "detail": [(list(item.loc), item.msg, item.type) for item in details] if details else details,
    }


if __name__ == "__main__":
    cases = (*chat.CASES, *media.CASES, *resources.CASES, *failures.CASES)
    run_cases((canned.canned,) if "canned" in sys.argv else cases, fields_of)
