"""`gantry organizations`: who shares this gateway, each with keys, credentials, limits and credits of its own."""

from pathlib import Path

import click
import msgspec

from gantry.cli.live import make_live
from gantry.cli.opened import open_home
from gantry.cli.options import home_option, json_option
from gantry.cli.table import print_table
from gantry.cli.when import iso
from gantry.store.organizations import add_organization, organizations_of


@click.group()
def group() -> None:
    """Add and list organizations. Commands are for the first one, unless --org names another."""


@group.command()
@click.argument("name")
@home_option
def add(name: str, home: Path) -> None:
    """Add an organization and print its id, as the last line of stdout."""
    with open_home(home) as opened:
        with opened.control.changing() as change:
            organization = add_organization(change, name)
        click.echo(organization.id)
        make_live(opened, change.version)


@group.command(name="list")
@home_option
@json_option
def list_organizations(home: Path, as_json: bool) -> None:
    """List the organizations, the first one first."""
    with open_home(home) as opened, opened.control.reading() as connection:
        found = organizations_of(connection)
    if as_json:
        click.echo(
            msgspec.json.encode([{"id": one.id, "name": one.name, "created_at": iso(one.created_at)} for one in found])
        )
        return
    print_table(("NAME", "ID", "CREATED"), [(one.name, one.id, iso(one.created_at) or "") for one in found])
