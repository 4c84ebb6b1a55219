"""`gantry audit`: who changed what, and whether the record of it is whole."""

from pathlib import Path
from typing import Any

import click
import msgspec

from gantry.cli.opened import open_home
from gantry.cli.options import home_option, json_option, organization_option
from gantry.cli.table import print_table
from gantry.cli.when import iso
from gantry.core.audit_entry import AuditEntry
from gantry.store.audit_log import entries_of, find_break, last_entry
from gantry.store.organizations import organizations_of


@click.group()
def group() -> None:
    """Show who changed what, and check that nobody touched the record."""


@group.command(name="list")
@home_option
@organization_option
@click.option("-n", "--limit", type=click.IntRange(1, 1000), default=20, show_default=True)
@click.option("--page", type=click.IntRange(1), default=1, show_default=True)
@json_option
def list_entries(home: Path, organization: str | None, limit: int, page: int, as_json: bool) -> None:
    """List what was changed, the newest first."""
    with open_home(home, organization) as opened, opened.control.reading() as connection:
        found, count = entries_of(connection, opened.organization_id, page=page, page_size=limit)
    if as_json:
        click.echo(msgspec.json.encode([_view(entry) for entry in found]))
        return
    print_table(
        ("NO", "AT", "BY", "DID", "TO"),
        [(str(one.number), iso(one.at) or "", str(one.author), one.action, one.subject) for one in found],
    )
    click.echo(f"{len(found)} of {count}", err=True)


@group.command()
@home_option
def verify(home: Path) -> None:
    """Check every entry of every organization, and print the digest of the last one of each.

    Who keeps these digests elsewhere sees later whether entries were cut off at the end.
    """
    with open_home(home) as opened, opened.control.reading() as connection:
        broken = []
        for organization in organizations_of(connection):
            number, digest = last_entry(connection, organization.id)
            found = find_break(connection, organization.id)
            if found is not None:
                broken.append(f"{organization.name}: entry {found.number} is not what was written, or is missing")
            click.echo(f"{organization.id} {number} {digest.hex()}")
    if broken:
        raise click.ClickException("; ".join(broken))
    click.echo("Every entry is as it was written.", err=True)


def _view(entry: AuditEntry) -> dict[str, Any]:
    return {
        "number": entry.number,
        "at": iso(entry.at),
        "actor": entry.author.actor,
        "actor_id": entry.author.id,
        "actor_name": entry.author.name,
        "action": entry.action,
        "subject": entry.subject,
        "detail": entry.details,
    }
