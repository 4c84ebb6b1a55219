"""What holds for all of an organization's money: shown and changed."""

from typing import Final

from fastapi import Request, Response

from gantry.console.access import Caller, State, guarded_router, requires
from gantry.console.books_form import (
    BooksForm,
    BooksItem,
    Decided,
    books_item,
    change_books,
    decided_by,
    is_operators,
    read_form,
)
from gantry.console.live import tell_when_live
from gantry.console.request_logs import json_answer, read_bounded
from gantry.console.shapes import shaped
from gantry.core.vocabulary import Scope
from gantry.store.control import ControlStore

_LARGEST_BODY: Final = 16 * 1024

router = guarded_router("books")


@router.get("/api/books", dependencies=[requires(Scope.READ, Scope.MANAGE)])
@shaped(answers=BooksItem)
async def show_books(state: State, caller: Caller) -> Response:
    """Show what holds: calls without a price, streams beyond their hold, markup, and the balances that matter."""

    def find(control: ControlStore) -> Decided:
        with control.reading() as connection:
            return decided_by(connection, caller.organization_id)

    return json_answer(books_item(await state.ask_control(find)))


@router.patch("/api/books", dependencies=[requires(Scope.MANAGE)])
@shaped(takes=BooksForm, answers=BooksItem)
async def edit_books(request: Request, state: State, caller: Caller) -> Response:
    """Change some of it: what is left out stays. `markup` and `minimum_balance` are the operator's to set."""
    form = read_form(await read_bounded(request, _LARGEST_BODY))

    def question(control: ControlStore) -> tuple[Decided, int]:
        with control.changing() as change:
            by_operator = is_operators(change.connection, caller.organization_id)
            decided = change_books(change, caller.organization_id, form, by_operator=by_operator)
            return decided, change.version

    decided, version = await state.ask_control(question)
    return await tell_when_live(json_answer(books_item(decided)), state.board, version)
