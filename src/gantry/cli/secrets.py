"""`gantry secrets`: another master key, while the gateway runs."""

import os
import signal
from pathlib import Path

import click

from gantry.board.board import CONSOLE_SLOT, Board, Word
from gantry.board.live import behind, routing_workers
from gantry.cli.live import make_live
from gantry.cli.opened import OpenHome, open_home
from gantry.cli.options import home_option
from gantry.home import Home
from gantry.keeping.rotation import Rotated, Rotation, RotationRefused


@click.group()
def group() -> None:
    """Put another master key in place of the one that seals."""


@group.command()
@home_option
@click.option("--prepare", is_flag=True, help="Only put the next key into the home, as before a fleet's rotation.")
@click.option("--alone", is_flag=True, help="No other machine uses this database.")
def rotate(home: Path, prepare: bool, alone: bool) -> None:
    """Make a new master key and seal everything anew under it, while the gateway runs.

    API keys go on working; sessions of the console end, and so do links that were sent. Interrupted, the same command
    goes on where it was.
    """
    with open_home(home) as opened:
        opened.home.lock("rotation")  # for this process's life: of two next keys one would seal what nobody opens
        environment_key = os.environ.get("GANTRY_MASTER_KEY")
        rotation = Rotation(opened.home, environment_key)
        if prepare:
            rotation.begin()
            click.echo(
                f"{opened.home.next_key} is there: from now on the next key seals here, and both open. Copy it into "
                "the home of every other machine, then run `gantry secrets rotate` on each.",
                err=True,
            )
            return
        if opened.settings.database_url is not None and not (alone or rotation.has_begun):
            raise click.ClickException(
                "other machines may use this database, and could not open what is sealed anew. Run `gantry secrets "
                "rotate --prepare` and copy the file that it names to each of them; or say --alone."
            )
        rotated = rotation.run(opened.control, lambda version: _make_live(opened, version))
        _restart_console(opened.home)
        _tell(opened.home, rotated)


def _make_live(opened: OpenHome, version: int) -> None:
    make_live(opened, version)
    late = behind(routing_workers(Board(opened.home.board)), version) if opened.home.board.exists() else []
    if late:
        raise RotationRefused("run the same command again when they route by it; until then both keys hold")


def _restart_console(home: Home) -> None:
    """End the console, which the supervisor starts again: what it signs with is derived from the key before."""
    if home.board.exists():
        pid = Board(home.board).slot(CONSOLE_SLOT)[Word.PID]
        if pid:
            try:
                os.kill(pid, signal.SIGTERM)
            except ProcessLookupError:
                pass


def _tell(home: Home, rotated: Rotated) -> None:
    click.echo(
        f"The master key is {rotated.key_id} now: {rotated.stored} secrets and {rotated.files} remembered answers are "
        "sealed anew. Sessions have ended.",
        err=True,
    )
    if rotated.text is None:
        click.echo(f"Keep a copy of {home.master_key} elsewhere; backups from before need the key before.", err=True)
        return
    click.echo(
        f"Set GANTRY_MASTER_KEY to what follows wherever it is set, and restart. Until then {home.next_key.name} in "
        "the home holds it, sealed under the key before.",
        err=True,
    )
    click.echo(rotated.text)
