"""The publisher: from one view of the store to a snapshot that workers open; a broken object refuses itself alone."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace
from sqlalchemy import insert, update

from gantry.clerk import publish
from gantry.clerk.publish import Publisher, published_snapshot
from gantry.core.api_key import key_digest
from gantry.core.book_settings import BookSettings
from gantry.core.custom_provider import CustomProvider
from gantry.core.limits import (
    NO_BOOKS,
    Books,
    CreditTerms,
    Limit,
    LimitAction,
    LimitScope,
    LimitUnit,
    Unpriced,
)
from gantry.core.periods import Period
from gantry.core.routing_document import read_rules
from gantry.core.routing_rules import NO_ROUTING_RULES
from gantry.core.sealing import SealBroken
from gantry.core.secret import Secret
from gantry.core.vocabulary import Environment, Scope
from gantry.home import Home, Keyring
from gantry.routing.snapshot import KeyRecord, Snapshot, read_snapshot
from gantry.store import Connection
from gantry.store.books import put_book_settings
from gantry.store.control import ControlStore, default_organization, put_setting
from gantry.store.control_tables import limits, organizations, routing_rules
from gantry.store.credentials import NewCredential, add_credential
from gantry.store.database import StoreUnavailable
from gantry.store.keys import ApiKey, KeyPolicy, add_key, add_temporary_key, revoke_key
from gantry.store.limits import StoredLimit, add_limit, change_limit, limits_of, remove_limit
from gantry.store.providers import put_provider
from gantry.store.routing_rules import write_rules
from gantry.store.vault import Vault
from tests.postgresql import lose

A_DOLLAR = Limit("", LimitScope.API_KEY, "k1", LimitUnit.COST, Period.MONTH, 10**9)
KEYRING = Keyring(b"m" * 32)


class Site:
    """A home with its store, and a publisher whose clock and environment a test sets."""

    def __init__(self, path: Path) -> None:
        self.home = Home(path)
        self.home.prepare()
        self.control = ControlStore(self.home.control_db)
        with self.control.reading() as connection:
            self.organization = default_organization(connection)
        self.environ: dict[str, str] = {}
        self.granted: dict[str, int] | None = {}
        self.now = 1_000_000_000_000_000_000
        self.publisher = self.new_publisher()

    def new_publisher(self, confirm_every: float | None = None) -> Publisher:
        return Publisher(
            self.home,
            KEYRING,
            self.control,
            self.environ,
            granted=self.read_granted,
            confirm_every=confirm_every,
            clock=lambda: self.now,
        )

    def read_granted(self) -> dict[str, int]:
        if self.granted is None:
            raise StoreUnavailable("it is away")
        return self.granted

    def add_key(self, name: str = "dev", policy: KeyPolicy | None = None) -> tuple[ApiKey, bytes]:
        with self.control.changing() as change:
            key, secret = add_key(change, self.organization, name, policy or KeyPolicy(), KEYRING.pepper)
        return key, key_digest(secret.reveal(), KEYRING.pepper)

    def add_credential(self, name: str, *, keyring: Keyring = KEYRING, **fields: object) -> str:
        values = {"provider_id": "mistral", "base_url": "https://api.mistral.ai", "name": name, **fields}
        if "source" not in fields:
            values.setdefault("secrets", {"api_key": Secret(f"secret of {name}")})
        with self.control.changing() as change:
            new = NewCredential(**values)  # type: ignore[arg-type]
            return add_credential(change, Vault(keyring.vault), self.organization, new).id

    def write_rules(self, document: Any) -> None:
        with self.control.changing() as change:
            write_rules(change, self.organization, msgspec.json.encode(document).decode(), author="a test")

    def read(self) -> Snapshot:
        return read_snapshot(self.home.snapshot.read_bytes(), KEYRING.snapshot)


def find_stored(connection: Connection, limit_id: str) -> StoredLimit:
    (found,) = [one for one in limits_of(connection) if one.limit.id == limit_id]
    return found


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    opened = Site(tmp_path / "home")
    yield opened
    opened.control.close()


def test_what_is_configured_is_what_workers_route_by(site: Site) -> None:
    policy = KeyPolicy(environment=Environment.TEST, scopes=Scope.READ, models=("m",), expires_at=2**60)
    key, digest = site.add_key(policy=policy)
    credential_id = site.add_credential("default", weight=0.25, models=("mistral-*",))
    with site.control.changing() as change:
        put_provider(
            change,
            CustomProvider(id="acme", organization_id=site.organization, name="Acme", base_url="https://acme.test"),
        )
        put_setting(change, site.organization, "default_model", "m")
    published = site.publisher.publish()
    assert published.problems == ()
    snapshot = site.read()
    assert snapshot.version == published.version == site.control.version()
    assert snapshot.body.published_at == site.now
    assert snapshot.body.settings == {site.organization: {"default_model": "m"}}
    assert {"mistral", "openai", "acme"} <= set(snapshot.providers_of(site.organization).by_id)
    assert snapshot.keys.find(digest) == KeyRecord(
        key_id=key.id,
        organization_id=site.organization,
        environment=Environment.TEST,
        scopes=int(Scope.READ),
        models=("m",),
        expires_at=2**60,
    )
    (credential,) = snapshot.credentials_of(site.organization)
    assert (credential.credential_id, credential.weight, credential.models) == (credential_id, 0.25, ("mistral-*",))
    assert credential.secrets == {"api_key": Secret("secret of default")}


def test_a_custom_provider_is_published_for_its_organization_alone(site: Site) -> None:
    with site.control.changing() as change:
        change.connection.execute(insert(organizations).values(id="o2", name="x", created_at=2**62))
        for organization, base_url in ((site.organization, "https://one.test"), ("o2", "https://two.test")):
            acme = CustomProvider(organization_id=organization, id="acme", name="Acme", base_url=base_url)
            put_provider(change, acme)
    assert site.publisher.publish().problems == ()
    snapshot = site.read()
    found = {name: snapshot.providers_of(name).by_id["acme"].base_url for name in (site.organization, "o2")}
    assert found == {site.organization: "https://one.test", "o2": "https://two.test"}
    assert "acme" not in snapshot.providers_of("o3").by_id


def test_a_custom_provider_whose_name_the_catalogue_has_taken_since_is_left_out(site: Site) -> None:
    late = CustomProvider(organization_id=site.organization, id="vertex_ai", name="Mine", base_url="https://x.test")
    with site.control.changing() as change:
        put_provider(change, late)
    (problem,) = site.publisher.publish().problems
    assert problem.startswith("the custom provider vertex_ai is left out: it is a name of Google Vertex AI")
    assert "vertex_ai" not in site.read().providers_of(site.organization).by_id


def test_a_poll_publishes_the_first_time_and_when_something_changed(site: Site) -> None:
    assert site.publisher.poll() is not None
    before = site.home.snapshot.stat().st_ino
    assert site.publisher.poll() is None
    assert site.home.snapshot.stat().st_ino == before
    site.add_key()
    assert site.publisher.poll() is not None
    assert site.publisher.poll() is None


def test_an_unchanged_snapshot_is_confirmed_in_time(site: Site) -> None:
    publisher = site.new_publisher(confirm_every=10)
    first = publisher.publish()
    site.now += 10_000_000_000
    assert publisher.poll() is None
    site.now += 1
    assert publisher.poll() == first
    assert site.read().body.published_at == site.now


def test_a_revocation_travels_as_a_delta_over_the_same_table(site: Site) -> None:
    key, digest = site.add_key()
    site.publisher.publish()
    held = site.read()
    with site.control.changing() as change:
        revoke_key(change, key)
    _, added = site.add_key("later")
    site.publisher.publish()
    now = read_snapshot(site.home.snapshot.read_bytes(), KEYRING.snapshot, held.keys)
    assert now.body.table_id == held.body.table_id
    for snapshot in (now, site.read()):
        found = snapshot.keys.find(digest)
        assert found is not None
        assert found.revoked
        assert snapshot.keys.find(added) is not None


def test_a_delta_that_grew_long_becomes_a_new_table(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publish, "MAX_DELTA", 3)
    digests = [site.add_key(f"k{number}")[1] for number in range(2)]
    site.publisher.publish()
    tables = {site.read().body.table_id}
    for number in range(6):
        digests.append(site.add_key(f"later{number}")[1])
        site.publisher.publish()
        snapshot = site.read()
        tables.add(snapshot.body.table_id)
        assert all(snapshot.keys.find(digest) for digest in digests)
    assert len(tables) == 2


def test_a_credential_that_does_not_open_is_left_out_and_keys_go_live(site: Site) -> None:
    site.add_credential("sealed elsewhere", keyring=Keyring(b"x" * 32))
    site.add_credential("good")
    site.add_credential("no provider", provider_id="gone")
    site.add_credential("no header", secrets={"api_key": Secret("two\nlines")})
    site.add_credential("reference", source="SOME_KEY")
    key, digest = site.add_key()
    problems = site.publisher.publish().problems
    assert [problem.split(" is left out: ")[0] for problem in problems] == [
        "mistral/sealed elsewhere",
        "gone/no provider",
        "mistral/no header",
        "mistral/reference",
    ]
    assert "another master key" not in problems[0]
    assert "$SOME_KEY is not set" in problems[3]
    snapshot = site.read()
    assert [c.name for c in snapshot.credentials_of(site.organization)] == ["good"]
    assert snapshot.keys.find(digest) == KeyRecord(key.id, site.organization, Environment.PROD, 3)


def test_routing_rules_are_published_for_their_organization_and_change_live(site: Site) -> None:
    document = {"groups": [{"id": "fast", "members": [{"model": "mistral/x", "weight": 2}]}]}
    site.write_rules(document)
    site.publisher.publish()
    rules = site.read().routing_rules_of(site.organization)
    assert rules == read_rules(document)
    assert site.read().routing_rules_of("o2") is NO_ROUTING_RULES
    site.write_rules({})
    assert site.publisher.poll() is not None
    assert site.read().routing_rules_of(site.organization) == NO_ROUTING_RULES


def test_limits_settings_and_credits_are_published_for_their_organization(site: Site) -> None:
    site.granted = {"o2": 7}
    with site.control.changing() as change:
        change.connection.execute(insert(organizations).values(id="o2", name="x", created_at=2**62))
        limit = add_limit(change, site.organization, A_DOLLAR).limit
        put_book_settings(change, "o2", BookSettings(unpriced=Unpriced.BLOCK, markup_ppm=200_000, low_balance=5))
    assert site.publisher.publish().problems == ()
    books = site.read().books_of
    assert books(site.organization) == Books(limits=(limit,))
    assert books("o2") == Books(credits=CreditTerms(7, 0, 200_000, 5), unpriced=Unpriced.BLOCK)
    assert books("o3") is NO_BOOKS
    with site.control.changing() as change:
        change_limit(change, find_stored(change.connection, limit.id), replace(limit, amount=1))
    assert site.publisher.poll() is not None
    assert site.read().books_of(site.organization).limits == (replace(limit, amount=1),)


def test_a_limit_that_cannot_be_read_is_left_out_alone(site: Site) -> None:
    _, digest = site.add_key()
    with site.control.changing() as change:
        broken, good = (add_limit(change, site.organization, A_DOLLAR).limit for _ in range(2))
        change.connection.execute(update(limits).where(limits.c.id == broken.id).values(unit="of tomorrow"))
        put_setting(change, site.organization, "books", {"unpriced": "perhaps"})
    first, second = site.publisher.publish().problems
    assert first.startswith(f"the limit api_key_cost_month ({broken.id}) of {site.organization} is left out: ")
    assert "of tomorrow" in first
    assert second.startswith(f"the settings of the books of {site.organization} are left out: ")
    assert site.read().books_of(site.organization) == Books(limits=(good,))
    assert site.read().keys.find(digest) is not None


def test_a_key_with_a_budget_of_its_own_says_so_and_its_neighbours_do_not(site: Site) -> None:
    (mine, digest), (_, other) = site.add_key("mine"), site.add_key("other")
    with site.control.changing() as change:
        made = add_temporary_key(change, mine, "by mine", KeyPolicy(), KEYRING.pepper)[1]
    by_mine = key_digest(made.reveal(), KEYRING.pepper)
    site.publisher.publish()
    table = site.read().body.table_id

    def budgeted() -> list[bool]:
        site.publisher.poll()
        found = [site.read().keys.find(each) for each in (digest, by_mine, other)]
        assert site.read().body.table_id == table
        return [key is not None and key.has_budget for key in found]

    assert budgeted() == [False, False, False]
    with site.control.changing() as change:
        stored = add_limit(change, site.organization, replace(A_DOLLAR, subject=mine.id))
        add_limit(change, site.organization, replace(A_DOLLAR, subject=mine.id, environment=Environment.TEST))
    assert budgeted() == [True, True, False]
    with site.control.changing() as change:
        stored = change_limit(change, stored, replace(stored.limit, action=LimitAction.WARN))
    assert budgeted() == [
        False,
        False,
        False,
    ]  # what only warns is no budget, and what counts tests is none of a key for prod
    with site.control.changing() as change:
        remove_limit(change, stored)
        each = add_limit(change, site.organization, replace(A_DOLLAR, subject="*", unit=LimitUnit.TOKENS))
    assert budgeted() == [True, True, True]
    with site.control.changing() as change:
        remove_limit(change, each)
        add_limit(change, site.organization, replace(A_DOLLAR, subject=mine.id, unit=LimitUnit.REQUESTS))
        add_limit(change, site.organization, replace(A_DOLLAR, scope=LimitScope.CUSTOMER))
    assert budgeted() == [False, False, False]


def test_a_platform_credential_serves_every_organization_and_is_paid_for(site: Site) -> None:
    site.add_credential("platform", platform=True)
    site.add_credential("own")
    with site.control.changing() as change:
        change.connection.execute(insert(organizations).values(id="o2", name="x", created_at=2**62))
        acme = CustomProvider(organization_id=site.organization, id="acme", name="Acme", base_url="https://acme.test")
        put_provider(change, acme)
    site.add_credential("platform", provider_id="acme", base_url="https://acme.test", platform=True)
    (problem,) = site.publisher.publish().problems
    assert problem == "acme/platform is left out: other organizations do not know the provider Acme"
    snapshot = site.read()
    held = [(one.name, one.organization_id, one.home) for one in snapshot.credentials_of(site.organization)]
    assert held == [("own", site.organization, True), ("platform", None, False)]
    assert [one.name for one in snapshot.credentials_of("o2")] == ["platform"]
    assert snapshot.books_of("o2") == snapshot.books_of(site.organization) == Books(credits=CreditTerms(0))


def test_credits_are_what_they_were_where_the_logs_cannot_say(site: Site) -> None:
    site.granted = {site.organization: 7}
    site.publisher.publish()
    for publisher in (site.publisher, site.new_publisher()):
        site.granted = None
        _, digest = site.add_key()
        (problem,) = publisher.publish().problems
        assert problem == "credits are what they were before: it is away"
        assert site.read().books_of(site.organization).credits == CreditTerms(7)
        assert site.read().keys.find(digest) is not None
    site.granted = {site.organization: 8}
    assert site.publisher.publish().problems == ()
    assert site.read().books_of(site.organization).credits == CreditTerms(8)


def test_rules_of_a_newer_version_of_gantry_stop_nothing_and_the_last_readable_ones_hold(site: Site) -> None:
    key, digest = site.add_key()
    for document in ({"fallback_models": ["m"]}, {"of tomorrow": 1}, {"retries": {"of tomorrow": 1}}):
        site.write_rules(document)
    with site.control.changing() as change:
        revoke_key(change, key)
    (problem,) = site.publisher.publish().problems
    assert problem.startswith(
        f"version 3 of the routing rules of {site.organization} is left out, and version 1 holds: "
    )
    assert "retries: there is no `of tomorrow` here" in problem
    snapshot = site.read()
    assert snapshot.routing_rules_of(site.organization).fallback_models == ("m",)
    found = snapshot.keys.find(digest)
    assert found is not None
    assert found.revoked


def test_rules_none_of_which_can_be_read_are_none(site: Site) -> None:
    _, digest = site.add_key()
    site.write_rules([])
    site.write_rules({"of tomorrow": 1})
    with site.control.changing() as change:
        change.connection.execute(update(routing_rules).where(routing_rules.c.version == 2).values(document="{"))
    (problem,) = site.publisher.publish().problems
    assert "is left out, and no rules hold: this is no JSON" in problem
    assert site.read().routing_rules_of(site.organization) is NO_ROUTING_RULES
    assert site.read().keys.find(digest) is not None


def test_what_a_credential_leaves_out_is_published(site: Site) -> None:
    site.add_credential("default", excluded_models=("a-*",))
    site.publisher.publish()
    (credential,) = site.read().credentials_of(site.organization)
    assert credential.excluded_models == ("a-*",)


def test_a_reference_is_read_from_the_environment_and_not_stored(site: Site) -> None:
    site.add_credential("reference", source="SOME_KEY")
    site.environ["SOME_KEY"] = " canary \n"
    assert site.publisher.publish().problems == ()
    (credential,) = site.read().credentials_of(site.organization)
    assert credential.secrets == {"api_key": Secret("canary")}
    files = [path for path in site.home.path.rglob("*") if path.is_file()]
    assert b"canary" not in b"".join(path.read_bytes() for path in files)


def test_a_new_process_goes_beyond_the_version_of_the_file(site: Site) -> None:
    """A secret in the environment may have changed, which no version counts."""
    site.add_credential("reference", source="SOME_KEY")
    site.environ["SOME_KEY"] = "old"
    first = site.publisher.publish()
    site.environ["SOME_KEY"] = "new"
    second = site.new_publisher().publish()
    assert second.version == first.version + 1 == site.control.version()


def test_after_a_backup_was_restored_versions_still_grow(site: Site, tmp_path: Path) -> None:
    for _ in range(5):
        site.add_key()
    last = site.publisher.publish().version
    with ControlStore(tmp_path / "older.db") as older:
        with older.changing() as change:
            add_key(change, default_organization(change.connection), "older", KeyPolicy(), KEYRING.pepper)
        publisher = Publisher(site.home, KEYRING, older, {}, granted=dict, clock=lambda: site.now)
        assert publisher.publish().version > last


def test_a_file_that_cannot_be_written_leaves_the_last_one(site: Site) -> None:
    site.publisher.publish()
    before = site.home.snapshot.read_bytes()
    site.add_key()
    aside = site.home.snapshot.with_name(f".snapshot.{os.getpid()}")
    aside.mkdir()
    with pytest.raises(OSError, match="snapshot"):
        site.publisher.publish()
    assert site.home.snapshot.read_bytes() == before
    aside.rmdir()
    assert site.publisher.poll() is not None


def test_rehearsing_writes_nothing(site: Site) -> None:
    site.add_credential("reference", source="SOME_KEY")
    assert len(site.publisher.rehearse().problems) == 1
    assert not site.home.snapshot.exists()


def test_the_snapshot_is_sealed_for_this_home(site: Site) -> None:
    site.publisher.publish()
    assert published_snapshot(site.home, KEYRING) is not None
    assert published_snapshot(site.home, Keyring(b"x" * 32)) is None
    with pytest.raises(SealBroken):
        read_snapshot(site.home.snapshot.read_bytes(), Keyring(b"x" * 32).snapshot)
    assert site.home.snapshot.stat().st_mode & 0o777 == 0o600


def test_a_store_that_lost_its_keys_does_not_revoke_those_that_are_live(site: Site) -> None:
    _, digest = site.add_key()
    site.publisher.publish()
    site.control.close()
    lose(site.home.control_db)
    site.control = ControlStore(site.home.control_db)
    with pytest.raises(StoreUnavailable, match="Restore the store from a backup"):
        site.new_publisher().poll()
    assert site.read().keys.find(digest) is not None
    site.home.snapshot.unlink()
    assert site.new_publisher().poll() is not None
