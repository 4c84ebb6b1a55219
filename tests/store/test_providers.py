"""Custom providers in the store: an organization's own, on every engine, with what there was before they were."""

from pathlib import Path

import pytest
from alembic import command
from msgspec.structs import replace
from sqlalchemy import insert, text

from gantry.core.custom_provider import CustomProvider
from gantry.core.sealing import Sealer
from gantry.store.control import ControlStore, default_organization
from gantry.store.control_tables import CONTROL, organizations
from gantry.store.credentials import NewCredential, add_credential, credentials_of, remove_credentials
from gantry.store.database import Database
from gantry.store.migrate import alembic_config, upgrade
from gantry.store.providers import custom_providers_of, find_provider, put_provider, remove_unused_providers
from gantry.store.vault import Vault

VAULT = Vault(Sealer(b"k" * 32, nonce=lambda: b"n" * 12))
ANOTHER = "another"


@pytest.fixture
def acme(control: ControlStore) -> CustomProvider:
    """A provider of the first organization of two."""
    with control.changing() as change:
        change.connection.execute(insert(organizations).values(id=ANOTHER, name="x", created_at=2**62))
        organization_id = default_organization(change.connection)
    return CustomProvider(
        organization_id=organization_id,
        id="acme",
        name="Acme",
        base_url="https://acme.test",
        parameters={"temperature": 0.2, "stop": ["a", "b"]},
        managed_by="gantry.toml",
    )


def test_a_provider_comes_back_and_keeps_its_day_of_birth(control: ControlStore, acme: CustomProvider) -> None:
    with control.changing() as change:
        first = put_provider(change, acme)
        assert (first.created_at, first.updated_at) == (change.now, change.now)
    with control.changing() as change:
        second = put_provider(change, replace(acme, base_url="https://acme.example", parameters={}))
        assert (second.created_at, second.updated_at) == (first.created_at, change.now)
    with control.reading() as connection:
        assert find_provider(connection, acme.organization_id, "acme") == second
        assert custom_providers_of(connection) == [second]


def test_two_organizations_may_name_different_servers_alike(control: ControlStore, acme: CustomProvider) -> None:
    with control.changing() as change:
        first = put_provider(change, acme)
        second = put_provider(change, replace(acme, organization_id=ANOTHER, base_url="https://other.test"))
    with control.reading() as connection:
        for stored in (first, second):
            assert find_provider(connection, stored.organization_id, "acme") == stored
            assert custom_providers_of(connection, stored.organization_id) == [stored]
        assert len(custom_providers_of(connection)) == 2


def test_a_provider_goes_with_the_last_credential_of_its_own_organization(
    control: ControlStore, acme: CustomProvider
) -> None:
    new = NewCredential(provider_id="acme", name="default", base_url="https://acme.test")
    with control.changing() as change:
        for organization_id in (acme.organization_id, ANOTHER):
            put_provider(change, replace(acme, organization_id=organization_id))
            add_credential(change, VAULT, organization_id, new)
        remove_unused_providers(change)
        assert len(custom_providers_of(change.connection)) == 2
        remove_credentials(change, credentials_of(change.connection, ANOTHER))
        remove_unused_providers(change)
        assert [left.organization_id for left in custom_providers_of(change.connection)] == [acme.organization_id]


def test_the_fourth_revision_keeps_the_providers_there_were(address: str | Path) -> None:
    database = Database(address)
    with database.writing() as connection:
        command.upgrade(alembic_config(CONTROL, connection), "c0003")
        connection.execute(text("INSERT INTO organizations VALUES ('o1', 'x', 1)"))
        connection.execute(
            text("INSERT INTO providers VALUES ('acme', 'o1', 'Acme', 'https://acme.test', 'gantry.toml', 7)")
        )
    with database.writing() as connection:
        upgrade(connection, CONTROL)
        assert custom_providers_of(connection) == [
            CustomProvider(
                organization_id="o1",
                id="acme",
                name="Acme",
                base_url="https://acme.test",
                managed_by="gantry.toml",
                created_at=7,
                updated_at=7,
            )
        ]
    database.close()
