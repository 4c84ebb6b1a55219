"""Limits added, changed and removed, as one change, for the API and the CLI.

Law: no key lifts what it is held to itself: whoever changes a limit by a key is not the key that the limit names, nor
one that is bound by it. What is declared elsewhere is changed there.
"""

from collections.abc import Callable

from gantry.console.caller import Caller
from gantry.core.errors import Forbidden, InvalidRequest, NotFound
from gantry.core.limit_check import LimitRefused
from gantry.core.limits import Limit, LimitScope
from gantry.store import Connection
from gantry.store.control import Change
from gantry.store.keys import KeyNotFound, find_key
from gantry.store.limits import (
    BrokenLimit,
    LimitNotFound,
    StoredLimit,
    add_limit,
    change_limit,
    find_limit,
    remove_limit,
)


def add_checked(change: Change, organization_id: str, limit: Limit) -> StoredLimit:
    """Store a new limit. Raises InvalidRequest."""
    try:
        return add_limit(change, organization_id, limit)
    except LimitRefused as error:
        raise refused(error) from None


def change_checked(
    change: Change, organization_id: str, text: str, edit: Callable[[Limit], Limit], by: Caller | None
) -> StoredLimit:
    """Store what `edit` makes of a limit. `by` is who asks; None: the operator. Raises as `known_limit`, and
    InvalidRequest, Forbidden."""
    known = known_limit(change.connection, organization_id, text)
    if isinstance(known, BrokenLimit):
        raise InvalidRequest(f"This version of Gantry does not read that limit ({known.reason}); remove it instead.")
    _check_hand(known, by)
    try:
        return change_limit(change, known, edit(known.limit))
    except LimitRefused as error:
        raise refused(error) from None


def remove_checked(change: Change, organization_id: str, text: str, by: Caller | None) -> StoredLimit | BrokenLimit:
    """Remove a limit, and return it. Raises as `known_limit`, and Forbidden."""
    known = known_limit(change.connection, organization_id, text)
    if isinstance(known, StoredLimit):
        _check_hand(known, by)
    remove_limit(change, known)
    return known


def known_limit(connection: Connection, organization_id: str, text: str) -> StoredLimit | BrokenLimit:
    """Return the limit with this id or name. Raises NotFound."""
    try:
        return find_limit(connection, organization_id, text)
    except LimitNotFound as error:
        raise NotFound(f"Limit not found: {error}.") from None


def key_id_of(connection: Connection, organization_id: str, text: str) -> str:
    """Return the id of the key that is meant. Raises LimitRefused, naming the subject."""
    try:
        return find_key(connection, organization_id, text).id
    except KeyNotFound as error:
        raise LimitRefused("subject", str(error)) from error


def refused(error: LimitRefused) -> InvalidRequest:
    return InvalidRequest(f"{error}.", param=error.param)


def _check_hand(known: StoredLimit, by: Caller | None) -> None:
    if known.managed_by is not None:
        raise Forbidden(f"The limit {known.limit.name} is declared in {known.managed_by}; change it there.")
    if by is not None and known.limit.scope is LimitScope.API_KEY and known.limit.subject in by.bounds:
        raise Forbidden("An API key does not change what it is held to itself. Use another one, or `gantry limits`.")
