"""A custom model: a name of an organization's own for a model, with what it says of it. It is also an alias.

Law: what it leaves open is its base's. Prices are whole nano-dollars per million tokens, times nanoseconds since the
epoch.
"""

from collections.abc import Container
from typing import Any

from msgspec import Struct

from gantry.core.model_ref import ModelRef, parse_model_ref


class CustomModel(Struct, frozen=True, kw_only=True):
    """`base` is a model as callers write it; without one, `provider_id` is there and knows the custom name itself."""

    organization_id: str
    name: str
    base: str | None = None
    provider_id: str | None = None  # None: wherever the base is
    called_by_name: bool = False  # the provider is asked for the custom name, and not for the base
    display_name: str = ""
    input_price: int | None = None
    output_price: int | None = None
    cached_input_price: int | None = None
    cache_write_price: int | None = None
    context_window: int | None = None
    streaming: bool | None = None
    tools: bool | None = None
    vision: bool | None = None
    parameters: dict[str, Any] = {}  # Respan's `supported_params_override`: shown, and nothing else
    managed_by: str | None = None
    created_at: int = 0
    updated_at: int = 0

    @property
    def asks_for(self) -> str:
        """What is asked for in its place, and of whom where that is said, in words."""
        asked = self.name if self.called_by_name or self.base is None else self.base
        return asked if self.provider_id is None else f"{asked} of {self.provider_id}"

    @property
    def has_prices(self) -> bool:
        return any(
            price is not None
            for price in (self.input_price, self.output_price, self.cached_input_price, self.cache_write_price)
        )


def model_behind(custom: CustomModel, prefixes: Container[str]) -> ModelRef:
    """Return the model that is asked for in a custom one's place."""
    if custom.called_by_name or custom.base is None:
        return ModelRef(None, custom.name)  # as it is: a provider's own name may begin like a prefix
    return parse_model_ref(custom.base, prefixes)
