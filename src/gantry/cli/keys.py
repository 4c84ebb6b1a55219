"""`gantry keys`: the keys callers use. A key is shown once, when it is made."""

import time
from pathlib import Path
from typing import Any, Final

import click
import msgspec
from msgspec import structs

from gantry.cli.live import make_live
from gantry.cli.opened import OpenHome, open_home
from gantry.cli.options import home_option, json_option, organization_option, split_models, split_text
from gantry.cli.table import print_table
from gantry.cli.when import Ahead, Span, iso
from gantry.core.secret import Secret
from gantry.core.vocabulary import DEFAULT_SCOPES, SCOPE_NAMES, ContentPolicy, Environment, Scope, SurfaceFamily
from gantry.store.key_rights import SURFACES
from gantry.store.keys import ApiKey, KeyPolicy, add_key, change_key, find_key, keys_of, revoke_key, rotate_key

_ALL: Final = "all"
_NEVER: Final = -1
_SURFACE: Final = click.Choice(SURFACES)
_SURFACE_OR_ALL: Final = click.Choice((*SURFACES, _ALL))
_SURFACE_HELP: Final = (
    f"The only surface it may use: repeat the option. One of {', '.join(SurfaceFamily)}, or an operation of "
    "docs/routes.md."
)


class _AheadOrNever(Ahead):
    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        return _NEVER if value == "never" else super().convert(value, param, ctx)


@click.group()
def group() -> None:
    """Create, list, change, revoke and rotate API keys."""


@group.command()
@click.argument("name")
@home_option
@organization_option
@click.option(
    "--env",
    "environment",
    type=click.Choice(Environment, case_sensitive=False),
    default=Environment.PROD,
    show_default=True,
)
@click.option(
    "--scope",
    "scope_names",
    multiple=True,
    type=click.Choice(sorted(SCOPE_NAMES)),
    help="What the key may do, all of it: repeat the option. [default: inference, own_logs]",
)
@click.option("--models", callback=split_models, help="The only models it may call, with commas between.")
@click.option("--surface", "surfaces", multiple=True, type=_SURFACE, metavar="NAME", help=_SURFACE_HELP)
@click.option("--expires", type=Ahead(), help="When it stops working: 30d, or 2026-12-31T18:00:00Z.")
@click.option(
    "--content",
    "content_policy",
    type=click.Choice(ContentPolicy, case_sensitive=False),
    default=ContentPolicy.FULL,
    show_default="full",
    help="What of its calls is kept.",
)
@click.option("--strict", is_flag=True, help="Refuse calls with a parameter that the provider does not take.")
@json_option
def create(
    name: str,
    home: Path,
    organization: str | None,
    environment: Environment,
    scope_names: tuple[str, ...],
    models: tuple[str, ...],
    surfaces: tuple[str, ...],
    expires: int | None,
    content_policy: ContentPolicy,
    strict: bool,
    as_json: bool,
) -> None:
    """Create a key and print it, as the last line of stdout."""
    policy = KeyPolicy(
        environment=environment,
        scopes=_scopes(scope_names),
        models=models,
        content_policy=content_policy,
        expires_at=expires,
        strict=strict,
        surfaces=surfaces,
    )
    with open_home(home, organization) as opened:
        with opened.control.changing() as change:
            key, secret = add_key(change, opened.organization_id, name, policy, opened.keyring.pepper)
        _print_new(opened, key, secret, change.version, as_json)


@group.command(name="list")
@home_option
@organization_option
@click.option("--temporary", is_flag=True, help="Also those that keys have made, by the keys API.")
@json_option
def list_keys(home: Path, organization: str | None, temporary: bool, as_json: bool) -> None:
    """List the keys."""
    with open_home(home, organization) as opened, opened.control.reading() as connection:
        keys = [key for key in keys_of(connection, opened.organization_id) if temporary or not key.temporary]
    if as_json:
        click.echo(msgspec.json.encode([_view(key) for key in keys]))
        return
    now = time.time_ns()
    print_table(
        ("NAME", "PREFIX", "ENV", "SCOPES", "MODELS", "CREATED", "STATE"),
        [
            (
                key.name,
                key.prefix,
                key.policy.environment.value,
                ",".join(_scope_names(key.policy.scopes)),
                ",".join(key.policy.models) or "all",
                iso(key.created_at) or "",
                _state(key, now),
            )
            for key in keys
        ],
    )


@group.command(name="change")
@click.argument("key")
@home_option
@click.option("--name", help="What it is to be called.")
@click.option(
    "--scope",
    "scope_names",
    multiple=True,
    type=click.Choice(sorted(SCOPE_NAMES)),
    help="What it may do, all of it: repeat the option.",
)
@click.option("--models", help="The only models it may call, with commas between; `all` for every model.")
@click.option("--surface", "surfaces", multiple=True, type=_SURFACE_OR_ALL, metavar="NAME", help=_SURFACE_HELP)
@click.option("--expires", type=_AheadOrNever(), help="When it stops working: 30d, 2026-12-31T18:00:00Z, or `never`.")
@click.option("--content", "content_policy", type=click.Choice(ContentPolicy, case_sensitive=False))
@click.option(
    "--strict/--no-strict", default=None, help="Refuse calls with a parameter that the provider does not take."
)
@organization_option
@json_option
def change_one(
    key: str,
    home: Path,
    organization: str | None,
    name: str | None,
    scope_names: tuple[str, ...],
    models: str | None,
    surfaces: tuple[str, ...],
    expires: int | None,
    content_policy: ContentPolicy | None,
    strict: bool | None,
    as_json: bool,
) -> None:
    """Change what a key may do, named by its id, prefix or name; what is not said stays.

    The keys that it made lose what it loses.
    """
    changes: dict[str, Any] = {}
    if scope_names:
        changes["scopes"] = _scopes(scope_names)
    if models is not None:
        changes["models"] = () if models == _ALL else split_text(models)
    if surfaces:
        changes["surfaces"] = () if _ALL in surfaces else tuple(dict.fromkeys(surfaces))
    if expires is not None:
        changes["expires_at"] = None if expires == _NEVER else expires
    if content_policy is not None:
        changes["content_policy"] = content_policy
    if strict is not None:
        changes["strict"] = strict
    if not changes and name is None:
        raise click.UsageError("say what is to change; see --help")
    with open_home(home, organization) as opened:
        with opened.control.changing() as change:
            found = find_key(change.connection, opened.organization_id, key)
            policy = structs.replace(found.policy, **changes)
            changed, narrowed = change_key(change, found, found.name if name is None else name, policy)
        click.echo(f"Changed {changed.name} ({changed.prefix}){_with_those_made(len(narrowed))}.", err=True)
        if as_json:
            click.echo(msgspec.json.encode(_view(changed)))
        make_live(opened, change.version)


@group.command()
@click.argument("key")
@home_option
@organization_option
def revoke(key: str, home: Path, organization: str | None) -> None:
    """Revoke a key, named by its id, prefix or name, and those it made."""
    with open_home(home, organization) as opened:
        with opened.control.changing() as change:
            found = find_key(change.connection, opened.organization_id, key)
            made = revoke_key(change, found)
        click.echo(f"Revoked {found.name} ({found.prefix}){_with_those_made(len(made))}.", err=True)
        make_live(opened, change.version)


@group.command()
@click.argument("key")
@home_option
@organization_option
@click.option("--grace", type=Span(), default="0s", show_default=True, help="How long the old key still works: 24h.")
@json_option
def rotate(key: str, home: Path, organization: str | None, grace: int, as_json: bool) -> None:
    """Put a new key in the place of one, and print it, as the last line of stdout."""
    with open_home(home, organization) as opened:
        with opened.control.changing() as change:
            old = find_key(change.connection, opened.organization_id, key)
            if not old.is_live(change.now):
                raise click.ClickException(f"{old.name} ({old.prefix}) is {_state(old, change.now)}; create a new key")
            new, secret = rotate_key(change, old, opened.keyring.pepper, grace)
        until = iso(change.now + grace) if grace else "now on: it is revoked"
        click.echo(f"{old.prefix} stops working {'at ' if grace else 'from '}{until}.", err=True)
        _print_new(opened, new, secret, change.version, as_json)


def _print_new(opened: OpenHome, key: ApiKey, secret: Secret, version: int, as_json: bool) -> None:
    """Print the key before waiting for it to be live: whatever comes then, it is not lost."""
    click.echo(f"API key {key.name}; it is shown only now:", err=True)
    shown = secret.reveal()
    click.echo(msgspec.json.encode({**_view(key), "key": shown}) if as_json else shown)
    make_live(opened, version)


def _with_those_made(count: int) -> str:
    return "" if not count else f", and {count} {'key' if count == 1 else 'keys'} that it made"


def _scopes(names: tuple[str, ...]) -> Scope:
    scopes = Scope(0)
    for name in names:
        scopes |= SCOPE_NAMES[name]
    return scopes or DEFAULT_SCOPES


def _scope_names(scopes: Scope) -> list[str]:
    return [name for name, scope in SCOPE_NAMES.items() if scope in scopes]


def _state(key: ApiKey, now: int) -> str:
    if key.revoked_at is not None:
        return "revoked"
    if not key.is_live(now):
        return "expired"
    return "live" if key.policy.expires_at is None else f"until {iso(key.policy.expires_at)}"


def _view(key: ApiKey) -> dict[str, Any]:
    return {
        "id": key.id,
        "name": key.name,
        "prefix": key.prefix,
        "environment": key.policy.environment,
        "scopes": _scope_names(key.policy.scopes),
        "models": key.policy.models,
        "surfaces": key.policy.surfaces,
        "content_policy": key.policy.content_policy,
        "created_at": iso(key.created_at),
        "expires_at": iso(key.policy.expires_at),
        "revoked_at": iso(key.revoked_at),
        "replaced_by": key.replaced_by,
        "temporary": key.temporary,
        "created_by": key.created_by,
    }
