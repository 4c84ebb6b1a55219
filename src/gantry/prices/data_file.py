"""A file of prices as genai-prices publishes it: a JSON list of providers, newer than the one that came with us.

Law: read by the authors' own shapes, model by model, so that one that is malformed is named and hides no other.
"""

import json
from decimal import Decimal
from typing import Any, Final

import genai_prices.types as types
from pydantic import ValidationError

from gantry.prices.changes import Malformed

_FAULTS: Final = (ValidationError, ValueError, TypeError, AttributeError, KeyError)


class DataUnreadable(ValueError):
    """The file is no data of genai-prices; the message says why."""


def read_data(text: bytes) -> tuple[list[types.Provider], list[Malformed]]:
    """Return the providers in a file, without the records that cannot be read. Raises DataUnreadable."""
    try:
        listed = json.loads(text, parse_float=Decimal, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise DataUnreadable(f"it is not JSON: {error}") from None
    if not isinstance(listed, list) or not listed:
        raise DataUnreadable("it is no list of providers")
    providers: list[types.Provider] = []
    malformed: list[Malformed] = []
    for number, raw in enumerate(listed):
        try:
            providers += _read([raw])
        except _FAULTS as error:
            _read_by_model(raw, number, error, providers, malformed)
    if not providers:
        raise DataUnreadable(f"none of its {len(listed)} providers can be read: {malformed[0].reason}")
    return providers, malformed


def _read_by_model(
    raw: Any, number: int, error: Exception, providers: list[types.Provider], malformed: list[Malformed]
) -> None:
    named = str(raw.get("id", number)) if isinstance(raw, dict) else str(number)
    models = raw.get("models") if isinstance(raw, dict) else None
    if not isinstance(models, list):
        malformed.append(Malformed(named, "", _said(error)))
        return
    good = []
    for place, model in enumerate(models):
        try:
            _read([{**raw, "models": [model]}])
            good.append(model)
        except _FAULTS as fault:
            name = str(model.get("id", place)) if isinstance(model, dict) else str(place)
            malformed.append(Malformed(named, name, _said(fault)))
    if good:
        providers += _read([{**raw, "models": good}])


def _read(raw: list[Any]) -> list[types.Provider]:
    providers: list[types.Provider] = types._providers_from_raw(raw)
    for provider in providers:
        for model in provider.models:
            _check_prices(model)
    return providers


def _check_prices(model: types.ModelInfo) -> None:
    """Raise ValueError for a price that is none; theirs are checked by their calculator, which nobody calls here."""
    entries = [model.prices] if isinstance(model.prices, types.ModelPrice) else [one.prices for one in model.prices]
    for entry in (*entries, *(variant.prices for variant in model.price_variants or ())):
        for key, price in entry.__dict__.items():
            found = (
                [price.base, *(tier.price for tier in price.tiers)]
                if isinstance(price, types.TieredPrices)
                else [price]
            )
            for one in found:
                if one is not None and not (isinstance(one, Decimal) and one.is_finite() and one >= 0):
                    raise ValueError(f"{key} is no price: {one}")


def _said(error: Exception) -> str:
    """Return the first thing that is wrong, in one line."""
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    return " ".join(str(error).split()) or type(error).__name__


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is no number")
