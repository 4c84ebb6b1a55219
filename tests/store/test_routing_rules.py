"""Routing rules in the store: versions that never change, on every engine, and no writer overwrites another."""

import threading
from pathlib import Path

import pytest
from alembic import command
from sqlalchemy import func, insert, select, text

from gantry.core.custom_model import CustomModel
from gantry.core.custom_provider import CustomProvider
from gantry.core.routing_document import RulesWorld
from gantry.home import Keyring
from gantry.store.control import ControlStore, default_organization
from gantry.store.control_tables import CONTROL, organizations, routing_rules
from gantry.store.credentials import ManagedBy, NewCredential, add_credential, credentials_of, sealed_secrets
from gantry.store.custom_models import put_custom_model
from gantry.store.database import Database
from gantry.store.migrate import alembic_config, upgrade
from gantry.store.providers import put_provider
from gantry.store.routing_rules import (
    MOST_VERSIONS,
    VersionConflict,
    WrittenRules,
    current_rules,
    current_rules_of_all,
    find_rules,
    own_world,
    rules_before,
    rules_versions,
    write_rules,
)
from gantry.store.vault import Vault

ODD = '{"retries":{"num_retries":2},"groups":[],"fallback_models":["\\u00e9","mistral/x"]}'


@pytest.fixture
def organization(control: ControlStore) -> str:
    with control.reading() as connection:
        return default_organization(connection)


def write(
    control: ControlStore,
    organization: str,
    text: str,
    *,
    author: str = "me",
    note: str = "",
    managed_by: ManagedBy | None = None,
    expected: int | None = None,
) -> WrittenRules:
    with control.changing() as change:
        return write_rules(
            change, organization, text, author=author, note=note, managed_by=managed_by, expected=expected
        )


def test_what_was_written_comes_back_to_the_byte(control: ControlStore, organization: str) -> None:
    with control.reading() as connection:
        nothing = current_rules(connection, organization)
        assert (nothing.version, nothing.text, nothing.document) == (0, "{}", {})
        assert rules_versions(connection, organization) == current_rules_of_all(connection) == []
    first = write(control, organization, ODD, note="why", managed_by=ManagedBy.FILE)
    second = write(control, organization, "{}", author="you")
    with control.reading() as connection:
        assert current_rules(connection, organization) == second
        found = find_rules(connection, organization, 1)
        assert found == first
        assert (found.text, found.note, found.managed_by, found.author) == (ODD, "why", ManagedBy.FILE, "me")
        assert [(one.version, one.author) for one in rules_versions(connection, organization)] == [
            (2, "you"),
            (1, "me"),
        ]
        assert list(rules_before(connection, organization, 2)) == [first]
        assert find_rules(connection, organization, 3) is find_rules(connection, "another", 1) is None
    again = write(control, organization, first.text, note="as in version 1")
    assert (again.version, again.text, again.document) == (3, ODD, first.document)


def test_the_same_again_makes_no_version(control: ControlStore, organization: str) -> None:
    first = write(control, organization, ODD)
    assert write(control, organization, ODD, author="you", note="again") == first
    assert write(control, organization, ODD, managed_by=ManagedBy.FILE).version == 2


def test_who_began_with_an_older_version_is_refused(control: ControlStore, organization: str) -> None:
    assert write(control, organization, "{}", expected=0).version == 0  # which is there already
    assert write(control, organization, ODD, expected=0).version == 1
    version = control.version()
    with pytest.raises(VersionConflict, match="at version 1, and the change was made from 0"):
        write(control, organization, '{"groups":[]}', expected=0)
    assert control.version() == version
    with control.reading() as connection:
        assert current_rules(connection, organization).text == ODD


@pytest.mark.slow
def test_of_editors_at_once_one_is_heard(address: str | Path, control: ControlStore, organization: str) -> None:
    """All begin with version 0, at the same moment, each with a store of its own."""
    barrier, heard, refused = threading.Barrier(6), list[int](), list[int]()

    def edit(number: int) -> None:
        with ControlStore(address) as own:
            barrier.wait(30)
            try:
                write(own, organization, f'{{"fallback_models":["m{number}"]}}', expected=0)
                heard.append(number)
            except VersionConflict:
                refused.append(number)

    threads = [threading.Thread(target=edit, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert (len(heard), len(refused)) == (1, 5)
    with control.reading() as connection:
        current = current_rules(connection, organization)
    assert (current.version, current.document) == (1, {"fallback_models": [f"m{heard[0]}"]})


def test_the_newest_hundred_are_kept_of_each_organization(control: ControlStore, organization: str) -> None:
    with control.changing() as change:
        change.connection.execute(insert(organizations).values(id="o2", name="x", created_at=2**62))
        write_rules(change, "o2", ODD, author="me")
        for number in range(MOST_VERSIONS + 3):
            write_rules(change, organization, f'{{"fallback_models":["m{number}"]}}', author="me")
    with control.reading() as connection:
        kept = [one.version for one in rules_versions(connection, organization)]
        assert kept == list(range(MOST_VERSIONS + 3, 3, -1))
        assert connection.scalar(select(func.count()).select_from(routing_rules)) == MOST_VERSIONS + 1
        newest = {one.organization_id: (one.version, one.text) for one in current_rules_of_all(connection)}
    assert newest == {
        organization: (MOST_VERSIONS + 3, f'{{"fallback_models":["m{MOST_VERSIONS + 2}"]}}'),
        "o2": (1, ODD),
    }


def test_each_version_makes_one_of_the_configuration(control: ControlStore, organization: str) -> None:
    before = control.version()
    write(control, organization, ODD)
    assert control.version() == before + 1


def test_a_world_is_an_organizations_own(control: ControlStore, organization: str) -> None:
    with control.changing() as change:
        change.connection.execute(insert(organizations).values(id="o2", name="x", created_at=2**62))
        for owner in (organization, "o2"):
            acme = f"acme-{owner[:2]}"
            put_provider(change, CustomProvider(organization_id=owner, id=acme, name="A", base_url="https://a.test"))
            put_custom_model(change, CustomModel(organization_id=owner, name=f"name-{owner[:2]}", base="gpt-4o"))
            new = NewCredential(provider_id=acme, name="default", base_url="https://a.test", models=(f"m-{owner[:2]}",))
            add_credential(change, Vault(Keyring(b"m" * 32).vault), owner, new)
    with control.reading() as connection:
        world = own_world(connection, "o2", RulesWorld({"mistral": "mistral"}, lambda _: False))
    assert world.providers == {"mistral": "mistral", "acme-o2": "acme-o2"}
    assert (world.customs, world.listed) == (frozenset(("name-o2",)), frozenset(("m-o2",)))
    assert world.credentials == frozenset((("acme-o2", "default"),))


def test_the_fifth_revision_keeps_credentials_with_their_secrets(address: str | Path) -> None:
    database = Database(address)
    column_names = "id, organization_id, provider_id, name, base_url, weight, models, created_at, home"
    with database.writing() as connection:
        command.upgrade(alembic_config(CONTROL, connection), "c0004")
        connection.execute(text("INSERT INTO organizations VALUES ('o1', 'x', 1)"))
        values = "'c', 'o1', 'mistral', 'default', 'https://x.test', 1, '[\"m\"]', 7, true"
        connection.execute(text(f"INSERT INTO credentials ({column_names}) VALUES ({values})"))
        connection.execute(text("INSERT INTO credential_secrets VALUES ('c', 'o1', 'k', :sealed)"), {"sealed": b"s"})
    with database.writing() as connection:
        upgrade(connection, CONTROL)
        (credential,) = credentials_of(connection)
        assert (credential.models, credential.excluded_models, credential.home) == (("m",), (), True)
        assert sealed_secrets(connection) == {"c": {"k": b"s"}}
        assert current_rules(connection, "o1").version == 0
    database.close()
