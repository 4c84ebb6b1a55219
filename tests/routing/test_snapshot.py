"""The snapshot file: what was published is what is routed by, or nothing is."""

from collections.abc import Callable
from itertools import count

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gantry.core.sealing import SealBroken, Sealer, derive_key
from gantry.core.secret import Secret
from gantry.core.vocabulary import DEFAULT_SCOPES, Environment
from gantry.providers.spec import load_catalog
from gantry.routing.snapshot import (
    Body,
    CredentialRecord,
    KeyRecord,
    KeyTable,
    Snapshot,
    SnapshotUnreadable,
    build_key_table,
    read_body,
    read_snapshot,
    seal_table,
    write_snapshot,
)


def nonces() -> Callable[[], bytes]:
    numbers = count()
    return lambda: next(numbers).to_bytes(12, "big")


SEALER = Sealer(derive_key(b"k" * 32, "snapshot"), nonce=nonces())
CREDENTIAL = CredentialRecord("c1", "o1", "mistral", "main", "https://api.mistral.ai", {"api_key": Secret("canary")})


def key(name: str) -> KeyRecord:
    return KeyRecord(name, "o1", Environment.PROD, DEFAULT_SCOPES)


def body(table_id: str = "t1") -> Body:
    return Body(7, 1, table_id, tuple(load_catalog().values()), (CREDENTIAL,), {})


digests = st.binary(min_size=32, max_size=32)


@given(st.dictionaries(digests, st.text(max_size=20).map(key), max_size=30), digests)
def test_a_table_finds_what_is_in_it_and_nothing_else(keys: dict[bytes, KeyRecord], other: bytes) -> None:
    table = KeyTable("t", build_key_table(keys.items()), {})
    for digest, record in keys.items():
        assert table.find(digest) == record
    assert table.find(other) == keys.get(other)
    assert len(table) == len(keys)


def test_a_file_reads_back_and_shows_no_secret() -> None:
    table = build_key_table([(b"a" * 32, key("one"))])
    changed = KeyRecord("one", "o1", Environment.PROD, DEFAULT_SCOPES, revoked=True)
    data = write_snapshot(body(), seal_table(table, SEALER), [(b"a" * 32, changed)], SEALER)
    assert b"canary" not in data
    assert b"api.mistral.ai" not in data
    snapshot = read_snapshot(data, SEALER)
    assert read_body(data, SEALER) == snapshot.body
    with pytest.raises(SnapshotUnreadable):
        read_body(data[:60], SEALER)
    assert snapshot.version == 7
    assert snapshot.keys.find(b"a" * 32) == changed
    (credential,) = snapshot.credentials_of("o1")
    assert credential.secrets["api_key"].reveal() == "canary"
    assert list(snapshot.credentials_of("o2")) == []
    assert snapshot.providers.prefixes["mistral"] == "mistral"


def test_a_credential_written_before_there_was_a_home_is_read_as_none() -> None:
    record = msgspec.msgpack.decode(msgspec.msgpack.encode(msgspec.structs.replace(CREDENTIAL, secrets={}, home=True)))
    assert record[-2:] == [True, []]
    del record[-2:]
    assert msgspec.convert(record, CredentialRecord) == msgspec.structs.replace(CREDENTIAL, secrets={})


def test_a_provider_is_shared_when_more_than_one_has_a_credential_for_it() -> None:
    holders = (("o1", "a"), ("o1", "a"), ("o1", "b"), ("o2", "b"), (None, "c"), ("o2", "c"), (None, "d"))
    credentials = tuple(
        msgspec.structs.replace(CREDENTIAL, organization_id=organization, provider_id=provider)
        for organization, provider in holders
    )
    table = KeyTable("t", build_key_table([]), {})
    assert Snapshot(Body(1, 1, "t", (), credentials, {}), table).shared_providers == {"b", "c"}


def test_the_table_already_held_is_not_read_again() -> None:
    table = seal_table(build_key_table([(b"a" * 32, key("one"))]), SEALER)
    first = read_snapshot(write_snapshot(body(), table, [], SEALER), SEALER)
    data = write_snapshot(body(), b"not even a table", [(b"b" * 32, key("two"))], SEALER)
    second = read_snapshot(data, SEALER, first.keys)
    assert second.keys.find(b"a" * 32) == key("one")
    assert second.keys.find(b"b" * 32) == key("two")
    assert first.keys.find(b"b" * 32) is None


def test_a_changed_or_cut_file_is_refused_at_every_byte() -> None:
    table = seal_table(build_key_table([(b"a" * 32, key("one"))]), SEALER)
    data = write_snapshot(Body(1, 1, "t", (), (), {}), table, [], SEALER)
    for index in range(len(data)):
        with pytest.raises((SnapshotUnreadable, SealBroken)):
            read_snapshot(data[:index] + bytes([data[index] ^ 0xFF]) + data[index + 1 :], SEALER)
        with pytest.raises((SnapshotUnreadable, SealBroken)):
            read_snapshot(data[:index], SEALER)


def test_another_master_key_does_not_open_it() -> None:
    data = write_snapshot(body(), seal_table(build_key_table([]), SEALER), [], SEALER)
    with pytest.raises(SealBroken):
        read_snapshot(data, Sealer(derive_key(b"x" * 32, "snapshot"), nonce=nonces()))
