"""What alerts are raised by and told to: channels, rules and books of all organizations, as the configuration has them.

Law: read again when it may have changed, at most once a second; while the store is away, what was read last holds. For
one thread.
"""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct

from gantry.clerk.complaint import Complaint
from gantry.core.alert import DEFAULT_RULES, SETTING, AlertRules
from gantry.core.limits import NO_BOOKS, Books
from gantry.core.sealing import SealBroken
from gantry.home import Home, Keyring
from gantry.routing.snapshot import Body, SnapshotUnreadable, read_body
from gantry.store.alert_channels import Channel, channels_of, sealed_targets
from gantry.store.control import ControlStore, default_organization, version_of
from gantry.store.database import StoreUnavailable
from gantry.store.organizations import organizations_of

LOOK_EVERY: Final = 1.0  # seconds between two looks

logger = logging.getLogger(__name__)


class Owned(Struct, frozen=True):
    """A credential, as far as people know it by."""

    organization_id: str
    name: str  # PROVIDER/NAME


class AlertBook:
    """The channels from the store, and the rest from the snapshot that the clerk published of it."""

    def __init__(
        self, home: Home, keyring: Keyring, address: str | Path, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._home = home
        self._keyring = keyring
        self._address = address
        self._clock = clock
        self._store: ControlStore | None = None
        self._version = 0
        self._looked: float | None = None
        self._store_is_away = Complaint(logger, "alerts go by the channels that were there before: %s")
        self._snapshot_is_unread = Complaint(logger, "alerts go by the configuration that was there before: %s")
        self._file: tuple[int, int, int] | None = None
        self._rules: Mapping[str, AlertRules] = {}
        self._sealed: Mapping[str, bytes] = {}
        self.operator = ""  # the organization that hears of the machine
        self.organizations: Sequence[str] = ()
        self.channels: Sequence[Channel] = ()
        self.books: Mapping[str, Books] = {}
        self.credentials: Mapping[str, Owned] = {}

    def refresh(self) -> None:
        """Read what has changed, if the last look is long ago. Raises StoreUnavailable the first time."""
        now = self._clock()
        if self._looked is not None and now - self._looked < LOOK_EVERY:
            return
        try:
            self._read_store()
        except StoreUnavailable as error:
            if not self._version:
                raise
            self._store_is_away.make(error)
        else:
            self._store_is_away.withdraw()
        self._looked = now
        self._read_snapshot()

    def rules_of(self, organization_id: str) -> AlertRules:
        return self._rules.get(organization_id, DEFAULT_RULES)

    def books_of(self, organization_id: str) -> Books:
        return self.books.get(organization_id, NO_BOOKS)

    def sealed(self, channel_id: str) -> bytes | None:
        """Return what opens a channel's target."""
        return self._sealed.get(channel_id)

    def find(self, channel_id: str) -> Channel | None:
        return next((channel for channel in self.channels if channel.id == channel_id), None)

    def _read_store(self) -> None:
        if self._store is None:
            self._store = ControlStore(self._address)
        if self._version and self._store.version() == self._version:
            return
        with self._store.reading() as connection:
            self._version = version_of(connection)
            self.operator = default_organization(connection)
            self.organizations = tuple(one.id for one in organizations_of(connection))
            self.channels = tuple(channels_of(connection))
            self._sealed = sealed_targets(connection)

    def _read_snapshot(self) -> None:
        """Read the snapshot file if it is another one. What cannot be read leaves what was."""
        try:
            stat = self._home.snapshot.stat()
            file = (stat.st_ino, stat.st_mtime_ns, stat.st_size)
            if file == self._file:
                return
            body = read_body(self._home.snapshot.read_bytes(), self._keyring.snapshot)
        except (OSError, SealBroken, SnapshotUnreadable) as error:
            if self._file is not None or not isinstance(error, FileNotFoundError):  # else none was published yet
                self._snapshot_is_unread.make(error)
            return
        self._snapshot_is_unread.withdraw()
        self._file = file
        self.books = body.books
        self.credentials = dict(self._owned(body))
        self._rules = {
            organization_id: read_rules(settings[SETTING])
            for organization_id, settings in body.settings.items()
            if SETTING in settings
        }

    def _owned(self, body: Body) -> list[tuple[str, Owned]]:
        return [
            (one.credential_id, Owned(one.organization_id or self.operator, f"{one.provider_id}/{one.name}"))
            for one in body.credentials
        ]


def read_rules(setting: Any) -> AlertRules:
    """Return rules as they are kept; the usual ones where a newer version wrote what this one does not know."""
    try:
        return msgspec.convert(setting, AlertRules)
    except msgspec.ValidationError as error:
        logger.warning("the alert rules of an organization are left out: %s", error)
        return DEFAULT_RULES
