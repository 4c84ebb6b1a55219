"""Points in time as people write them on a command line: `30d`, `12h`, `2026-12-31`, `2026-12-31T18:00:00Z`."""

import re
import time
from datetime import UTC, datetime

import click

_NS = 1_000_000_000
_LATEST = 2**63 - 1  # in the year 2262: what a database holds
_LONGEST = 100 * 366 * 86400 * _NS
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_SPAN = re.compile(r"(\d{1,9})([smhdw])")


def span_ns(text: str) -> int | None:
    """Return a span like `90m` in ns; None when the text is none."""
    match = _SPAN.fullmatch(text.strip())
    return None if match is None else int(match[1]) * _UNITS[match[2]] * _NS


def moment_ns(text: str) -> int | None:
    """Return an ISO date or time, UTC unless it says otherwise, in ns since the epoch; None when the text is none."""
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return int(moment.timestamp()) * _NS


def iso(ns: int | None) -> str | None:
    """Return ns since the epoch as an ISO time to the millisecond; None for None."""
    if ns is None:
        return None
    return datetime.fromtimestamp(ns / _NS, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Span(click.ParamType[int]):
    name = "span"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        found = value if isinstance(value, int) else span_ns(str(value))
        if found is None or found > _LONGEST:
            self.fail(f"{value!r} is no span of time; it looks like 30d, 12h, 45m or 90s", param, ctx)
        return found


class Ahead(click.ParamType[int]):
    """A moment, or a span from now."""

    name = "when"
    direction = 1

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        span = span_ns(str(value))
        moment = moment_ns(str(value)) if span is None else time.time_ns() + self.direction * span
        if moment is None:
            self.fail(f"{value!r} is neither a span like 30d nor a time like 2026-12-31T18:00:00Z", param, ctx)
        if abs(moment) > _LATEST:
            self.fail(f"{value!r} is no time between the years 1678 and 2262", param, ctx)
        return moment


class Ago(Ahead):
    """A moment, or a span before now."""

    direction = -1
