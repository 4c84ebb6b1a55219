"""Sums as dashboards show them, in Respan's names: totals, averages, percentages, quantiles. Pure.

Law: where there was nothing to count, a total is 0 and an average null. Tokens and cost are averaged over all requests;
latency, time to the first token and speed over those that have one. Cached answers count as requests, and nobody paid
for their tokens.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from gantry.core.money import usd_from_nano
from gantry.core.sketch import Sketch, quantile
from gantry.core.time_range import TimeRange
from gantry.store.usage_sums import MEASURES, Measure, Sums

_NANO: Final = 1_000_000_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_PARTS: Final = (50, 90, 95, 99)
QUANTILED: Final = ("latency", "ttft", "tps")  # as the API calls them, in the store's order
_SCALES: Final = (_NANO, _NANO, 1000)

METRICS: Final = tuple(
    """
    number_of_requests total_cost total_prompt_tokens total_completion_tokens total_tokens error_count error_percentage
    average_prompt_tokens average_completion_tokens average_tokens average_cost average_tps average_latency average_ttft
    prompt_cache_hit_tokens reasoning_tokens cache_hit_percentage requests_per_second
    """.split()
)


# The same as shares of what the store sums up: a measure, or one for each of another.
MEASURED_BY: Final[Mapping[str, Measure]] = {
    "number_of_requests": ("requests", None),
    "requests_per_second": ("requests", None),
    "total_cost": ("cost", None),
    "total_prompt_tokens": ("input_tokens", None),
    "total_completion_tokens": ("output_tokens", None),
    "total_tokens": ("total_tokens", None),
    "error_count": ("errors", None),
    "error_percentage": ("errors", "requests"),
    "average_prompt_tokens": ("input_tokens", "requests"),
    "average_completion_tokens": ("output_tokens", "requests"),
    "average_tokens": ("total_tokens", "requests"),
    "average_cost": ("cost", "requests"),
    "average_latency": ("latency_sum", "latency_count"),
}


def metrics_of(sums: Sums, length: int) -> dict[str, Any]:
    """Return all metrics of some sums over a time of so many ns."""
    of = dict(zip(MEASURES, sums, strict=True))
    requests = of["requests"]
    return {
        "number_of_requests": requests,
        "total_cost": usd_from_nano(of["cost"]),
        "total_prompt_tokens": of["input_tokens"],
        "total_completion_tokens": of["output_tokens"],
        "total_tokens": of["total_tokens"],
        "error_count": of["errors"],
        "error_percentage": _share(of["errors"], requests),
        "average_prompt_tokens": _mean(of["input_tokens"], requests),
        "average_completion_tokens": _mean(of["output_tokens"], requests),
        "average_tokens": _mean(of["total_tokens"], requests),
        "average_cost": _mean(of["cost"], requests, _NANO),
        "average_tps": _mean(of["speed_sum"], of["speed_count"], 1000),
        "average_latency": _mean(of["latency_sum"], of["latency_count"], _NANO),
        "average_ttft": _mean(of["time_to_first_token_sum"], of["time_to_first_token_count"], _NANO),
        "prompt_cache_hit_tokens": of["cached_input_tokens"],
        "reasoning_tokens": of["reasoning_tokens"],
        "cache_hit_percentage": _share(of["cache_hits"], requests),
        "requests_per_second": requests * _NANO / length if length > 0 else 0.0,
    }


def cache_metrics_of(sums: Sums) -> dict[str, Any]:
    """Return what answers out of the response cache came to."""
    of = dict(zip(MEASURES, sums, strict=True))
    return {
        "cache_hit_count": of["cache_hits"],
        "cache_hit_tokens": of["cached_tokens"],
        "cache_hit_cost_savings": usd_from_nano(of["cache_savings"]),
        "cache_hit_percentage": _share(of["cache_hits"], of["requests"]),
    }


def quantiles_of(sketches: Sequence[Sketch] | None) -> dict[str, float | None]:
    """Return the quantiles of three distributions, by both names that Respan has given them."""
    item: dict[str, float | None] = {}
    for place, (name, scale) in enumerate(zip(QUANTILED, _SCALES, strict=True)):
        for part in _PARTS:
            value = None if sketches is None else quantile(sketches[place], part / 100)
            item[f"{name}_p_{part}"] = item[f"{name}_quantiles_p_{part}"] = None if value is None else value / scale
    return item


def date_group(shown: TimeRange, number: int) -> str:
    """Return where a bucket begins, as its zone writes it."""
    start = shown.starts[number]
    minutes = shown.offset // 60_000_000_000
    local = _EPOCH + timedelta(microseconds=start // 1000, minutes=minutes)
    sign, (hours, rest) = "-" if minutes < 0 else "+", divmod(abs(minutes), 60)
    return f"{local:%Y-%m-%dT%H:%M:%S}" + (f"{sign}{hours:02}:{rest:02}" if minutes else "Z")


def rows_of(shown: TimeRange, item_of: Callable[[int], Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return a row for each bucket, also for those in which nothing happened."""
    return [{"date_group": date_group(shown, number), **item_of(number)} for number in range(len(shown.starts))]


def elapsed(bounds: tuple[int, int], now: int) -> int:
    """Return how much of a time is over."""
    since, until = bounds
    return min(until, now) - since if since < now else until - since


def picked(item: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    """Return some members of an item; all, where none is named."""
    return {name: value for name, value in item.items() if name in names} if names else dict(item)


def added(sums: Sequence[Sums]) -> Sums:
    """Return several sums as one."""
    return [sum(amounts) for amounts in zip(*sums, strict=True)] if sums else [0] * len(MEASURES)


def _mean(total: int, count: int, scale: int = 1) -> float | None:
    return total / count / scale if count else None


def _share(part: int, whole: int) -> float | None:
    return 100 * part / whole if whole else None
