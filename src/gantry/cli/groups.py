"""`gantry groups`: load balance groups, which are parts of the routing rules (`gantry routing`)."""

from pathlib import Path
from typing import Any

import click
import msgspec

from gantry.cli.opened import open_home
from gantry.cli.options import home_option, json_option
from gantry.cli.rules_writing import edit_rules, note_option
from gantry.cli.table import print_table
from gantry.console.rules_item import group_item
from gantry.core.routing_document import Document, changed, find_group, with_group, without_group
from gantry.core.routing_rules import Affinity, Strategy
from gantry.store.routing_rules import current_rules


@click.group()
def group() -> None:
    """List, set and remove load balance groups: one id for several models, each with its share of the calls."""


@group.command(name="list")
@home_option
@json_option
def list_groups(home: Path, as_json: bool) -> None:
    """List the load balance groups."""
    with open_home(home) as opened, opened.control.reading() as connection:
        document = current_rules(connection, opened.organization_id).document
    items = [group_item(each) for each in document.get("groups", ())]
    if as_json:
        click.echo(msgspec.json.encode(items))
        return
    print_table(
        ("GROUP", "STRATEGY", "AFFINITY", "MODEL", "WEIGHT", "CREDENTIAL"),
        [
            (
                item.group_id,
                item.strategy,
                item.affinity,
                model.model,
                f"{model.weight:g}",
                model.credential or "",
            )
            for item in items
            for model in item.models
        ],
    )


@group.command(name="set")
@click.argument("group_id", metavar="ID")
@click.argument("members", metavar="MODEL=WEIGHT[:CREDENTIAL]...", nargs=-1)
@home_option
@click.option("--name", help="What it is called in lists.")
@click.option("--strategy", type=click.Choice(Strategy, case_sensitive=False), help="How one of them is taken.")
@click.option(
    "--affinity", type=click.Choice(Affinity, case_sensitive=False), help="Whether a conversation stays with one."
)
@note_option
def set_group(
    group_id: str,
    members: tuple[str, ...],
    home: Path,
    name: str | None,
    strategy: Strategy | None,
    affinity: Affinity | None,
    note: str,
) -> None:
    """Make the group ID, or change it: what is not given stays. Weight 0 lets a model have no calls.

    MODEL alone has the weight 1. With a CREDENTIAL, by its name or as PROVIDER/NAME, calls use that one only.
    """
    said: dict[str, Any] = {"name": name, "strategy": strategy, "affinity": affinity}
    if members:
        said["members"] = [_member(text) for text in members]
    given = {name: value for name, value in said.items() if value is not None}

    def edited(document: Document) -> Document:
        return with_group(document, changed(find_group(document, group_id) or {"id": group_id}, given))

    with open_home(home) as opened:
        edit_rules(opened, edited, note or f"the group {group_id}")


@group.command()
@click.argument("group_id", metavar="ID")
@home_option
@note_option
def remove(group_id: str, home: Path, note: str) -> None:
    """Remove the group ID. Calls that ask for it are refused."""

    def edited(document: Document) -> Document:
        if find_group(document, group_id) is None:
            raise click.ClickException(f"there is no group {group_id}; see `gantry groups list`")
        return without_group(document, group_id)

    with open_home(home) as opened:
        edit_rules(opened, edited, note or f"without {group_id}")


def _member(text: str) -> Document:
    """Return the member that `MODEL=WEIGHT:CREDENTIAL` means."""
    model, mark, rest = text.partition("=")
    weight, _, credential = rest.partition(":")
    if not mark:
        return {"model": model}
    try:
        share = float(weight)
    except ValueError:
        raise click.UsageError(f"{text}: write MODEL=WEIGHT, as in mistral/mistral-small-latest=3") from None
    member: Document = {"model": model, "weight": int(share) if share.is_integer() else share}
    return {**member, "credential": credential} if credential else member
