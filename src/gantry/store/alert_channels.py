"""Channels: where an organization wants to hear of things.

Law: what opens a target, its URL and the secret that signs for it, is sealed in the vault for its place, or stays in an
environment variable whose name is sealed. `target` is what people may read of it: of a Slack webhook, whose path is its
secret, the host alone.
"""

import re
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any, Final

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, delete, insert, select, update

from gantry.core.alert import USUAL_EVENTS, Event
from gantry.core.audit_entry import AuditAction
from gantry.core.sealing import SealBroken
from gantry.core.secret import Secret
from gantry.core.vocabulary import Environment
from gantry.store.control import Change
from gantry.store.control_tables import alert_channels
from gantry.store.credentials import ManagedBy
from gantry.store.vault import Place, Vault

MOST_CHANNELS: Final = 100  # of an organization
_ROOM: Final = "alert_channels"  # in the place of what is sealed
_FIELD: Final = "target"
_ADDRESS: Final = re.compile(r"[^@\s,;<>\"\x00-\x1f\x7f]+@[^@\s,;<>\"\x00-\x1f\x7f]+")


class ChannelKind(StrEnum):
    WEBHOOK = "webhook"
    SLACK = "slack"
    EMAIL = "email"


class ChannelNotFound(LookupError):
    """No channel goes by that name."""


class ChannelRefused(ValueError):
    """There can be no such channel; the message says why."""


class ChannelUnusable(ValueError):
    """Nothing can be delivered to the channel; the message says why."""


class Opening(Struct, frozen=True, kw_only=True):
    """What opens a channel's target. `private`: whoever named the URL may reach private addresses by it."""

    url: Secret | None = None
    secret: Secret | None = None
    url_variable: str | None = None
    secret_variable: str | None = None
    private: bool = False


class Opened(Struct, frozen=True):
    """A target with its secrets at hand."""

    url: Secret
    secret: Secret
    private: bool


class Channel(Struct, frozen=True, kw_only=True):
    """A channel without its secrets. Without events, it is told what is usual; without an environment, of both."""

    id: str
    organization_id: str
    name: str
    kind: ChannelKind
    target: str
    events: tuple[Event, ...] = ()
    environment: Environment | None = None
    enabled: bool = True
    managed_by: ManagedBy | None = None
    created_at: int = 0
    updated_at: int = 0

    @property
    def place(self) -> Place:
        return Place(self.organization_id, _ROOM, self.id, _FIELD)

    def wants(self, organization_id: str, event: Event, environment: str | None) -> bool:
        """Say whether it is to be told of an event. What concerns both environments is told to channels of either."""
        return (
            self.enabled
            and self.organization_id == organization_id
            and event in (self.events or USUAL_EVENTS)
            and (self.environment is None or environment is None or self.environment == environment)
        )


class NewChannel(Struct, frozen=True, kw_only=True):
    name: str
    kind: ChannelKind
    target: str
    opening: Opening | None = None  # None of e-mail
    events: tuple[Event, ...] = ()
    environment: Environment | None = None
    enabled: bool = True
    managed_by: ManagedBy | None = None


def check_channel(new: NewChannel) -> None:
    """Raise ChannelRefused for a channel that makes no sense."""
    if not new.name.strip() or len(new.name) > 100 or not new.name.isprintable():
        raise ChannelRefused("a channel needs a name of 1 to 100 characters")
    check_events(new.kind, new.events)
    if new.kind is ChannelKind.EMAIL:
        wrong = [one for one in addresses_in(new.target) if not _ADDRESS.fullmatch(one)]
        if wrong or not addresses_in(new.target):
            raise ChannelRefused(f"{new.target!r} is no e-mail address; several stand with commas between them")


def check_events(kind: ChannelKind, events: Iterable[Event]) -> None:
    """Raise ChannelRefused for events that such a channel cannot be told of."""
    if Event.REQUEST_LOG in events and kind is not ChannelKind.WEBHOOK:
        raise ChannelRefused(f"{Event.REQUEST_LOG} is delivered to webhooks only")


def addresses_in(target: str) -> list[str]:
    """Return the e-mail addresses of a target."""
    return [one.strip() for one in target.split(",") if one.strip()]


def add_channel(
    change: Change, vault: Vault, organization_id: str, new: NewChannel, *, replaces: Channel | None = None
) -> Channel:
    """Store a channel; one that takes the place of another, just removed, keeps its id. Raises ChannelRefused."""
    check_channel(new)
    present = channels_of(change.connection, organization_id)
    if any(channel.name == new.name for channel in present):
        raise ChannelRefused(f"there is a channel named {new.name!r} already; choose another name or remove it first")
    if len(present) >= MOST_CHANNELS:
        raise ChannelRefused(f"there are {MOST_CHANNELS} channels already, the most there may be")
    channel = Channel(
        id=change.new_id() if replaces is None else replaces.id,
        organization_id=organization_id,
        name=new.name,
        kind=new.kind,
        target=new.target,
        events=new.events,
        environment=new.environment,
        enabled=new.enabled,
        managed_by=new.managed_by,
        created_at=change.now if replaces is None else replaces.created_at,
        updated_at=change.now,
    )
    sealed = None if new.opening is None else vault.seal(_text_of(new.opening), channel.place)
    change.connection.execute(insert(alert_channels).values(**_values(channel), sealed=sealed))
    _note(change, AuditAction.ALERT_CHANNEL_ADDED, channel)
    return channel


def change_channel(change: Change, channel: Channel) -> None:
    """Store what a known channel is told of from now on: events, environment, and whether it is enabled."""
    stored = _values(channel)
    values = {name: stored[name] for name in ("events", "environment", "enabled")}
    where = alert_channels.c.id == channel.id
    change.connection.execute(update(alert_channels).where(where).values(**values, updated_at=change.now))
    _note(change, AuditAction.ALERT_CHANNEL_CHANGED, channel)


def remove_channels(change: Change, gone: Iterable[Channel]) -> None:
    for channel in gone:
        change.connection.execute(delete(alert_channels).where(alert_channels.c.id == channel.id))
        _note(change, AuditAction.ALERT_CHANNEL_REMOVED, channel)


def _note(change: Change, action: AuditAction, channel: Channel) -> None:
    """Put down all but the target: a webhook's URL may be a secret."""
    change.note(
        channel.organization_id,
        action,
        channel.name,
        id=channel.id,
        kind=channel.kind,
        events=channel.events,
        enabled=channel.enabled,
    )


def channels_of(connection: Connection, organization_id: str | None = None) -> list[Channel]:
    """Return the channels of an organization, or of all, oldest first."""
    columns = [column for column in alert_channels.c if column is not alert_channels.c.sealed]
    query = select(*columns).order_by(alert_channels.c.created_at, alert_channels.c.name)
    if organization_id is not None:
        query = query.where(alert_channels.c.organization_id == organization_id)
    return [_channel(row) for row in connection.execute(query)]


def find_channel(connection: Connection, organization_id: str, text: str) -> Channel:
    """Return the channel with this id or name. Raises ChannelNotFound."""
    found = [channel for channel in channels_of(connection, organization_id) if text in (channel.id, channel.name)]
    if not found:
        raise ChannelNotFound(f"no channel has the id or name {text!r}; see `gantry alerts channels list`")
    return found[0]


def sealed_targets(connection: Connection) -> dict[str, bytes]:
    """Return what opens the targets, sealed, by channel id."""
    query = select(alert_channels.c.id, alert_channels.c.sealed).where(alert_channels.c.sealed.is_not(None))
    return {row.id: row.sealed for row in connection.execute(query)}


def read_opening(channel: Channel, sealed: bytes, vault: Vault) -> Opening:
    """Return what opens a channel's target. Raises SealBroken."""
    members = msgspec.json.decode(vault.open(sealed, channel.place).reveal(), type=dict[str, Any])
    for name in ("url", "secret"):
        if members.get(name) is not None:
            members[name] = Secret(members[name])
    return Opening(**members)


def open_target(channel: Channel, sealed: bytes | None, vault: Vault, environ: Mapping[str, str]) -> Opened:
    """Return a channel's URL and secret, from the vault or the environment. Raises ChannelUnusable."""
    if sealed is None:
        raise ChannelUnusable("nothing is sealed for it; remove it and add it again")
    try:
        opening = read_opening(channel, sealed, vault)
    except SealBroken as error:
        raise ChannelUnusable(f"its secret does not open: {error}") from error
    url = _given(opening.url, opening.url_variable, environ)
    secret = _given(opening.secret, opening.secret_variable, environ)
    return Opened(url, secret, opening.private)


def _given(secret: Secret | None, variable: str | None, environ: Mapping[str, str]) -> Secret:
    if variable is None:
        return secret or Secret("")
    value = environ.get(variable, "").strip()
    if not value:
        raise ChannelUnusable(f"${variable} is not set")
    return Secret(value)


def _text_of(opening: Opening) -> Secret:
    members = {
        name: value.reveal() if isinstance(value, Secret) else value
        for name in Opening.__struct_fields__
        if (value := getattr(opening, name)) is not None
    }
    return Secret(msgspec.json.encode(members).decode())


def _values(channel: Channel) -> dict[str, Any]:
    values: dict[str, Any] = msgspec.to_builtins(channel)
    values["events"] = msgspec.json.encode(values["events"]).decode()
    return values


def _channel(row: Any) -> Channel:
    values, named = dict(row._mapping), msgspec.json.decode(row.events)
    values["kind"] = ChannelKind(row.kind)
    values["events"] = events = tuple(event for event in Event if event in named)
    # Where a newer version named only what this one does not know, it is not told everything in its place.
    values["enabled"] = row.enabled and bool(events or not named)
    values["environment"] = None if row.environment is None else Environment(row.environment)
    values["managed_by"] = None if row.managed_by is None else ManagedBy(row.managed_by)
    return Channel(**values)
