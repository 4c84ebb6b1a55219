"""The control store: who may call, and with which credentials.

Law: every change raises the configuration version in its own transaction, first thing. That orders all writers, so a
version that a reader has seen stands for every change before it, and snapshots and their deltas can go by it. Every
function of the store that takes a `Change` notes in the audit log what it does, by whose hand.
"""

import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from copy import copy
from pathlib import Path
from types import TracebackType
from typing import Any

import msgspec
from sqlalchemy import Connection, insert, select, update

from gantry.core.audit_entry import SYSTEM, AuditAction, Author
from gantry.core.ids import ENTROPY_BITS, OrganizationId, format_id
from gantry.store.audit_log import append_entry
from gantry.store.control_tables import CONTROL, configuration, organizations, settings
from gantry.store.database import BUSY_TIMEOUT, Clock, Database
from gantry.store.listening import FileListener, Listener, ToldListener, tell_version
from gantry.store.schema import ensure_schema

_ONE_ROW = 1
_DEFAULT_NAME = "default"


class Change:
    """A transaction that changes the configuration, and the version it makes."""

    __slots__ = ("author", "connection", "now", "version")

    def __init__(self, connection: Connection, version: int, now: int, author: Author = SYSTEM) -> None:
        self.author = author
        self.connection = connection
        self.version = version
        self.now = now  # ns since the epoch

    def new_id(self) -> str:
        return format_id(self.now // 1_000_000, secrets.randbits(ENTROPY_BITS))

    def note(self, organization_id: str, action: AuditAction, subject: str, /, **detail: Any) -> None:
        """Put down what is done here, in the organization's audit log. A detail is small and no secret."""
        append_entry(self.connection, organization_id, self.author, action, subject, detail, self.now)


class ControlStore:
    """The control tables of one database; the first opening creates them, and a default organization."""

    def __init__(self, address: str | Path, *, clock: Clock = time.time_ns, busy_timeout: float = BUSY_TIMEOUT) -> None:
        """Raises StoreUnavailable or SchemaError."""
        self._database = Database(address, busy_timeout=busy_timeout)
        self._clock = clock
        self._author = SYSTEM
        ensure_schema(self._database, CONTROL)
        with self.reading() as connection:
            started = connection.scalar(select(configuration.c.version)) is not None
        if not started:
            self._start()

    def _start(self) -> None:
        with self._database.writing() as connection:
            now = self._clock()
            first = {"id": _ONE_ROW, "version": 1}
            if self._database.insert_if_absent(connection, configuration, first):
                change = Change(connection, 1, now)
                row = {"id": change.new_id(), "name": _DEFAULT_NAME, "created_at": now}
                connection.execute(insert(organizations).values(row))

    def __enter__(self) -> "ControlStore":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def acting_as(self, author: Author) -> "ControlStore":
        """Return this store as somebody uses it, to whom changes are put down."""
        acting = copy(self)
        acting._author = author
        return acting

    def close(self) -> None:
        self._database.close()

    @contextmanager
    def changing(self) -> Iterator[Change]:
        """Change the configuration: all of the block or nothing. Raises StoreUnavailable."""
        raised = update(configuration).values(version=configuration.c.version + 1).returning(configuration.c.version)
        with self._database.writing() as connection:
            version = connection.execute(raised).scalar_one()
            yield Change(connection, version, self._clock(), self._author)
            tell_version(connection, version)

    def listener(self) -> Listener:
        """Return who hears of new versions as they come."""
        if self._database.is_sqlite:
            return FileListener(Path(self._database.url.database or ""))
        return ToldListener(self._database)

    def note(self, organization_id: str, action: AuditAction, subject: str, /, **detail: Any) -> None:
        """Put down in the audit log what was done elsewhere, which leaves the version. Raises StoreUnavailable."""
        with self.auditing() as change:
            change.note(organization_id, action, subject, **detail)

    @contextmanager
    def auditing(self) -> Iterator[Change]:
        """Write what no snapshot shows and the audit log does, and leave the version. Raises StoreUnavailable."""
        locked = select(configuration.c.version).with_for_update()  # entries are written one after the other
        with self._database.writing() as connection:
            version = connection.execute(locked).scalar_one()
            yield Change(connection, version, self._clock(), self._author)

    @contextmanager
    def noting(self) -> Iterator[Connection]:
        """Write what no snapshot shows, such as who signed in, and leave the version. Raises StoreUnavailable."""
        with self._database.writing() as connection:
            yield connection

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Read from one consistent view. Raises StoreUnavailable."""
        with self._database.reading() as connection:
            yield connection

    def version(self) -> int:
        """Return the configuration version."""
        with self.reading() as connection:
            return version_of(connection)

    def raise_version(self, least: int) -> int:
        """Make the version at least this, as after restoring an old backup, and return what it is then."""
        with self.changing() as change:
            if change.version < least:
                change.connection.execute(update(configuration).values(version=least))
                return least
            return change.version


def version_of(connection: Connection) -> int:
    version: int = connection.execute(select(configuration.c.version)).scalar_one()
    return version


def default_organization(connection: Connection) -> OrganizationId:
    """Return the organization that was created first."""
    query = select(organizations.c.id).order_by(organizations.c.created_at, organizations.c.id).limit(1)
    return OrganizationId(connection.execute(query).scalar_one())


def settings_by_organization(connection: Connection) -> dict[str, dict[str, Any]]:
    """Return every organization's settings, decoded."""
    found: dict[str, dict[str, Any]] = {}
    for row in connection.execute(select(settings)):
        found.setdefault(row.organization_id, {})[row.name] = msgspec.json.decode(row.value)
    return found


def put_setting(change: Change, organization_id: str, name: str, value: Any) -> None:
    where = (settings.c.organization_id == organization_id) & (settings.c.name == name)
    text = msgspec.json.encode(value).decode()
    if change.connection.execute(update(settings).where(where).values(value=text)).rowcount == 0:
        change.connection.execute(insert(settings).values(organization_id=organization_id, name=name, value=text))
    change.note(organization_id, AuditAction.SETTING_CHANGED, name, value=value)
