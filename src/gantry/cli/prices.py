"""`gantry prices`: history priced again by the rates of today."""

import time
from pathlib import Path
from typing import Any

import click
import msgspec

from gantry.clerk.custom_prices import CustomPrices
from gantry.clerk.price_table import open_rates
from gantry.clerk.recompute import Drift, Recompute, Served, Sums
from gantry.cli.logs import open_logs
from gantry.cli.opened import store_address
from gantry.cli.options import home_option, json_option
from gantry.cli.price_view import exact_dollars
from gantry.cli.table import print_table
from gantry.cli.when import Ago, iso
from gantry.core.money import usd_from_nano
from gantry.store.database import StoreUnavailable
from gantry.store.repricing import PricedQuery

_DRIFT = ("PROVIDER", "MODEL", "LOGS", "CHANGED", "NOW PRICED", "NOW UNKNOWN", "BEFORE $", "AFTER $", "DRIFT $")


@click.group()
def group() -> None:
    """Show prices, explain a cost, price history again."""


@group.command()
@home_option
@click.option("--from", "since", type=Ago(), required=True, help="Logs of calls from then on: 2026-11-01, or 30d.")
@click.option("--to", "until", type=Ago(), help="And until before then.  [default: now]")
@click.option("--model", help="Only those that asked for this model, or that it served.")
@click.option("--provider", "provider_id", metavar="ID", help="Only those that this provider served.")
@click.option("--dry-run", is_flag=True, help="Change nothing, and show what would change.")
@json_option
def recompute(
    home: Path,
    since: int,
    until: int | None,
    model: str | None,
    provider_id: str | None,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Price stored logs again, from the units that they keep, and show how costs have moved.

    It may run beside `gantry serve`, and may be interrupted: what is done stays done, and is not done twice.
    """
    until = time.time_ns() if until is None else until
    with open_logs(home) as (opened, logs):
        customs = CustomPrices(store_address(opened.settings, opened.home.control_db))
        customs.refresh()
        query = PricedQuery(
            organization_id=opened.organization_id, since=since, until=until, model=model, provider_id=provider_id
        )
        job = Recompute(logs, query, open_rates(opened.home.cache), customs.find, dry_run=dry_run)
        _run(job, since)
    if as_json:
        click.echo(msgspec.json.encode({"dry_run": dry_run, "from": iso(since), "to": iso(until), **_view(job.drift)}))
    else:
        _print(job.drift, dry_run=dry_run)


def _run(job: Recompute, since: int) -> None:
    """Do all of it. Where it ends early, say from where to go on."""
    try:
        while job.step():
            pass
    except (KeyboardInterrupt, StoreUnavailable) as error:
        reason = str(error) or "interrupted"
        done = job.drift.total().logs
        go_on = iso(max(job.mark[0], since))
        raise click.ClickException(f"{reason}. {done} logs are done; go on with --from {go_on}") from error


def _view(drift: Drift) -> dict[str, Any]:
    return {
        **_sums_view(drift.total()),
        "left": {reason.name.lower(): count for reason, count in sorted(drift.left.items())},
        "models": [
            {"provider_id": provider_id or None, "model": model or None, **_sums_view(sums)}
            for (provider_id, model), sums in _ordered(drift)
        ],
    }


def _sums_view(sums: Sums) -> dict[str, Any]:
    return {
        "logs": sums.logs,
        "changed": sums.changed,
        "now_priced": sums.now_priced,
        "now_unknown": sums.now_unknown,
        "cost_before": usd_from_nano(sums.before),
        "cost_after": usd_from_nano(sums.after),
    }


def _print(drift: Drift, *, dry_run: bool) -> None:
    """Print what has moved on stdout, and what is to be known about it on stderr."""
    total = drift.total()
    moved = [(served, sums) for served, sums in _ordered(drift) if sums.changed]
    if moved:
        print_table(_DRIFT, [_row(served, sums) for served, sums in (*moved, (("all", ""), total))])
    would = " would change; this was a dry run" if dry_run else " changed"
    click.echo(f"{total.changed} of {total.logs} logs{would}.", err=True)
    for reason, count in sorted(drift.left.items()):
        click.echo(f"{count} {reason} are left as they are.", err=True)


def _ordered(drift: Drift) -> list[tuple[Served, Sums]]:
    """Return the sums, those that have moved most first."""
    return sorted(drift.by_served.items(), key=lambda item: (-abs(item[1].after - item[1].before), item[0]))


def _row(served: Served, sums: Sums) -> tuple[str, ...]:
    counts = (sums.logs, sums.changed, sums.now_priced, sums.now_unknown)
    costs = (sums.before, sums.after, sums.after - sums.before)
    return (*served, *map(str, counts), *map(exact_dollars, costs))
