"""A home opened for a command: its keys, control store and settings; and the faults that a command only shows."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from msgspec import Struct

from gantry.home import Home, HomeError, Keyring, load_keyring
from gantry.providers.provider_choice import ChoiceError
from gantry.settings import ServeSettings, SettingsError, load_settings
from gantry.store.control import ControlStore, default_organization
from gantry.store.credentials import CredentialExists, CredentialNotFound
from gantry.store.database import StoreUnavailable
from gantry.store.keys import KeyNotFound
from gantry.store.schema import SchemaError

_SHOWN = (
    HomeError,
    SettingsError,
    StoreUnavailable,
    SchemaError,
    ChoiceError,
    CredentialExists,
    CredentialNotFound,
    KeyNotFound,
)


class OpenHome(Struct, frozen=True):
    home: Home
    keyring: Keyring
    control: ControlStore
    settings: ServeSettings
    organization_id: str


@contextmanager
def open_home(path: Path) -> Iterator[OpenHome]:
    """Open a home, creating it when it is missing. An expected fault inside becomes one line on stderr."""
    with shown_faults():
        home = Home(path)
        home.prepare()
        keyring = load_keyring(home, os.environ.get("GANTRY_MASTER_KEY"), create=True)
        settings, _ = load_settings(home, {}, os.environ)
        with ControlStore(store_address(settings, home.control_db)) as control:
            with control.reading() as connection:
                organization_id = default_organization(connection)
            yield OpenHome(home, keyring, control, settings, organization_id)


@contextmanager
def shown_faults() -> Iterator[None]:
    """Turn the faults whose message is written for a person into an error of the command."""
    try:
        yield
    except _SHOWN as error:
        raise click.ClickException(str(error)) from error


def store_address(settings: ServeSettings, file: Path) -> str | Path:
    """Return where a store is: the database that was configured for both, or its file in the home."""
    return file if settings.database is None else settings.database.reveal()
