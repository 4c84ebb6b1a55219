"""Marks on stored logs, and their deletion.

Law: an API key may mark the logs of its own calls; with the scope `ingest`, all of its organization. Deleting takes the
scope `manage`, because a log is evidence: a key that leaked must not be able to take back its traces.
"""

from typing import Any, Final

import msgspec
from fastapi import Request, Response
from msgspec import UNSET, Raw, Struct, UnsetType

from gantry.console.access import Caller, State, guarded_router, requires
from gantry.console.log_question import row_id
from gantry.console.request_log_item import FullLog
from gantry.console.request_logs import full_log, json_answer, read_bounded
from gantry.console.shapes import shaped
from gantry.console.state import ConsoleState
from gantry.core.audit_entry import AuditAction
from gantry.core.errors import InvalidRequest, NotFound
from gantry.core.vocabulary import Scope
from gantry.store.log_changes import LogChange
from gantry.store.log_rows import INDEXED_LENGTH

MOST_BYTES: Final = 5 * 1024 * 1024
MOST_LOGS: Final = 1000

_MARKERS: Final = requires(Scope.OWN_LOGS, Scope.INGEST)

router = guarded_router("request logs")


class Marks(Struct, frozen=True):
    """What to set; what is left out stays, and null clears."""

    is_pinned: bool | UnsetType | None = UNSET
    positive_feedback: bool | UnsetType | None = UNSET
    note: str | UnsetType | None = UNSET
    custom_identifier: str | int | UnsetType | None = UNSET
    metadata: dict[str, Raw] | None = None  # merged into what is there


class MarksOfOne(Marks, frozen=True, kw_only=True):
    unique_id: str


class MarksOfMany(Struct, frozen=True):
    logs: list[MarksOfOne]


class MarkedLogs(Struct, frozen=True):
    updated: int
    not_found: list[str]


@router.patch("/api/request-logs/batch-update", dependencies=[_MARKERS])
@shaped(takes=MarksOfMany, answers=MarkedLogs)
async def mark_logs(request: Request, state: State, caller: Caller) -> Response:
    """Mark several logs: `{"logs": [{"unique_id": …, "note": …}, …]}`. Logs that are not there are named."""
    given = _decoded(await read_bounded(request, MOST_BYTES), MarksOfMany).logs
    if len(given) > MOST_LOGS:
        raise InvalidRequest(f"At most {MOST_LOGS} logs can be updated at a time, not {len(given)}.", param="logs")
    changes = [_change(caller, marks.unique_id, marks) for marks in given]
    changed = await _apply(state, caller, changes)
    missing = [marks.unique_id for marks, change in zip(given, changes, strict=True) if change.log_id not in changed]
    return json_answer(MarkedLogs(len(given) - len(missing), missing))


@router.patch("/api/request-logs/{log_id}", dependencies=[_MARKERS])
@shaped(takes=Marks, answers=FullLog)
async def mark_log(log_id: str, request: Request, state: State, caller: Caller) -> Response:
    """Set `is_pinned`, `positive_feedback`, `note` or `custom_identifier`, merge `metadata`, and show the log."""
    change = _change(caller, log_id, _decoded(await read_bounded(request, MOST_BYTES), Marks))
    if not await _apply(state, caller, [change]):
        raise NotFound("Log not found")
    return json_answer(await full_log(state, caller, _key_it_marks_for(caller), log_id))


@router.delete("/api/request-logs/{log_id}", dependencies=[requires(Scope.MANAGE)], status_code=204)
@shaped()
async def delete_log(log_id: str, state: State, caller: Caller) -> Response:
    """Delete a log and all that was said in it. Sums by hour stay."""
    wanted = row_id(caller.organization_id, log_id)
    if not await state.ask_logs(lambda store: store.delete(caller.organization_id, None, wanted)):
        raise NotFound("Log not found")
    await state.note(caller.organization_id, AuditAction.LOG_REMOVED, log_id)
    return Response(status_code=204)


async def _apply(state: ConsoleState, caller: Caller, changes: list[LogChange]) -> set[str]:
    key_id = _key_it_marks_for(caller)
    return await state.ask_logs(lambda store: store.change(caller.organization_id, key_id, changes))


def _key_it_marks_for(caller: Caller) -> str | None:
    return None if Scope.INGEST in caller.policy.scopes else caller.id


def _change(caller: Caller, log_id: str, given: Marks) -> LogChange:
    marks: dict[str, Any] = {
        name: value
        for name in ("is_pinned", "positive_feedback", "note", "custom_identifier")
        if (value := getattr(given, name)) is not UNSET
    }
    for name in ("note", "custom_identifier"):
        if marks.get(name) is not None:
            marks[name] = str(marks[name]).replace("\0", "\ufffd")
    if marks.get("custom_identifier"):
        marks["custom_identifier"] = marks["custom_identifier"][:INDEXED_LENGTH]
    return LogChange(row_id(caller.organization_id, log_id), marks, given.metadata or {})


def _decoded(body: bytes, shape: Any) -> Any:
    try:
        return msgspec.json.decode(body, type=shape)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidRequest(f"The body does not say what to change: {error}.") from None
