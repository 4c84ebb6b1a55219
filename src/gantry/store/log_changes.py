"""What people change of a log that is stored: marks on it, and its end.

Law: a change touches only logs of the organization and, where it is bound to one, of the API key; a log that is not
there to be changed is not there to be seen. Deleting takes out the row, what was said, and its words, in one
transaction; sums by hour stay.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Raw, Struct
from sqlalchemy import ColumnElement, Connection, Select, and_, delete, select, update

from gantry.store.full_text import take_out
from gantry.store.log_filter import Value
from gantry.store.log_tables import request_log_bodies, request_logs

Write = Callable[[Connection, ColumnElement[bool], Mapping[str, Any]], None]


class LogChange(Struct, frozen=True):
    """What to set of a log, and the members to put into its metadata."""

    log_id: str
    marks: Mapping[str, Value] = {}
    metadata: Mapping[str, Raw] = {}


def write_marks(connection: Connection, owned: ColumnElement[bool], values: Mapping[str, Any]) -> None:
    connection.execute(update(request_logs).where(owned).values(values))


def change_logs(
    connection: Connection,
    organization_id: str,
    key_id: str | None,
    changes: Sequence[LogChange],
    write: Write = write_marks,
) -> set[str]:
    """Apply changes and return the ids of the logs that were there."""
    changed = set()
    for change in changes:
        owned = _owned(organization_id, key_id, change.log_id)
        row = connection.execute(_locked(select(request_logs.c.metadata).where(owned))).first()
        if row is None:
            continue
        changed.add(change.log_id)
        values: dict[str, Any] = dict(change.marks)
        if change.metadata:
            values["metadata"] = _merged(row.metadata, change.metadata)
        if values:
            write(connection, owned, values)
    return changed


def delete_log(connection: Connection, organization_id: str, key_id: str | None, log_id: str) -> bool:
    """Delete a log and say whether it was there."""
    owned = _owned(organization_id, key_id, log_id)
    seq = connection.scalar(_locked(select(request_logs.c.seq).where(owned)))
    if seq is None:
        return False
    body = request_log_bodies.c.seq == seq
    take_out(connection, body)
    connection.execute(delete(request_logs).where(owned))
    connection.execute(delete(request_log_bodies).where(body))
    return True


def _owned(organization_id: str, key_id: str | None, log_id: str) -> ColumnElement[bool]:
    mine = and_(request_logs.c.log_id == log_id, request_logs.c.organization_id == organization_id)
    return mine if key_id is None else and_(mine, request_logs.c.key_id == key_id)


def _locked(statement: Select[Any]) -> Select[Any]:
    """SQLite has one writer anyway; elsewhere two changes of one log must not read the same metadata."""
    return statement.with_for_update()


def _merged(stored: str | None, new: Mapping[str, Raw]) -> str:
    """Return metadata with new members in it; what was there and was no object gives way."""
    try:
        members = msgspec.json.decode(stored or "{}", type=dict[str, Raw])
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        members = {}
    return msgspec.json.encode({**members, **new}).decode()
