"""`gantry people`: who signs in to the console. A password is set by a link and never said here."""

import time
from pathlib import Path
from typing import Final

import click
import msgspec

from gantry.cli.console import console_url, url_option
from gantry.cli.live import make_live
from gantry.cli.opened import OpenHome, open_home
from gantry.cli.options import home_option, json_option, organization_option
from gantry.cli.table import print_table
from gantry.cli.when import iso
from gantry.console.links import reset_link
from gantry.core.person_form import FormRefused, read_email, read_name
from gantry.core.role import Role
from gantry.store import Connection
from gantry.store.people import (
    LastOwner,
    Member,
    Person,
    add_member,
    add_person,
    find_member,
    find_person,
    members_of,
    remove_member,
    remove_person,
    set_role,
)
from gantry.store.people import memberships_of as memberships_in
from gantry.store.sessions import end_sessions

_A_DAY: Final = 86_400 * 1_000_000_000
_role_option = click.option(
    "--role",
    type=click.Choice(Role, case_sensitive=False),
    default=Role.MEMBER,
    show_default=True,
    help="What they may do.",
)


@click.group()
def group() -> None:
    """List, add and remove people, say what they may do, and let them set a password anew."""


@group.command(name="list")
@home_option
@organization_option
@json_option
def list_people(home: Path, organization: str | None, as_json: bool) -> None:
    """List who belongs to an organization."""
    with open_home(home, organization) as opened, opened.control.reading() as connection:
        members = members_of(connection, opened.organization_id)
    if as_json:
        click.echo(msgspec.json.encode([_view(one) for one in members]))
        return
    print_table(
        ("EMAIL", "NAME", "ROLE", "SEEN", "ID"),
        [
            (one.person.email, one.person.name, one.role.value, iso(one.person.seen_at) or "never", one.person.id)
            for one in members
        ],
    )


@group.command()
@click.argument("email")
@home_option
@organization_option
@_role_option
@click.option("--name", help="Who it is.  [default: the address]")
@url_option
def add(email: str, home: Path, organization: str | None, role: Role, name: str | None, url: str | None) -> None:
    """Let somebody belong to an organization. Who is new here gets a link to set a password: it is printed."""
    try:
        address = read_email(email)
        called = read_name(name or address.partition("@")[0])
    except FormRefused as error:
        raise click.BadParameter(f"{error.param} {error}") from None
    with open_home(home, organization) as opened:
        with opened.control.changing() as change:
            person = find_person(change.connection, address)
            if person is None:
                person = add_person(change, address, called, None)
            elif find_member(change.connection, opened.organization_id, person.id) is not None:
                raise click.ClickException(f"{address} belongs to it already; see `gantry people set-role`")
            add_member(change, opened.organization_id, person, role)
        click.echo(f"{address} is {role} now.", err=True)
        if not person.has_password:
            _print_link(opened, person, url)


@group.command(name="set-role")
@click.argument("email")
@click.argument("role", type=click.Choice(Role, case_sensitive=False))
@home_option
@organization_option
def change_role(email: str, role: Role, home: Path, organization: str | None) -> None:
    """Say what somebody may do in an organization. The keys they made do no more than that."""
    with open_home(home, organization) as opened:
        with opened.control.changing() as change:
            member = _member(change.connection, opened.organization_id, email)
            try:
                set_role(change, opened.organization_id, member, role)
            except LastOwner as error:
                raise click.ClickException(str(error)) from None
        click.echo(f"{member.person.email} is {role} now.", err=True)
        make_live(opened, change.version)


@group.command()
@click.argument("email")
@home_option
@organization_option
@click.option("--keep-keys", is_flag=True, help="Let the API keys they made work on, for services that call by them.")
def remove(email: str, home: Path, organization: str | None, keep_keys: bool) -> None:
    """Remove somebody from an organization, and from Gantry when it was their only one.

    They are signed out, and the API keys they made there are revoked.
    """
    with open_home(home, organization) as opened:
        with opened.control.changing() as change:
            member = _member(change.connection, opened.organization_id, email)
            try:
                remove_member(change, opened.organization_id, member, keep_keys=keep_keys)
            except LastOwner as error:
                raise click.ClickException(str(error)) from None
            if not memberships_in(change.connection, member.person.id):
                remove_person(change, member.person)
        click.echo(f"{member.person.email} belongs to it no more.", err=True)
        make_live(opened, change.version)


@group.command(name="reset-password")
@click.argument("email")
@home_option
@url_option
def reset_password(email: str, home: Path, url: str | None) -> None:
    """Print a link by which somebody sets a password anew: once, within a day. They are signed out everywhere."""
    with open_home(home) as opened:
        with opened.control.changing() as change:
            person = _person(change.connection, email)
            end_sessions(change.connection, person.id)
        _print_link(opened, person, url)


def _print_link(opened: OpenHome, person: Person, url: str | None) -> None:
    with opened.control.reading() as connection:
        until = time.time_ns() + _A_DAY
        shown = reset_link(connection, opened.keyring.session, url or console_url(opened), person, until)
    click.echo(f"{person.email} sets a password here, until {iso(until)}:", err=True)
    click.echo(shown)


def _person(connection: Connection, email: str) -> Person:
    person = find_person(connection, email.strip().lower())
    if person is None:
        raise click.ClickException(f"nobody has the address {email}; see `gantry people list`")
    return person


def _member(connection: Connection, organization_id: str, email: str) -> Member:
    member = find_member(connection, organization_id, _person(connection, email).id)
    if member is None:
        raise click.ClickException(f"{email} does not belong to it; see `gantry people list`")
    return member


def _view(member: Member) -> dict[str, str | None]:
    person = member.person
    return {
        "id": person.id,
        "email": person.email,
        "name": person.name,
        "role": member.role,
        "since": iso(member.since),
        "seen_at": iso(person.seen_at),
    }
