"""`gantry check`: would `gantry serve` start here, and with what? Offline, and nothing is written."""

import os
import stat
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import click
from msgspec import Struct
from msgspec.structs import replace

from gantry.clerk.declared import offer, read_declared
from gantry.clerk.declared_books import find_key_id, read_declared_books, read_declared_limits
from gantry.clerk.declared_channels import read_declared as read_channel
from gantry.clerk.declared_models import read_models
from gantry.clerk.granted import GrantedCredits
from gantry.clerk.model_world import make_world
from gantry.clerk.price_table import look_up_rates
from gantry.clerk.publish import Publisher
from gantry.cli.opened import store_address
from gantry.cli.options import home_option
from gantry.console.identity_provider import read_provider
from gantry.core.custom_model import CustomModel
from gantry.core.custom_provider import CustomProvider
from gantry.core.limit_check import LimitRefused
from gantry.core.routing_document import Document, find_faults, new_refusals, read_rules
from gantry.dial.mail import read_mail_server
from gantry.home import Home, HomeError, load_keyring
from gantry.prices.folder import PriceFolder
from gantry.providers.provider_choice import ChoiceError, spec_of
from gantry.providers.rules_world import catalogue_world
from gantry.providers.spec import ProviderSpec, SpecError, load_catalog
from gantry.settings import (
    Declared,
    DeclaredChannel,
    DeclaredIdentityProvider,
    DeclaredProvider,
    ServeSettings,
    SettingsError,
    load_settings,
)
from gantry.store.control import ControlStore, default_organization
from gantry.store.control_tables import CONTROL
from gantry.store.credentials import Credential, ManagedBy, credentials_of
from gantry.store.custom_models import custom_models_of
from gantry.store.database import Database, StoreUnavailable
from gantry.store.log_tables import LOGS
from gantry.store.metadata import Tree
from gantry.store.providers import custom_providers_of
from gantry.store.routing_rules import current_rules
from gantry.store.schema import stored_revision


class Finding(NamedTuple):
    ok: bool
    text: str


class _Held(Struct, frozen=True):
    """What people added to the store."""

    providers: Sequence[CustomProvider] = ()
    credentials: Sequence[Credential] = ()
    models: Sequence[CustomModel] = ()
    rules: Document = {}


@click.command()
@home_option
def command(home: Path) -> None:
    """Check gantry.toml, the catalogue and the home, offline."""
    failures = 0
    for finding in check_home(Home(home), os.environ):
        failures += not finding.ok
        click.echo(f"{'ok  ' if finding.ok else 'FAIL'}  {finding.text}")
    if failures:
        sys.exit(1)


def check_home(home: Home, environ: Mapping[str, str]) -> Iterator[Finding]:
    """Yield what was found, in the order in which a start would meet it."""
    try:
        catalog = load_catalog()
    except SpecError as error:
        yield Finding(False, f"catalogue: {error}")
        return
    yield Finding(True, f"catalogue: {len(catalog)} providers ({', '.join(catalog)})")
    try:
        settings, declared = load_settings(home, {}, environ)
    except SettingsError as error:
        yield Finding(False, str(error))
        return
    file = home.config if home.config.exists() else f"{home.config} (absent: defaults)"
    yield Finding(True, f"settings: {file}; listens on {settings.host}:{settings.port}")
    yield from _check_declared(declared.providers, catalog, environ)
    yield from _check_files(home, settings, environ)
    yield from _check_alerts(settings, declared.alert_channels, environ)
    yield from _check_identity_providers(declared.oidc, environ)
    held = _read_held(store_address(settings, home.control_db))
    if declared.models:
        yield from _check_models(home, held, declared, catalog)
    if declared.limits or declared.books is not None:
        yield from _check_books(store_address(settings, home.control_db), declared)
    if declared.routing is not None:
        yield from _check_routing(held, declared, declared.routing, catalog, environ)


def _check_declared(
    declared: tuple[DeclaredProvider, ...], catalog: Mapping[str, ProviderSpec], environ: Mapping[str, str]
) -> Iterator[Finding]:
    for number, entry in enumerate(declared):
        where = f"gantry.toml: providers[{number}]"
        try:
            choice, _ = read_declared(entry, catalog, ())
        except ChoiceError as error:
            yield Finding(False, f"{where}: {error}")
            continue
        if entry.api_key_env is not None and not environ.get(entry.api_key_env):
            yield Finding(False, f"{where}: ${entry.api_key_env} is not set")
        else:
            yield Finding(True, f"{where}: {entry.provider}/{entry.name} for {choice.base_url}")
    for spec in catalog.values():
        for variable in spec.environment:
            try:
                if offer(spec, variable, environ) is not None:
                    yield Finding(True, f"environment: ${variable} is a credential for {spec.name}")
            except ChoiceError as error:
                yield Finding(True, f"environment: ${variable} is not used: {error}")


def _check_identity_providers(
    declared: Mapping[str, DeclaredIdentityProvider], environ: Mapping[str, str]
) -> Iterator[Finding]:
    for name, table in declared.items():
        try:
            found = read_provider(name, table, environ)
        except SettingsError as error:
            yield Finding(False, str(error))
        else:
            yield Finding(True, f"people sign in by {found.name} ({found.issuer})")


def _check_alerts(
    settings: ServeSettings, declared: tuple[DeclaredChannel, ...], environ: Mapping[str, str]
) -> Iterator[Finding]:
    if settings.smtp_url is not None:
        try:
            server = read_mail_server(settings.smtp_url, settings.smtp_from)
            yield Finding(True, f"alerts: e-mail goes by {server.host}:{server.port}")
        except ValueError as error:
            yield Finding(False, f"alerts: {error}")
    for number, entry in enumerate(declared):
        try:
            yield Finding(True, f"gantry.toml: alert_channels[{number}]: {read_channel(entry, environ).target}")
        except ValueError as error:  # ChannelRefused, and what is wrong with a URL
            yield Finding(False, f"gantry.toml: alert_channels[{number}]: {error}")


def _check_models(
    home: Home, held: _Held, declared: Declared, catalog: Mapping[str, ProviderSpec]
) -> Iterator[Finding]:
    """Check the declared models beside what a start would have: what was added by hand, and what is declared here."""
    specs = {custom.id: spec_of(custom) for custom in held.providers}
    specs.update((spec.id, spec) for _, spec in _declared_specs(held, declared, catalog))
    listed = {model for credential in held.credentials for model in credential.models}
    listed.update(model for entry in declared.providers for model in entry.models)
    world = make_world(
        {**specs, **catalog}, listed, look_up_rates(home.cache, PriceFolder(home.prices)), time.time_ns()
    )
    for number, found in enumerate(read_models(declared.models, "", world, [model.name for model in held.models])):
        if isinstance(found, str):
            yield Finding(False, found)
        else:
            yield Finding(True, f"gantry.toml: models[{number}]: {found.name} asks for {found.asks_for}")


def _check_books(address: str | Path, declared: Declared) -> Iterator[Finding]:
    """Check the declared limits, with the keys that there are, and the settings of the books."""
    if _check_database(CONTROL, address)[1]:
        with ControlStore(address) as control, control.reading() as connection:
            find = partial(find_key_id, connection, default_organization(connection))
            found = list(read_declared_limits(declared.limits, find))
    else:
        found = list(read_declared_limits(declared.limits, _find_no_key))
    for number, one in enumerate(found):
        if isinstance(one, str):
            yield Finding(False, one)
        else:
            yield Finding(True, f"gantry.toml: limits[{number}]: {one.name}")
    if declared.books is not None:
        try:
            read_declared_books(declared.books)
        except LimitRefused as error:
            yield Finding(False, f"gantry.toml: books.{error}")
        else:
            yield Finding(True, "gantry.toml: books")


def _find_no_key(text: str) -> str:
    raise LimitRefused("key", f"no API key has the id, prefix or name {text!r}; there are none yet")


def _check_routing(
    held: _Held,
    declared: Declared,
    routing: Document,
    catalog: Mapping[str, ProviderSpec],
    environ: Mapping[str, str],
) -> Iterator[Finding]:
    """Check what the declared routing rules name beside what a start would have."""
    named = _declared_specs(held, declared, catalog)
    credentials = {(spec.id, entry.name) for entry, spec in named}
    credentials.update((credential.provider_id, credential.name) for credential in held.credentials)
    for spec in catalog.values():
        credentials.update((spec.id, variable) for variable in spec.environment if environ.get(variable, "").strip())
    world = catalogue_world(catalog.values())
    own = {spec.id: spec.id for _, spec in named} | {custom.id: custom.id for custom in held.providers}
    listed = {model for credential in held.credentials for model in credential.models}
    listed.update(model for entry in declared.providers for model in entry.models)
    world = replace(
        world,
        providers={**own, **world.providers},
        customs=frozenset([model.name for model in held.models] + [entry.name for entry in declared.models]),
        listed=frozenset(listed),
        credentials=frozenset(credentials),
    )
    rules = read_rules(routing)
    refusals = new_refusals(rules, held.rules, world)
    for fault in find_faults(rules, world):
        yield Finding(fault.words not in refusals, f"gantry.toml: routing: {fault.words}")
    if not refusals:
        counts = f"{len(rules.groups)} groups, {len(rules.models)} rules for models"
        yield Finding(True, f"gantry.toml: routing: {counts}")


def _declared_specs(
    held: _Held, declared: Declared, catalog: Mapping[str, ProviderSpec]
) -> list[tuple[DeclaredProvider, ProviderSpec]]:
    """Return the declared credentials that can be used, each with its provider."""
    found = []
    for entry in declared.providers:
        try:
            found.append((entry, read_declared(entry, catalog, held.providers)[0].spec))
        except ChoiceError:
            continue  # which is said already
    return found


def _read_held(address: str | Path) -> _Held:
    """Return what people added to the store; nothing where it cannot be read, or is another version's."""
    if not _check_database(CONTROL, address)[1]:
        return _Held()
    with ControlStore(address) as control, control.reading() as connection:
        organization_id = default_organization(connection)
        return _Held(
            [custom for custom in custom_providers_of(connection, organization_id) if custom.managed_by is None],
            [credential for credential in credentials_of(connection, organization_id) if credential.managed_by is None],
            [model for model in custom_models_of(connection, organization_id) if model.managed_by is None],
            current_rules(connection, organization_id).document,
        )


def _check_files(home: Home, settings: ServeSettings, environ: Mapping[str, str]) -> Iterator[Finding]:
    if not home.path.is_dir():
        yield Finding(True, f"home: {home.path} is made at the first start")
        return
    mode = stat.S_IMODE(home.path.stat().st_mode)
    if mode & 0o077:
        yield Finding(False, f"home: others may look into {home.path} (mode {mode:o}); run chmod 700 on it")
    else:
        yield Finding(True, f"home: {home.path}")
    environment_key = environ.get("GANTRY_MASTER_KEY")
    if environment_key is None and not home.master_key.exists() and not home.control_db.exists():
        yield Finding(True, f"master key: {home.master_key} is made at the first start")
        return
    try:
        keyring = load_keyring(home, environment_key)
    except HomeError as error:
        yield Finding(False, f"master key: {error}")
        return
    yield Finding(True, "master key: " + ("GANTRY_MASTER_KEY" if environment_key else str(home.master_key)))
    readable = set()
    for tree, file in ((CONTROL, home.control_db), (LOGS, home.logs_db)):
        finding, is_current = _check_database(tree, store_address(settings, file))
        if is_current:
            readable.add(tree.name)
        yield finding
    if CONTROL.name in readable:
        with ControlStore(store_address(settings, home.control_db)) as control:
            granted = GrantedCredits(store_address(settings, home.logs_db))
            rehearsed = Publisher(home, keyring, control, environ, granted=granted).rehearse()
            granted.close()
            with control.reading() as connection:
                passing = tuple(
                    f"{credential.provider_id}/{credential.name} "
                    for credential in credentials_of(connection)
                    if credential.managed_by is ManagedBy.ENVIRONMENT
                )
        for problem in rehearsed.problems:
            # What only the environment declares is dropped at a start without its variable: no fault
            yield Finding(problem.startswith(passing), f"snapshot: {problem}")
        yield Finding(True, f"snapshot: version {rehearsed.version} can be published")


def _check_database(tree: Tree, address: str | Path) -> tuple[Finding, bool]:
    """Return what there is to say about a database, and whether its tables are this version's."""
    if isinstance(address, Path) and not address.exists():
        return Finding(True, f"{address.name}: is made at the first start"), False
    name = address.name if isinstance(address, Path) else f"database ({tree.name})"
    try:
        database = Database(address)
        try:
            with database.reading() as connection:
                revision = stored_revision(connection, tree)
        finally:
            database.close()
    except StoreUnavailable as error:
        return Finding(False, f"{name}: {error}"), False
    if revision != tree.head:
        return Finding(True, f"{name}: revision {revision} is migrated to {tree.head} at the next start"), False
    return Finding(True, f"{name}: revision {revision}"), True
