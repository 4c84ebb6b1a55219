"""Routing rules written by a command: by whom, with what to say of it, and until it is live."""

import getpass
import sys
from collections.abc import Callable
from pathlib import Path

import click

from gantry.cli.live import make_live
from gantry.cli.opened import OpenHome
from gantry.cli.options import FROM_STDIN
from gantry.console.rules_change import Checked, Hand, change_rules
from gantry.core.errors import CallerError
from gantry.core.routing_document import Document, RulesRefused, RulesWorld, decode_document
from gantry.providers.rules_world import catalogue_world
from gantry.providers.spec import load_catalog
from gantry.store.control import Change

note_option = click.option("--note", default="", help="Why, for the history.")


def edit_rules(opened: OpenHome, edit: Callable[[Document], Document], note: str, expected: int | None = None) -> None:
    """Change the routing rules by an edit of their document, and say what came of it."""
    hand = Hand(author=author(), note=note, expected=expected)
    apply_change(opened, lambda change, world: change_rules(change, opened.organization_id, world, hand, edit))


def apply_change(opened: OpenHome, act: Callable[[Change, RulesWorld], Checked]) -> None:
    """Change the routing rules, make it live, and say so."""
    world = known_world()
    try:
        with opened.control.changing() as change:
            checked = act(change, world)
    except CallerError as error:
        raise click.ClickException(error.message) from error
    click.echo(f"The routing rules are at version {checked.written.version}.", err=True)
    show_warnings(checked)
    make_live(opened, change.version)


def show_warnings(checked: Checked) -> None:
    for warning in checked.warnings:
        click.echo(f"warning: {warning}", err=True)


def known_world() -> RulesWorld:
    """Return what rules may name of the catalogue."""
    return catalogue_world(load_catalog().values())


def read_document(file: str) -> Document:
    """Return the document in a file, or on stdin. Raises ClickException."""
    try:
        text = sys.stdin.buffer.read() if file == FROM_STDIN else Path(file).read_bytes()
    except OSError as error:
        raise click.ClickException(f"{file} cannot be read: {error.strerror}") from error
    return parse_document(text, file)


def parse_document(text: bytes | str, source: str) -> Document:
    """Return the document that a text is. Raises ClickException."""
    try:
        document = decode_document(text)
    except RulesRefused as error:
        raise click.ClickException(f"{source}: {error}") from error
    if not isinstance(document, dict):
        raise click.ClickException(f"{source}: a routing document is a JSON object")
    return document


def hand_of(note: str) -> Hand:
    return Hand(author=author(), note=note)


def author() -> str:
    """Return who runs the command, as far as the system knows."""
    try:
        return f"{getpass.getuser()} (command line)"
    except (KeyError, OSError):  # a container may have users without a name
        return "command line"
