"""The audit log, read: who changed what in the caller's organization. Nothing here changes it."""

from typing import Any, Final

from fastapi import Request, Response
from msgspec import Struct

from gantry.console.access import Caller, State, guarded_router, requires
from gantry.console.forms import answer_item
from gantry.console.pages import page_of, page_parameters, paged
from gantry.console.shapes import shaped
from gantry.core.audit_entry import Actor, AuditEntry
from gantry.core.log_item import iso_of
from gantry.core.vocabulary import Scope
from gantry.store.audit_log import entries_of
from gantry.store.control import ControlStore

_PAGE_SIZE: Final = 50

router = guarded_router("audit log")


class AuditItem(Struct, frozen=True, kw_only=True):
    """`number` counts an organization's entries from 1 on; `detail` depends on the action."""

    number: int
    at: str
    actor: Actor
    actor_id: str
    actor_name: str
    action: str
    subject: str
    detail: dict[str, Any]


class AuditPage(Struct, frozen=True):
    count: int
    next: str | None
    previous: str | None
    results: list[AuditItem]


@router.get("/api/audit-log", dependencies=[requires(Scope.TEAM)], openapi_extra=page_parameters(_PAGE_SIZE))
@shaped(answers=AuditPage)
async def list_audit_entries(request: Request, state: State, caller: Caller) -> Response:
    """List what was changed, the newest first."""
    page = page_of(request, _PAGE_SIZE)

    def read(control: ControlStore) -> tuple[list[AuditEntry], int]:
        with control.reading() as connection:
            return entries_of(connection, caller.organization_id, page=page.number, page_size=page.size)

    found, count = await state.ask_control(read)
    items = [audit_item(entry) for entry in found]
    return answer_item(AuditPage(**paged(request, page, items, count, exact=True)))


def audit_item(entry: AuditEntry) -> AuditItem:
    return AuditItem(
        number=entry.number,
        at=iso_of(entry.at),
        actor=entry.author.actor,
        actor_id=entry.author.id,
        actor_name=entry.author.name,
        action=entry.action,
        subject=entry.subject,
        detail=entry.details,
    )
