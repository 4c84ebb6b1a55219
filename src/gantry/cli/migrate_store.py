"""`gantry migrate-store`: from SQLite to PostgreSQL, while the gateway is busy."""

import os
import sys
import time
from pathlib import Path

import click

from gantry.cli.opened import shown_faults
from gantry.cli.options import FROM_STDIN, home_option
from gantry.core.money import usd_from_nano
from gantry.home import Home
from gantry.keeping.moving import Move, Moved, MoveRefused, cut_over, go_on, refuse_other_revision, set_aside
from gantry.settings import load_settings
from gantry.store.control_tables import CONTROL
from gantry.store.log_tables import LOGS
from gantry.store.move_source import MoveSource
from gantry.store.move_target import PostgresTarget, forget_move


@click.command()
@home_option
@click.option(
    "--to",
    "address",
    envvar="GANTRY_MOVE_TO",
    show_envvar=True,
    required=True,
    metavar="URL",
    help="postgresql:// URL of an empty database; - reads it from stdin.",
)
@click.option("--cut-over", "moves_over", is_flag=True, help="Move over: the node goes on with the new database.")
@click.option("--abandon", is_flag=True, help="Go on with SQLite, and leave nothing of the move in it.")
def command(home: Path, address: str, moves_over: bool, abandon: bool) -> None:
    """Move the store of a home from SQLite to PostgreSQL, while calls pass.

    Without --cut-over all is copied and compared, and the node goes on as it was; run it again as often as you like, it
    goes on where it was. With it, the node goes on with the new database: calls pass all the while.
    """
    with shown_faults():
        kept = Home(home)
        target_address = sys.stdin.readline().strip() if address == FROM_STDIN else address
        if not target_address.startswith(("postgresql://", "postgres://")):
            raise click.UsageError("--to begins with postgresql://")
        settings, _ = load_settings(kept, {}, os.environ)
        if settings.logs_url is not None:
            raise MoveRefused("logs_url is set, and logs in ClickHouse are not moved: move before they go there.")
        if settings.database_url is not None:
            _finish(kept, settings.database_url.reveal(), target_address)
            return
        if not (kept.control_db.exists() and kept.logs_db.exists()):
            raise MoveRefused(f"{kept.path} has no control.db and logs.db: there is nothing to move.")
        # For this process's life: another move would let the writers go on in the middle of a cut-over.
        kept.lock("move")
        if not abandon:
            refuse_other_revision(CONTROL, kept.control_db)
            refuse_other_revision(LOGS, kept.logs_db)
        source = MoveSource(kept.control_db, kept.logs_db)
        try:
            if abandon:
                source.end()
                go_on(kept)
                click.echo("The node goes on with SQLite.", err=True)
                return
            _move(kept, source, target_address, moves_over)
        finally:
            source.close()
    if moves_over:
        with shown_faults():
            _finish(kept, target_address, target_address)


def _move(home: Home, source: MoveSource, address: str, moves_over: bool) -> None:
    target = PostgresTarget(address, source.begin())
    try:
        move = Move(source, target, _Progress())
        move.follow()
        began = time.monotonic()
        if not moves_over:
            _tell(move.settle(), time.monotonic() - began)
            click.echo("Nothing was moved over yet. For that, run the same command with --cut-over.", err=True)
            return
        _check_config(home)
        _tell(cut_over(home, move, source, address), time.monotonic() - began)
        go_on(home)
        paused = time.monotonic() - began
        click.echo(f"The node goes on with the new database. For {paused:.1f} s nothing was stored.", err=True)
    finally:
        target.close()


def _finish(home: Home, configured: str, address: str) -> None:
    """Do what is left after the setting was written."""
    if configured != address:
        raise MoveRefused("the node uses a database that is not a file of its home; this moves from SQLite only.")
    go_on(home)
    set_aside(home)
    forget_move(address)
    click.echo(
        f"{home.config} names the new database. What was moved is {home.control_db.name}.moved and "
        f"{home.logs_db.name}.moved: keep them until you trust it, then delete them.",
        err=True,
    )


def _check_config(home: Home) -> None:
    if home.config.exists() and not os.access(home.config, os.W_OK):
        raise MoveRefused(f"{home.config} cannot be written, and the new database is to be named in it.")


def _tell(moved: Moved, seconds: float) -> None:
    logs = moved.rows["request_logs"]
    rows = sum(moved.rows.values())
    click.echo(
        f"Compared by table and day: {rows} rows are equal, {logs} logs of {usd_from_nano(moved.cost)} USD among them "
        f"({seconds:.1f} s).",
        err=True,
    )


class _Progress:
    """Says now and then how far the logs are."""

    def __init__(self) -> None:
        self._said = time.monotonic()

    def __call__(self, step: str) -> None:
        word, _, number = step.partition(" ")
        if word == "batch" and time.monotonic() - self._said > 5:
            self._said = time.monotonic()
            click.echo(f"{number} logs are copied", err=True)
