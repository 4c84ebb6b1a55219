"""`gantry books`: what holds for all of an organization's money. The CLI's twin of `/api/books/`."""

from pathlib import Path

import click
import msgspec
from msgspec import UNSET

from gantry.cli.live import make_live
from gantry.cli.opened import open_home
from gantry.cli.options import home_option, organization_option
from gantry.console.books_form import BooksForm, books_item, change_books, decided_by
from gantry.core.errors import CallerError
from gantry.core.limits import Unpriced


@click.group()
def group() -> None:
    """Show and set what holds for all of an organization's money: credits, calls without a price, long streams."""


@group.command()
@home_option
@organization_option
def show(home: Path, organization: str | None) -> None:
    """Show what holds, as JSON. Amounts are USD."""
    with open_home(home, organization) as opened, opened.control.reading() as connection:
        try:
            decided = decided_by(connection, opened.organization_id)
        except CallerError as error:
            raise click.ClickException(error.message) from error
    click.echo(msgspec.json.format(msgspec.json.encode(books_item(decided)), indent=2))


@group.command(name="set")
@home_option
@organization_option
@click.option(
    "--unpriced",
    type=click.Choice(Unpriced, case_sensitive=False),
    help="What becomes of a call whose price nobody knows, where a limit of cost or credits would count it.",
)
@click.option(
    "--stop-streams/--finish-streams", "stop_streams", default=None, help="End streams that have used up their hold."
)
@click.option("--markup", type=float, metavar="SHARE", help="What credits pay on top of the cost: 0.2 is a fifth.")
@click.option("--minimum-balance", type=float, metavar="USD", help="What credits do not fall below; negative lends.")
@click.option("--low-balance", type=float, metavar="USD", help="Below what an alert is sent.")
@click.option("--no-low-balance", is_flag=True, help="Send none.")
def set_books(
    home: Path,
    organization: str | None,
    unpriced: Unpriced | None,
    stop_streams: bool | None,
    markup: float | None,
    minimum_balance: float | None,
    low_balance: float | None,
    no_low_balance: bool,
) -> None:
    """Change what holds: what is not given stays."""
    form = BooksForm(
        unpriced=UNSET if unpriced is None else unpriced,
        stop_streams=UNSET if stop_streams is None else stop_streams,
        markup=UNSET if markup is None else markup,
        minimum_balance=UNSET if minimum_balance is None else minimum_balance,
        low_balance=None if no_low_balance else UNSET if low_balance is None else low_balance,
    )
    if form == BooksForm():
        raise click.UsageError("say what is to change; see `gantry books set --help`")
    with open_home(home, organization) as opened:
        try:
            with opened.control.changing() as change:
                change_books(change, opened.organization_id, form, by_operator=True)
        except CallerError as error:
            raise click.ClickException(error.message) from error
        make_live(opened, change.version)
