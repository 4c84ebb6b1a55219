"""A home opened for a command: its keys, control store and settings; and the faults that a command only shows."""

import getpass
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import click
from msgspec import Struct

from gantry.board.all_counters import AllCounters, SharedSilent, opened_counters
from gantry.core.audit_entry import Actor, Author
from gantry.core.ids import OrganizationId
from gantry.home import Home, HomeError, Keyring, load_keyring
from gantry.keeping import KeepingRefused
from gantry.providers.provider_choice import ChoiceError
from gantry.settings import ServeSettings, SettingsError, load_settings
from gantry.store.control import ControlStore, default_organization
from gantry.store.credentials import CredentialExists, CredentialNotFound
from gantry.store.database import StoreUnavailable
from gantry.store.keys import KeyNotFound
from gantry.store.organizations import OrganizationNotFound, OrganizationRefused, find_organization
from gantry.store.schema import SchemaError

_SHOWN = (
    SharedSilent,
    HomeError,
    SettingsError,
    StoreUnavailable,
    SchemaError,
    KeepingRefused,
    ChoiceError,
    CredentialExists,
    CredentialNotFound,
    KeyNotFound,
    OrganizationNotFound,
    OrganizationRefused,
)


class OpenHome(Struct, frozen=True):
    home: Home
    keyring: Keyring
    control: ControlStore
    settings: ServeSettings
    organization_id: str


@contextmanager
def open_home(path: Path, organization: str | None = None) -> Iterator[OpenHome]:
    """Open a home, creating it when it is missing, for the first organization or one that is named.

    An expected fault inside becomes one line on stderr.
    """
    with shown_faults():
        home = Home(path)
        home.prepare()
        keyring = load_keyring(home, os.environ.get("GANTRY_MASTER_KEY"), create=True)
        settings, _ = load_settings(home, {}, os.environ)
        with ControlStore(store_address(settings, home.control_db)) as control:
            with control.reading() as connection:
                organization_id = default_organization(connection)
                if organization is not None:
                    organization_id = OrganizationId(find_organization(connection, organization).id)
            yield OpenHome(home, keyring, control.acting_as(_author()), settings, organization_id)


def _author() -> Author:
    """Return who types: the user of the system, by the name it goes by there."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):  # there is none for it, as in a container
        name = str(os.getuid())
    return Author(Actor.COMMAND_LINE, str(os.getuid()), name)


@contextmanager
def shown_faults() -> Iterator[None]:
    """Turn the faults whose message is written for a person into an error of the command."""
    try:
        yield
    except _SHOWN as error:
        raise click.ClickException(str(error)) from error


def counters_of(opened: OpenHome) -> AbstractContextManager[AllCounters | None]:
    """Open what limits have counted, for one question."""
    return opened_counters(opened.home.counters, opened.settings.redis_url)


def store_address(settings: ServeSettings, file: Path) -> str | Path:
    """Return where a store is: the database that was configured for both, or its file in the home."""
    return file if settings.database_url is None else settings.database_url.reveal()
