"""Credentials and the vault: a secret opens in its own place only."""

from pathlib import Path

import pytest
from msgspec import structs

from gantry.core.sealing import SealBroken, Sealer
from gantry.core.secret import Secret
from gantry.store.control import ControlStore, default_organization
from gantry.store.credentials import (
    Credential,
    CredentialExists,
    CredentialNotFound,
    ManagedBy,
    NewCredential,
    add_credential,
    credentials_of,
    find_credential,
    remove_credentials,
    sealed_secrets,
)
from gantry.store.providers import (
    CustomProvider,
    custom_providers,
    put_provider,
    remove_unused_providers,
)
from gantry.store.vault import Place, Vault

VAULT = Vault(Sealer(b"k" * 32, nonce=lambda: b"n" * 12))
NEW = NewCredential(
    provider_id="mistral",
    name="default",
    base_url="https://api.mistral.ai",
    secrets={"api_key": Secret("canary-secret")},
)


@pytest.fixture
def organization(control: ControlStore) -> str:
    with control.reading() as connection:
        return default_organization(connection)


def _add(control: ControlStore, organization: str, new: NewCredential) -> Credential:
    with control.changing() as change:
        return add_credential(change, VAULT, organization, new)


def test_a_credential_comes_back_and_its_secret_opens(control: ControlStore, organization: str) -> None:
    added = _add(control, organization, structs.replace(NEW, weight=0.5, models=("m",)))
    with control.reading() as connection:
        assert credentials_of(connection, organization) == credentials_of(connection) == [added]
        sealed = sealed_secrets(connection)[added.id]["api_key"]
    assert VAULT.open(sealed, added.place("api_key")) == Secret("canary-secret")


@pytest.mark.parametrize("part", Place.__struct_fields__)
def test_a_secret_moved_elsewhere_does_not_open(part: str) -> None:
    place = Place("org", "mistral", "id", "api_key")
    sealed = VAULT.seal(Secret("x"), place)
    with pytest.raises(SealBroken):
        VAULT.open(sealed, structs.replace(place, **{part: "elsewhere"}))


def test_no_secret_is_stored_in_the_clear(tmp_path: Path) -> None:
    with ControlStore(tmp_path / "control.db") as control:
        with control.reading() as connection:
            organization = default_organization(connection)
        _add(control, organization, NEW)
    assert b"canary-secret" not in b"".join(path.read_bytes() for path in tmp_path.iterdir())


def test_a_reference_stores_the_name_of_its_variable(control: ControlStore, organization: str) -> None:
    new = structs.replace(NEW, secrets={}, source="MISTRAL_API_KEY", managed_by=ManagedBy.ENVIRONMENT)
    added = _add(control, organization, new)
    with control.reading() as connection:
        assert sealed_secrets(connection) == {}
        assert find_credential(connection, organization, "mistral") == added
    assert (added.source, added.managed_by) == ("MISTRAL_API_KEY", ManagedBy.ENVIRONMENT)


def test_a_secret_has_one_origin_or_none(control: ControlStore, organization: str) -> None:
    with pytest.raises(ValueError, match="either secrets or a source"):
        _add(control, organization, structs.replace(NEW, source="V"))
    keyless = _add(control, organization, structs.replace(NEW, secrets={}))
    with control.reading() as connection:
        assert sealed_secrets(connection) == {}
        assert find_credential(connection, organization, "mistral") == keyless


def test_a_name_is_taken_once_for_each_provider(control: ControlStore, organization: str) -> None:
    _add(control, organization, NEW)
    with pytest.raises(CredentialExists, match="mistral has a credential named 'default' already"):
        _add(control, organization, NEW)
    _add(control, organization, structs.replace(NEW, provider_id="openai"))


def test_finding(control: ControlStore, organization: str) -> None:
    first = _add(control, organization, NEW)
    second = _add(control, organization, structs.replace(NEW, provider_id="openai"))
    with control.reading() as connection:
        for text, expected in (
            (first.id, first),
            ("mistral", first),
            ("openai/default", second),
            ("openai", second),
        ):
            assert find_credential(connection, organization, text) == expected
        with pytest.raises(CredentialNotFound, match="say which: mistral/default, openai/default"):
            find_credential(connection, organization, "default")
        with pytest.raises(CredentialNotFound, match="no credential"):
            find_credential(connection, organization, "mistral/other")
        with pytest.raises(CredentialNotFound):
            find_credential(connection, "another", first.id)


def test_removing_takes_the_secret_and_a_provider_nobody_uses(control: ControlStore, organization: str) -> None:
    custom = CustomProvider(id="acme", organization_id=organization, name="Acme", base_url="https://acme.test")
    with control.changing() as change:
        put_provider(change, custom)
        put_provider(change, structs.replace(custom, base_url="https://acme.example"))
        added = add_credential(change, VAULT, organization, structs.replace(NEW, provider_id="acme"))
    with control.reading() as connection:
        assert custom_providers(connection) == [structs.replace(custom, base_url="https://acme.example")]
    with control.changing() as change:
        remove_credentials(change, [added])
        remove_unused_providers(change)
    with control.reading() as connection:
        assert credentials_of(connection) == []
        assert custom_providers(connection) == []
        assert sealed_secrets(connection) == {}


def test_a_credential_that_takes_anothers_place_keeps_its_id(control: ControlStore, organization: str) -> None:
    old = _add(control, organization, NEW)
    with control.changing() as change:
        remove_credentials(change, [old])
        new = add_credential(change, VAULT, organization, structs.replace(NEW, weight=2.0), replaces=old)
    assert (new.id, new.created_at, new.weight) == (old.id, old.created_at, 2.0)
