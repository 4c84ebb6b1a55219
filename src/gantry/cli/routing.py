"""`gantry routing`: the routing rules as one document, with its history. The CLI's twin of `/api/routing/`."""

from pathlib import Path
from typing import Any

import click
import msgspec

from gantry.cli.opened import OpenHome, open_home
from gantry.cli.options import home_option, json_option
from gantry.cli.rules_writing import (
    apply_change,
    edit_rules,
    hand_of,
    known_world,
    note_option,
    parse_document,
    read_document,
    show_warnings,
)
from gantry.cli.table import print_table
from gantry.cli.when import iso
from gantry.console.rules_change import Checked, check_rules, known_version, roll_back_rules
from gantry.console.rules_item import diff_of, pretty, rules_item, version_item
from gantry.core.errors import CallerError
from gantry.core.routing_document import Document, RulesRefused, changed, find_faults, new_refusals, read_rules
from gantry.core.routing_rules import MOST_RETRIES
from gantry.store.routing_rules import WrittenRules, current_rules, own_world, rules_versions

version_option = click.option(
    "--version", "expected", type=click.IntRange(min=0), help="Only if this version holds; else nothing is changed."
)


@click.group()
def group() -> None:
    """Show, change and roll back the routing rules: groups, fallbacks, retries, rules for models."""


@group.command()
@home_option
@json_option
def show(home: Path, as_json: bool) -> None:
    """Show the routing rules that hold: the document, on stdout, and what it names in vain."""
    with open_home(home) as opened:
        checked = _current(opened)
    if as_json:
        click.echo(msgspec.json.encode(rules_item(checked)))
        return
    click.echo(_described(checked.written), err=True)
    show_warnings(checked)
    click.echo(pretty(checked.written.document))


@group.command(name="set")
@click.argument("file", metavar="FILE|-")
@home_option
@note_option
@version_option
def set_rules(file: str, home: Path, note: str, expected: int | None) -> None:
    """Say all of the routing rules anew: a document in JSON, in FILE or on stdin."""
    document = read_document(file)
    with open_home(home) as opened:
        edit_rules(opened, lambda _: document, note, expected)


@group.command()
@home_option
@note_option
def edit(home: Path, note: str) -> None:
    """Change the document in your editor ($EDITOR). What somebody else changed meanwhile is not overwritten."""
    with open_home(home) as opened:
        written = _current(opened).written
        before = pretty(written.document)
        after = click.edit(before, extension=".json")
        if after is None or after.strip() == before:
            click.echo("Nothing is changed.", err=True)
            return
        document = parse_document(after, "the document")
        edit_rules(opened, lambda _: document, note, written.version)


@group.command()
@click.argument("file", metavar="FILE|-")
@home_option
def check(file: str, home: Path) -> None:
    """Check a document as `set` would, and change nothing."""
    document = read_document(file)
    with open_home(home) as opened, opened.control.reading() as connection:
        current = current_rules(connection, opened.organization_id)
        world = own_world(connection, opened.organization_id, known_world())
    try:
        rules = read_rules(document)
    except RulesRefused as error:
        raise click.ClickException(str(error)) from error
    refusals = new_refusals(rules, current.document, world)
    for fault in find_faults(rules, world):
        if fault.words not in refusals:
            click.echo(f"warning: {fault.words}", err=True)
    if refusals:
        raise click.ClickException("; ".join(refusals))
    click.echo(f"ok: {len(rules.groups)} groups, {len(rules.models)} rules for models", err=True)


@group.command()
@home_option
@json_option
def history(home: Path, as_json: bool) -> None:
    """List the versions that are kept, the newest first."""
    with open_home(home) as opened, opened.control.reading() as connection:
        versions = rules_versions(connection, opened.organization_id)
    if as_json:
        click.echo(msgspec.json.encode([version_item(version) for version in versions]))
        return
    print_table(
        ("VERSION", "CREATED", "AUTHOR", "NOTE"),
        [(str(one.version), iso(one.created_at) or "", one.author, one.note) for one in versions],
    )


@group.command()
@click.argument("version", type=click.IntRange(min=1))
@home_option
@note_option
def rollback(version: int, home: Path, note: str) -> None:
    """Let VERSION hold again. It becomes the newest version, with the same document."""
    hand = hand_of(note)
    with open_home(home) as opened:
        apply_change(
            opened, lambda change, world: roll_back_rules(change, opened.organization_id, world, hand, version)
        )


@group.command()
@click.argument("a", type=click.IntRange(min=1))
@click.argument("b", type=click.IntRange(min=1), required=False)
@home_option
def diff(a: int, b: int | None, home: Path) -> None:
    """Show what version B has otherwise than version A. [default for B: the one that holds]"""
    with open_home(home) as opened, opened.control.reading() as connection:
        try:
            old = known_version(connection, opened.organization_id, a)
            new = current_rules(connection, opened.organization_id)
            if b is not None:
                new = known_version(connection, opened.organization_id, b)
        except CallerError as error:
            raise click.ClickException(error.message) from error
    for line in diff_of(old, new).lines:
        click.echo(line)


@group.command()
@click.argument("models", nargs=-1)
@home_option
@click.option("--off", is_flag=True, help="None: calls go to no other model, unless they say so.")
@note_option
def fallback(models: tuple[str, ...], home: Path, off: bool, note: str) -> None:
    """Say which MODELS are tried, in this order, when the model of a call fails. A rule for a model may say others."""
    if off == bool(models):
        raise click.UsageError("name the models, or give --off")
    with open_home(home) as opened:
        edit_rules(
            opened, lambda document: changed(document, {"fallback_models": list(models) or None}), note or "fallbacks"
        )


@group.command()
@home_option
@click.option("--count", type=click.IntRange(1, MOST_RETRIES), help="How often the same is asked again.")
@click.option(
    "--pause", type=float, metavar="SECONDS", help="Before the first of them; each next one is twice as long."
)
@click.option("--off", is_flag=True, help="The same is not asked again, unless a call says so.")
@note_option
def retries(home: Path, count: int | None, pause: float | None, off: bool, note: str) -> None:
    """Say how often a call that failed is made again in the same way. What is not given stays."""
    if off == (count is not None or pause is not None):
        raise click.UsageError("give --count and --pause, or --off")
    given: Document = {"num_retries": 0 if off else count, "retry_after": pause}
    said = {name: value for name, value in given.items() if value is not None}

    def edited(document: Document) -> Document:
        known: dict[str, Any] = {} if off else document.get("retries") or {}
        if not off and count is None and not known.get("num_retries", 1):
            known = {}  # they were off
        return changed(document, {"retries": {**known, **said}})

    with open_home(home) as opened:
        edit_rules(opened, edited, note or "retries")


def _current(opened: OpenHome) -> Checked:
    with opened.control.reading() as connection:
        written = current_rules(connection, opened.organization_id)
        return check_rules(connection, opened.organization_id, known_world(), written)


def _described(written: WrittenRules) -> str:
    if not written.version:
        return "No routing rules were written yet."
    note = f": {written.note}" if written.note else ""
    return f"Version {written.version}, by {written.author} at {iso(written.created_at)}{note}"
