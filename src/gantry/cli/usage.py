"""`gantry usage`: what was called and what it cost, by day or by group; from the sums that dashboards show."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import click
import msgspec

from gantry.cli.opened import OpenHome, open_home
from gantry.cli.options import home_option, json_option, organization_option
from gantry.cli.table import print_table
from gantry.console.usage_groups import Group, folded, groups_of, label_of
from gantry.console.usage_item import added, date_group, metrics_of
from gantry.core.time_range import DAY, Tick, bucket_start, make_range
from gantry.core.vocabulary import Environment
from gantry.store import Connection
from gantry.store.addresses import log_address
from gantry.store.credentials import credentials_of
from gantry.store.keys import keys_of
from gantry.store.logs import LogStore
from gantry.store.usage_sums import MEASURES, Found, Sums, UsageQuery, largest_customers, nothing, read_usage

_BY: Final = {
    "day": None,
    "model": "model",
    "key": "organization_key_id",
    "customer": "customer_identifier",
    "provider": "provider_id",
    "deployment": "credential_id",
}
_COLUMNS: Final = ("REQUESTS", "ERRORS", "INPUT", "OUTPUT", "TOKENS", "COST $", "UNPRICED")
_SHOWN: Final = ("requests", "errors", "input_tokens", "output_tokens", "total_tokens", "cost", "unpriced")


@click.command()
@home_option
@organization_option
@click.option("--by", type=click.Choice(tuple(_BY)), default="day", show_default=True, help="What it is told apart by.")
@click.option("--days", type=click.IntRange(1, 3660), default=30, show_default=True, help="So many days, with today.")
@click.option(
    "--env", "environment", type=click.Choice(Environment, case_sensitive=False), help="Only this environment."
)
@click.option("-n", "--limit", type=click.IntRange(1, 1000), default=20, show_default=True, help="The dearest so many.")
@json_option
def command(
    home: Path,
    organization: str | None,
    by: str,
    days: int,
    environment: Environment | None,
    limit: int,
    as_json: bool,
) -> None:
    """Show requests, errors, tokens and cost of the last days (UTC), with their total."""
    now = time.time_ns()
    today = bucket_start(now, Tick.DAY)
    tick = Tick.DAY if by == "day" else Tick.MONTH
    shown = make_range(today - (days - 1) * DAY, today + DAY, tick)
    with open_home(home, organization) as opened:
        query = UsageQuery(organization_id=opened.organization_id, shown=shown, environment=environment)
        logs = LogStore(log_address(opened.settings, opened.home))
        try:
            with logs.reading() as connection:
                whole = read_usage(connection, query)
                groups = [] if by == "day" else _groups(connection, query, by, whole, limit)
        finally:
            logs.close()
        names = _names(opened, by)
    if by == "day":
        rows = [(date_group(shown, number)[:10], whole.get((number, ""), nothing())) for number in range(days)]
    else:
        rows = [(names.get(group.key, label_of(group)), group.total) for group in groups]
    total = added([*whole.values()])
    if as_json:
        items = [{by: name, **_item(sums, days)} for name, sums in rows]
        click.echo(msgspec.json.encode({"rows": items, "total": _item(total, days)}))
        return
    print_table((by.upper(), *_COLUMNS), [(name, *_cells(sums)) for name, sums in (*rows, ("total", total))])


def _groups(connection: Connection, query: UsageQuery, by: str, whole: Found, most: int) -> list[Group]:
    """Return the dearest groups, and the others as one. Of customers there may be a million."""
    if by != "customer":
        return folded(groups_of(read_usage(connection, query, _BY[by])), "total_cost", most)
    dearest = largest_customers(connection, query, ("cost", None), most)
    found = read_usage(connection, query, _BY[by], only=dearest)
    return folded(groups_of(found, whole, is_partial=True), "total_cost", most)


def _names(opened: OpenHome, by: str) -> Mapping[str, str]:
    with opened.control.reading() as connection:
        if by == "key":
            keys = keys_of(connection, opened.organization_id)
            return {key.id: f"{key.name} ({key.prefix})" for key in keys}
        if by == "deployment":
            return {one.id: f"{one.provider_id}/{one.name}" for one in credentials_of(connection)}
    return {}


def _cells(sums: Sums) -> tuple[str, ...]:
    of = dict(zip(MEASURES, sums, strict=True))
    return tuple(f"{of[name] / 1e9:,.4f}" if name == "cost" else f"{of[name]:,}" for name in _SHOWN)


def _item(sums: Sums, days: int) -> dict[str, Any]:
    of = dict(zip(MEASURES, sums, strict=True))
    return {**metrics_of(sums, days * DAY), "unpriced": of["unpriced"]}
