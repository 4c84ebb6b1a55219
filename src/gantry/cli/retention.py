"""`gantry retention`: how long logs are kept. The CLI's twin of `/api/retention/`."""

import time
from pathlib import Path
from typing import Any

import click
import msgspec

from gantry.cli.opened import OpenHome, open_home
from gantry.cli.options import home_option, organization_option
from gantry.console.retention import changed_by, read_form, read_retention_item
from gantry.core.errors import CallerError
from gantry.core.retention import Retention
from gantry.store.addresses import log_address
from gantry.store.logs import LogStore
from gantry.store.retention import put_retention, retention_of

_NUMBER = click.IntRange(1)


@click.group()
def group() -> None:
    """Show and set how long logs are kept, and how much of them. Sums, customers and the ledger stay."""


@group.command()
@home_option
@organization_option
def show(home: Path, organization: str | None) -> None:
    """Show what holds, as JSON."""
    with open_home(home, organization) as opened:
        with opened.control.reading() as connection:
            retention = retention_of(connection, opened.organization_id, opened.settings.retention)
        _show(opened, retention)


@group.command(name="set")
@home_option
@organization_option
@click.option("--days", type=_NUMBER, help="Keep logs for so long.")
@click.option("--body-days", type=_NUMBER, help="Keep what was said for so long.")
@click.option("--test-days", type=_NUMBER, help="Keep logs of the test environment for so long.")
@click.option("--max-bytes", type=_NUMBER, help="Keep the newest logs that take so many bytes.")
@click.option(
    "--for-ever",
    "endless",
    multiple=True,
    type=click.Choice(["days", "body-days", "test-days", "max-bytes"]),
    help="Do not bound this any longer.",
)
def set_retention(home: Path, organization: str | None, endless: tuple[str, ...], **given: int | None) -> None:
    """Change what holds: what is not given stays. What is over then goes within the hour."""
    wanted: dict[str, Any] = {name: number for name, number in given.items() if number is not None}
    wanted |= dict.fromkeys((name.replace("-", "_") for name in endless), None)
    if not wanted:
        raise click.UsageError("say what is to change; see `gantry retention set --help`")
    with open_home(home, organization) as opened:
        try:
            form = read_form(msgspec.json.encode(wanted))
        except CallerError as error:
            raise click.ClickException(error.message) from error
        with opened.control.changing() as change:
            retention = changed_by(
                form, retention_of(change.connection, opened.organization_id, opened.settings.retention)
            )
            put_retention(change, opened.organization_id, retention)
        _show(opened, retention)


def _show(opened: OpenHome, retention: Retention) -> None:
    logs = LogStore(log_address(opened.settings, opened.home))
    try:
        item = read_retention_item(logs, opened.organization_id, retention, time.time_ns())
    finally:
        logs.close()
    click.echo(msgspec.json.format(msgspec.json.encode(item), indent=2))
