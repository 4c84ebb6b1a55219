"""`gantry prices import|refresh|rollback`: published prices newer than those that came with this version.

Law: what would change is shown first, and holds only after `--apply`. What looks like somebody's mistake is refused
until it is named.
"""

import tempfile
import time
import urllib.request
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, TypeVar

import click
import msgspec

from gantry.clerk.price_table import CannotCompile, compile_data, keep_table, open_published
from gantry.cli.opened import open_home
from gantry.cli.options import home_option, json_option
from gantry.cli.price_view import day_of, plain
from gantry.cli.table import print_table
from gantry.cli.when import iso
from gantry.console.price_item import hours_of
from gantry.console.probe import ask
from gantry.prices.changes import Change, find_changes
from gantry.prices.folder import PriceFolder, PricesDamaged, digest_of
from gantry.prices.price_units import dollars_of, unit_of
from gantry.prices.sealed_table import open_table

PUBLISHED_AT: Final = (
    "https://raw.githubusercontent.com/pydantic/genai-prices/refs/heads/main/prices/new_data/v2/data.json"
)
_MOST_BYTES: Final = 64 * 1024 * 1024
_HEAD: Final = ("PROVIDER", "MODEL", "UNIT", "PER", "FOR", "SINCE", "OLD $", "NEW $", "")
_ALL: Final = "all"

_Command = TypeVar("_Command", bound=Callable[..., Any])


def _change_options(command: _Command) -> _Command:
    for option in (
        json_option,
        click.option(
            "--accept",
            "accepted",
            multiple=True,
            metavar="NAME",
            help="Take over what is refused of PROVIDER/MODEL, of a PROVIDER, or of all.",
        ),
        click.option("--apply", "applies", is_flag=True, help="Let the new prices hold."),
        home_option,
    ):
        command = option(command)
    return command


@click.command("import")
@click.argument("source", metavar="FILE|URL")
@_change_options
def import_data(source: str, home: Path, applies: bool, accepted: tuple[str, ...], as_json: bool) -> None:
    """Show what prices a newer data file of genai-prices would change, and with --apply let them hold.

    Gantry's own corrections stay above it, and your own prices above those. Calls are priced by it from the next second
    on; stored logs are priced again by `gantry prices recompute`.
    """
    _import(source, home, applies=applies, accepted=accepted, as_json=as_json)


@click.command()
@_change_options
def refresh(home: Path, applies: bool, accepted: tuple[str, ...], as_json: bool) -> None:
    """As import, of what genai-prices publishes today."""
    _import(PUBLISHED_AT, home, applies=applies, accepted=accepted, as_json=as_json)


@click.command()
@home_option
def rollback(home: Path) -> None:
    """Let the prices hold that held before the last import."""
    with open_home(home) as opened:
        folder = PriceFolder(opened.home.prices)
        try:
            gone, current = folder.roll_back(), folder.current()
        except PricesDamaged as error:
            raise click.ClickException(str(error)) from error
    if gone is None:
        raise click.ClickException("nothing was imported: the prices of this version hold")
    holds = "those of this version" if current is None else current.version
    click.echo(f"The prices {gone.version} do not hold any more; {holds} do.")


def _import(source: str, path: Path, *, applies: bool, accepted: Sequence[str], as_json: bool) -> None:
    with open_home(path) as opened, tempfile.TemporaryDirectory() as aside:
        data = _read(source, opened.settings.ca_bundle)
        now = time.time_ns()
        version = f"{datetime.fromtimestamp(now // 1_000_000_000, UTC).date()} {digest_of(data)[:8]}"
        folder, file = PriceFolder(opened.home.prices), Path(aside) / "data.json"
        file.write_bytes(data)
        try:
            sealed, malformed = compile_data(file, version)
        except CannotCompile as error:
            raise click.ClickException(f"{source} is no data of genai-prices: {error}") from error
        changes = find_changes(open_published(opened.home.cache, folder), open_table(sealed), malformed)
        refused = [change for change in changes if change.suspicion and not _is_accepted(change, accepted)]
        if as_json:
            click.echo(msgspec.json.encode(_view(version, changes, refused, applied=applies and not refused)))
        else:
            _print(changes)
        if applies and changes and not refused:
            imported = folder.keep(data, version, source, now)
            keep_table(opened.home.cache, imported, sealed)
            folder.apply(imported)
        _conclude(version, changes, refused, applies=applies)


def _read(source: str, ca_bundle: Path | None) -> bytes:
    if not source.startswith(("http://", "https://")):
        try:
            return Path(source).read_bytes()
        except OSError as error:
            raise click.ClickException(f"{source} cannot be read: {error.strerror}") from error
    request = urllib.request.Request(source, headers={"accept": "application/json", "user-agent": "gantry"})
    verdict, body = ask(request, ca_bundle, _MOST_BYTES)
    if not verdict.ok:
        raise click.ClickException(verdict.text)
    return body


def _is_accepted(change: Change, accepted: Sequence[str]) -> bool:
    return any(name in (_ALL, change.provider, change.named) for name in accepted)


def _conclude(version: str, changes: Sequence[Change], refused: Sequence[Change], *, applies: bool) -> None:
    """Say what became of it on stderr; fail where it was to hold and does not."""
    if not changes:
        click.echo("These are the prices that hold.", err=True)
        return
    models = len({(change.provider, change.model) for change in changes})
    told = f"{len(changes)} prices of {models} models change"
    if refused:
        names = ", ".join(dict.fromkeys(change.named for change in refused))
        message = f"{told}. Refused: {names}. Name them with --accept if they are right"
        if applies:
            raise click.ClickException(f"{message}; nothing was applied")
        click.echo(f"{message}.", err=True)
    elif applies:
        click.echo(f"{told}: genai-prices {version} holds. Undo it with `gantry prices rollback`.", err=True)
    else:
        click.echo(f"{told} with --apply.", err=True)


def _print(changes: Sequence[Change]) -> None:
    if changes:
        print_table(_HEAD, [_row(change) for change in changes])


def _row(change: Change) -> tuple[str, ...]:
    unit = "all" if not change.unit else change.unit
    per = unit_of(change.unit).per if change.new is not None or change.old is not None else ""
    since = day_of(change.since) if change.since else ""
    prices = (_dollars(change.old, change.unit), _dollars(change.new, change.unit))
    return (change.provider, change.model, unit, per, _terms(change), since, *prices, change.suspicion)


def _terms(change: Change) -> str:
    terms = change.terms
    told = ["batch"] if terms.batch else []
    if terms.service_tier:
        told.append(f"service tier {terms.service_tier}")
    if terms.above:
        told.append(f"above {terms.above} input tokens")
    if terms.hours != (0, 0):
        told.append(hours_of(terms.hours))
    return ", ".join(told)


def _dollars(price: int | None, unit: str) -> str:
    return "" if price is None else plain(dollars_of(price, unit))


def _view(version: str, changes: Sequence[Change], refused: Sequence[Change], *, applied: bool) -> dict[str, Any]:
    return {
        "version": version,
        "applied": applied and bool(changes),
        "refused": list(dict.fromkeys(change.named for change in refused)),
        "changes": [
            {
                "provider": change.provider,
                "model": change.model,
                "unit": change.unit or None,
                "per": unit_of(change.unit).per if change.unit else None,
                "holds_for": _terms(change) or None,
                "since": iso(change.since) if change.since else None,
                "old": None if change.old is None else float(dollars_of(change.old, change.unit)),
                "new": None if change.new is None else float(dollars_of(change.new, change.unit)),
                "suspicion": change.suspicion or None,
            }
            for change in changes
        ],
    }
