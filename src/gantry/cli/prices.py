"""`gantry prices`: what a model costs, how a cost came about, and history priced again by the rates of today."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click
import msgspec

from gantry.board.all_counters import AllCounters, SharedSilent
from gantry.clerk.correct_prices import PriceCorrections
from gantry.clerk.custom_prices import CustomPrices
from gantry.clerk.explain_cost import explain_cost
from gantry.clerk.price_table import open_rates
from gantry.clerk.recompute import Drift, Recompute, Served, Sums
from gantry.clerk.refill import books_now
from gantry.cli.logs import open_logs
from gantry.cli.opened import OpenHome, counters_of, open_home, store_address
from gantry.cli.options import home_option, json_option
from gantry.cli.own_prices import own, set_prices, unset
from gantry.cli.price_data import import_data, refresh, rollback
from gantry.cli.price_view import (
    card_rows,
    day_of,
    exact_dollars,
    explained_view,
    history_rows,
    line_row,
)
from gantry.cli.reconcile import reconcile
from gantry.cli.table import print_table
from gantry.cli.when import Ago, iso
from gantry.console.price_item import card_item
from gantry.core.custom_model import model_behind
from gantry.core.model_ref import parse_model_ref
from gantry.core.money import usd_from_nano
from gantry.core.priced_log import NewPrice
from gantry.prices.card import price_card
from gantry.prices.folder import PriceFolder
from gantry.store.database import StoreUnavailable
from gantry.store.logs import LogStore
from gantry.store.repricing import PricedQuery

_DRIFT = ("PROVIDER", "MODEL", "LOGS", "CHANGED", "NOW PRICED", "NOW UNKNOWN", "BEFORE $", "AFTER $", "DRIFT $")


_PRICES = ("UNIT", "USD", "PER", "FOR")
_HISTORY = ("SINCE", "FOR", "BY", "PRICES")
_PARTS = ("UNIT", "COUNT", "USD", "PER", "AMOUNT $", "NOTE")


@click.group()
def group() -> None:
    """Show, import and set prices, explain a cost, price history again, compare with a bill."""


@group.command()
@click.argument("model")
@home_option
@click.option("--provider", "provider_id", metavar="ID", help="Whose model it is, where its name does not tell.")
@click.option("--at", type=Ago(), help="At this moment: 2026-11-01, or 30d ago.  [default: now]")
@json_option
def show(model: str, home: Path, provider_id: str | None, at: int | None, as_json: bool) -> None:
    """Show what MODEL costs, by unit, with source and version; for which calls it costs something else; and since when.

    MODEL is a name as callers write it: mistral/mistral-large-latest, a bare one, or one of your own.
    """
    at = time.time_ns() if at is None else at
    with open_home(home) as opened:
        rates, customs = open_rates(opened.home.cache, PriceFolder(opened.home.prices)), _customs(opened)
        custom = customs.find(opened.organization_id, model)
    ref = parse_model_ref(model, rates.providers) if custom is None else model_behind(custom, rates.providers)
    owner = provider_id or (None if custom is None else custom.provider_id) or ref.prefix or rates.provider_of(ref.name)
    if owner is None:
        raise click.ClickException(f"no provider claims a model {model!r}; name its provider with --provider")
    card = price_card(rates, owner, ref.name, at, custom)
    if as_json:
        click.echo(msgspec.json.encode(card_item(card, at)))
        return
    if card.rate is None:
        click.echo(f"No price of {owner}/{ref.name} is known at {iso(at)}: what its calls cost is unknown.")
    else:
        since = "" if card.since is None else f", since {day_of(card.since)}"
        click.echo(f"{owner}/{ref.name} at {iso(at)}: {card.rate.model}, by {card.rate.version}{since}")
        print_table(_PRICES, card_rows(card))
    if card.history:
        click.echo()
        print_table(_HISTORY, history_rows(card))


@group.command()
@click.argument("log_id")
@home_option
@json_option
def explain(log_id: str, home: Path, as_json: bool) -> None:
    """Show how the cost of one log came about, unit by unit, and what it would be today."""
    with open_logs(home) as (opened, logs):
        log = logs.find(opened.organization_id, log_id)
        if log is None:
            raise click.ClickException(f"no log has the id {log_id!r}; a call just made is stored within a second")
        explained = explain_cost(
            log, open_rates(opened.home.cache, PriceFolder(opened.home.prices)), _customs(opened).find
        )
    if as_json:
        click.echo(msgspec.json.encode(explained_view(explained)))
        return
    named = f"{log.provider_id or 'nobody'}/{log.model or 'no model'}"
    if explained.cost is not None:
        rows = [line_row(line) for line in explained.lines]
        print_table(_PARTS, [*rows, ("cost", "", "", "", exact_dollars(explained.cost), "")])
    elif log.price_missing:
        click.echo(
            f"The cost is unknown: there is no price for what {named} used, {msgspec.json.encode(log.usage).decode()}."
        )
    else:
        click.echo(f"The cost is unknown: nothing is known of what {named} used.")
    if explained.version or explained.source:
        click.echo(f"priced by {explained.version or explained.source}", err=True)
    if explained.savings is not None:
        click.echo(f"without the cache it would have cost {exact_dollars(explained.savings)}", err=True)
    if explained.today != explained.cost:
        today = "unknown" if explained.today is None else exact_dollars(explained.today)
        click.echo(f"by the rates of today it is {today}: see `gantry prices recompute --dry-run`", err=True)


for _command in (reconcile, import_data, refresh, rollback, set_prices, unset, own):
    group.add_command(_command)


def _customs(opened: OpenHome) -> CustomPrices:
    customs = CustomPrices(store_address(opened.settings, opened.home.control_db))
    customs.refresh()
    return customs


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
        query = PricedQuery(
            organization_id=opened.organization_id, since=since, until=until, model=model, provider_id=provider_id
        )
        rates, customs = open_rates(opened.home.cache, PriceFolder(opened.home.prices)), _customs(opened)
        with counters_of(opened) as counters:
            moved = _corrections(opened, logs, counters)
            job = Recompute(logs, query, rates, customs.find, dry_run=dry_run, moved=moved)
            _run(job, since)
    if as_json:
        click.echo(msgspec.json.encode({"dry_run": dry_run, "from": iso(since), "to": iso(until), **_view(job.drift)}))
    else:
        _print(job.drift, dry_run=dry_run)


def _corrections(
    opened: OpenHome, logs: LogStore, counters: AllCounters | None
) -> Callable[[Sequence[NewPrice]], None]:
    """Return what sets the board right. One that is new gets what there is from the clerk, who fills it."""
    if counters is None or counters.is_new:
        return lambda _: None
    with opened.control.reading() as connection:
        books, bound = books_now(connection, logs)
    return PriceCorrections(counters, books, bound, time.time_ns)


def _run(job: Recompute, since: int) -> None:
    """Do all of it. Where it ends early, say from where to go on."""
    try:
        while job.step():
            pass
    except (KeyboardInterrupt, StoreUnavailable, SharedSilent) as error:
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
