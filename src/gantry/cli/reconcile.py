"""`gantry prices reconcile`: a provider's export of usage or cost beside our books."""

from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import click
import msgspec

from gantry.clerk.price_table import open_rates
from gantry.cli.logs import open_logs
from gantry.cli.options import home_option, json_option
from gantry.cli.price_view import exact_dollars
from gantry.cli.table import print_table
from gantry.core.money import usd_from_nano
from gantry.prices.exports import ROLES, Amounts, Export, ExportUnreadable, Line, read_export
from gantry.prices.folder import PriceFolder
from gantry.prices.reconcile import Compared, total_of
from gantry.prices.reconcile import reconcile as compare
from gantry.store.spending import Spent

_HEAD = ("DAY", "MODEL", "KEY", "INPUT", "OURS", "OUTPUT", "OURS", "COST $", "OURS", "DIFFERENCE", "SHARE")
_EPOCH = date(1970, 1, 1)


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@home_option
@click.option("--provider", "provider_id", metavar="ID", help="Whose export it is.  [default: by its columns]")
@click.option("--by-key", is_flag=True, help="Tell keys apart: theirs by name, ours by the credential's name.")
@click.option(
    "--column", "columns", multiple=True, metavar="MEANING=NAME", help=f"One of {', '.join(ROLES)}; repeat it."
)
@json_option
def reconcile(
    file: Path, home: Path, provider_id: str | None, by_key: bool, columns: tuple[str, ...], as_json: bool
) -> None:
    """Compare FILE, a CSV export of usage or cost from a provider, with our books by day and model.

    The difference is ours less theirs, the share its part of theirs. Logs that users posted are in our books, too.
    """
    try:
        export = read_export(file.read_text(encoding="utf-8"), provider_id, _columns(columns))
    except OSError as error:
        raise click.ClickException(f"{file} cannot be read: {error.strerror}") from error
    except (ExportUnreadable, UnicodeDecodeError) as error:
        raise click.ClickException(f"{file}: {error}") from error
    if not export.lines:
        raise click.ClickException(f"{file}: there is a head and nothing below it")
    owner = provider_id or export.format.provider
    days = [(line.day - _EPOCH).days for line in export.lines]
    with open_logs(home) as (opened, logs):
        spent = logs.spending(opened.organization_id, owner, (min(days), max(days)), by_credential=by_key)
        rates = open_rates(opened.home.cache, PriceFolder(opened.home.prices))
    compared = compare(export.lines, map(_line_of, spent), owner, rates, by_key=by_key)
    unpriced = sum(one.unpriced for one in spent)
    if as_json:
        view = {"provider_id": owner, "unknown_columns": export.unknown, "unpriced": unpriced}
        click.echo(msgspec.json.encode({**view, "lines": [_view(one) for one in compared]}))
        return
    theirs, ours = total_of(compared)
    print_table(_HEAD, [*map(_row, compared), ("all", "", "", *_amount_cells(theirs, ours))])
    _say(export, owner, unpriced)


def _say(export: Export, owner: str, unpriced: int) -> None:
    """Say on stderr what is to be known of the comparison."""
    click.echo(f"read as {owner}: {export.format.name}", err=True)
    if export.format.assumed:
        click.echo("nobody is known to have described this format, so its columns are assumed", err=True)
    if export.unknown:
        click.echo(f"columns that are not known, and not read: {', '.join(export.unknown)}", err=True)
    if unpriced:
        click.echo(f"{unpriced} of our requests have no price, so our cost lacks theirs", err=True)


def _columns(columns: Sequence[str]) -> dict[str, str]:
    named = {}
    for column in columns:
        role, equals, name = column.partition("=")
        if not equals or role not in ROLES:
            raise click.UsageError(f"--column takes MEANING=NAME, with one of {', '.join(ROLES)}, not {column!r}")
        named[role] = name
    return named


def _line_of(spent: Spent) -> Line:
    amounts = Amounts(spent.input_tokens, spent.output_tokens, spent.cost)
    return Line(_EPOCH + timedelta(days=spent.day), spent.model, spent.credential_name, amounts)


def _view(one: Compared) -> dict[str, Any]:
    return {
        "day": one.day.isoformat(),
        "model": one.model or None,
        "key": one.key or None,
        "theirs": _amounts_view(one.theirs),
        "ours": _amounts_view(one.ours),
    }


def _amounts_view(amounts: Amounts) -> dict[str, Any]:
    return {
        "input_tokens": amounts.input_tokens,
        "output_tokens": amounts.output_tokens,
        "cost": None if amounts.cost is None else usd_from_nano(amounts.cost),
    }


def _row(one: Compared) -> tuple[str, ...]:
    return (one.day.isoformat(), one.model, one.key, *_amount_cells(one.theirs, one.ours))


def _amount_cells(theirs: Amounts, ours: Amounts) -> tuple[str, ...]:
    """Return the cells of both sides; the difference is that of cost, or of tokens where theirs tells no cost."""
    cells = []
    for one, other in ((theirs.input_tokens, ours.input_tokens), (theirs.output_tokens, ours.output_tokens)):
        cells += ["" if one is None else str(one), str(other)]
    cells += ["" if theirs.cost is None else exact_dollars(theirs.cost), exact_dollars(ours.cost or 0)]
    if theirs.cost is not None:
        difference = (ours.cost or 0) - theirs.cost
        return (*cells, exact_dollars(difference), _share(difference, theirs.cost))
    whole = (theirs.input_tokens or 0) + (theirs.output_tokens or 0)
    counted = [
        other or 0
        for one, other in ((theirs.input_tokens, ours.input_tokens), (theirs.output_tokens, ours.output_tokens))
        if one is not None
    ]
    difference = sum(counted) - whole
    return (*cells, f"{difference} tokens", _share(difference, whole))


def _share(difference: int, whole: int) -> str:
    if difference == 0:
        return "0 %"
    return "" if whole == 0 else f"{difference / whole:+.2%}".replace("%", " %")
