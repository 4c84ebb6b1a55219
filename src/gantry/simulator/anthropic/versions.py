"""The versions of the API, which a request names in a header or, elsewhere than at Anthropic, in its body.

Source: https://platform.claude.com/docs/en/api/versioning
"""

from enum import StrEnum

from gantry.simulator.anthropic.errors import invalid


class Version(StrEnum):
    FIRST = "2023-01-01"
    USUAL = "2023-06-01"
    NEWEST = "2026-10-21"  # without temperature, top_p and top_k


def version(given: bytes | None) -> Version:
    """Return the version a header names. Raises Refusal with a 400."""
    if given is None:
        raise invalid("anthropic-version: header is required")
    try:
        return Version(given.decode("latin-1"))
    except ValueError:
        raise invalid(f'anthropic-version: "{given.decode("latin-1")}" is not a valid version') from None
