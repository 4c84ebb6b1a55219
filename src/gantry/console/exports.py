"""What leaves the node by itself, logs as spans: where to, with or without what was said, and how it goes.

Law: read only. Where spans go is the operator's to say, in gantry.toml or the environment, and holds from the next
start on. It is shown to the operator's organization, the first one, alone.
"""

from enum import StrEnum

from fastapi import Response
from msgspec import Struct, structs

from gantry.board.board import CLERK_SLOT, Slot, Word
from gantry.console.access import Caller, State, guarded_router, requires
from gantry.console.books_form import is_operators
from gantry.console.otlp_target import OtlpTarget
from gantry.console.request_logs import json_answer
from gantry.console.shapes import shaped
from gantry.core.errors import Forbidden
from gantry.core.log_item import iso_of
from gantry.core.vocabulary import Scope
from gantry.store.control import ControlStore

router = guarded_router("system")


class ExportState(StrEnum):
    """How the export is. `waiting`: nothing was exported since the start; `failing`: the last request was not taken."""

    OFF = "off"
    UNUSABLE = "unusable"
    STOPPED = "stopped"
    WAITING = "waiting"
    FAILING = "failing"
    GOING = "going"


class SpansOut(Struct, frozen=True, kw_only=True):
    """Logs as spans, to a receiver of OpenTelemetry. Counts are this machine's, since its first start on this board;
    of several machines on one database, one exports at a time. `headers` are names; `problem` is why nothing is sent.
    """

    state: ExportState
    endpoint: str | None = None
    content: bool = False
    headers: list[str] = []
    problem: str | None = None
    last_success_at: str | None = None
    lag: int | None = None
    exported: int = 0
    dropped: int = 0
    faults: int = 0
    failures_in_a_row: int = 0


class ExportsItem(Struct, frozen=True):
    spans: SpansOut


@router.get("/api/system/exports", dependencies=[requires(Scope.MANAGE)])
@shaped(answers=ExportsItem)
async def show_exports(state: State, caller: Caller) -> Response:
    """Show where logs are exported to as spans, and how far that is. For the operator's organization."""

    def check(control: ControlStore) -> None:
        with control.reading() as connection:
            if not is_operators(connection, caller.organization_id):
                raise Forbidden("What leaves the machine is for the operator's organization, the first one.")

    await state.ask_control(check)
    if state.spans_to is None:
        return json_answer(ExportsItem(SpansOut(state=ExportState.OFF)))
    slot = None if state.board is None else state.board.slot(CLERK_SLOT)
    return json_answer(ExportsItem(spans_out(state.spans_to, slot)))


def spans_out(target: OtlpTarget, slot: Slot | None) -> SpansOut:
    """Return how the export to a target goes, by the clerk's numbers."""
    stated = SpansOut(
        state=ExportState.STOPPED if target.problem is None else ExportState.UNUSABLE,
        endpoint=target.endpoint,
        content=target.content,
        headers=list(target.headers),
        problem=target.problem,
    )
    if slot is None or not slot[Word.PID] or target.problem is not None:
        return stated
    exported_at, failed = slot[Word.EXPORTED_AT], slot[Word.EXPORTS_FAILED]
    return structs.replace(
        stated,
        state=_state(exported_at, failed),
        last_success_at=iso_of(exported_at) if exported_at else None,
        lag=slot[Word.EXPORT_LAG],
        exported=slot[Word.LOGS_EXPORTED],
        dropped=slot[Word.EXPORTS_DROPPED],
        faults=slot[Word.EXPORT_FAULTS],
        failures_in_a_row=failed,
    )


def _state(exported_at: int, failed: int) -> ExportState:
    if failed:
        return ExportState.FAILING
    return ExportState.GOING if exported_at else ExportState.WAITING
