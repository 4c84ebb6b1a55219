"""API keys: the key itself is nowhere, its digest finds it, and each change can be asked for by version."""

from pathlib import Path

import pytest

from gantry.core.api_key import has_key_form, key_digest
from gantry.core.secret import Secret
from gantry.core.vocabulary import ContentPolicy, Environment, Scope
from gantry.store.control import ControlStore, default_organization
from gantry.store.keys import (
    ApiKey,
    KeyNotFound,
    KeyPolicy,
    add_key,
    find_key,
    keys_changed_after,
    keys_of,
    revoke_key,
    rotate_key,
)
from tests.postgresql import needs_sqlite

PEPPER = b"p" * 32
SECOND = 1_000_000_000


@pytest.fixture
def organization(control: ControlStore) -> str:
    with control.reading() as connection:
        return default_organization(connection)


def _add(control: ControlStore, organization: str, name: str, policy: KeyPolicy | None = None) -> tuple[ApiKey, Secret]:
    with control.changing() as change:
        return add_key(change, organization, name, policy or KeyPolicy(), PEPPER)


def _find(control: ControlStore, organization: str, text: str) -> ApiKey:
    with control.reading() as connection:
        return find_key(connection, organization, text)


def _changed(control: ControlStore, version: int) -> dict[bytes, ApiKey]:
    with control.reading() as connection:
        return dict(keys_changed_after(connection, version))


def test_a_key_is_found_by_its_digest_and_is_as_it_was_made(control: ControlStore, organization: str) -> None:
    policy = KeyPolicy(
        environment=Environment.TEST,
        scopes=Scope.INFERENCE | Scope.NATIVE,
        models=("mistral-*", "é"),
        content_policy=ContentPolicy.METADATA,
        expires_at=2**60,
    )
    key, secret = _add(control, organization, "dev", policy)
    assert has_key_form(secret.reveal())
    assert _changed(control, 0) == {key_digest(secret.reveal(), PEPPER): key}
    assert key.policy == policy
    with control.reading() as connection:
        assert keys_of(connection, organization) == [key]
        assert keys_of(connection, "another") == []


@needs_sqlite
def test_the_key_itself_is_not_stored(tmp_path: Path) -> None:
    with ControlStore(tmp_path / "control.db") as control:
        with control.reading() as connection:
            organization = default_organization(connection)
        _, secret = _add(control, organization, "dev")
    stored = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert secret.reveal()[-49:-6].encode() not in stored
    assert secret.reveal()[3:11].encode() in stored


def test_a_key_is_found_by_id_prefix_name_or_itself(control: ControlStore, organization: str) -> None:
    key, secret = _add(control, organization, "dev")
    for text in (key.id, key.prefix, "dev", secret.reveal()):
        assert _find(control, organization, text) == key
    with pytest.raises(KeyNotFound, match="no API key has the id, prefix or name 'nobody'"):
        _find(control, organization, "nobody")
    with pytest.raises(KeyNotFound):
        _find(control, "another", "dev")


def test_a_lost_key_is_not_repeated_in_an_error(control: ControlStore, organization: str) -> None:
    _, secret = _add(control, organization, "dev")
    with pytest.raises(KeyNotFound) as raised:
        _find(control, "another", secret.reveal())
    assert secret.reveal()[12:] not in str(raised.value)


def test_a_name_means_the_live_key_and_two_live_ones_must_be_told_apart(
    control: ControlStore, organization: str
) -> None:
    old, _ = _add(control, organization, "dev")
    with control.changing() as change:
        revoke_key(change, old)
    new, _ = _add(control, organization, "dev")
    assert _find(control, organization, "dev") == new
    other, _ = _add(control, organization, "dev")
    with pytest.raises(KeyNotFound, match=f"say which by its prefix: {new.prefix}, {other.prefix}"):
        _find(control, organization, "dev")


def test_a_change_is_seen_by_who_asks_for_what_changed_after(control: ControlStore, organization: str) -> None:
    first, _ = _add(control, organization, "first")
    second, _ = _add(control, organization, "second")
    version = control.version()
    assert _changed(control, version) == {}
    with control.changing() as change:
        revoke_key(change, first)
    (changed,) = _changed(control, version).values()
    assert (changed.id, changed.revoked_at) == (first.id, change.now)
    assert {key.id for key in _changed(control, 0).values()} == {first.id, second.id}


def test_revoking_again_keeps_the_first_time(control: ControlStore, organization: str) -> None:
    key, _ = _add(control, organization, "dev")
    times = []
    for _ in range(2):
        with control.changing() as change:
            revoke_key(change, key)
        times.append(_find(control, organization, key.id).revoked_at)
    assert times[0] == times[1] is not None


@pytest.mark.parametrize(
    ("expires_in", "grace", "old_works_for"),
    [
        (None, 0, 0),
        (None, 60 * SECOND, 60),
        (30 * SECOND, 60 * SECOND, 30),
        (90 * SECOND, 60 * SECOND, 60),
        (90 * SECOND, 0, 0),
    ],
)
def test_rotation(
    control: ControlStore, organization: str, expires_in: int | None, grace: int, old_works_for: int
) -> None:
    with control.changing() as change:
        expires_at = None if expires_in is None else change.now + expires_in
        old, _ = add_key(change, organization, "dev", KeyPolicy(models=("m",), expires_at=expires_at), PEPPER)
        new, secret = rotate_key(change, old, PEPPER, grace)
        now = change.now
    assert (new.name, new.policy) == (old.name, old.policy)
    assert key_digest(secret.reveal(), PEPPER) in _changed(control, 0)
    stored = _find(control, organization, old.id)
    assert stored.replaced_by == new.id
    assert stored.is_live(now + old_works_for * SECOND - 1) == (old_works_for > 0)
    assert not stored.is_live(now + old_works_for * SECOND)
    assert _find(control, organization, "dev") == new
