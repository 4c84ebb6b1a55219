"""The snapshot: all the configuration a gateway worker needs, as one immutable value and one sealed file.

Law: whole or not at all. The clerk builds, seals and renames it into place; a worker opens it and swaps a reference.

A file is `magic | sections`; each section is `tag (4) | length (8) | sealed blocks`, in blocks of 256 KB so that
opening one never holds the interpreter for long. The sections: `body` (providers, credentials, settings), `keys` (the
sorted table: 32-byte digests, then an index, then the records) and `dlta` (keys changed since the table was built). A
worker that already holds the table named in the body skips it, so a key revoked among 100,000 is a small read.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from copy import copy
from typing import Any, NamedTuple

import msgspec
from msgspec import Struct, structs

from gantry.core.custom_model import CustomModel
from gantry.core.limits import NO_BOOKS, Books
from gantry.core.model_ref import parse_model_ref
from gantry.core.routing_rules import NO_ROUTING_RULES, RoutingRules
from gantry.core.sealing import Sealer
from gantry.core.secret import Secret
from gantry.core.vocabulary import ContentPolicy, Environment, Scope
from gantry.providers.spec import ProviderSpec

MAGIC = b"GANTRYS1"
BLOCK_BYTES = 256 * 1024
DIGEST_BYTES = 32
_SECTION_HEAD = 12
_NO_MODELS: Mapping[str, CustomModel] = {}


class SnapshotUnreadable(ValueError):
    """The file is not a snapshot of this home, or of another version of Gantry."""


class KeyRecord(Struct, frozen=True, array_like=True):
    """An API key as a worker sees it. `models` empty means every model; `expires_at` is ns since the epoch."""

    key_id: str
    organization_id: str
    environment: Environment
    scopes: int
    models: tuple[str, ...] = ()
    expires_at: int | None = None
    content_policy: ContentPolicy = ContentPolicy.FULL
    revoked: bool = False
    has_budget: bool = False
    strict: bool = False  # a parameter that would be dropped refuses the call
    surfaces: tuple[str, ...] = ()  # empty means every surface
    bound_by: tuple[str, ...] = ()  # other keys whose limits its calls count on, as if they were theirs

    def allows(self, scope: Scope) -> bool:
        return self.scopes & scope._value_ != 0  # plain ints: IntFlag's own operators cost a microsecond


class CredentialRecord(Struct, frozen=True, array_like=True):
    """A secret for a provider, with what it may serve. `organization_id` None is a platform credential."""

    credential_id: str
    organization_id: str | None
    provider_id: str
    name: str
    base_url: str
    secrets: dict[str, Secret]
    weight: float = 1.0
    models: tuple[str, ...] = ()
    environment: Environment | None = None
    home: bool = False  # what lives with an account at the provider lives with this one's (DESIGN §5)
    excluded_models: tuple[str, ...] = ()  # what it does not serve, where it may serve all others


class Body(Struct, frozen=True, array_like=True):
    version: int
    published_at: int  # ns since the epoch
    table_id: str
    providers: tuple[ProviderSpec, ...]
    credentials: tuple[CredentialRecord, ...]
    settings: dict[str, Any]
    custom_models: tuple[CustomModel, ...] = ()
    custom_providers: dict[str, tuple[ProviderSpec, ...]] = {}  # by organization
    routing_rules: dict[str, RoutingRules] = {}  # by organization
    books: dict[str, Books] = {}  # by organization


class KeyTable:
    """API keys by digest: a base that never changes and a few later changes over it."""

    __slots__ = ("_count", "_data", "_decoder", "_delta", "table_id")

    def __init__(self, table_id: str, data: bytes, delta: Mapping[bytes, KeyRecord]) -> None:
        self.table_id = table_id
        self._data = data
        self._count = int.from_bytes(data[:8], "big")
        self._delta = delta
        self._decoder = msgspec.msgpack.Decoder(KeyRecord)

    def __len__(self) -> int:
        return self._count

    def __bool__(self) -> bool:
        return bool(self._count or self._delta)

    def with_delta(self, delta: Mapping[bytes, KeyRecord]) -> "KeyTable":
        return KeyTable(self.table_id, self._data, delta)

    def find(self, digest: bytes) -> KeyRecord | None:
        changed = self._delta.get(digest)
        if changed is not None:
            return changed
        index = bisect_left(_Digests(self._data, self._count), digest)
        if index == self._count or self._digest(index) != digest:
            return None
        start = 8 + self._count * DIGEST_BYTES + index * 8
        offset = int.from_bytes(self._data[start : start + 4], "big")
        length = int.from_bytes(self._data[start + 4 : start + 8], "big")
        return self._decoder.decode(self._data[offset : offset + length])

    def _digest(self, index: int) -> bytes:
        return self._data[8 + index * DIGEST_BYTES : 8 + (index + 1) * DIGEST_BYTES]


class _Digests(Sequence[bytes]):
    """The sorted digests of a table as a sequence for bisect."""

    __slots__ = ("_count", "_data")

    def __init__(self, data: bytes, count: int) -> None:
        self._data = data
        self._count = count

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: Any) -> Any:
        return self._data[8 + index * DIGEST_BYTES : 8 + (index + 1) * DIGEST_BYTES]


class Providers(NamedTuple):
    """The providers that can be named, by id, and their ids by prefix."""

    by_id: Mapping[str, ProviderSpec]
    prefixes: Mapping[str, str]


class Snapshot:
    """What a worker routes by. Indexes are built once, when the file is opened."""

    __slots__ = (
        "_custom_models",
        "_with_custom_providers",
        "body",
        "by_organization",
        "keys",
        "providers",
        "shared_providers",
        "version",
    )

    def __init__(self, body: Body, keys: KeyTable) -> None:
        self.body = body
        self.keys = keys
        self.version = body.version
        self.providers = _index_providers(body.providers)  # everybody's
        self._with_custom_providers: Mapping[str, Providers] = {
            organization_id: _add_providers(own, self.providers)
            for organization_id, own in body.custom_providers.items()
        }
        grouped: dict[str | None, list[CredentialRecord]] = {}
        for credential in body.credentials:
            grouped.setdefault(credential.organization_id, []).append(credential)
        self.by_organization: Mapping[str | None, Sequence[CredentialRecord]] = grouped
        # At which more than one has a credential: it may be for the same account, which holds the things of both.
        self.shared_providers: Set[str] = _held_twice(grouped)
        self._custom_models: dict[str, dict[str, CustomModel]] = {}
        for model in body.custom_models:
            prefixes = self.providers_of(model.organization_id).prefixes
            if parse_model_ref(model.name, prefixes).prefix is None:  # a provider's prefix means the provider
                self._custom_models.setdefault(model.organization_id, {})[model.name] = model

    def providers_of(self, organization_id: str) -> Providers:
        """Return the providers that an organization can name: everybody's, and its own."""
        return self._with_custom_providers.get(organization_id, self.providers)

    def credentials_of(self, organization_id: str) -> Iterator[CredentialRecord]:
        """Yield the organization's own credentials, then the platform's."""
        yield from self.by_organization.get(organization_id, ())
        yield from self.by_organization.get(None, ())

    def routing_rules_of(self, organization_id: str) -> RoutingRules:
        """Return what an organization has decided about routing."""
        return self.body.routing_rules.get(organization_id, NO_ROUTING_RULES)

    def with_routing_rules(self, organization_id: str, rules: RoutingRules) -> "Snapshot":
        """Return this snapshot as it would be if an organization had decided so."""
        drafted = copy(self)
        known = self.body.routing_rules
        drafted.body = structs.replace(self.body, routing_rules={**known, organization_id: rules})
        return drafted

    def books_of(self, organization_id: str) -> Books:
        """Return what an organization has decided about money."""
        return self.body.books.get(organization_id, NO_BOOKS)

    def custom_models_of(self, organization_id: str) -> Mapping[str, CustomModel]:
        """Return the names that an organization has given to models; each wins over what a provider calls so."""
        return self._custom_models.get(organization_id, _NO_MODELS)


def _index_providers(specs: Iterable[ProviderSpec]) -> Providers:
    by_id = {spec.id: spec for spec in specs}
    return Providers(by_id, {prefix: spec.id for spec in by_id.values() for prefix in spec.prefixes})


def _add_providers(own: Iterable[ProviderSpec], shared: Providers) -> Providers:
    """Return an organization's providers; one that is everybody's wins over one that came before it."""
    added = _index_providers(own)
    return Providers({**added.by_id, **shared.by_id}, {**added.prefixes, **shared.prefixes})


def _held_twice(grouped: Mapping[str | None, Iterable[CredentialRecord]]) -> Set[str]:
    held = Counter(name for records in grouped.values() for name in {record.provider_id for record in records})
    return {name for name, holders in held.items() if holders > 1}


def build_key_table(records: Iterable[tuple[bytes, KeyRecord]]) -> bytes:
    """Return the table of (digest, record) pairs as bytes: count, sorted digests, index of offsets, records."""
    encode = msgspec.msgpack.encode
    pairs = sorted((digest, encode(record)) for digest, record in records)
    offset = 8 + len(pairs) * (DIGEST_BYTES + 8)
    index = bytearray()
    for _, record in pairs:
        index += offset.to_bytes(4, "big") + len(record).to_bytes(4, "big")
        offset += len(record)
    return b"".join(
        (
            len(pairs).to_bytes(8, "big"),
            *(digest for digest, _ in pairs),
            bytes(index),
            *(record for _, record in pairs),
        )
    )


def seal_table(table: bytes, sealer: Sealer) -> bytes:
    """Return the table's sealed section content, which is worth keeping: it stays the same for many snapshots."""
    return _seal_blocks(b"keys", table, sealer)


def write_snapshot(body: Body, sealed_table: bytes, delta: Sequence[tuple[bytes, KeyRecord]], sealer: Sealer) -> bytes:
    """Return the bytes of a snapshot file."""
    sections = (
        (b"body", _seal_blocks(b"body", msgspec.msgpack.encode(body, enc_hook=_encode_secret), sealer)),
        (b"dlta", _seal_blocks(b"dlta", msgspec.msgpack.encode(delta), sealer)),
        (b"keys", sealed_table),
    )
    return MAGIC + b"".join(tag + len(content).to_bytes(8, "big") + content for tag, content in sections)


def read_snapshot(data: bytes, sealer: Sealer, held: KeyTable | None = None) -> Snapshot:
    """Return the snapshot in a file's bytes, reusing the key table already held when it is the same one.

    Raises SnapshotUnreadable, or SealBroken when it was sealed with another master key or changed since.
    """
    sections = dict(_split_sections(data))
    try:
        body = _open_body(sections, sealer)
        delta = dict(
            msgspec.msgpack.decode(_open_blocks(b"dlta", sections[b"dlta"], sealer), type=list[tuple[bytes, KeyRecord]])
        )
        if held is not None and held.table_id == body.table_id:
            return Snapshot(body, held.with_delta(delta))
        return Snapshot(body, KeyTable(body.table_id, _open_blocks(b"keys", sections[b"keys"], sealer), delta))
    except (KeyError, msgspec.DecodeError) as error:
        raise SnapshotUnreadable(f"not a snapshot that this version reads: {error}") from error


def read_body(data: bytes, sealer: Sealer) -> Body:
    """Return all of a snapshot but its keys, for whoever has no use for a hundred thousand of them. Raises likewise."""
    try:
        return _open_body(dict(_split_sections(data)), sealer)
    except (KeyError, msgspec.DecodeError) as error:
        raise SnapshotUnreadable(f"not a snapshot that this version reads: {error}") from error


def _open_body(sections: Mapping[bytes, bytes], sealer: Sealer) -> Body:
    content = _open_blocks(b"body", sections[b"body"], sealer)
    return msgspec.msgpack.decode(content, type=Body, dec_hook=_decode_secret)


def _split_sections(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    if not data.startswith(MAGIC):
        raise SnapshotUnreadable("not a snapshot file, or one of another format version")
    position = len(MAGIC)
    while position < len(data):
        tag = data[position : position + 4]
        length = int.from_bytes(data[position + 4 : position + _SECTION_HEAD], "big")
        content = data[position + _SECTION_HEAD : position + _SECTION_HEAD + length]
        if position + _SECTION_HEAD > len(data) or len(content) != length:
            raise SnapshotUnreadable("the snapshot file is cut short")
        yield tag, content
        position += _SECTION_HEAD + length


def _seal_blocks(tag: bytes, content: bytes, sealer: Sealer) -> bytes:
    blocks = [content[start : start + BLOCK_BYTES] for start in range(0, len(content), BLOCK_BYTES)] or [b""]
    sealed = bytearray(len(blocks).to_bytes(4, "big"))
    for number, block in enumerate(blocks):
        value = sealer.seal(block, _place(tag, number, len(blocks)))
        sealed += len(value).to_bytes(4, "big") + value
    return bytes(sealed)


def _open_blocks(tag: bytes, sealed: bytes, sealer: Sealer) -> bytes:
    count = int.from_bytes(sealed[:4], "big")
    blocks = []
    position = 4
    for number in range(count):
        length = int.from_bytes(sealed[position : position + 4], "big")
        position += 4 + length
        blocks.append(sealer.open(sealed[position - length : position], _place(tag, number, count)))
    if not blocks or position != len(sealed):
        raise SnapshotUnreadable(f"the section {tag.decode()} is cut short or padded")
    return b"".join(blocks)


def _place(tag: bytes, number: int, count: int) -> bytes:
    return b"snapshot/%s/%d/%d" % (tag, number, count)


def _encode_secret(value: Any) -> Any:
    if isinstance(value, Secret):
        return value.reveal()
    raise TypeError(f"a snapshot does not hold {type(value).__name__}")


def _decode_secret(expected: type, value: Any) -> Any:
    if expected is Secret:
        return Secret(value)
    raise TypeError(f"a snapshot does not hold {expected.__name__}")
