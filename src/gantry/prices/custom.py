"""The rate of a custom model: its own prices, and its base's where it has none.

Law: a price of its own is flat; it holds whatever the service tier and however long the input.
"""

from datetime import UTC, datetime
from typing import Any, Final

from msgspec.structs import replace

from gantry.core.custom_model import CustomModel
from gantry.core.model_ref import parse_model_ref
from gantry.prices.rate import Prices, Rate
from gantry.prices.rates import Rates

SOURCE: Final = "custom"
_NS_PER_SECOND: Final = 1_000_000_000


def custom_rate(
    rates: Rates, custom: CustomModel, found: Rate | None, at: int, service_tier: str | None = None
) -> Rate | None:
    """Return the rate of a call under a custom name. `found` is that of the model which answered, if it has one."""
    base = found or base_rate(rates, custom, at, service_tier)
    if not custom.has_prices:
        return base
    prices = _over(Prices() if base is None else base.prices, custom)
    return Rate(prices, custom.name, SOURCE, f"{SOURCE} {_iso(custom.updated_at)}")


def base_rate(rates: Rates, custom: CustomModel, at: int, service_tier: str | None = None) -> Rate | None:
    """Return the rate of the model that a custom one is made after; None when there is none, or no price is known."""
    if custom.base is None:
        return None
    ref = parse_model_ref(custom.base, rates.providers)
    home = ref.prefix or rates.provider_of(ref.name)
    return None if home is None else rates.find(home, ref.name, at, service_tier)


def _over(prices: Prices, custom: CustomModel) -> Prices:
    own: dict[str, Any] = {
        name: price
        for name, price in (
            ("input", custom.input_price),
            ("output", custom.output_price),
            ("cached_input", custom.cached_input_price),
            ("cache_write", custom.cache_write_price),
        )
        if price is not None
    }
    if "cache_write" in own:  # however long it is kept
        own["cache_write_1h"] = own["cache_write"]
    if "input" in own:  # the base's would be a share of another price
        own = {"cached_input": None, "cached_audio": None, "cache_write": None, "cache_write_1h": None, **own}
    return replace(prices, **own, above=tuple((at, _over(higher, custom)) for at, higher in prices.above))


def _iso(ns: int) -> str:
    return datetime.fromtimestamp(ns // _NS_PER_SECOND, UTC).isoformat().replace("+00:00", "Z")
