"""Routing rules declared outside the store: the `[routing]` table of gantry.toml.

Law: as `clerk/declared.py`'s: applied again at each start, and only where they differ. They take the place of what
people wrote, which is kept among the versions and holds again when the table goes. Rules that could never serve are
reported, and what held before them stays.
"""

from collections.abc import Mapping
from contextlib import suppress
from typing import Final

from gantry.core.routing_document import Document, RulesRefused, encode_document, find_faults, new_refusals, read_rules
from gantry.providers.rules_world import catalogue_world
from gantry.providers.spec import ProviderSpec
from gantry.store.control import ControlStore, default_organization
from gantry.store.credentials import ManagedBy
from gantry.store.routing_rules import EMPTY, VersionConflict, current_rules, own_world, rules_before, write_rules

_AUTHOR: Final = ManagedBy.FILE.value


def apply_declared_routing(
    store: ControlStore, catalog: Mapping[str, ProviderSpec], declared: Document | None
) -> list[str]:
    """Make the routing rules of the default organization what is declared; return what there is to say of them."""
    if declared is None:
        _take_back(store)
        return []
    with store.reading() as connection:
        organization_id = default_organization(connection)
        current = current_rules(connection, organization_id)
        world = own_world(connection, organization_id, catalogue_world(catalog.values()))
    try:
        text, rules = encode_document(declared), read_rules(declared)
    except RulesRefused as error:
        return [f"gantry.toml: routing: {error}"]
    said = [f"gantry.toml: routing: {fault.words}" for fault in find_faults(rules, world)]
    if current.managed_by is ManagedBy.FILE and current.text == text:
        return said
    if new_refusals(rules, current.document, world):
        return [*said, "gantry.toml: routing is not applied: what held before it stays"]
    with store.changing() as change:
        write_rules(change, organization_id, text, author=_AUTHOR, managed_by=ManagedBy.FILE)
    return said


def _take_back(store: ControlStore) -> None:
    """Let hold again what people wrote last, where what holds was declared."""
    with store.reading() as connection:
        organization_id = default_organization(connection)
        current = current_rules(connection, organization_id)
        if current.managed_by is None:
            return
        versions = rules_before(connection, organization_id, current.version)
        by_hand = next((written for written in versions if written.managed_by is None), None)
    note = "no longer declared" + ("" if by_hand is None else f"; as in version {by_hand.version}")
    text = EMPTY if by_hand is None else by_hand.text
    with suppress(VersionConflict), store.changing() as change:  # another node was first, and people may have gone on
        write_rules(change, organization_id, text, author=_AUTHOR, note=note, expected=current.version)
