"""Customers erased on request, and the receipts."""

import secrets
from typing import Final

import msgspec
from fastapi import Request, Response
from msgspec import Struct

from gantry.console.access import Caller, State, guarded_router, requires
from gantry.console.pages import page_of, page_parameters, paged
from gantry.console.request_logs import json_answer, read_bounded
from gantry.console.shapes import shaped
from gantry.core.audit_entry import AuditAction
from gantry.core.erasure import Erased, Erasure, subject_digest
from gantry.core.errors import InvalidRequest, NotFound
from gantry.core.ids import ENTROPY_BITS, format_id
from gantry.core.log_item import iso_of
from gantry.core.vocabulary import Environment, Scope
from gantry.store.erasures import add_erasure, count_erasures, erasures_of, find_erasure
from gantry.store.logs import LogStore

_LARGEST_BODY: Final = 16 * 1024
_PAGE_SIZE: Final = 100
_MANAGERS: Final = requires(Scope.MANAGE)

router = guarded_router("erasures")


class ErasureForm(Struct, frozen=True, forbid_unknown_fields=True):
    """Who is to be erased; without an environment, in both."""

    customer_identifier: str
    environment: Environment | None = None


class ErasureCounts(Struct, frozen=True):
    logs: int
    customers: int
    cached_answers: int
    alerts: int
    rejected: int


class ErasureItem(Struct, frozen=True):
    """A receipt. It says who was erased by a digest: the same customer has the same one here, and nowhere else."""

    id: str
    state: str  # under_way or done
    subject_digest: str
    environment: Environment | None
    erased: ErasureCounts
    oldest_at: str | None
    newest_at: str | None
    author: str
    erased_at: str
    finished_at: str | None


class ErasurePage(Struct, frozen=True):
    count: int
    next: str | None
    previous: str | None
    results: list[ErasureItem]


@router.get("/api/erasures", dependencies=[_MANAGERS], openapi_extra=page_parameters(_PAGE_SIZE))
@shaped(answers=ErasurePage)
async def list_erasures(request: Request, state: State, caller: Caller) -> Response:
    """List the receipts, the newest first."""
    page = page_of(request, _PAGE_SIZE)

    def read(store: LogStore) -> tuple[list[Erasure], int]:
        with store.reading() as connection:
            found = erasures_of(connection, caller.organization_id, page.size, (page.number - 1) * page.size)
            return found, count_erasures(connection, caller.organization_id)

    found, count = await state.ask_logs(read)
    return json_answer(paged(request, page, [erasure_item(one) for one in found], count, exact=True))


@router.post("/api/erasures", dependencies=[_MANAGERS], status_code=202)
@shaped(takes=ErasureForm, answers=ErasureItem)
async def erase_customer(request: Request, state: State, caller: Caller) -> Response:
    """Erase a customer: its logs, what was said in them, its row, its cached answers. The clerk does it at once.

    Calls that begin later are a new customer's. Sums, and the ledger, stay; they do not say whose they are.
    """
    form = read_form(await read_bounded(request, _LARGEST_BODY))
    erasure = erasure_of(form, state.pepper, caller.organization_id, str(caller.author), state.clock())

    def add(store: LogStore) -> None:
        with store.writing() as connection:
            add_erasure(connection, erasure)

    await state.ask_logs(add)
    # By the receipt: the audit log outlasts whom it is about.
    await state.note(caller.organization_id, AuditAction.ERASURE_MADE, erasure.id, environment=form.environment)
    answer = json_answer(erasure_item(erasure))
    answer.status_code = 202
    return answer


@router.get("/api/erasures/{erasure_id}", dependencies=[_MANAGERS])
@shaped(answers=ErasureItem)
async def show_erasure(erasure_id: str, state: State, caller: Caller) -> Response:
    """Show a receipt: how far the erasure is, or what it came to."""

    def find(store: LogStore) -> Erasure | None:
        with store.reading() as connection:
            # A path may hold a NUL, which PostgreSQL takes in no text.
            return None if "\0" in erasure_id else find_erasure(connection, caller.organization_id, erasure_id)

    erasure = await state.ask_logs(find)
    if erasure is None:
        raise NotFound("Erasure not found.")
    return json_answer(erasure_item(erasure))


def read_form(body: bytes) -> ErasureForm:
    """Return what a body says. Raises InvalidRequest."""
    try:
        form = msgspec.json.decode(body, type=ErasureForm)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidRequest(f'The body must be like {{"customer_identifier": "…"}}: {error}.') from None
    if not form.customer_identifier or "\0" in form.customer_identifier:
        raise InvalidRequest("`customer_identifier` names nobody.", param="customer_identifier")
    return form


def erasure_of(form: ErasureForm, pepper: bytes, organization_id: str, author: str, now: int) -> Erasure:
    """Return the erasure that a form asks for, not begun."""
    return Erasure(
        id=format_id(now // 1_000_000, secrets.randbits(ENTROPY_BITS)),
        organization_id=organization_id,
        subject_digest=subject_digest(pepper, organization_id, form.customer_identifier),
        environment=form.environment,
        erased=Erased(subject=form.customer_identifier),
        author=author,
        erased_at=now,
    )


def erasure_item(erasure: Erasure) -> ErasureItem:
    erased = erasure.erased
    return ErasureItem(
        id=erasure.id,
        state="under_way" if erased.finished_at is None else "done",
        subject_digest=erasure.subject_digest,
        environment=erasure.environment,
        erased=ErasureCounts(erased.logs, erased.customers, erased.cached_answers, erased.alerts, erased.rejected),
        oldest_at=_moment(erasure.oldest_at),
        newest_at=_moment(erasure.newest_at),
        author=erasure.author,
        erased_at=iso_of(erasure.erased_at),
        finished_at=_moment(erased.finished_at),
    )


def _moment(at: int | None) -> str | None:
    return None if at is None else iso_of(at)
