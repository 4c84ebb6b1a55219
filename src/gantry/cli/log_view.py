"""A request log as a person or a program reads it: dollars, seconds and ISO times, and bodies as text."""

import base64
from typing import Any

import msgspec

from gantry.cli.table import plain
from gantry.cli.when import iso
from gantry.core.log_item import attempt_items, cost_by_unit_of
from gantry.core.money import usd_from_nano
from gantry.core.request_log import RequestLog
from gantry.core.usage import Usage

_NS = 1_000_000_000
_JSON = ("warnings", "usage_raw", "metadata", "properties", "extra", "tool_calls", "input", "output", "limit_info")
_MONEY = ("cost", "charged", "customer_cost", "cache_savings")
_DURATIONS = ("latency", "time_to_first_token", "routing_time")


def view_log(log: RequestLog) -> dict[str, Any]:
    """Return a log as an object for JSON, without what is unknown."""
    view: dict[str, Any] = {name: getattr(log, name) for name in RequestLog.__struct_fields__}
    view["started_at"] = iso(log.started_at)
    view["ended_at"] = iso(log.ended_at)
    for name in _DURATIONS:
        view[name] = None if view[name] is None else view[name] / _NS
    for name in _MONEY:
        view[name] = None if view[name] is None else usd_from_nano(view[name])
    view["cost_by_unit"] = cost_by_unit_of(log)
    view["usage"] = None if log.usage == Usage() else msgspec.to_builtins(log.usage)
    view["attempts"] = _known(attempt_items(log))
    for name in _JSON:
        view[name] = _parsed(view[name])
    for name in ("full_request", "full_response"):
        view[name] = _text(view[name])
    return {name: value for name, value in view.items() if value is not None}


def line_of(log: RequestLog) -> str:
    """Return a log as one line: when, how it ended, which model, how much, how long, and its id."""
    cost = "?" if log.price_missing else "-" if log.cost is None else f"${usd_from_nano(log.cost):.6f}"
    latency = "-" if log.latency is None else f"{log.latency / _NS:.2f}s"
    tokens = f"{_count(log.usage.input_tokens)}→{_count(log.usage.output_tokens)}"
    return "  ".join(
        (
            iso(log.started_at) or "",
            f"{log.status_code or '-':>3}",
            f"{log.outcome.value:<12}",
            f"{plain(log.model or log.requested_model or log.path or '-'):<32}",
            f"{tokens:>12}",
            f"{cost:>11}",
            f"{latency:>8}",
            log.log_id,
        )
    )


def _known(items: list[dict[str, Any]] | None) -> list[dict[str, Any]] | None:
    """Return attempts without what is unknown of them."""
    if items is None:
        return None
    return [{name: value for name, value in item.items() if value is not None} for item in items]


def _count(number: int | None) -> str:
    return "-" if number is None else str(number)


def _parsed(text: str | None) -> Any:
    """Return JSON text as what it says, so that it is not quoted twice; any other text as it is."""
    if text is None:
        return None
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return text


def _text(body: bytes | None) -> str | None:
    if body is None:
        return None
    try:
        return body.decode()
    except UnicodeDecodeError:
        return "base64:" + base64.b64encode(body).decode()
