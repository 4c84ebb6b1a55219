"""Alert channels as requests and commands say them, and as they are shown: made, changed and tried out.

Law: a URL goes in and its secrets are never shown again; the secret that signs for a webhook is shown once, by whoever
makes the channel. What is declared elsewhere is changed there.
"""

import secrets
from typing import Annotated, Any, Final, TypeVar

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType
from msgspec.structs import asdict, replace

from gantry.core.alert import Alert, Event, payload_of
from gantry.core.errors import Forbidden, InvalidRequest
from gantry.core.ids import ENTROPY_BITS, format_id
from gantry.core.log_item import iso_of
from gantry.core.secret import Secret
from gantry.core.vocabulary import Environment
from gantry.dial.webhook_url import parse_webhook_url
from gantry.store import Connection
from gantry.store.alert_channels import (
    Channel,
    ChannelKind,
    ChannelRefused,
    NewChannel,
    Opening,
    add_channel,
    change_channel,
    check_events,
    remove_channels,
)
from gantry.store.alerts import add_delivery
from gantry.store.control import Change
from gantry.store.credentials import ManagedBy
from gantry.store.vault import Vault

_SECRET_BYTES: Final = 32
_PREFIX: Final = "whsec_"

Form = TypeVar("Form", bound=Struct)
Events = Annotated[tuple[Event, ...], Meta(max_length=len(Event))]


class ChannelForm(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A channel to be made. `target` is a URL, or e-mail addresses with commas between them."""

    name: str
    kind: ChannelKind = ChannelKind.WEBHOOK
    target: str
    secret: str | None = None  # that signs for a webhook; without one it is made
    events: Events = ()
    environment: Environment | None = None
    enabled: bool = True


class ChannelChange(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a channel is told of. What is left out stays, and null clears."""

    events: Events | UnsetType | None = UNSET
    environment: Environment | UnsetType | None = UNSET
    enabled: bool | UnsetType = UNSET


class ChannelItem(Struct, frozen=True, kw_only=True):
    """A channel as the API shows it: of a URL, what opens nothing."""

    id: str
    name: str
    kind: ChannelKind
    target: str
    events: tuple[Event, ...]
    environment: Environment | None
    enabled: bool
    managed_by: ManagedBy | None
    created_at: str
    updated_at: str


class NewChannelItem(ChannelItem, frozen=True, kw_only=True):
    """A channel with the secret that signs for a webhook, which no other answer shows."""

    secret: str | None


def make_channel(
    change: Change, vault: Vault, organization_id: str, form: ChannelForm, *, private: bool
) -> tuple[Channel, Secret | None]:
    """Store a channel, and return it with the secret that signs for it. Raises InvalidRequest.

    `private`: its URL may lead to a private address.
    """
    try:
        target, opening = _open_target(form, private=private)
        new = NewChannel(
            name=form.name,
            kind=form.kind,
            target=target,
            opening=opening,
            events=form.events,
            environment=form.environment,
            enabled=form.enabled,
        )
        channel = add_channel(change, vault, organization_id, new)
    except ValueError as error:  # ChannelRefused, and what is wrong with a URL
        raise InvalidRequest(f"There can be no such channel: {error}.") from None
    return channel, None if opening is None else opening.secret


def change_by_form(change: Change, channel: Channel, form: ChannelChange) -> Channel:
    """Store what a form says that a channel is told of, and return it so. Raises InvalidRequest, Forbidden."""
    _check_by_hand(channel)
    said: dict[str, Any] = {}
    if form.events is not UNSET:
        said["events"] = form.events or ()
    if form.environment is not UNSET:
        said["environment"] = form.environment
    if form.enabled is not UNSET:
        said["enabled"] = form.enabled
    changed = replace(channel, **said)
    if changed == channel:
        return channel
    changed = replace(changed, updated_at=change.now)
    try:
        check_events(changed.kind, changed.events)
    except ChannelRefused as error:
        raise InvalidRequest(f"The channel cannot be told of that: {error}.", param="events") from None
    change_channel(change, changed)
    return changed


def remove_by_hand(change: Change, channel: Channel) -> None:
    """Remove a channel; what is on its way to it is given up. Raises Forbidden."""
    _check_by_hand(channel)
    remove_channels(change, [channel])


def try_channel(logs: Connection, channel: Channel, now: int) -> str:
    """Put a test into the outbox, to this channel alone, and return the delivery's id."""
    test_id = format_id(now // 1_000_000, secrets.randbits(ENTROPY_BITS))
    alert = Alert(
        organization_id=channel.organization_id,
        event=Event.TEST,
        subject=test_id,
        message=f"This is a test of the channel {channel.name}.",
        data={"channel": channel.name},
        environment=channel.environment,
    )
    return add_delivery(logs, channel, Event.TEST, payload_of(alert, test_id, now), now)


def read_form(body: bytes) -> ChannelForm:
    return _decode(body, ChannelForm, "a channel")


def read_change(body: bytes) -> ChannelChange:
    return _decode(body, ChannelChange, "what a channel is told of")


def channel_item(channel: Channel) -> ChannelItem:
    """Return a channel as the API shows it."""
    return ChannelItem(
        id=channel.id,
        name=channel.name,
        kind=channel.kind,
        target=channel.target,
        events=channel.events,
        environment=channel.environment,
        enabled=channel.enabled,
        managed_by=channel.managed_by,
        created_at=iso_of(channel.created_at),
        updated_at=iso_of(channel.updated_at),
    )


def new_channel_item(channel: Channel, secret: Secret | None) -> NewChannelItem:
    """Return a channel with the secret that signs for it, which no other answer shows."""
    shown = None if secret is None else secret.reveal()
    return NewChannelItem(**asdict(channel_item(channel)), secret=shown)


def _open_target(form: ChannelForm, *, private: bool) -> tuple[str, Opening | None]:
    """Return what people may read of a target, and what opens it. Raises ChannelRefused, ValueError."""
    if form.secret is not None and form.kind is not ChannelKind.WEBHOOK:
        raise ChannelRefused("only webhooks are signed, and have a secret")
    if form.kind is ChannelKind.EMAIL:
        return form.target, None
    url = parse_webhook_url(form.target, private=private)
    given = Secret(form.target.strip())
    if form.kind is ChannelKind.SLACK:
        return url.host, Opening(url=given, private=private)
    secret = Secret(form.secret or _PREFIX + secrets.token_urlsafe(_SECRET_BYTES))
    return url.shown, Opening(url=given, secret=secret, private=private)


def _check_by_hand(channel: Channel) -> None:
    if channel.managed_by is not None:
        raise Forbidden(f"{channel.name} is declared in {channel.managed_by}; change it there.")


def _decode(body: bytes, kind: type[Form], what: str) -> Form:
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidRequest(f"The body does not say {what}: {error}.") from None
