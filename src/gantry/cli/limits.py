"""`gantry limits`: what keys, customers, models and the organization may use. The CLI's twin of `/api/limits/`."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import click
import msgspec
from msgspec.structs import replace

from gantry.board.all_counters import AllCounters, SharedSilent
from gantry.clerk.publish import published_snapshot
from gantry.cli.limit_report import party_of, report_party, row_of, whose
from gantry.cli.live import make_live
from gantry.cli.opened import OpenHome, counters_of, open_home
from gantry.cli.options import home_option, json_option
from gantry.cli.table import print_table
from gantry.console.limit_change import add_checked, change_checked, known_limit, refused, remove_checked
from gantry.console.limit_form import broken_item, limit_item
from gantry.console.limit_use import Use, use_of_limit, uses_for
from gantry.core.errors import CallerError
from gantry.core.limit_check import LimitRefused
from gantry.core.limit_terms import is_each, terms_of
from gantry.core.limit_words import LimitWords, amount_in_words, read_amount, read_words
from gantry.core.limits import Limit, LimitAction, LimitScope, LimitUnit
from gantry.core.periods import Period
from gantry.core.vocabulary import Environment
from gantry.store.keys import find_key, keys_of
from gantry.store.limits import BrokenLimit, StoredLimit, limits_of, read_limits

org_option = click.option("--org", metavar="NAME", help="Another organization than the first, by name or id.")
env_option = click.option("--env", "environment", type=click.Choice(Environment, case_sensitive=False))
alert_option = click.option(
    "--alert", "alerts", type=int, multiple=True, metavar="PERCENT", help="Send an alert at this share; repeat it."
)


@click.group()
def group() -> None:
    """Limit what keys, customers, models and the organization may use."""


@group.command()
@home_option
@org_option
@click.option("--key", metavar="KEY", help="An API key, by id, prefix or name; `*` is each by itself.")
@click.option("--customer", metavar="ID", help="A customer, by identifier; `*` is each by itself.")
@click.option("--model", metavar="MODEL", help="A model as callers write it; `mistral/*` is all that fit, together.")
@click.option("--organization", is_flag=True, help="All calls together.")
@click.option("--cost", type=float, metavar="USD", help="What they may cost.")
@click.option("--requests", type=int, metavar="N", help="How many there may be.")
@click.option("--tokens", type=int, metavar="N", help="How many tokens they may take, input and output.")
@click.option("--concurrency", type=int, metavar="N", help="How many may be under way.")
@click.option(
    "--per", type=click.Choice(Period, case_sensitive=False), help="Begin anew with each. [default: lifetime]"
)
@click.option("--warn", is_flag=True, help="Say so in log and alert, and let the call pass.")
@env_option
@alert_option
@click.option("--name", default="", help="What it is called in logs and messages.")
@json_option
def add(home: Path, org: str | None, as_json: bool, alerts: tuple[int, ...], **given: Any) -> None:
    """Add a limit: exactly one of whose it is, and exactly one of what it counts."""
    words = LimitWords(alerts=alerts, **given)
    with open_home(home, org) as opened, _told():
        with opened.control.changing() as change:
            find = partial(_find_key_id, change.connection, opened.organization_id)
            stored = add_checked(change, opened.organization_id, read_words(words, find))
        if as_json:
            click.echo(msgspec.json.encode(limit_item(stored, None)))
        click.echo(f"Added {stored.limit.name} ({stored.limit.id}): {_described(opened, stored.limit)}.", err=True)
        make_live(opened, change.version)


@group.command(name="list")
@home_option
@org_option
@json_option
def list_limits(home: Path, org: str | None, as_json: bool) -> None:
    """List the limits with what they have counted. Of one of `*`, each subject has its own: see `show`."""
    now = time.time_ns()
    with open_home(home, org) as opened, counters_of(opened) as counters:
        with opened.control.reading() as connection:
            found = read_limits(connection, opened.organization_id)
            names = {key.id: key.name for key in keys_of(connection, opened.organization_id)}
        uses, silence = _uses_of(counters, found, now)
    if silence is not None:
        click.echo(f"What is used is not known now: {silence}.", err=True)
    if as_json:
        items = [
            limit_item(one, use) if isinstance(one, StoredLimit) else broken_item(one)
            for one, use in zip(found, uses, strict=True)
        ]
        click.echo(msgspec.json.encode(items))
        return
    unknown = "each its own" if silence is None else "not known"
    rows = [row_of(one, use, names, unknown) for one, use in zip(found, uses, strict=True)]
    print_table(("NAME", "WHOSE", "LIMIT", "ENV", "ACTION", "USED", "RESETS", "ID", "MANAGED BY"), rows)


@group.command()
@click.argument("limit", required=False)
@home_option
@org_option
@click.option("--key", metavar="KEY", help="Whose next call is asked about: an API key, by id, prefix or name.")
@click.option("--customer", metavar="ID", help="For whom it is.")
@click.option("--model", metavar="MODEL", help="What it asks for, as callers write it.")
@json_option
def show(
    limit: str | None,
    home: Path,
    org: str | None,
    key: str | None,
    customer: str | None,
    model: str | None,
    as_json: bool,
) -> None:
    """Show a LIMIT; or, with --key, everything that the key's next call must pass, and what would block it."""
    if (limit is None) is (key is None):
        raise click.UsageError("name a LIMIT, or a key by --key; a customer's part of a LIMIT of `*` by `--customer`")
    now = time.time_ns()
    with (
        open_home(home, org) as opened,
        counters_of(opened) as counters,
        _told(),
    ):
        organization_id = opened.organization_id
        if limit is not None:
            with opened.control.reading() as connection:
                found = known_limit(connection, organization_id, limit)
            if isinstance(found, BrokenLimit):
                raise click.ClickException(f"this version of Gantry does not read that limit: {found.reason}")
            use = use_of_limit(counters, organization_id, found.limit, customer or "", now)
            click.echo(msgspec.json.format(msgspec.json.encode(limit_item(found, use)), indent=2))
            return
        assert key is not None, "one of the two was given"
        with opened.control.reading() as connection:
            asking = find_key(connection, organization_id, key)
            limits = [one.limit for one in limits_of(connection, organization_id)]
        snapshot = published_snapshot(opened.home, opened.keyring)
        terms = None if snapshot is None else snapshot.books_of(organization_id).credits
        uses = list(uses_for(counters, limits, party_of(asking, customer, model), now, terms))
        report_party(asking, uses, as_json=as_json)


@group.command(name="set")
@click.argument("limit")
@home_option
@org_option
@click.option("--amount", type=float, help="How much it is from now on: USD of a cost, else a number.")
@click.option("--warn/--block", "warn", default=None, help="What becomes of calls beyond it.")
@click.option("--name", help="What it is called in logs and messages.")
@alert_option
@click.option("--no-alerts", is_flag=True, help="Send none.")
def set_limit(
    limit: str,
    home: Path,
    org: str | None,
    amount: float | None,
    warn: bool | None,
    name: str | None,
    alerts: tuple[int, ...],
    no_alerts: bool,
) -> None:
    """Change LIMIT, named by its id or name: what is not given stays. What it counts stays in any case."""
    if amount is None and warn is None and name is None and not alerts and not no_alerts:
        raise click.UsageError("give --amount, --warn, --block, --name, --alert or --no-alerts")

    def edit(known: Limit) -> Limit:
        said: dict[str, Any] = {}
        if amount is not None:
            said["amount"] = _amount(known.unit, amount)
        if warn is not None:
            said["action"] = LimitAction.WARN if warn else LimitAction.BLOCK
        if name is not None:
            said["name"] = name
        if alerts or no_alerts:
            said["alerts"] = alerts
        return replace(known, **said)

    with open_home(home, org) as opened, _told():
        with opened.control.changing() as change:
            stored = change_checked(change, opened.organization_id, limit, edit, None)
        click.echo(f"{stored.limit.name}: {_described(opened, stored.limit)}.", err=True)
        make_live(opened, change.version)


@group.command()
@click.argument("limit")
@home_option
@org_option
def remove(limit: str, home: Path, org: str | None) -> None:
    """Remove LIMIT, named by its id or name."""
    with open_home(home, org) as opened, _told():
        with opened.control.changing() as change:
            gone = remove_checked(change, opened.organization_id, limit, None)
        click.echo(f"Removed {gone.limit.name if isinstance(gone, StoredLimit) else gone.name}.", err=True)
        make_live(opened, change.version)


@group.command()
@click.argument("limit")
@home_option
@org_option
@click.option("--key", metavar="KEY", help="Of a limit of `*`: whose counter.")
@click.option("--customer", metavar="ID", help="Of a limit of `*`: whose counter.")
def reset(limit: str, home: Path, org: str | None, key: str | None, customer: str | None) -> None:
    """Let what LIMIT has counted in this period begin anew. Logs and sums stay what they are.

    That is on this machine, or on all that share their counters.
    """
    with (
        open_home(home, org) as opened,
        counters_of(opened) as counters,
        _told(),
    ):
        organization_id = opened.organization_id
        with opened.control.reading() as connection:
            found = known_limit(connection, organization_id, limit)
            if isinstance(found, BrokenLimit):
                raise click.ClickException(f"this version of Gantry does not read that limit: {found.reason}")
            known = found.limit
            subject = "" if key is None else find_key(connection, organization_id, key).id
        if known.unit is LimitUnit.CONCURRENCY:
            raise click.ClickException("calls under way are not counted up: each counts until it ends")
        if is_each(known):
            subject = customer or "" if known.scope is LimitScope.CUSTOMER else subject
            if not subject:
                option = "--customer" if known.scope is LimitScope.CUSTOMER else "--key"
                raise click.UsageError(f"{known.name} counts each by itself: say whose, with {option}")
        terms = terms_of(organization_id, known, subject)
        before = 0 if counters is None else counters.read(terms, time.time_ns())
        if counters is not None:
            counters.reset([terms.key])
        used = amount_in_words(known.unit, before)
        click.echo(f"{known.name} begins anew; it had counted {used}.", err=True)


def _uses_of(
    counters: AllCounters | None, found: Sequence[StoredLimit | BrokenLimit], now: int
) -> tuple[list[Use | None], SharedSilent | None]:
    """Return how limits stand; or of none, and why, where their counters do not answer."""
    try:
        uses = [
            use_of_limit(counters, one.organization_id, one.limit, "", now) if isinstance(one, StoredLimit) else None
            for one in found
        ]
    except SharedSilent as error:
        return [None] * len(found), error
    return uses, None


@contextmanager
def _told() -> Iterator[None]:
    """Turn what is refused into an error of the command."""
    try:
        yield
    except LimitRefused as error:
        raise click.ClickException(refused(error).message) from error
    except CallerError as error:
        raise click.ClickException(error.message) from error


def _find_key_id(connection: Any, organization_id: str, text: str) -> str:
    return find_key(connection, organization_id, text).id


def _amount(unit: LimitUnit, given: float) -> int:
    return read_amount(unit, given if unit is LimitUnit.COST else int(given) if given.is_integer() else given)


def _described(opened: OpenHome, limit: Limit) -> str:
    with opened.control.reading() as connection:
        names = {key.id: key.name for key in keys_of(connection, opened.organization_id)}
    amount = amount_in_words(limit.unit, limit.amount)
    per = "" if limit.unit is LimitUnit.CONCURRENCY else f" per {limit.period}"
    if limit.period is Period.LIFETIME and limit.unit is not LimitUnit.CONCURRENCY:
        per = " ever"
    beyond = (
        "calls beyond it pass with a warning" if limit.action is LimitAction.WARN else "calls beyond it are refused"
    )
    return f"{amount}{per} for {whose(limit, names)}; {beyond}"
