"""`gantry models`: what can be called, under which names, at what price; and names of your own for it."""

import time
from pathlib import Path
from typing import Any

import click
import msgspec
from msgspec import UNSET, Struct, UnsetType

from gantry.clerk.model_world import read_world
from gantry.clerk.price_table import open_rates
from gantry.cli.live import make_live
from gantry.cli.model_refresh import ListAnswer, ask_for_models
from gantry.cli.opened import OpenHome, open_home
from gantry.cli.options import home_option, json_option
from gantry.cli.providers import openable
from gantry.cli.table import print_table
from gantry.console.model_item import catalogue_item, custom_item
from gantry.core.custom_model import CustomModel
from gantry.core.errors import InvalidRequest
from gantry.prices.folder import PriceFolder
from gantry.providers.model_form import ModelForm, World, changed, check_name
from gantry.providers.spec import load_catalog
from gantry.store.credentials import credentials_of
from gantry.store.custom_models import custom_models_of, find_custom_model, put_custom_model, remove_custom_model


class Known(Struct, frozen=True):
    """What a home knows of models, and which providers it has credentials for."""

    world: World
    customs: list[CustomModel]
    in_use: frozenset[str]
    now: int

    def items(self, provider: str | None, *, everything: bool) -> list[dict[str, Any]]:
        """Return the models of the providers in use, or of all, or of one; names of your own first."""
        own = {
            model.name: custom_item(model, self.world.catalogue, self.world.providers, self.now)
            for model in self.customs
        }
        others = [
            catalogue_item(model, self.now)
            for model in self.world.catalogue.models
            if model.name not in own and (everything or provider is not None or model.provider.id in self.in_use)
        ]
        return [item for item in (*own.values(), *others) if provider in (None, _provider_of(item))]

    def item(self, name: str) -> dict[str, Any] | None:
        """Return the model that a name means."""
        custom = next((model for model in self.customs if model.name == name), None)
        if custom is not None:
            return custom_item(custom, self.world.catalogue, self.world.providers, self.now)
        found = self.world.catalogue.find(name)
        return None if found is None else catalogue_item(found, self.now)


@click.group()
def group() -> None:
    """List models, name your own, and ask providers for their lists."""


@group.command(name="list")
@home_option
@click.option("--provider", help="Only the models of this provider.")
@click.option("--all", "everything", is_flag=True, help="Those of providers without a credential too.")
@json_option
def list_models(home: Path, provider: str | None, everything: bool, as_json: bool) -> None:
    """List what can be called: your own names, and what is known of the providers you have credentials for."""
    with open_home(home) as opened:
        known = _known(opened)
    if provider is not None:
        spec = known.world.provider(provider)
        if spec is None:
            raise click.ClickException(f"no provider {provider!r}; see `gantry models list --all`")
        provider = spec.id
    items = known.items(provider, everything=everything)
    if as_json:
        click.echo(msgspec.json.encode(items))
        return
    print_table(
        ("NAME", "PROVIDER", "TYPE", "CONTEXT", "INPUT $/M", "OUTPUT $/M", "NOTE"), [_row(item) for item in items]
    )


@group.command()
@click.argument("name")
@home_option
@json_option
def show(name: str, home: Path, as_json: bool) -> None:
    """Show what is known of the model NAME: limits, capabilities, price with its source and date."""
    with open_home(home) as opened:
        known = _known(opened)
    item = known.item(name)
    if item is None:
        raise click.ClickException(
            f"nothing is known of a model {name!r}. It may be called all the same: see `gantry models list --all`, or "
            "ask its provider with `gantry models refresh`."
        )
    if as_json:
        click.echo(msgspec.json.encode(item))
        return
    for field, value in item.items():
        if value not in (None, "", [], {}):
            text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
            click.echo(f"{field:26} {text}")


@group.command()
@click.argument("name")
@home_option
@click.option("--base", metavar="MODEL", help="The model behind it: mistral/mistral-large-latest.")
@click.option("--provider", metavar="ID", help="Who is asked, where that is not the base's own provider.")
@click.option(
    "--by-name/--by-base",
    "by_name",
    default=None,
    help="Whether the provider is asked for NAME itself. [default: by NAME where --provider is given]",
)
@click.option("--display-name", help="What it is called in lists.")
@click.option("--input-cost", metavar="USD", help="For a million tokens in. What is not given is as with the base.")
@click.option("--output-cost", metavar="USD", help="For a million tokens out.")
@click.option("--cached-input-cost", metavar="USD", help="For a million tokens read from the provider's cache.")
@click.option("--cache-write-cost", metavar="USD", help="For a million tokens written to the provider's cache.")
@click.option("--context-window", type=click.IntRange(min=1), metavar="TOKENS", help="As it is shown to clients.")
def add(
    name: str,
    home: Path,
    base: str | None,
    provider: str | None,
    by_name: bool | None,
    display_name: str | None,
    input_cost: str | None,
    output_cost: str | None,
    cached_input_cost: str | None,
    cache_write_cost: str | None,
    context_window: int | None,
) -> None:
    """Give a model a name of your own, NAME, or change what is said of it: what is not given stays."""
    form = ModelForm(
        model_name=name,
        base_model_name=_given(base),
        custom_provider_id=_given(provider),
        is_called_by_custom_name=_given(by_name),
        display_name=_given(display_name),
        input_cost=_given(input_cost),
        output_cost=_given(output_cost),
        cache_hit_input_cost=_given(cached_input_cost),
        cache_creation_input_cost=_given(cache_write_cost),
        max_context_window=_given(context_window),
    )
    with open_home(home) as opened:
        known = _known(opened)
        new = CustomModel(organization_id=opened.organization_id, name=name)
        try:
            check_name(name, known.world)
            with opened.control.changing() as change:
                present = find_custom_model(change.connection, opened.organization_id, name)
                _check_by_hand(present)
                wanted = put_custom_model(change, changed(present or new, form, known.world))
        except InvalidRequest as error:
            raise click.ClickException(error.message) from error
        click.echo(f"{'Changed' if present else 'Added'} {name}: a call for it asks for {wanted.asks_for}.", err=True)
        make_live(opened, change.version)


@group.command()
@click.argument("name")
@home_option
def remove(name: str, home: Path) -> None:
    """Remove a name of your own. Calls for it lead again where they would without it."""
    with open_home(home) as opened:
        with opened.control.changing() as change:
            present = find_custom_model(change.connection, opened.organization_id, name)
            _check_by_hand(present)
            if not remove_custom_model(change, opened.organization_id, name):
                raise click.ClickException(f"{name} is no name of your own; see `gantry models list`")
        click.echo(f"Removed {name}.", err=True)
        make_live(opened, change.version)


@group.command()
@click.argument("credential", required=False)
@home_option
@json_option
def refresh(credential: str | None, home: Path, as_json: bool) -> None:
    """Ask each provider, or that of one credential, for its list of models now, and show what is new in it.

    New is what this version of Gantry does not know yet: it can be called, and its price is unknown until one is given
    with `gantry models add`.
    """
    with open_home(home) as opened:
        known = _known(opened)
        answers = [
            (found, ask_for_models(found.base_url, spec, secrets, opened.settings.ca_bundle))
            for found, spec, secrets in openable(opened, credential)
        ]
    listed = {
        f"{found.provider_id}/{found.name}": _compared(answer, found.provider_id, known) for found, answer in answers
    }
    if as_json:
        click.echo(msgspec.json.encode(listed))
    else:
        for label, said in listed.items():
            _print_compared(label, said)
    if any(said["error"] for said in listed.values()):
        raise click.exceptions.Exit(1)


def _compared(answer: ListAnswer, provider_id: str, known: Known) -> dict[str, Any]:
    """Return what a provider lists beside what is known of it."""
    facts = [model.facts for model in known.world.catalogue.models if model.provider.id == provider_id]
    names = {name for each in facts for name in each.names}
    listed = set(answer.models)
    gone = [each.names[0] for each in facts if listed and listed.isdisjoint(each.names)]
    new = [name for name in answer.models if name not in names]
    return {"error": answer.error, "listed": len(answer.models), "new": new, "not_listed": gone}


def _print_compared(label: str, said: dict[str, Any]) -> None:
    if said["error"]:
        click.echo(f"FAIL  {label}  {said['error']}")
        return
    click.echo(f"ok    {label}  lists {said['listed']} models, {len(said['new'])} of them new")
    for name in said["new"]:
        click.echo(f"  new         {name}")
    for name in said["not_listed"]:
        click.echo(f"  not listed  {name}")


def _known(opened: OpenHome) -> Known:
    rates, now = open_rates(opened.home.cache, PriceFolder(opened.home.prices)), time.time_ns()
    with opened.control.reading() as connection:
        customs = custom_models_of(connection, opened.organization_id)
        credentials = credentials_of(connection, opened.organization_id)
        world = read_world(connection, opened.organization_id, load_catalog(), rates, now)
    return Known(world, customs, frozenset(credential.provider_id for credential in credentials), now)


def _row(item: dict[str, Any]) -> tuple[str, ...]:
    note = ""
    if item["affiliation_category"] == "custom":
        owner = f"yours, in {item['managed_by']}" if item["managed_by"] else "yours"
        note = f"{owner}: {item['base_model_name']}" if item["base_model_name"] else owner
    elif item["retires_at"]:
        note = f"retires {item['retires_at']}"
    elif item["is_deprecated"]:
        note = "deprecated"
    window = item["max_context_window"]
    return (
        item["model_name"],
        _provider_of(item) or "",
        item["model_type"] or "",
        "" if window is None else str(window),
        _dollars(item["input_cost"]),
        _dollars(item["output_cost"]),
        note,
    )


def _dollars(cost: float | None) -> str:
    return "" if cost is None else f"{cost:g}"


def _provider_of(item: dict[str, Any]) -> str | None:
    provider = item["provider"]
    return None if provider is None else provider["provider_id"]


def _given(value: Any) -> Any | UnsetType:
    return UNSET if value is None else value


def _check_by_hand(model: CustomModel | None) -> None:
    if model is not None and model.managed_by is not None:
        raise click.ClickException(f"{model.name} is declared in {model.managed_by}; change it there")
