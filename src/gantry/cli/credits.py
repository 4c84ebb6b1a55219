"""`gantry credits`: the ledger that calls through platform credentials are paid from. Nothing in it is changed."""

import time
from decimal import Decimal, InvalidOperation
from pathlib import Path

import click
import msgspec

from gantry.cli.live import make_live
from gantry.cli.opened import OpenHome, open_home
from gantry.cli.options import home_option, json_option, organization_option
from gantry.cli.rules_writing import author
from gantry.cli.table import print_table
from gantry.cli.when import Ahead, iso
from gantry.console.books_form import decided_by
from gantry.console.credit_change import balance_item, enter, entry_item, make_known, read_balance
from gantry.core.audit_entry import AuditAction
from gantry.core.credits import BY_PEOPLE, OF_CALLS, EntryKind, NewEntry
from gantry.core.errors import CallerError
from gantry.core.limit_check import LimitRefused
from gantry.core.limit_words import amount_in_words, read_amount
from gantry.core.limits import LimitUnit
from gantry.store.addresses import log_address
from gantry.store.credits import count_entries, entries_of, find_entry
from gantry.store.logs import LogStore

_SHOWN = frozenset(EntryKind) - OF_CALLS


class Usd(click.ParamType[Decimal]):
    name = "usd"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Decimal:
        try:
            return Decimal(str(value))
        except InvalidOperation:
            self.fail(f"{value!r} is no amount in USD", param, ctx)


@click.group()
def group() -> None:
    """Show and add the credits that calls through platform credentials are paid with."""


@group.command()
@home_option
@organization_option
@json_option
def balance(home: Path, organization: str | None, as_json: bool) -> None:
    """Show what is there: what was granted, less what calls were charged that are recorded."""
    with open_home(home, organization) as opened:
        with opened.control.reading() as connection:
            try:
                minimum = decided_by(connection, opened.organization_id).settings.minimum_balance
            except CallerError as error:
                raise click.ClickException(error.message) from error
        store = _open_ledger(opened)
        found = read_balance(store, opened.organization_id)
        store.close()
    if as_json:
        click.echo(msgspec.json.encode(balance_item(found, minimum)))
        return
    click.echo(_usd(found.balance))
    said = f"{_usd(found.granted)} granted, {_usd(found.charged)} charged"
    click.echo(f"{said}; calls are refused at {_usd(minimum)}" if minimum else said, err=True)


@group.command(name="list")
@home_option
@organization_option
@click.option(
    "--type", "kinds", multiple=True, type=click.Choice(EntryKind, case_sensitive=False), help="Only such; repeat it."
)
@click.option("-n", "--limit", type=click.IntRange(1, 1000), default=20, show_default=True)
@click.option("--page", type=click.IntRange(1), default=1, show_default=True)
@json_option
def list_entries(
    home: Path, organization: str | None, kinds: tuple[EntryKind, ...], limit: int, page: int, as_json: bool
) -> None:
    """List what was entered, the newest first. What calls were charged is listed by `--type usage` alone."""
    chosen = frozenset(kinds) or _SHOWN
    with open_home(home, organization) as opened:
        store = _open_ledger(opened)
        with store.reading() as connection:
            found = entries_of(connection, opened.organization_id, kinds=chosen, page=page, page_size=limit)
            count = count_entries(connection, opened.organization_id, kinds=chosen)
        store.close()
    if as_json:
        click.echo(msgspec.json.encode([entry_item(entry) for entry in found]))
        return
    print_table(
        ("ID", "TYPE", "AMOUNT", "ENTERED", "EXPIRES", "REFERENCE", "DESCRIPTION"),
        [
            (
                entry.id,
                entry.kind,
                _usd(entry.amount),
                iso(entry.created_at) or "",
                iso(entry.expires_at) or "",
                entry.reference or entry.log_id or "",
                entry.description,
            )
            for entry in found
        ],
    )
    click.echo(f"{len(found)} of {count}", err=True)


@group.command(context_settings={"ignore_unknown_options": True})  # a negative amount looks like an option
@click.argument("kind", type=click.Choice(sorted(BY_PEOPLE), case_sensitive=False))
@click.argument("amount", type=Usd())
@home_option
@organization_option
@click.option("--reference", help="What it is known by: the same again is entered once.")
@click.option("--expires", type=Ahead(), help="When what is left of it goes: 365d, or 2026-12-31.")
@click.option("--description", default="", help="What it is for.")
@json_option
def add(
    kind: EntryKind,
    amount: Decimal,
    home: Path,
    organization: str | None,
    reference: str | None,
    expires: int | None,
    description: str,
    as_json: bool,
) -> None:
    """Enter credits of AMOUNT USD; an adjustment may be negative. Prints the entry's id, as the last line of stdout."""
    try:
        nano = read_amount(LimitUnit.COST, amount)
    except LimitRefused as error:
        raise click.ClickException(str(error)) from error
    with open_home(home, organization) as opened:
        entry = NewEntry(
            organization_id=opened.organization_id,
            kind=kind,
            amount=nano,
            created_at=time.time_ns(),
            expires_at=expires,
            description=description,
            reference=reference,
            author=author(),
        )
        store = _open_ledger(opened)
        try:
            made, is_new = enter(store, entry)
            if is_new:
                what = {"kind": made.kind, "nano_usd": made.amount}
                opened.control.note(made.organization_id, AuditAction.CREDITS_ADDED, made.id, **what)
            version = make_known(opened.control)
            found = read_balance(store, opened.organization_id)
        except CallerError as error:
            raise click.ClickException(error.message) from error
        finally:
            store.close()
        click.echo(msgspec.json.encode(entry_item(made)) if as_json else made.id)
        said = f"Entered {_usd(made.amount)}" if is_new else f"{reference} was entered at {iso(made.created_at)}"
        click.echo(f"{said}; the balance is {_usd(found.balance)}.", err=True)
        make_live(opened, version)


@group.command()
@click.argument("entry_id", metavar="ID")
@home_option
@organization_option
def show(entry_id: str, home: Path, organization: str | None) -> None:
    """Show one entry, as JSON."""
    with open_home(home, organization) as opened:
        store = _open_ledger(opened)
        with store.reading() as connection:
            entry = find_entry(connection, opened.organization_id, entry_id)
        store.close()
    if entry is None:
        raise click.ClickException(f"no entry has the id {entry_id!r}; see `gantry credits list`")
    click.echo(msgspec.json.format(msgspec.json.encode(entry_item(entry)), indent=2))


def _open_ledger(opened: OpenHome) -> LogStore:
    return LogStore(log_address(opened.settings, opened.home))


def _usd(nano: int) -> str:
    return amount_in_words(LimitUnit.COST, nano)
