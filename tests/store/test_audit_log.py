"""The audit log in the store, on every engine: what is changed is noted, and the chain shows where it was touched."""

import ast
from contextlib import suppress
from pathlib import Path

import pytest
from sqlalchemy import delete, update

import gantry.store
from gantry.core.audit_entry import SYSTEM, Actor, AuditAction, Author
from gantry.core.sealing import Sealer
from gantry.core.secret import Secret
from gantry.store.audit_log import Break, entries_of, find_break, last_entry
from gantry.store.control import ControlStore, default_organization
from gantry.store.control_tables import audit_entries
from gantry.store.credentials import NewCredential, add_credential
from gantry.store.keys import KeyPolicy, add_key, revoke_key, rotate_key
from gantry.store.organizations import add_organization
from gantry.store.vault import Vault

ADA = Author(Actor.PERSON, "1", "ada@example.com")


def filled(control: ControlStore) -> str:
    """Make three changes by Ada's hand, and return the organization."""
    for number in range(3):
        with control.acting_as(ADA).changing() as change:
            organization_id = default_organization(change.connection)
            add_key(change, organization_id, f"key {number}", KeyPolicy(), b"pepper")
    return organization_id


def test_what_is_changed_is_noted_with_whose_hand_it_was(control: ControlStore) -> None:
    organization_id = filled(control)
    with control.changing() as change:
        key, secret = add_key(change, organization_id, "temporary", KeyPolicy(), b"pepper", temporary=True)
        new, _ = rotate_key(change, key, b"pepper", 0)
        revoke_key(change, new)
    control.note(organization_id, AuditAction.LOG_REMOVED, "a log", why="asked for")
    with control.reading() as connection:
        found, count = entries_of(connection, organization_id, page=1, page_size=4)
        rest, _ = entries_of(connection, organization_id, page=2, page_size=4)
        assert find_break(connection, organization_id) is None
    assert (count, [one.number for one in (*found, *rest)]) == (7, [7, 6, 5, 4, 3, 2, 1])
    assert [one.action for one in found] == ["log.removed", "api_key.revoked", "api_key.rotated", "api_key.created"]
    assert {one.author for one in found} == {SYSTEM}
    assert {one.author for one in rest} == {ADA}
    assert found[0].details == {"why": "asked for"}
    assert found[2].details["replaces"] == key.id
    assert not any(secret.reveal()[12:] in one.detail for one in found)


def test_a_change_that_fails_is_not_noted(control: ControlStore) -> None:
    organization_id = filled(control)
    with suppress(ZeroDivisionError), control.changing() as change:
        add_key(change, organization_id, "never", KeyPolicy(), b"pepper")
        raise ZeroDivisionError
    with control.reading() as connection:
        assert last_entry(connection, organization_id)[0] == 3


def test_each_organization_has_its_own(control: ControlStore) -> None:
    first = filled(control)
    with control.changing() as change:
        second = add_organization(change, "Second").id
    with control.reading() as connection:
        assert [one.action for one in entries_of(connection, second, page=1, page_size=9)[0]] == ["organization.added"]
        assert last_entry(connection, first)[0] == 3


@pytest.mark.parametrize(
    ("touched", "at"),
    [
        ({"subject": "another"}, 2),
        ({"actor_name": "eve@example.com"}, 2),
        ({"detail": "{}"}, 2),
        ({"at": 0}, 2),
        ({"digest": bytes(32)}, 2),
        (None, 2),
    ],
)
def test_who_touches_an_entry_breaks_the_chain(
    control: ControlStore, touched: dict[str, object] | None, at: int
) -> None:
    organization_id = filled(control)
    with control.noting() as connection:
        where = audit_entries.c.number == 2
        connection.execute(delete(audit_entries).where(where)) if touched is None else connection.execute(
            update(audit_entries).where(where).values(**touched)
        )
    with control.reading() as connection:
        assert find_break(connection, organization_id) == Break(organization_id, at)


def test_a_credential_is_noted_without_its_secret(control: ControlStore) -> None:
    vault = Vault(Sealer(bytes(32), nonce=lambda: bytes(12)))
    with control.changing() as change:
        organization_id = default_organization(change.connection)
        new = NewCredential(
            provider_id="mistral", name="mine", base_url="https://x.test", secrets={"api_key": Secret("canary")}
        )
        add_credential(change, vault, organization_id, new)
    with control.reading() as connection:
        (entry,), _ = entries_of(connection, organization_id, page=1, page_size=9)
    assert (entry.action, entry.subject) == ("credential.added", "mistral/mine")
    assert "canary" not in entry.detail


# What is written here is told by those that call it, or is no change of anybody's.
_NOT_NOTED = set(
    """
    add_temporary_key add_person narrow_keys_of put_alert_rules put_book_settings put_caps put_retention remove_person
    remove_unused_providers
    """.split()
)


def test_whatever_takes_a_change_notes_it() -> None:
    folder = Path(gantry.store.__file__).parent
    silent = {
        function.name
        for path in folder.glob("*.py")
        for function in ast.parse(path.read_text()).body
        if isinstance(function, ast.FunctionDef)
        and not function.name.startswith("_")
        and any(
            isinstance(argument.annotation, ast.Name) and argument.annotation.id == "Change"
            for argument in function.args.args
        )
        and not any(
            isinstance(call, ast.Call)
            and isinstance(call.func, ast.Attribute | ast.Name)
            and (call.func.attr if isinstance(call.func, ast.Attribute) else call.func.id)
            in ("note", "_note", "_note_everywhere")
            for call in ast.walk(function)
        )
    }
    assert silent == _NOT_NOTED
