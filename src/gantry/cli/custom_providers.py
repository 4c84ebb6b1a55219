"""`gantry providers custom`: servers of your own that speak OpenAI's format. The CLI's twin of `/api/providers/`."""

import sys
from pathlib import Path
from typing import Any

import click
import msgspec
from msgspec import UNSET

from gantry.cli.live import make_live
from gantry.cli.opened import open_home
from gantry.cli.options import FROM_STDIN, home_option, json_option
from gantry.cli.table import print_table
from gantry.console.custom_providers import new_provider, put_by_form, remove_by_id
from gantry.console.provider_form import ProviderForm, provider_item
from gantry.core.errors import CallerError
from gantry.core.secret import Secret
from gantry.store.providers import custom_providers_of, find_provider
from gantry.store.vault import Vault


@click.group()
def group() -> None:
    """Name servers of your own that speak OpenAI's format, and change what is said of them."""


@group.command(name="list")
@home_option
@json_option
def list_providers(home: Path, as_json: bool) -> None:
    """List the custom providers, without their keys."""
    with open_home(home) as opened, opened.control.reading() as connection:
        found = custom_providers_of(connection, opened.organization_id)
    items = [provider_item(provider) for provider in found]
    if as_json:
        click.echo(msgspec.json.encode(items))
        return
    print_table(
        ("PROVIDER", "NAME", "BASE URL", "PARAMETERS", "MANAGED BY"),
        [
            (
                provider.id,
                provider.name,
                item.base_url,
                msgspec.json.encode(provider.parameters).decode() if provider.parameters else "",
                provider.managed_by or "",
            )
            for provider, item in zip(found, items, strict=True)
        ],
    )


@group.command()
@click.argument("provider")
@home_option
@click.option("--name", help="What it is called in lists. [default: PROVIDER]")
@click.option("--base-url", metavar="URL", help="Its address, as an OpenAI SDK would be given it.")
@click.option("--api-key", help="Its key; `-` reads it from stdin, where no process list shows it; empty: none.")
@click.option(
    "--set",
    "parameters",
    multiple=True,
    metavar="PARAMETER=VALUE",
    help="What chats have unless they say otherwise: temperature=0.2, or temperature=null to take it back.",
)
def put(
    provider: str, home: Path, name: str | None, base_url: str | None, api_key: str | None, parameters: tuple[str, ...]
) -> None:
    """Make the custom provider PROVIDER, or change it: what is not given stays. Its models are PROVIDER/MODEL."""
    given = dict(_split_parameter(text) for text in parameters)
    if base_url is not None:
        given["base_url"] = base_url
    if api_key == FROM_STDIN:
        api_key = sys.stdin.read()
    form = ProviderForm(
        provider_name=UNSET if name is None else name,
        api_key=UNSET if api_key is None else Secret(api_key),
        extra_kwargs=given or UNSET,
    )
    with open_home(home) as opened:
        try:
            with opened.control.changing() as change:
                known = find_provider(change.connection, opened.organization_id, provider)
                if known is None:
                    known = new_provider(change.connection, opened.organization_id, provider)
                    form = msgspec.structs.replace(form, provider_name=name or provider)
                stored = put_by_form(change, Vault(opened.keyring.vault), known, form)
        except CallerError as error:
            raise click.ClickException(error.message) from error
        item = provider_item(stored)
        click.echo(f"{provider} is {stored.name}, at {item.base_url}.", err=True)
        for warning in item.warnings or ():
            click.echo(f"warning: {warning}", err=True)
        make_live(opened, change.version)


@group.command()
@click.argument("provider")
@home_option
def remove(provider: str, home: Path) -> None:
    """Remove the custom provider PROVIDER with its keys."""
    with open_home(home) as opened:
        try:
            with opened.control.changing() as change:
                remove_by_id(change, opened.organization_id, provider)
        except CallerError as error:
            raise click.ClickException(error.message) from error
        click.echo(f"Removed {provider}.", err=True)
        make_live(opened, change.version)


def _split_parameter(text: str) -> tuple[str, Any]:
    """Return the parameter and its value, which is text where it is no JSON."""
    name, mark, value = text.partition("=")
    if not mark:
        raise click.UsageError(f"--set {text}: write PARAMETER=VALUE")
    try:
        return name, msgspec.json.decode(value)
    except msgspec.DecodeError:
        return name, value
