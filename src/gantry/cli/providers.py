"""`gantry providers`: credentials for providers. A secret goes in and is never shown again."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
import msgspec
from msgspec import UNSET

from gantry.clerk.open_secrets import open_secrets
from gantry.cli.custom_providers import group as custom_providers
from gantry.cli.live import make_live
from gantry.cli.opened import OpenHome, open_home
from gantry.cli.options import (
    FROM_STDIN,
    WEIGHT,
    check_weight,
    home_option,
    json_option,
    organization_option,
    split_models,
    split_text,
)
from gantry.cli.rules_writing import known_world
from gantry.cli.table import print_table
from gantry.cli.when import iso
from gantry.console.credential_service import ServiceForm, serve_by_form
from gantry.console.probe import Verdict, probe
from gantry.console.rules_change import check_rules
from gantry.core.custom_provider import CustomProvider
from gantry.core.errors import CallerError
from gantry.core.secret import Secret
from gantry.core.vocabulary import Environment
from gantry.providers.credential_secrets import CredentialUnusable
from gantry.providers.provider_choice import ADDRESS, ChoiceError, choose_provider, read_fields, spec_of
from gantry.providers.spec import ProviderSpec, load_catalog
from gantry.store import Connection
from gantry.store.credentials import (
    Credential,
    NewCredential,
    add_credential,
    credentials_of,
    find_credential,
    make_home,
    remove_credentials,
    sealed_secrets,
)
from gantry.store.providers import custom_providers_of, put_provider, remove_unused_providers
from gantry.store.routing_rules import current_rules
from gantry.store.vault import Vault

_ALL = "all"
_NONE = "none"
_MARKS = {True: "ok  ", False: "FAIL", None: "?   "}
_LIVE_WITH_HOME = "Files, batches, agents, conversations, libraries, fine-tuning jobs and voices"


@click.group()
def group() -> None:
    """Add, change, list, remove and test provider credentials."""


group.add_command(custom_providers, "custom")


@group.command()
@click.argument("provider")
@home_option
@click.option("--api-key", help="The key; `-` reads it from stdin, where no process list shows it.")
@click.option("--api-key-env", metavar="VAR", help="The variable that holds the key; only its name is stored.")
@click.option(
    "--field",
    "given_fields",
    multiple=True,
    metavar="NAME=VALUE|@FILE|-",
    help="A further input of the credential: a region, an account. NAME=@FILE takes a file's content, NAME=- stdin's.",
)
@click.option("--name", help="What this credential is called in logs. [default: default, or platform]")
@click.option(
    "--weight", type=WEIGHT, callback=check_weight, default=1.0, show_default=True, help="Its share of calls; 0 drains."
)
@click.option("--models", callback=split_models, help="The only models it serves, with commas between; `gpt-*` fits.")
@click.option("--exclude-models", "excluded", callback=split_models, help="Models that it does not serve, likewise.")
@click.option("--base-url", metavar="URL", help="The provider's address, without the path of an operation.")
@click.option(
    "--env",
    "environment",
    type=click.Choice(Environment, case_sensitive=False),
    help="Serve only keys of this environment.",
)
@click.option("--platform", is_flag=True, help="Serve every organization, after its own, for credits.")
@organization_option
def add(
    provider: str,
    home: Path,
    api_key: str | None,
    api_key_env: str | None,
    given_fields: tuple[str, ...],
    name: str | None,
    weight: float,
    models: tuple[str, ...],
    excluded: tuple[str, ...],
    base_url: str | None,
    environment: Environment | None,
    platform: bool,
    organization: str | None,
) -> None:
    """Add a credential for PROVIDER: one of the catalogue, or any OpenAI-compatible one by its --base-url."""
    if api_key is not None and api_key_env is not None:
        raise click.UsageError("give either --api-key or --api-key-env")
    name = name or ("platform" if platform else "default")
    fields = dict(_split_field(given) for given in given_fields)
    with open_home(home, organization) as opened:
        with opened.control.reading() as connection:
            customs = custom_providers_of(connection, opened.organization_id)
        address = fields.pop(ADDRESS, None)
        choice = choose_provider(provider, base_url or address, load_catalog(), customs)
        if platform and choice.spec.id not in load_catalog():
            raise click.UsageError(f"{choice.spec.id} is a provider of your own, which other organizations do not know")
        if api_key is not None:
            fields[choice.spec.auth.field] = sys.stdin.read() if api_key == FROM_STDIN else api_key
        secrets = _read_given(choice.spec, fields)
        _ask_for_missing(choice.spec, secrets, has_key=bool(api_key_env))
        new = NewCredential(
            provider_id=choice.spec.id,
            name=name,
            base_url=choice.base_url,
            secrets=secrets,
            source=api_key_env,
            weight=weight,
            models=models,
            excluded_models=excluded,
            environment=environment,
            platform=platform,
        )
        with opened.control.changing() as change:
            if choice.is_new:
                custom = CustomProvider(
                    id=choice.spec.id,
                    organization_id=opened.organization_id,
                    name=choice.spec.name,
                    base_url=choice.base_url,
                )
                put_provider(change, custom)
            add_credential(change, Vault(opened.keyring.vault), opened.organization_id, new)
        keyless = "" if secrets or api_key_env else ", without a key"
        defaults = {item.name: item.default for item in choice.spec.fields}
        address = choice.spec.fill_base_url(choice.base_url, defaults | choice.spec.place_values(secrets))
        whom = ", of every organization, for credits" if platform else ""
        click.echo(f"Added {choice.spec.id}/{name}, for {address}{keyless}{whom}.", err=True)
        make_live(opened, change.version)


@group.command(name="list")
@home_option
@organization_option
@json_option
def list_credentials(home: Path, organization: str | None, as_json: bool) -> None:
    """List the credentials, without their secrets."""
    with open_home(home, organization) as opened, opened.control.reading() as connection:
        found = credentials_of(connection, opened.organization_id)
        kept = sealed_secrets(connection).keys()
    if as_json:
        click.echo(msgspec.json.encode([_view(credential) for credential in found]))
        return
    print_table(
        ("PROVIDER", "NAME", "BASE URL", "WEIGHT", "MODELS", "ENV", "SECRET", "HOME", "FOR", "MANAGED BY"),
        [
            (
                credential.provider_id,
                credential.name,
                credential.base_url,
                f"{credential.weight:g}",
                _served(credential),
                credential.environment.value if credential.environment else "all",
                f"${credential.source}" if credential.source else "vault" if credential.id in kept else "none",
                "yes" if credential.home else "",
                "everybody" if credential.platform else "",
                credential.managed_by.value if credential.managed_by else "",
            )
            for credential in found
        ],
    )


@group.command(name="set")
@click.argument("credential")
@home_option
@click.option("--weight", type=WEIGHT, callback=check_weight, help="Its share of calls; 0 drains it.")
@click.option("--models", help="The only models it serves, with commas between; `all` for every one.")
@click.option("--exclude-models", "excluded", help="Models that it does not serve, likewise; `none` for no such.")
@click.option(
    "--env",
    "environment",
    type=click.Choice([*Environment, _ALL], case_sensitive=False),
    help="Serve only keys of this environment, or all.",
)
def set_service(
    credential: str,
    home: Path,
    weight: float | None,
    models: str | None,
    excluded: str | None,
    environment: str | None,
) -> None:
    """Change what CREDENTIAL serves: what is not given stays. Its secret is given anew by removing and adding it."""
    form = ServiceForm(
        weight=UNSET if weight is None else weight,
        available_models=UNSET if models is None else _listed(models, _ALL),
        exclude_models=UNSET if excluded is None else _listed(excluded, _NONE),
        environment=UNSET if environment is None else None if environment == _ALL else Environment(environment),
    )
    if form == ServiceForm():
        raise click.UsageError("give --weight, --models, --exclude-models or --env")
    with open_home(home) as opened:
        try:
            with opened.control.changing() as change:
                found = find_credential(change.connection, opened.organization_id, credential)
                changed = serve_by_form(change, found, form)
        except CallerError as error:
            raise click.ClickException(error.message) from error
        click.echo(f"{_label(changed)} has weight {changed.weight:g} and serves {_served(changed)}.", err=True)
        make_live(opened, change.version)


@group.command()
@click.argument("credential")
@home_option
def remove(credential: str, home: Path) -> None:
    """Remove a credential, named by its id, name, provider or PROVIDER/NAME."""
    with open_home(home) as opened:
        with opened.control.changing() as change:
            found = find_credential(change.connection, opened.organization_id, credential)
            if found.declared_by is not None:
                raise click.ClickException(
                    f"{_label(found)} is declared by {found.declared_by}; remove it there and start again"
                )
            before = _said_of_rules(change.connection, opened)
            remove_credentials(change, [found])
            remove_unused_providers(change)
            named = [words for words in _said_of_rules(change.connection, opened) if words not in before]
            others = [
                _label(credential)
                for credential in credentials_of(change.connection, opened.organization_id)
                if credential.provider_id == found.provider_id
            ]
        click.echo(f"Removed {_label(found)}.", err=True)
        for words in named:
            click.echo(f"warning: {words}", err=True)
        if found.home and others:
            click.echo(f"{_LIVE_WITH_HOME} lived with it. Calls for them are refused until you choose:", err=True)
            for label in others:
                click.echo(f"  gantry providers home {label}", err=True)
        make_live(opened, change.version)


@group.command(name="home")
@click.argument("credential")
@home_option
def choose_home(credential: str, home: Path) -> None:
    """Let files, batches, agents and the like live with CREDENTIAL's account, of all you have at its provider.

    What they live with until now keeps what it has: it is there again when you choose that one again.
    """
    with open_home(home) as opened:
        with opened.control.changing() as change:
            found = find_credential(change.connection, opened.organization_id, credential)
            if found.platform:
                raise click.ClickException(f"{_label(found)} serves every organization, and is nobody's home")
            make_home(change, found)
        click.echo(f"{_LIVE_WITH_HOME} live with {_label(found)} from now on.", err=True)
        make_live(opened, change.version)


@group.command(name="test")
@click.argument("credential", required=False)
@home_option
def test_credentials(credential: str | None, home: Path) -> None:
    """Ask each provider, or one, for what proves the credential and spends nothing, mostly its list of models."""
    with open_home(home) as opened:
        failures = 0
        for found, spec, secrets in openable(opened, credential):
            if isinstance(secrets, str):
                verdict = Verdict(False, secrets)
            else:
                verdict = probe(found.base_url, spec, secrets, opened.settings.ca_bundle)
            failures += verdict.ok is False
            click.echo(f"{_MARKS[verdict.ok]}  {_label(found)}  {verdict.text}")
    if failures:
        sys.exit(1)


def openable(opened: OpenHome, text: str | None) -> list[tuple[Credential, ProviderSpec, dict[str, Secret] | str]]:
    """Return the credentials meant, each with its secrets, or the reason why there are none."""
    vault = Vault(opened.keyring.vault)
    with opened.control.reading() as connection:
        if text is None:
            chosen = credentials_of(connection, opened.organization_id)
        else:
            chosen = [find_credential(connection, opened.organization_id, text)]
        sealed = sealed_secrets(connection)
        customs = custom_providers_of(connection, opened.organization_id)
    specs = {**{custom.id: spec_of(custom) for custom in customs}, **load_catalog()}
    if not chosen:
        raise click.ClickException("there are no credentials yet; see `gantry providers add --help`")
    found: list[tuple[Credential, ProviderSpec, dict[str, Secret] | str]] = []
    for credential in chosen:
        spec = specs[credential.provider_id]
        try:
            secrets = open_secrets(credential, spec, sealed.get(credential.id, {}), vault, os.environ)
            found.append((credential, spec, secrets))
        except CredentialUnusable as error:
            found.append((credential, spec, str(error)))
    return found


def _split_field(given: str) -> tuple[str, str]:
    name, mark, value = given.partition("=")
    if not mark:
        raise click.UsageError(
            f"--field {given}: write NAME=VALUE, NAME=@FILE for a file's content, or NAME=- for stdin"
        )
    if value.startswith("@"):
        try:
            return name, Path(value[1:]).read_text(encoding="utf-8")
        except OSError as error:
            raise click.UsageError(f"--field {name}: {value[1:]} cannot be read: {error.strerror}") from error
        except UnicodeDecodeError as error:
            raise click.UsageError(f"--field {name}: {value[1:]} is no text") from error
    return name, sys.stdin.read() if value == FROM_STDIN else value


def _read_given(spec: ProviderSpec, fields: Mapping[str, str]) -> dict[str, Secret]:
    try:
        return read_fields(spec, fields)
    except ChoiceError as error:
        raise click.UsageError(str(error)) from error


def _ask_for_missing(spec: ProviderSpec, secrets: dict[str, Secret], *, has_key: bool) -> None:
    """Ask for the fields without which no call can be made. Raises UsageError where nobody can answer."""
    for item in spec.fields:
        is_key = item.name == spec.auth.field
        is_given = item.name in secrets or (has_key and (is_key or any(map(os.environ.get, item.environment))))
        if is_given or item.address or item.default or not item.required:
            continue
        if not sys.stdin.isatty():
            how = f"--field {item.name}=…, --field {item.name}=@FILE or --field {item.name}=-"
            if is_key and not item.json:
                how = "--api-key K, --api-key - (from stdin) or --api-key-env VAR"
            raise click.UsageError(f"{spec.name} needs its {item.label}: give {how}")
        text = click.prompt(f"{spec.name} {item.label}", hide_input=item.secret, err=True)
        secrets.update(_read_given(spec, {item.name: str(text)}))
    missing = "" if has_key else spec.explain_missing(secrets)
    if missing:
        raise click.UsageError(f"{missing}: give them with --field")


def _label(credential: Credential) -> str:
    return f"{credential.provider_id}/{credential.name}"


def _said_of_rules(connection: Connection, opened: OpenHome) -> tuple[str, ...]:
    """Return what the routing rules name in vain."""
    current = current_rules(connection, opened.organization_id)
    return check_rules(connection, opened.organization_id, known_world(), current).warnings


def _served(credential: Credential) -> str:
    """Return which models a credential serves, in words."""
    listed = ",".join(credential.models) or _ALL
    return f"{listed} but {','.join(credential.excluded_models)}" if credential.excluded_models else listed


def _listed(text: str, nothing: str) -> tuple[str, ...]:
    return () if text.strip().lower() == nothing else split_text(text)


def _view(credential: Credential) -> dict[str, Any]:
    return {**msgspec.to_builtins(credential), "created_at": iso(credential.created_at)}
