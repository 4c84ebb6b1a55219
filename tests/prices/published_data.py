"""The data of genai-prices as the JSON that its repository publishes, made from what is installed."""

import dataclasses
import json
from datetime import date, time
from decimal import Decimal
from typing import Any

from genai_prices import data, types

_NAMES = {"or_": "or", "and_": "and"}
_NOT_OURS = ("extractors",)


def published_json(*provider_ids: str) -> list[dict[str, Any]]:
    """Return providers as JSON has them; all of them where none is named."""
    return [plain(provider) for provider in data.providers if not provider_ids or provider.id in provider_ids]


def encoded(providers: list[dict[str, Any]]) -> bytes:
    return json.dumps(providers).encode()


def plain(value: Any) -> Any:
    if isinstance(value, types.ModelPrice):
        return {key: plain(price) for key, price in value.__dict__.items() if price is not None}
    if dataclasses.is_dataclass(value):
        fields = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
        return {
            _NAMES.get(name, name): plain(one)
            for name, one in fields.items()
            if one is not None and name not in _NOT_OURS and not name.startswith("_")
        }
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return {key: plain(item) for key, item in value.items()} if isinstance(value, dict) else value
