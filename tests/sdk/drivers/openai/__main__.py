"""Drives openai 2 or 3. Reads BASE_URL, KEY, BAD_KEY and the names of models from the environment."""

import sys
from typing import Any

from tests.sdk.drivers.cases import run_cases
from tests.sdk.drivers.openai import canned, chat, failures, media


def fields_of(error: Exception) -> dict[str, Any]:
    """Return the fields that OpenAI's errors have."""
    response = getattr(error, "response", None)
    return {
        "status": getattr(error, "status_code", None),
        "body": getattr(error, "body", None),
        "type": getattr(error, "type", None),
        "code": getattr(error, "code", None),
        "param": getattr(error, "param", None),
        "retry_after": response.headers.get("retry-after") if response is not None else None,
    }


if __name__ == "__main__":
    cases = (*chat.CASES, *media.CASES, *failures.CASES)
    run_cases((canned.canned,) if "canned" in sys.argv else cases, fields_of)
