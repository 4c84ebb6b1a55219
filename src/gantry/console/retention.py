"""How long logs are kept: shown and changed."""

from typing import Final

import msgspec
from fastapi import Request, Response
from msgspec import UNSET, Struct, UnsetType, structs

from gantry.console.access import Caller, State, guarded_router, requires
from gantry.console.request_logs import json_answer, read_bounded
from gantry.console.shapes import shaped
from gantry.console.state import ConsoleState
from gantry.core.errors import InvalidRequest
from gantry.core.log_item import iso_of
from gantry.core.retention import Bytes, Days, Retention
from gantry.core.vocabulary import Environment, Scope
from gantry.store.control import ControlStore
from gantry.store.log_deletion import count_old_logs, oldest_log
from gantry.store.logs import LogStore
from gantry.store.retention import put_retention, retention_of

_LARGEST_BODY: Final = 4 * 1024
MOST_WAITING: Final = 100_000

router = guarded_router("retention")


class RetentionForm(Struct, frozen=True, forbid_unknown_fields=True):
    """What is to change: what is left out stays, and null keeps without end."""

    days: Days | UnsetType | None = UNSET
    body_days: Days | UnsetType | None = UNSET
    test_days: Days | UnsetType | None = UNSET
    max_bytes: Bytes | UnsetType | None = UNSET


class RetentionItem(Struct, frozen=True):
    """What holds. `waiting` logs are over by their age and not deleted yet, counted up to 100,000."""

    days: int | None
    body_days: int | None
    test_days: int | None
    max_bytes: int | None
    oldest_log_at: str | None
    waiting: int


@router.get("/api/retention", dependencies=[requires(Scope.READ, Scope.MANAGE)])
@shaped(answers=RetentionItem)
async def show_retention(state: State, caller: Caller) -> Response:
    """Show how long logs are kept, and how far the deletion of what is over has come."""

    def find(control: ControlStore) -> Retention:
        with control.reading() as connection:
            return retention_of(connection, caller.organization_id, state.retention)

    return await _answer(state, caller.organization_id, await state.ask_control(find))


@router.patch("/api/retention", dependencies=[requires(Scope.MANAGE)])
@shaped(takes=RetentionForm, answers=RetentionItem)
async def change_retention(request: Request, state: State, caller: Caller) -> Response:
    """Change how long logs are kept. What is over then goes within the hour."""
    form = read_form(await read_bounded(request, _LARGEST_BODY))

    def change_it(control: ControlStore) -> Retention:
        with control.changing() as change:
            changed = changed_by(form, retention_of(change.connection, caller.organization_id, state.retention))
            put_retention(change, caller.organization_id, changed)
            return changed

    return await _answer(state, caller.organization_id, await state.ask_control(change_it))


def read_form(body: bytes) -> RetentionForm:
    """Return what a body says. Raises InvalidRequest."""
    try:
        return msgspec.json.decode(body, type=RetentionForm)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidRequest(f"The body does not describe a retention: {error}.") from None


def changed_by(form: RetentionForm, retention: Retention) -> Retention:
    return structs.replace(
        retention, **{name: value for name, value in structs.asdict(form).items() if value is not UNSET}
    )


def read_retention_item(store: LogStore, organization_id: str, retention: Retention, now: int) -> RetentionItem:
    cuts = {of: cut for of in Environment if (cut := retention.kept_since(of, now)) is not None}
    with store.reading() as connection:
        oldest = oldest_log(connection, organization_id)
        waiting = count_old_logs(connection, organization_id, cuts, MOST_WAITING) if cuts else 0
    return RetentionItem(
        **structs.asdict(retention), oldest_log_at=None if oldest is None else iso_of(oldest), waiting=waiting
    )


async def _answer(state: ConsoleState, organization_id: str, retention: Retention) -> Response:
    now = state.clock()
    return json_answer(await state.ask_logs(lambda store: read_retention_item(store, organization_id, retention, now)))
