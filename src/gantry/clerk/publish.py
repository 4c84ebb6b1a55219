"""The publisher: from the control store to the snapshot file that every worker of this machine routes by.

Law: whole or not at all. A snapshot is built from one consistent view, read back, written aside, synced and renamed
into place. A broken object refuses itself alone: a credential that does not open is left out and reported, while keys
and revocations go live.

The sealed table of keys is kept and used again; keys changed since it was made travel as a delta, so a revocation among
100,000 keys costs a small write. After `MAX_DELTA` changes a new table is made.
"""

import secrets
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping

from msgspec import Struct

from gantry.clerk.open_secrets import open_secrets
from gantry.clerk.publish_books import Budgets, OpenBooks, open_books
from gantry.core.custom_model import CustomModel
from gantry.core.ids import ENTROPY_BITS, format_id
from gantry.core.limits import Books
from gantry.core.routing_document import RulesRefused, decode_document, read_rules
from gantry.core.routing_rules import RoutingRules
from gantry.core.sealing import SealBroken
from gantry.home import Home, Keyring
from gantry.providers.credential_secrets import CredentialUnusable
from gantry.providers.provider_choice import spec_of
from gantry.providers.spec import ProviderSpec, load_catalog
from gantry.routing.snapshot import (
    Body,
    CredentialRecord,
    KeyRecord,
    KeyTable,
    Snapshot,
    SnapshotUnreadable,
    build_key_table,
    read_snapshot,
    seal_table,
    write_snapshot,
)
from gantry.store import Connection
from gantry.store.control import ControlStore, settings_by_organization, version_of
from gantry.store.credentials import credentials_of, sealed_secrets
from gantry.store.custom_models import custom_models_of
from gantry.store.database import Clock, StoreUnavailable
from gantry.store.keys import ApiKey, keys_changed_after
from gantry.store.providers import custom_providers_of
from gantry.store.routing_rules import WrittenRules, current_rules_of_all, rules_before
from gantry.store.vault import Vault
from gantry.whole_file import write_whole

MAX_DELTA = 1000
_NS = 1_000_000_000

_Customs = dict[str, dict[str, ProviderSpec]]  # by organization and id


class Publication(Struct, frozen=True):
    """A version that workers can now load, and the objects that were left out of it, each with its reason."""

    version: int
    problems: tuple[str, ...]


class _Table(Struct, frozen=True):
    """The key table that snapshots carry until too many keys have changed since `version`."""

    id: str
    version: int
    sealed: bytes
    sealed_by: bytes
    held: KeyTable


class Publisher:
    """Publishes the control store of a home. For one thread, of the process that holds the clerk's lock."""

    def __init__(
        self,
        home: Home,
        keyring: Keyring,
        store: ControlStore,
        environ: Mapping[str, str],
        *,
        granted: Callable[[], Mapping[str, int]],
        catalog: Mapping[str, ProviderSpec] | None = None,
        confirm_every: float | None = None,
        clock: Clock = time.time_ns,
    ) -> None:
        """`granted` reads the credits that organizations were given, which lie beside the logs.

        `confirm_every`: seconds after which an unchanged snapshot is published anew, so that its age stays small.
        """
        self._home = home
        self._keyring = keyring
        self._store = store
        self._environ = environ
        self._catalog = load_catalog() if catalog is None else catalog
        self._granted = granted
        self._last_granted: Mapping[str, int] | None = None
        self._confirm_every = confirm_every
        self._clock = clock
        self._vault = Vault(keyring.vault)
        self._table: _Table | None = None
        self._published = 0  # the version
        self._published_at = 0

    def poll(self) -> Publication | None:
        """Publish if the configuration has changed since, or the first time; a cheap question otherwise.

        Raises StoreUnavailable, or OSError when the file cannot be written: what is live stays live.
        """
        if self._store.version() != self._published or self._is_stale():
            return self.publish()
        return None

    def publish(self) -> Publication:
        """Publish what the store holds now. Raises as `poll` does."""
        if self._published == 0:
            self._go_beyond_the_file()
        data, body, problems = self._compose()
        write_whole(self._home.snapshot, data)
        self._published, self._published_at = body.version, body.published_at
        return Publication(body.version, problems)

    def rehearse(self) -> Publication:
        """Do all of publishing but writing the file."""
        _, body, problems = self._compose()
        return Publication(body.version, problems)

    def preview(self) -> tuple[Snapshot, tuple[str, ...]]:
        """Return the snapshot that would be published now, and the problems with it."""
        data, _, problems = self._compose()
        return read_snapshot(data, self._keyring.snapshot), problems

    def _compose(self) -> tuple[bytes, Body, tuple[str, ...]]:
        problems: list[str] = []
        with self._store.reading() as connection:
            version = version_of(connection)
            books = open_books(connection)
            problems.extend(books.problems)
            table, delta = self._keys(connection, version, Budgets(books))
            customs = self._custom_providers(connection, problems)
            credentials = tuple(self._credentials(connection, customs, problems))
            body = Body(
                version=version,
                published_at=self._clock(),
                table_id=table.id,
                providers=tuple(self._catalog.values()),
                credentials=credentials,
                settings=settings_by_organization(connection),
                custom_models=tuple(self._custom_models(connection, customs, problems)),
                custom_providers={organization: tuple(own.values()) for organization, own in customs.items()},
                routing_rules=dict(_routing_rules(connection, problems)),
                books=dict(self._books(books, credentials, problems)),
            )
        data = write_snapshot(body, table.sealed, delta, self._keyring.snapshot)
        held = table.held if table is self._table else None  # a table once read back is not read back again
        if read_snapshot(data, self._keyring.snapshot, held).body != body:
            raise SnapshotUnreadable("a snapshot read back is not what was written; nothing was published")
        self._table = table
        return data, body, tuple(problems)

    def _is_stale(self) -> bool:
        every = self._confirm_every
        return every is not None and self._clock() - self._published_at > every * _NS

    def _go_beyond_the_file(self) -> None:
        """Make the version higher than the file's.

        The first snapshot of a process may differ in what no version counts, a secret in the environment or the
        catalogue; and after a backup was restored the store's version is lower.
        """
        in_file = published_snapshot(self._home, self._keyring)
        if in_file is None:
            return
        if in_file.keys and self._holds_no_key():
            raise StoreUnavailable(
                f"the configuration is gone: the store holds no key, and {self._home.snapshot} was made from one that "
                "did. What is live stays live. Restore the store from a backup, or remove that file to begin anew."
            )
        if in_file.version >= self._store.version():
            self._store.raise_version(in_file.version + 1)

    def _holds_no_key(self) -> bool:
        """Say whether no key was ever made: revoked ones are kept, so a store without any is new."""
        with self._store.reading() as connection:
            return next(keys_changed_after(connection, 0), None) is None

    def _keys(
        self, connection: Connection, version: int, budgets: Budgets
    ) -> tuple[_Table, list[tuple[bytes, KeyRecord]]]:
        sealer = self._keyring.snapshot
        sealed_by = sealer.key_id  # before sealing: a key that changes meanwhile makes another table next time
        if self._table is not None and self._table.sealed_by == sealed_by:
            changed = keys_changed_after(connection, self._table.version)
            delta = [(digest, _record(key, budgets)) for digest, key in changed]
            if len(delta) <= MAX_DELTA:
                return self._table, delta
        data = build_key_table((digest, _record(key, budgets)) for digest, key in keys_changed_after(connection, 0))
        table_id = format_id(self._clock() // 1_000_000, secrets.randbits(ENTROPY_BITS))
        sealed = seal_table(data, sealer)
        return _Table(table_id, version, sealed, sealed_by, KeyTable(table_id, data, {})), []

    def _custom_providers(self, connection: Connection, problems: list[str]) -> _Customs:
        customs: _Customs = defaultdict(dict)
        taken = {prefix: spec for spec in self._catalog.values() for prefix in (spec.id, *spec.prefixes)}
        for provider in custom_providers_of(connection):
            later = taken.get(provider.id)  # it joined the catalogue later, and wins
            if later is None:
                customs[provider.organization_id][provider.id] = spec_of(provider)
            else:
                problems.append(
                    f"the custom provider {provider.id} is left out: it is a name of {later.name} in the catalogue now"
                )
        return customs

    def _spec(self, customs: _Customs, organization_id: str, provider_id: str) -> ProviderSpec | None:
        """Return the provider that an organization means by an id."""
        return self._catalog.get(provider_id) or customs.get(organization_id, {}).get(provider_id)

    def _credentials(
        self, connection: Connection, customs: _Customs, problems: list[str]
    ) -> Iterator[CredentialRecord]:
        sealed = sealed_secrets(connection)
        for credential in credentials_of(connection):
            label = f"{credential.provider_id}/{credential.name}"
            spec = self._spec(customs, credential.organization_id, credential.provider_id)
            if spec is None:
                problems.append(f"{label} is left out: no provider {credential.provider_id!r} is known")
                continue
            if credential.platform and credential.provider_id not in self._catalog:
                problems.append(f"{label} is left out: other organizations do not know the provider {spec.name}")
                continue
            try:
                opened = open_secrets(credential, spec, sealed.get(credential.id, {}), self._vault, self._environ)
            except CredentialUnusable as error:
                problems.append(f"{label} is left out: {error}")
                continue
            yield CredentialRecord(
                credential_id=credential.id,
                organization_id=None if credential.platform else credential.organization_id,
                provider_id=credential.provider_id,
                name=credential.name,
                base_url=credential.base_url,
                secrets=opened,
                weight=credential.weight,
                models=credential.models,
                environment=credential.environment,
                home=credential.home and not credential.platform,
                excluded_models=credential.excluded_models,
            )

    def _books(
        self, books: OpenBooks, credentials: tuple[CredentialRecord, ...], problems: list[str]
    ) -> Iterator[tuple[str, Books]]:
        has_platform = any(credential.organization_id is None for credential in credentials)
        return books.of(self._read_granted(problems), has_platform=has_platform)

    def _read_granted(self, problems: list[str]) -> Mapping[str, int]:
        """Return what was granted; what it was before, where the database of the logs cannot say."""
        try:
            self._last_granted = self._granted()
        except StoreUnavailable as error:
            problems.append(f"credits are what they were before: {error}")
            if self._last_granted is None:
                self._last_granted = self._granted_in_the_file()
        return self._last_granted

    def _granted_in_the_file(self) -> Mapping[str, int]:
        in_file = published_snapshot(self._home, self._keyring)
        books = {} if in_file is None else in_file.body.books
        return {of: found.credits.granted for of, found in books.items() if found.credits is not None}

    def _custom_models(self, connection: Connection, customs: _Customs, problems: list[str]) -> Iterator[CustomModel]:
        for model in custom_models_of(connection):
            known = model.provider_id is None or self._spec(customs, model.organization_id, model.provider_id)
            if not known:
                problems.append(
                    f"the custom model {model.name} is left out: no provider {model.provider_id!r} is known"
                )
                continue
            yield model


def _routing_rules(connection: Connection, problems: list[str]) -> Iterator[tuple[str, RoutingRules]]:
    """Yield each organization's rules: the newest that this version of Gantry reads. A newer one may have written."""
    for current in current_rules_of_all(connection):
        organization_id, version = current.organization_id, current.version
        rules, error = _try_to_read(current)
        if rules is None:
            instead = "no rules hold"
            for older in rules_before(connection, organization_id, version):
                rules, _ = _try_to_read(older)
                if rules is not None:
                    instead = f"version {older.version} holds"
                    break
            problems.append(
                f"version {version} of the routing rules of {organization_id} is left out, and {instead}: {error}"
            )
        if rules is not None:
            yield organization_id, rules


def _try_to_read(written: WrittenRules) -> tuple[RoutingRules | None, str]:
    """Return the rules of a version, or why this version of Gantry does not read them."""
    try:
        return read_rules(decode_document(written.text)), ""
    except RulesRefused as error:
        return None, str(error)


def published_snapshot(home: Home, keyring: Keyring) -> Snapshot | None:
    """Return the snapshot in the file, if there is one that this home's key opens."""
    try:
        return read_snapshot(home.snapshot.read_bytes(), keyring.snapshot)
    except (FileNotFoundError, SealBroken, SnapshotUnreadable):
        return None


def _record(key: ApiKey, budgets: Budgets) -> KeyRecord:
    return KeyRecord(
        key_id=key.id,
        organization_id=key.organization_id,
        environment=key.policy.environment,
        scopes=int(key.policy.scopes),
        models=key.policy.models,
        expires_at=key.policy.expires_at,
        content_policy=key.policy.content_policy,
        revoked=key.revoked_at is not None,
        has_budget=budgets.has(key),
        strict=key.policy.strict,
        surfaces=key.policy.surfaces,
        bound_by=key.bound_by,
    )
