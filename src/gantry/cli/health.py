"""`gantry health`: what the gateway of this machine has learned of deployments, and how to let it forget.

Law: the operator sees those of everybody. A gateway that does not run knows nothing: its next start begins anew.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import click
import msgspec

from gantry.board.health import HealthBook, opened_health
from gantry.cli.live import is_running
from gantry.cli.opened import open_home
from gantry.cli.options import home_option, json_option
from gantry.cli.table import print_table
from gantry.cli.when import iso
from gantry.console.deployments import KnownDeployment, deployment_item, known_deployments, read_clocks
from gantry.routing.cooldown import Condition
from gantry.store.credentials import credentials_of

_NOT_RUNNING = "No gateway is running here: what one knows of deployments begins anew with `gantry serve`."
_NS = 1_000_000_000
_HEAD = ("DEPLOYMENT", "CONDITION", "FAILING", "COOLDOWNS", "LAST STATUS", "LAST FAILED")


@click.group()
def group() -> None:
    """Show and reset what is known of deployments: who is left alone for a while, and why."""


@group.command(name="list")
@home_option
@json_option
def list_health(home: Path, as_json: bool) -> None:
    """List the deployments that anything is known of; whoever is not listed is well."""
    with _known_here(home) as (_, known):
        if as_json:
            click.echo(msgspec.json.encode([deployment_item(one) for one in known]))
            return
        print_table(_HEAD, [_row(one) for one in known])


@group.command()
@click.argument("deployment", metavar="[DEPLOYMENT|PROVIDER/NAME]", required=False)
@click.option("--all", "everything", is_flag=True, help="All deployments.")
@home_option
def reset(deployment: str | None, everything: bool, home: Path) -> None:
    """Forget what is known of DEPLOYMENT, of all those of the credential PROVIDER/NAME, or of --all: they are well.

    DEPLOYMENT is PROVIDER/NAME/MODEL, as `gantry health list` has it. The next call may go there.
    """
    if everything == (deployment is not None):
        raise click.UsageError("say which deployment, as `gantry health list` names it, or --all")
    with _known_here(home) as (book, known):
        if book is None:
            return
        if deployment is None:
            click.echo(f"Reset: {book.reset()} deployments.", err=True)
            return
        meant = [one for one in known if one.is_meant(deployment)]
        if not meant:
            raise click.ClickException(
                f"nothing is known of {deployment}: it is well, or not named so; see `gantry health list`"
            )
        for one in meant:
            book.reset(one.board_id)
            click.echo(f"Reset: {one.name}", err=True)


@contextmanager
def _known_here(path: Path) -> Iterator[tuple[HealthBook | None, Sequence[KnownDeployment]]]:
    """Open what the running gateway knows; without one there is no book, and that is said."""
    with open_home(path) as opened, opened_health(opened.home.health) as book:
        if book is None or not is_running(opened.home):
            click.echo(_NOT_RUNNING, err=True)
            yield None, ()
            return
        with opened.control.reading() as connection:
            credentials = credentials_of(connection)
        yield book, list(known_deployments(book, credentials, read_clocks(), removed=True))


def _row(known: KnownDeployment) -> tuple[str, ...]:
    standing = known.standing
    status = str(standing.status) if standing.status else "no answer" if standing.failed_at else ""
    return (
        known.name if known.credential is not None else f"{known.board_id} (its credential was removed)",
        _condition_text(known),
        f"{standing.failing / 10:.0f} %",
        str(standing.cooldowns),
        status,
        f"{iso(standing.failed_at * _NS)}" if standing.failed_at else "",
    )


def _condition_text(known: KnownDeployment) -> str:
    if known.condition is Condition.DUE:
        return "due for a probe"
    if known.until is None:
        return known.condition
    return f"cooling until {time.strftime('%H:%M:%SZ', time.gmtime(known.until // _NS))}"
