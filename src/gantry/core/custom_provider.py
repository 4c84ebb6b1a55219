"""A custom provider: a server that speaks OpenAI's format, which an organization named itself, by its base URL.

Law: its id is the prefix of its models, and means it within its organization only. Its key is a credential's matter.
Times are nanoseconds since the epoch.
"""

from typing import Any

from msgspec import Struct


class CustomProvider(Struct, frozen=True, kw_only=True):
    """`parameters` are Respan's `extra_kwargs`, but for the base URL: what calls have unless they say otherwise."""

    organization_id: str
    id: str
    name: str
    base_url: str
    parameters: dict[str, Any] = {}
    managed_by: str | None = None
    created_at: int = 0
    updated_at: int = 0
