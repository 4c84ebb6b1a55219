"""The ledger of credits, in Respan's shapes: listed and shown to who may read, entered by the operator.

Law: nothing in it is changed or deleted. An organization sees its own entries; what it is given is entered by the
operator's organization, the first one, for no tenant fills its own purse.
"""

from collections.abc import Collection
from typing import Annotated, Any, Final

import msgspec
from fastapi import Request, Response
from msgspec import Meta, Struct

from gantry.console.access import Caller, State, guarded_router, requires
from gantry.console.books_form import decided_by, is_operators
from gantry.console.credit_change import (
    Balance,
    CreditBalance,
    CreditTransaction,
    balance_item,
    enter,
    entry_item,
    make_known,
    read_balance,
)
from gantry.console.filter_values import ValueRefused, read_time
from gantry.console.live import tell_when_live
from gantry.console.pages import MOST_PAGES, page_link, page_parameters, read_number
from gantry.console.parameters import Parameter
from gantry.console.request_logs import json_answer, read_bounded
from gantry.console.shapes import shaped
from gantry.core.audit_entry import AuditAction
from gantry.core.credits import OF_CALLS, Entry, EntryKind, NewEntry
from gantry.core.errors import Forbidden, InvalidRequest, NotFound
from gantry.core.limit_check import LimitRefused
from gantry.core.limit_words import read_amount
from gantry.core.limits import LimitUnit
from gantry.core.vocabulary import Scope
from gantry.store.control import ControlStore
from gantry.store.credits import count_entries, entries_of, find_entry
from gantry.store.logs import LogStore
from gantry.store.organizations import OrganizationNotFound, find_organization

_READERS: Final = requires(Scope.READ, Scope.MANAGE)
_LARGEST_BODY: Final = 64 * 1024
_LONGEST_REFERENCE: Final = 200
_LARGEST_PAGE: Final = 1000
_USUAL_PAGE: Final = 100
_SHOWN: Final = frozenset(EntryKind) - OF_CALLS
_PARAMETERS: Final = page_parameters(
    _USUAL_PAGE,
    Parameter(
        "transaction_type",
        str,
        f"Only such, several with commas between: {', '.join(EntryKind)}. "
        "What calls were charged is listed by `usage` and `repricing` alone.",
    ),
    largest=_LARGEST_PAGE,
)

router = guarded_router("credits")


class CreditForm(Struct, frozen=True, forbid_unknown_fields=True):
    """A request's body. The amount is USD, negative where credits go."""

    amount: float
    transaction_type: EntryKind = EntryKind.GRANT
    description: Annotated[str, Meta(max_length=1000)] = ""
    expires_at: str | None = None
    reference: Annotated[str, Meta(min_length=1, max_length=_LONGEST_REFERENCE)] | None = None
    metadata: dict[str, Any] | None = None
    unique_organization_id: str | None = None  # whose they are; the caller's own where nothing is said


class CreditTransactionList(Struct, frozen=True):
    count: int
    next: str | None
    previous: str | None
    results: list[CreditTransaction]


@router.get("/api/credit-transactions/list", dependencies=[_READERS], openapi_extra=_PARAMETERS)
@shaped(answers=CreditTransactionList)
async def list_credit_transactions(request: Request, state: State, caller: Caller) -> Response:
    """List what was entered, the newest first."""
    page = read_number(request, "page", 1, MOST_PAGES)
    page_size = read_number(request, "page_size", _USUAL_PAGE, _LARGEST_PAGE)
    kinds = _kinds(request)

    def find(store: LogStore) -> tuple[list[Entry], int]:
        with store.reading() as connection:
            found = entries_of(connection, caller.organization_id, kinds=kinds, page=page, page_size=page_size)
            return found, count_entries(connection, caller.organization_id, kinds=kinds)

    entries, count = await state.ask_logs(find)
    answer = {
        "count": count,
        "next": page_link(request, page + 1) if page * page_size < count else None,
        "previous": page_link(request, page - 1) if page > 1 else None,
        "results": [entry_item(entry) for entry in entries],
    }
    return json_answer(answer)


@router.get("/api/credit-transactions/balance", dependencies=[_READERS])
@shaped(answers=CreditBalance)
async def show_credit_balance(state: State, caller: Caller) -> Response:
    """Show what is there, in USD: what was granted, less what calls were charged that are recorded."""

    def find(store: LogStore) -> Balance:
        return read_balance(store, caller.organization_id)

    def minimum(control: ControlStore) -> int:
        with control.reading() as connection:
            return decided_by(connection, caller.organization_id).settings.minimum_balance

    return json_answer(balance_item(await state.ask_logs(find), await state.ask_control(minimum)))


@router.get("/api/credit-transactions/{entry_id}", dependencies=[_READERS])
@shaped(answers=CreditTransaction)
async def show_credit_transaction(entry_id: str, state: State, caller: Caller) -> Response:
    """Show one entry."""

    def find(store: LogStore) -> Entry | None:
        with store.reading() as connection:
            # A path may hold a NUL, which PostgreSQL takes in no text.
            return None if "\0" in entry_id else find_entry(connection, caller.organization_id, entry_id)

    entry = await state.ask_logs(find)
    if entry is None:
        raise NotFound("Credit transaction not found.")
    return json_answer(entry_item(entry))


@router.post("/api/credit-transactions", dependencies=[requires(Scope.MANAGE)], status_code=201)
@shaped(takes=CreditForm, answers=CreditTransaction, also=200)
async def add_credit_transaction(request: Request, state: State, caller: Caller) -> Response:
    """Enter credits: `{"amount": 100.0, "transaction_type": "purchase"}`. `Idempotency-Key` or `reference` names it:
    the same again is entered once, and answered with 200.
    """
    form = _read(await read_bounded(request, _LARGEST_BODY))
    reference = _reference(request, form)

    def whose(control: ControlStore) -> str:
        with control.reading() as connection:
            if not is_operators(connection, caller.organization_id):
                raise Forbidden("Credits are entered by the operator of this gateway, not by who spends them.")
            try:
                return find_organization(connection, form.unique_organization_id or caller.organization_id).id
            except OrganizationNotFound as error:
                raise InvalidRequest(f"{error}.", param="unique_organization_id") from None

    entry = _entry(form, await state.ask_control(whose), reference, caller, state.clock())
    made, is_new = await state.ask_logs(lambda store: enter(store, entry))
    if is_new:
        await state.note(made.organization_id, AuditAction.CREDITS_ADDED, made.id, kind=made.kind, nano_usd=made.amount)
    answer = json_answer(entry_item(made))
    answer.status_code = 201 if is_new else 200
    return await tell_when_live(answer, state.board, await state.ask_control(make_known))


def _entry(form: CreditForm, organization_id: str, reference: str | None, caller: Caller, now: int) -> NewEntry:
    try:
        amount = read_amount(LimitUnit.COST, form.amount)
        expires_at = None if form.expires_at is None else read_time(form.expires_at)
    except LimitRefused as error:
        raise InvalidRequest(f"{error}.", param=error.param) from None
    except ValueRefused as error:
        raise InvalidRequest(f"expires_at: {error}.", param="expires_at") from None
    return NewEntry(
        organization_id=organization_id,
        kind=form.transaction_type,
        amount=amount,
        created_at=now,
        expires_at=expires_at,
        description=form.description.replace("\0", ""),
        reference=reference,
        author=str(caller.author),
        metadata=None if form.metadata is None else msgspec.json.encode(form.metadata).decode(),
    )


def _read(body: bytes) -> CreditForm:
    try:
        return msgspec.json.decode(body, type=CreditForm)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidRequest(f"The body does not describe a credit transaction: {error}.") from None


def _reference(request: Request, form: CreditForm) -> str | None:
    key = request.headers.get("idempotency-key")
    if key is not None and form.reference not in (None, key):
        raise InvalidRequest("reference and Idempotency-Key name two things; give one of them.", param="reference")
    reference = form.reference or key
    if reference is not None and (len(reference) > _LONGEST_REFERENCE or not reference.isprintable()):
        raise InvalidRequest(f"A reference is one line of at most {_LONGEST_REFERENCE} characters.", param="reference")
    return reference


def _kinds(request: Request) -> Collection[EntryKind]:
    text = request.query_params.get("transaction_type")
    if text is None:
        return _SHOWN
    try:
        return frozenset(EntryKind(part) for part in text.split(","))
    except ValueError:
        known = ", ".join(EntryKind)
        raise InvalidRequest(f"`transaction_type` is one of {known}.", param="transaction_type") from None
