"""Alert channels: where an organization wants to hear of things.

Law: all of it takes the scope `manage`, for a channel is a way out of the organization. A URL that comes by API may not
lead to a private address; only the operator's may, by `gantry alerts channels add` or gantry.toml. The secret of a
webhook is in the answer that made it, and in no other. Who may not read logs has none delivered: a channel that is told
of them takes the scope `read`, too, whatever is changed of it.
"""

from collections.abc import Collection
from typing import Final

from fastapi import Request, Response
from msgspec import Struct

from gantry.console.access import Caller, State, guarded_router, requires
from gantry.console.channel_service import (
    ChannelChange,
    ChannelForm,
    ChannelItem,
    NewChannelItem,
    change_by_form,
    channel_item,
    make_channel,
    new_channel_item,
    read_change,
    read_form,
    remove_by_hand,
    try_channel,
)
from gantry.console.request_logs import json_answer, read_bounded
from gantry.console.shapes import shaped
from gantry.console.state import ConsoleState
from gantry.core.alert import Event
from gantry.core.errors import Forbidden, NotFound
from gantry.core.vocabulary import Scope
from gantry.store import Connection
from gantry.store.alert_channels import Channel, ChannelNotFound, channels_of, find_channel
from gantry.store.control import ControlStore
from gantry.store.logs import LogStore

_MANAGERS: Final = requires(Scope.MANAGE)

router = guarded_router("alerts")


class TriedItem(Struct, frozen=True):
    """Where to look for what becomes of a test."""

    delivery_id: str


@router.get("/api/alert-channels", dependencies=[_MANAGERS])
@shaped(answers=list[ChannelItem])
async def list_channels(state: State, caller: Caller) -> Response:
    """List the channels, without their secrets."""

    def listed(control: ControlStore) -> list[Channel]:
        with control.reading() as connection:
            return channels_of(connection, caller.organization_id)

    return json_answer([channel_item(channel) for channel in await state.ask_control(listed)])


@router.post("/api/alert-channels", dependencies=[_MANAGERS], status_code=201)
@shaped(takes=ChannelForm, answers=NewChannelItem)
async def add_channel(request: Request, state: State, caller: Caller) -> Response:
    """Make a channel. The secret that signs for a webhook is shown this once."""
    form = read_form(await read_bounded(request))

    def make(control: ControlStore) -> NewChannelItem:
        with control.changing() as change:
            made, secret = make_channel(change, state.vault, caller.organization_id, form, private=False)
            _check_reader(caller, made.events)
        return new_channel_item(made, secret)

    answer = json_answer(await state.ask_control(make))
    answer.status_code = 201
    answer.headers["cache-control"] = "no-store"
    return answer


@router.get("/api/alert-channels/{channel}", dependencies=[_MANAGERS])
@shaped(answers=ChannelItem)
async def show_channel(channel: str, state: State, caller: Caller) -> Response:
    """Show a channel, by its id or name."""
    return json_answer(channel_item(await _find(state, caller, channel)))


@router.patch("/api/alert-channels/{channel}", dependencies=[_MANAGERS])
@shaped(takes=ChannelChange, answers=ChannelItem)
async def change_channel(channel: str, request: Request, state: State, caller: Caller) -> Response:
    """Change what a channel is told of: its events, its environment, and whether it is enabled."""
    form = read_change(await read_bounded(request))

    def put(control: ControlStore) -> Channel:
        with control.changing() as change:
            changed = change_by_form(change, _known(change.connection, caller, channel), form)
            _check_reader(caller, changed.events)
            return changed

    return json_answer(channel_item(await state.ask_control(put)))


@router.delete("/api/alert-channels/{channel}", dependencies=[_MANAGERS], status_code=204)
@shaped()
async def remove_channel(channel: str, state: State, caller: Caller) -> Response:
    """Remove a channel. What is on its way to it is given up."""

    def remove(control: ControlStore) -> None:
        with control.changing() as change:
            remove_by_hand(change, _known(change.connection, caller, channel))

    await state.ask_control(remove)
    return Response(status_code=204)


@router.post("/api/alert-channels/{channel}/test", dependencies=[_MANAGERS], status_code=202)
@shaped(answers=TriedItem)
async def test_channel(channel: str, state: State, caller: Caller) -> Response:
    """Have a test delivered to a channel. What became of it stands in `/api/alerts/deliveries/{delivery_id}`."""
    known = await _find(state, caller, channel)

    def put(logs: LogStore) -> str:
        with logs.writing() as connection:
            return try_channel(connection, known, state.clock())

    answer = json_answer(TriedItem(await state.ask_logs(put)))
    answer.status_code = 202
    return answer


def _check_reader(caller: Caller, events: Collection[Event]) -> None:
    """Raise Forbidden where a key would have logs delivered that it may not read."""
    if Event.REQUEST_LOG in events and Scope.READ not in caller.policy.scopes:
        raise Forbidden(
            f"A channel that is told of {Event.REQUEST_LOG} takes the scope `read`, for it is told all logs."
        )


async def _find(state: ConsoleState, caller: Caller, name: str) -> Channel:
    def find(control: ControlStore) -> Channel:
        with control.reading() as connection:
            return _known(connection, caller, name)

    return await state.ask_control(find)


def _known(connection: Connection, caller: Caller, name: str) -> Channel:
    """Return a channel of the caller's organization. Raises NotFound."""
    try:
        return find_channel(connection, caller.organization_id, name)
    except ChannelNotFound as error:
        raise NotFound(f"Channel not found: {error}.") from None
