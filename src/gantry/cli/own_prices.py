"""`gantry prices set|unset|own`: an operator's own rates, above everything but custom models."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, Final, TypeVar

import click
import msgspec

from gantry.cli.opened import open_home
from gantry.cli.options import home_option, json_option
from gantry.cli.price_view import plain
from gantry.cli.table import print_table
from gantry.console.own_prices import own_lines, put_line, take_back
from gantry.console.price_item import own_item, told_prices
from gantry.core.errors import CallerError
from gantry.prices.folder import PriceFolder, PricesDamaged
from gantry.prices.operator_rates import TOLD, operator_line
from gantry.prices.overrides import RateLine
from gantry.prices.price_units import dollars_of, unit_of

_HEAD: Final = ("PROVIDER", "MODEL", "SINCE", "FOR", "PRICES", "BY")
_Command = TypeVar("_Command", bound=Callable[..., Any])


class Dollars(click.ParamType[Decimal]):
    name = "usd"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Decimal:
        try:
            price = Decimal(str(value).removeprefix("$"))
        except InvalidOperation:
            price = Decimal("NaN")
        if not (price.is_finite() and price >= 0):
            self.fail(f"{value!r} is no amount of dollars", param, ctx)
        return price


class Day(click.ParamType[date]):
    name = "day"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> date:
        if isinstance(value, date):
            return value
        try:
            return date.fromisoformat(str(value))
        except ValueError:
            self.fail(f"{value!r} is no day; it looks like 2026-12-01", param, ctx)


def _price_options(command: _Command) -> _Command:
    for name in reversed(TOLD):
        option = f"--{name.replace('_', '-')}"
        command = click.option(option, name, type=Dollars(), help=f"USD per {unit_of(name).per}.")(command)
    return command


_since_option = click.option("--since", type=Day(), help="The first day that they hold (UTC).  [default: today]")
_tier_option = click.option("--service-tier", help="Only for calls that were billed by this tier.")


@click.command("set")
@click.argument("provider_id", metavar="PROVIDER")
@click.argument("model")
@_since_option
@_tier_option
@_price_options
@home_option
def set_prices(
    provider_id: str, model: str, since: date | None, service_tier: str | None, home: Path, **prices: Decimal | None
) -> None:
    """Set your own prices of MODEL of PROVIDER, from a day on. A `*` ends a name that stands for any end.

    They hold above the published ones and Gantry's, and stand alone: a unit that is not named has no price. What is
    charged relative to a provider's list prices, as in a batch, applies to them.
    """
    day = datetime.now(UTC).date() if since is None else since
    try:
        line = operator_line(provider_id, (model,), day, prices, service_tier)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    with open_home(home) as opened, _shown():
        put_line(PriceFolder(opened.home.prices), line)
    click.echo(f"{provider_id}/{model} since {day}: {_told(line)}.")
    click.echo("Calls from now on are priced so; those that are stored by `gantry prices recompute`.", err=True)


@click.command()
@click.argument("provider_id", metavar="PROVIDER")
@click.argument("model")
@_since_option
@home_option
def unset(provider_id: str, model: str, since: date | None, home: Path) -> None:
    """Take back your own prices of MODEL of PROVIDER: all, or those since a day."""
    with open_home(home) as opened, _shown():
        count = take_back(PriceFolder(opened.home.prices), provider_id, model, since)
    click.echo(f"{count} prices of {provider_id}/{model} are taken back.")


@click.command()
@home_option
@json_option
def own(home: Path, as_json: bool) -> None:
    """List your own prices, and who set them: a command, or gantry.toml."""
    with open_home(home) as opened, _shown():
        lines = own_lines(PriceFolder(opened.home.prices))
    if as_json:
        click.echo(msgspec.json.encode([own_item(line, by) for line, by in lines]))
    elif lines:
        rows = [
            (line.provider, ", ".join(line.names), str(line.since), _for(line), _told(line), by) for line, by in lines
        ]
        print_table(_HEAD, rows)
    else:
        click.echo("You have set no prices of your own.", err=True)


@contextmanager
def _shown() -> Iterator[None]:
    """Let what is refused inside become one line on stderr."""
    try:
        yield
    except (CallerError, PricesDamaged) as error:
        raise click.ClickException(str(error)) from error


def _told(line: RateLine) -> str:
    told = ((name, plain(dollars_of(price, name))) for name, price in told_prices(line))
    return ", ".join(f"{name} {dollars} per {unit_of(name).per}" for name, dollars in told)


def _for(line: RateLine) -> str:
    return "" if line.service_tier is None else f"service tier {line.service_tier}"
