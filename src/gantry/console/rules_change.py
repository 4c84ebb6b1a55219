"""The routing rules of an organization changed, as one change, for the API and the CLI.

Law: a change is refused as a whole, with words that say where and what, and what held before it stays. What it names in
vain refuses it only where it brings that in, and never a rollback: whoever goes back must arrive. What is declared
elsewhere is changed there.
"""

from collections.abc import Callable
from typing import Final

from msgspec import Struct

from gantry.core.errors import Forbidden, InvalidRequest, NotFound, OutOfDate
from gantry.core.routing_document import (
    Document,
    RulesRefused,
    RulesWorld,
    encode_document,
    find_faults,
    new_refusals,
    read_rules,
)
from gantry.store import Connection
from gantry.store.control import Change
from gantry.store.routing_rules import (
    VersionConflict,
    WrittenRules,
    current_rules,
    find_rules,
    own_world,
    write_rules,
)

_LONGEST_NOTE: Final = 500


class Hand(Struct, frozen=True, kw_only=True):
    """Who changes the rules, why, and which version they had before them; None: whichever it is."""

    author: str
    note: str = ""
    expected: int | None = None


class Checked(Struct, frozen=True):
    """A version, and what it names in vain as things are now."""

    written: WrittenRules
    warnings: tuple[str, ...]


def change_rules(
    change: Change, organization_id: str, catalogue: RulesWorld, hand: Hand, edit: Callable[[Document], Document]
) -> Checked:
    """Write what `edit` makes of the document that holds. Raises InvalidRequest, OutOfDate, Forbidden.

    It is edited as it is stored, in the same transaction: two changes of different parts are both made.
    """
    current = _open(change, organization_id)
    world = own_world(change.connection, organization_id, catalogue)
    document = edit(current.document)
    try:
        rules, text = read_rules(document), encode_document(document)
    except RulesRefused as error:
        raise InvalidRequest(f"{error}.", param=error.place or None) from None
    refusals = new_refusals(rules, current.document, world)
    if refusals:
        raise InvalidRequest(f"{'; '.join(refusals)}.")
    written = _write(change, organization_id, text, hand, hand.note)
    return Checked(written, tuple(fault.words for fault in find_faults(rules, world)))


def roll_back_rules(change: Change, organization_id: str, catalogue: RulesWorld, hand: Hand, version: int) -> Checked:
    """Write the document of an old version again, byte for byte. Raises as `change_rules`, and NotFound."""
    _open(change, organization_id)
    old = known_version(change.connection, organization_id, version)
    try:
        rules = read_rules(old.document)
    except RulesRefused as error:
        raise InvalidRequest(f"Version {version} is not one that this version of Gantry reads: {error}.") from None
    written = _write(change, organization_id, old.text, hand, hand.note or f"as in version {version}")
    world = own_world(change.connection, organization_id, catalogue)
    return Checked(written, tuple(fault.words for fault in find_faults(rules, world)))


def known_version(connection: Connection, organization_id: str, version: int) -> WrittenRules:
    """Return a version that is kept. Raises NotFound."""
    found = find_rules(connection, organization_id, version) if 0 < version < 2**63 else None
    if found is None:
        raise NotFound(f"There is no version {version} of the routing rules; the newest 100 are kept.")
    return found


def check_rules(connection: Connection, organization_id: str, catalogue: RulesWorld, written: WrittenRules) -> Checked:
    """Return a version with what is wrong with it now."""
    try:
        rules = read_rules(written.document)
    except RulesRefused as error:
        return Checked(written, (f"this version of Gantry does not read it: {error}",))
    world = own_world(connection, organization_id, catalogue)
    return Checked(written, tuple(fault.words for fault in find_faults(rules, world)))


def _open(change: Change, organization_id: str) -> WrittenRules:
    """Return the version that holds, where it may be changed by hand."""
    current = current_rules(change.connection, organization_id)
    if current.managed_by is not None:
        raise Forbidden(f"The routing rules are declared in {current.managed_by}; change them there.")
    return current


def _write(change: Change, organization_id: str, text: str, hand: Hand, note: str) -> WrittenRules:
    if len(hand.note) > _LONGEST_NOTE or not hand.note.isprintable():
        raise InvalidRequest(f"note must be one line of at most {_LONGEST_NOTE} characters.", param="note")
    try:
        return write_rules(change, organization_id, text, author=hand.author, note=note, expected=hand.expected)
    except VersionConflict as error:
        words = f"Not changed: {error}. Read them again, and make the change to that."
        raise OutOfDate(words, param="version") from None
