"""Alert channels declared outside the store: `[[alert_channels]]` of gantry.toml.

Law: as `clerk/declared.py`'s: applied again at each start, as one change, and only where they differ; what is no longer
declared goes; one that cannot be used is reported, left out, and refuses nothing but itself. A URL or a secret in the
environment is a reference: its variable's name is kept, never its value.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from gantry.core.sealing import SealBroken
from gantry.core.secret import Secret
from gantry.dial.webhook_url import parse_webhook_url
from gantry.settings import DeclaredChannel
from gantry.store.alert_channels import (
    Channel,
    ChannelKind,
    ChannelRefused,
    NewChannel,
    Opening,
    add_channel,
    channels_of,
    check_channel,
    read_opening,
    remove_channels,
    sealed_targets,
)
from gantry.store.control import ControlStore, default_organization
from gantry.store.credentials import ManagedBy
from gantry.store.vault import Vault

_COMPARED: Final = ("name", "kind", "target", "environment", "enabled", "managed_by")


def apply_declared_channels(
    store: ControlStore, vault: Vault, declared: Iterable[DeclaredChannel], environ: Mapping[str, str]
) -> list[str]:
    """Make the managed channels of the default organization what is declared; return what could not be used."""
    with store.reading() as connection:
        organization_id = default_organization(connection)
        present = channels_of(connection, organization_id)
        sealed = sealed_targets(connection)
    by_hand = {channel.name for channel in present if channel.managed_by is None}
    wanted: dict[str, NewChannel] = {}
    problems: list[str] = []
    for found in _read_all(declared, by_hand, environ):
        if isinstance(found, NewChannel):
            wanted[found.name] = found
        else:
            problems.append(found)
    managed = {channel.name: channel for channel in present if channel.managed_by is not None}
    kept = {
        name
        for name, channel in managed.items()
        if name in wanted and _is_same(channel, wanted[name], sealed.get(channel.id), vault)
    }
    gone = [channel for name, channel in managed.items() if name not in kept]
    missing = [new for name, new in wanted.items() if name not in kept]
    if gone or missing:
        with store.changing() as change:
            remove_channels(change, gone)
            for new in missing:
                add_channel(change, vault, organization_id, new, replaces=managed.get(new.name))
    return problems


def _read_all(
    declared: Iterable[DeclaredChannel], by_hand: Iterable[str], environ: Mapping[str, str]
) -> Iterator[NewChannel | str]:
    taken = set(by_hand)
    for number, entry in enumerate(declared):
        try:
            if entry.name in taken:
                raise ChannelRefused(f"there is a channel named {entry.name!r} already; give this one another name")
            taken.add(entry.name)
            yield read_declared(entry, environ)
        except ValueError as error:  # ChannelRefused, and what is wrong with a URL
            yield f"gantry.toml: alert_channels[{number}]: {error}"


def read_declared(entry: DeclaredChannel, environ: Mapping[str, str]) -> NewChannel:
    """Return the channel that an entry means. Raises ChannelRefused, ValueError."""
    kind = ChannelKind(entry.kind)
    opening = None
    if kind is ChannelKind.EMAIL:
        if entry.url or entry.url_env or entry.secret or entry.secret_env:
            raise ChannelRefused("e-mail has neither url nor secret; give `to`, its addresses")
        target = ", ".join(entry.to)
    else:
        if entry.to:
            raise ChannelRefused(f"`to` is for e-mail; a {kind} has a url")
        _check_one(entry.url, entry.url_env, "url")
        if kind is ChannelKind.WEBHOOK:
            _check_one(entry.secret, entry.secret_env, "secret")
        elif entry.secret or entry.secret_env:
            raise ChannelRefused("a Slack webhook is not signed, and has no secret")
        given = entry.url or Secret(environ.get(entry.url_env or "", "").strip())
        if not given:
            raise ChannelRefused(f"${entry.url_env} is not set")
        url = parse_webhook_url(given.reveal(), private=True)
        target = url.shown if kind is ChannelKind.WEBHOOK else url.host
        opening = Opening(
            url=entry.url,
            secret=entry.secret,
            url_variable=entry.url_env,
            secret_variable=entry.secret_env,
            private=True,
        )
    new = NewChannel(
        name=entry.name,
        kind=kind,
        target=target,
        opening=opening,
        events=entry.events,
        environment=entry.environment,
        enabled=entry.enabled,
        managed_by=ManagedBy.FILE,
    )
    check_channel(new)
    return new


def _check_one(value: Secret | None, variable: str | None, name: str) -> None:
    if bool(value) == bool(variable):
        raise ChannelRefused(f"give either {name} or {name}_env")


def _is_same(present: Channel, wanted: NewChannel, sealed: bytes | None, vault: Vault) -> bool:
    """Say whether a stored channel is what is declared, its secrets included."""
    if any(getattr(present, name) != getattr(wanted, name) for name in _COMPARED):
        return False
    if set(present.events) != set(wanted.events):
        return False
    if sealed is None or wanted.opening is None:
        return sealed is None and wanted.opening is None
    try:
        return read_opening(present, sealed, vault) == wanted.opening
    except SealBroken:
        return False
