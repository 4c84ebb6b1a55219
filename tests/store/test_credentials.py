"""Credentials and the vault: a secret opens in its own place only."""

from pathlib import Path

import pytest
from alembic import command
from msgspec import structs
from sqlalchemy import text, update
from sqlalchemy.exc import IntegrityError

from gantry.core.sealing import SealBroken, Sealer
from gantry.core.secret import Secret
from gantry.core.vocabulary import Environment
from gantry.store.control import ControlStore, default_organization
from gantry.store.control_tables import CONTROL, credentials
from gantry.store.credentials import (
    Credential,
    CredentialExists,
    CredentialNotFound,
    ManagedBy,
    NewCredential,
    add_credential,
    change_credential,
    change_service,
    credentials_of,
    find_credential,
    has_secret,
    make_home,
    remove_credentials,
    sealed_secrets,
)
from gantry.store.database import Database
from gantry.store.migrate import alembic_config, upgrade
from gantry.store.vault import Place, Vault
from tests.postgresql import needs_sqlite

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


def test_what_a_credential_serves_is_changed_and_nothing_else(control: ControlStore, organization: str) -> None:
    added = _add(control, organization, structs.replace(NEW, models=("a",), excluded_models=("b-*", "c")))
    assert added.excluded_models == ("b-*", "c")
    other = _add(control, organization, structs.replace(NEW, name="other"))
    wanted = structs.replace(
        added, weight=0.0, models=(), excluded_models=("d",), environment=Environment.TEST, base_url="https://x.test"
    )
    with control.changing() as change:
        change_service(change, wanted)
    with control.reading() as connection:
        found = credentials_of(connection)
        assert len(sealed_secrets(connection)) == 2
    assert found == [structs.replace(wanted, base_url=added.base_url), other]


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


@needs_sqlite
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


def test_what_stands_beside_a_reference_is_kept(control: ControlStore, organization: str) -> None:
    added = _add(control, organization, structs.replace(NEW, secrets={"region": Secret("eu-1")}, source="V"))
    with control.reading() as connection:
        assert sealed_secrets(connection)[added.id].keys() == {"region"}


def test_a_credential_may_have_no_secret(control: ControlStore, organization: str) -> None:
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
        for text in ("mistral/other", "mistral/\0", "\0"):  # a path may hold what no engine takes
            with pytest.raises(CredentialNotFound, match="no credential"):
                find_credential(connection, organization, text)
        with pytest.raises(CredentialNotFound):
            find_credential(connection, "another", first.id)


def test_removing_takes_the_secret(control: ControlStore, organization: str) -> None:
    added = _add(control, organization, NEW)
    with control.changing() as change:
        remove_credentials(change, [added])
    with control.reading() as connection:
        assert credentials_of(connection) == []
        assert sealed_secrets(connection) == {}


def test_a_credential_that_takes_anothers_place_keeps_its_id(control: ControlStore, organization: str) -> None:
    old = _add(control, organization, NEW)
    with control.changing() as change:
        remove_credentials(change, [old])
        new = add_credential(change, VAULT, organization, structs.replace(NEW, weight=2.0), replaces=old)
    assert (new.id, new.created_at, new.weight) == (old.id, old.created_at, 2.0)


def test_a_credential_is_given_another_address_and_another_secret(control: ControlStore, organization: str) -> None:
    old = _add(control, organization, structs.replace(NEW, weight=2.0))
    other = _add(control, organization, structs.replace(NEW, name="other"))

    def kept() -> tuple[str, dict[str, Secret], bool]:
        with control.reading() as connection:
            found = find_credential(connection, organization, old.id)
            sealed = sealed_secrets(connection)
            assert VAULT.open(sealed[other.id]["api_key"], other.place("api_key")) == Secret("canary-secret")
            secrets = {name: VAULT.open(value, found.place(name)) for name, value in sealed.get(found.id, {}).items()}
            assert structs.replace(found, base_url=old.base_url) == old
            return found.base_url, secrets, has_secret(connection, found)

    for base_url, given, secrets in (
        ("https://one.test", None, {"api_key": Secret("canary-secret")}),
        ("https://two.test", {"api_key": Secret("two")}, {"api_key": Secret("two")}),
        ("https://two.test", {}, {}),
    ):
        with control.changing() as change:
            change_credential(change, VAULT, old, base_url, given)
        assert kept() == (base_url, secrets, bool(secrets))


def test_a_secret_that_is_given_takes_the_place_of_a_reference(control: ControlStore, organization: str) -> None:
    old = _add(control, organization, structs.replace(NEW, secrets={}, source="SOME_KEY"))
    with control.changing() as change:
        assert has_secret(change.connection, old)
        change_credential(change, VAULT, old, old.base_url, None)
        assert find_credential(change.connection, organization, "mistral").source == "SOME_KEY"
        change_credential(change, VAULT, old, old.base_url, {"api_key": Secret("k")})
        assert find_credential(change.connection, organization, "mistral").source is None


def _homes(control: ControlStore) -> list[str]:
    with control.reading() as connection:
        return [f"{found.provider_id}/{found.name}" for found in credentials_of(connection) if found.home]


def test_the_first_credential_for_a_provider_is_home_and_stays_it(control: ControlStore, organization: str) -> None:
    first = _add(control, organization, NEW)
    assert first.home
    second = _add(control, organization, structs.replace(NEW, name="second", weight=9.0))
    assert not second.home
    _add(control, organization, structs.replace(NEW, provider_id="openai"))
    assert _homes(control) == ["mistral/default", "openai/default"]
    with control.changing() as change:
        make_home(change, second)
    assert _homes(control) == ["mistral/second", "openai/default"]


def test_a_home_that_is_removed_is_not_moved(control: ControlStore, organization: str) -> None:
    first = _add(control, organization, NEW)
    second = _add(control, organization, structs.replace(NEW, name="second"))
    with control.changing() as change:
        remove_credentials(change, [first])
    assert not _add(control, organization, structs.replace(NEW, name="third")).home
    assert _homes(control) == []
    with control.changing() as change:
        make_home(change, second)
    assert _homes(control) == ["mistral/second"]


def test_after_the_last_was_removed_the_next_is_home(control: ControlStore, organization: str) -> None:
    with control.changing() as change:
        remove_credentials(change, [add_credential(change, VAULT, organization, NEW)])
    assert _add(control, organization, structs.replace(NEW, name="next")).home


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_credentials_that_are_replaced_are_home_as_they_were(
    control: ControlStore, organization: str, order: tuple[int, ...]
) -> None:
    old = [_add(control, organization, structs.replace(NEW, name=name)) for name in ("a", "b")]
    wanted = [(NEW, None), *((structs.replace(NEW, name=each.name, weight=2.0), each) for each in old)]
    with control.changing() as change:
        remove_credentials(change, old)
        for number in order:
            new, replaced = wanted[number]
            add_credential(change, VAULT, organization, new, replaces=replaced)
    assert _homes(control) == ["mistral/a"]


def test_a_replaced_credential_that_was_not_home_does_not_become_it(control: ControlStore, organization: str) -> None:
    first = _add(control, organization, NEW)
    second = _add(control, organization, structs.replace(NEW, name="second"))
    with control.changing() as change:
        remove_credentials(change, [first, second])
        add_credential(change, VAULT, organization, structs.replace(NEW, name="second"), replaces=second)
    assert _homes(control) == []


def test_no_two_are_home(control: ControlStore, organization: str) -> None:
    for name in ("a", "b"):
        _add(control, organization, structs.replace(NEW, name=name))
    with pytest.raises(IntegrityError), control.changing() as change:
        change.connection.execute(update(credentials).values(home=True))


def test_of_the_credentials_there_were_the_oldest_for_each_provider_is_home(address: str | Path) -> None:
    """Their secrets stay: they would go with a table that is copied."""
    rows = (
        ("a", "o1", "p", 20),
        ("b", "o1", "p", 10),
        ("c", "o1", "p", 10),
        ("d", "o1", "q", 30),
        ("e", "o2", "p", 40),
    )
    column_names = "id, organization_id, provider_id, name, base_url, weight, models, created_at"
    database = Database(address)
    with database.writing() as connection:
        command.upgrade(alembic_config(CONTROL, connection), "c0001")
        for organization in ("o1", "o2"):
            connection.execute(text(f"INSERT INTO organizations VALUES ('{organization}', 'x', 1)"))
        for name, organization, provider, created_at in rows:
            values = f"'{name}', '{organization}', '{provider}', '{name}', 'https://x.test', 1, '[]', {created_at}"
            connection.execute(text(f"INSERT INTO credentials ({column_names}) VALUES ({values})"))
            sealed = {"id": name, "organization": organization, "sealed": b"s"}
            connection.execute(text("INSERT INTO credential_secrets VALUES (:id, :organization, 'k', :sealed)"), sealed)
    with database.writing() as connection:
        upgrade(connection, CONTROL)
        assert [found.id for found in credentials_of(connection) if found.home] == ["b", "d", "e"]
        assert len(sealed_secrets(connection)) == len(rows)
    database.close()
