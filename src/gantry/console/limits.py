"""Limits: listed, added, shown, changed, removed, with what they have counted.

Law: a change takes the scope `manage`, and its answer comes when the workers of this machine count by it, or says by
`x-gantry-live: no` that they do not yet.
"""

from collections.abc import Callable, Sequence
from functools import partial
from operator import itemgetter
from typing import Any, Final

from fastapi import Request, Response

from gantry.board.all_counters import AllCounters, SharedSilent
from gantry.console.access import Caller, State, guarded_router, requires
from gantry.console.limit_change import (
    add_checked,
    change_checked,
    key_id_of,
    known_limit,
    refused,
    remove_checked,
)
from gantry.console.limit_form import (
    BrokenLimitItem,
    LimitForm,
    LimitItem,
    broken_item,
    changed,
    limit_item,
    made,
    read_form,
)
from gantry.console.limit_use import Use, use_of_limit
from gantry.console.live import tell_when_live
from gantry.console.request_logs import json_answer, read_bounded
from gantry.console.shapes import shaped
from gantry.console.state import ConsoleState
from gantry.core.limit_check import LimitRefused
from gantry.core.limits import Limit
from gantry.core.vocabulary import Scope
from gantry.store.control import Change, ControlStore
from gantry.store.limits import BrokenLimit, StoredLimit, read_limits

_READERS: Final = requires(Scope.READ, Scope.MANAGE)
_MANAGERS: Final = requires(Scope.MANAGE)
_LARGEST_BODY: Final = 64 * 1024
_SUBJECT: Final[dict[str, Any]] = {
    "parameters": [
        {
            "name": "subject",
            "in": "query",
            "description": "Of a limit of `*`: whose counter is shown. A key's id, or a customer's identifier.",
            "schema": {"type": "string"},
        }
    ]
}

Item = LimitItem | BrokenLimitItem
UseOf = Callable[[str, Limit, str, int], Use | None]

router = guarded_router("limits")


@router.get("/api/limits", dependencies=[_READERS])
@shaped(answers=list[Item])
async def list_limits(state: State, caller: Caller) -> Response:
    """List the limits, the oldest first, with what they have counted."""

    def find(control: ControlStore) -> list[StoredLimit | BrokenLimit]:
        with control.reading() as connection:
            return read_limits(connection, caller.organization_id)

    return await _answer(state, await state.ask_control(find), "", lambda items: items)


@router.post("/api/limits", dependencies=[_MANAGERS], status_code=201)
@shaped(takes=LimitForm, answers=LimitItem)
async def add_limit(request: Request, state: State, caller: Caller) -> Response:
    """Add a limit: `{"scope": "api_key", "subject": "ci", "unit": "cost", "amount": 1.0, "period": "month"}`."""
    form = read_form(await read_bounded(request, _LARGEST_BODY))

    def act(change: Change) -> StoredLimit:
        return add_checked(change, caller.organization_id, _made(change, caller, form))

    return await _answer_change(state, act, 201)


@router.get("/api/limits/{limit_id}", dependencies=[_READERS], openapi_extra=_SUBJECT)
@shaped(answers=Item)
async def show_limit(limit_id: str, request: Request, state: State, caller: Caller) -> Response:
    """Show a limit with what it has counted."""

    def find(control: ControlStore) -> StoredLimit | BrokenLimit:
        with control.reading() as connection:
            return known_limit(connection, caller.organization_id, limit_id)

    return await _answer(state, [await state.ask_control(find)], request.query_params.get("subject", ""), itemgetter(0))


@router.patch("/api/limits/{limit_id}", dependencies=[_MANAGERS])
@shaped(takes=LimitForm, answers=LimitItem)
async def change_limit(limit_id: str, request: Request, state: State, caller: Caller) -> Response:
    """Change a limit's `amount`, `action`, `name` or `alerts`. What it counts stays: that is another limit."""
    form = read_form(await read_bounded(request, _LARGEST_BODY))

    def act(change: Change) -> StoredLimit:
        find_key = partial(key_id_of, change.connection, caller.organization_id)

        def edit(known: Limit) -> Limit:
            return changed(known, form, find_key)

        return change_checked(change, caller.organization_id, limit_id, edit, caller)

    return await _answer_change(state, act, 200)


@router.delete("/api/limits/{limit_id}", dependencies=[_MANAGERS], status_code=204)
@shaped()
async def remove_limit(limit_id: str, state: State, caller: Caller) -> Response:
    """Remove a limit, and what it has counted."""

    def question(control: ControlStore) -> int:
        with control.changing() as change:
            remove_checked(change, caller.organization_id, limit_id, caller)
            return change.version

    version = await state.ask_control(question)
    return await tell_when_live(Response(status_code=204), state.board, version)


async def _answer_change(state: ConsoleState, act: Callable[[Change], StoredLimit], status: int) -> Response:
    """Make a change, and answer with the limit when it is live."""

    def question(control: ControlStore) -> tuple[StoredLimit, int]:
        with control.changing() as change:
            return act(change), change.version

    stored, version = await state.ask_control(question)
    answer = await _answer(state, [stored], "", itemgetter(0))
    answer.status_code = status
    return await tell_when_live(answer, state.board, version)


def _made(change: Change, caller: Caller, form: LimitForm) -> Limit:
    try:
        return made(form, partial(key_id_of, change.connection, caller.organization_id))
    except LimitRefused as error:
        raise refused(error) from None


async def _answer(
    state: ConsoleState,
    found: Sequence[StoredLimit | BrokenLimit],
    subject: str,
    shape: Callable[[list[Item]], Any],
) -> Response:
    """Answer with limits and what they have counted: null, and a header says so, where the counters do not answer."""
    now = state.clock()

    def items(counters: AllCounters | None) -> list[Item]:
        return [_item(one, partial(use_of_limit, counters), subject, now) for one in found]

    try:
        return json_answer(shape(await state.ask_counters(items)))
    except SharedSilent:
        answer = json_answer(shape([_item(one, _unknown, subject, now) for one in found]))
        answer.headers["x-gantry-counters"] = "silent"
        return answer


def _item(found: StoredLimit | BrokenLimit, use_of: UseOf, subject: str, now: int) -> Item:
    if isinstance(found, BrokenLimit):
        return broken_item(found)
    return limit_item(found, use_of(found.organization_id, found.limit, subject, now))


def _unknown(_organization_id: str, _limit: Limit, _subject: str, _now: int) -> None:
    return None
