"""`gantry console`: the way into the web console."""

from pathlib import Path

import click

from gantry.board.board import SUPERVISOR_SLOT, Board, Word
from gantry.cli.opened import OpenHome, open_home
from gantry.cli.options import home_option
from gantry.console.links import claim_link

url_option = click.option("--url", help="Where browsers find it, when that is not where `gantry serve` listens.")


@click.group()
def group() -> None:
    """Show the way into the web console."""


@group.command()
@home_option
@url_option
def link(home: Path, url: str | None) -> None:
    """Print where the console is; while it is nobody's, the link that makes whoever follows it its owner."""
    with open_home(home) as opened:
        where = url or console_url(opened)
        with opened.control.reading() as connection:
            found = claim_link(connection, opened.keyring.session, where)
    if found is None:
        click.echo("It is claimed. Who lost a password gets a link by `gantry people reset-password`.", err=True)
    click.echo(found or f"{where}/ui")


def console_url(opened: OpenHome) -> str:
    """Return where browsers find the console, as far as can be told from here."""
    settings = opened.settings
    if settings.public_url is not None:
        return settings.public_url.rstrip("/")
    listens = Board(opened.home.board).slot(SUPERVISOR_SLOT)[Word.PORT] if opened.home.board.exists() else 0
    scheme = "http" if settings.tls_certificate is None else "https"
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return f"{scheme}://{host}:{listens or settings.port}"
