"""Declared routing rules: applied where they differ, in the place of what people wrote, which comes back after them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gantry.clerk.declared_routing import apply_declared_routing
from gantry.core.routing_document import Document
from gantry.home import Keyring
from gantry.providers.spec import load_catalog
from gantry.store.control import Change, ControlStore, default_organization
from gantry.store.credentials import (
    ManagedBy,
    NewCredential,
    add_credential,
    credentials_of,
    remove_credentials,
)
from gantry.store.routing_rules import MOST_VERSIONS, WrittenRules, current_rules, rules_versions, write_rules
from gantry.store.vault import Vault
from tests.store.conftest import address, control, postgres_server

__all__ = ["address", "control", "postgres_server"]

CATALOG = load_catalog()
FALLBACK: Document = {"fallback_models": ["gpt-4o"]}


def group(**member: Any) -> Document:
    return {"groups": [{"id": "fast", "members": [{"model": "mistral/x", **member}]}]}


def apply(control: ControlStore, declared: Document | None) -> tuple[WrittenRules, list[str]]:
    problems = apply_declared_routing(control, CATALOG, declared)
    with control.reading() as connection:
        return current_rules(connection, default_organization(connection)), problems


def write(control: ControlStore, document: Document) -> None:
    with control.changing() as change:
        organization = default_organization(change.connection)
        write_rules(change, organization, msgspec.json.encode(document).decode(), author="a person")


@pytest.fixture
def credential(control: ControlStore) -> str:
    new = NewCredential(provider_id="mistral", name="default", base_url="https://api.mistral.ai")
    with control.changing() as change:
        organization = default_organization(change.connection)
        return add_credential(change, Vault(Keyring(b"m" * 32).vault), organization, new).id


def test_what_is_declared_holds_and_again_it_changes_nothing(control: ControlStore, credential: str) -> None:
    rules, problems = apply(control, FALLBACK)
    assert problems == []
    assert (rules.version, rules.document, rules.author) == (1, FALLBACK, "gantry.toml")
    assert rules.managed_by is ManagedBy.FILE
    version = control.version()
    assert apply(control, FALLBACK)[0] == rules
    assert control.version() == version
    assert apply(control, group())[0].version == 2


def test_what_people_wrote_holds_again_when_the_table_goes(control: ControlStore) -> None:
    write(control, {"fallback_models": ["one"]})
    write(control, {"fallback_models": ["two"]})
    for declared in (FALLBACK, {}, FALLBACK):
        rules, _ = apply(control, declared)
        assert (rules.document, rules.managed_by) == (declared, ManagedBy.FILE)
    rules, problems = apply(control, None)
    assert (rules.version, rules.document, rules.managed_by) == (6, {"fallback_models": ["two"]}, None)
    assert (rules.note, problems) == ("no longer declared; as in version 2", [])
    version = control.version()
    assert apply(control, None)[0] == rules
    assert control.version() == version


def test_without_anything_before_it_no_rules_are_left(control: ControlStore) -> None:
    assert apply(control, None)[0].version == 0
    apply(control, FALLBACK)
    rules, _ = apply(control, None)
    assert (rules.version, rules.document, rules.note) == (2, {}, "no longer declared")
    with control.reading() as connection:
        assert len(rules_versions(connection, rules.organization_id)) == 2


def test_what_could_never_serve_is_reported_and_the_last_good_rules_stay(
    control: ControlStore, credential: str
) -> None:
    good, _ = apply(control, group(credential="default"))
    bad = group(credential="nobody")
    kept, problems = apply(control, bad)
    assert kept == good
    assert problems == [
        "gantry.toml: routing: the group fast names the credential nobody, and there is none; see "
        "`gantry providers list`",
        "gantry.toml: routing is not applied: what held before it stays",
    ]


def test_what_became_wrong_since_is_said_at_each_start_and_stays(control: ControlStore, credential: str) -> None:
    declared = group(credential="default")
    before, problems = apply(control, declared)
    assert problems == []
    with control.changing() as change:
        remove_credentials(change, credentials_of(change.connection))
    after, problems = apply(control, declared)
    assert after == before
    assert len(problems) == 2
    assert "names the credential default, and there is none" in problems[1]
    changed, problems = apply(control, {**declared, **FALLBACK})
    assert changed.version == 2  # it did not become worse
    assert problems


class Interrupted(ControlStore):
    """A store whose next change is preceded by what others do meanwhile."""

    meanwhile: Callable[[], object] | None = None

    @contextmanager
    def changing(self) -> Iterator[Change]:
        meanwhile, self.meanwhile = self.meanwhile, None
        if meanwhile is not None:
            meanwhile()
        with super().changing() as change:
            yield change


def test_two_nodes_that_take_rules_back_do_not_undo_what_is_written_between_them(address: str | Path) -> None:
    control = Interrupted(address)
    with control:
        write(control, FALLBACK)
        apply(control, {})

        def the_other_node_is_first() -> None:
            apply(control, None)
            write(control, {"fallback_models": ["claude-opus-4-1"]})

        control.meanwhile = the_other_node_is_first
        current, _ = apply(control, None)
        assert current.document == {"fallback_models": ["claude-opus-4-1"]}


def test_what_people_wrote_is_kept_however_often_the_table_changes(control: ControlStore) -> None:
    write(control, FALLBACK)
    for number in range(MOST_VERSIONS + 3):
        apply(control, {"fallback_models": [f"gpt-{number}"]})
    current, _ = apply(control, None)
    assert (current.document, current.note) == (FALLBACK, "no longer declared; as in version 1")
    with control.reading() as connection:
        assert len(rules_versions(connection, current.organization_id)) == MOST_VERSIONS
