"""Views of a page's list that people save: their own, and those they share.

Law: whoever reads saves views of their own; to share one takes what a member may. A shared one is changed, and ended,
by who made it and by administrators. What a view asks for is not looked at here: the page does that.
"""

import secrets
from typing import Annotated, Any, Final

import msgspec
from fastapi import Request, Response
from msgspec import UNSET, Meta, Struct, UnsetType

from gantry.console.access import Caller, State, guarded_router, requires
from gantry.console.caller import Caller as AnyCaller
from gantry.console.forms import answer_item, read_form
from gantry.console.shapes import shaped
from gantry.core.errors import Forbidden, InvalidRequest, NotFound
from gantry.core.ids import ENTROPY_BITS, format_id
from gantry.core.log_item import iso_of
from gantry.core.vocabulary import Scope
from gantry.store import Connection
from gantry.store.control import ControlStore
from gantry.store.saved_views import (
    MOST_VIEWS,
    SavedView,
    TooManyViews,
    add_view,
    delete_view,
    find_view,
    put_view,
    views_of,
)

MOST_BYTES: Final = 8 * 1024  # of a query
_READERS: Final = requires(Scope.READ)
_PAGE: Final = {"name": "page", "in": "query", "schema": {"type": "string"}, "description": "Only those of this page."}

Name = Annotated[str, Meta(min_length=1, max_length=100)]

router = guarded_router("saved views")


class ViewForm(Struct, frozen=True, forbid_unknown_fields=True):
    """`page` is the name of a list, `query` what its address says."""

    page: Annotated[str, Meta(pattern="^[a-z-]{1,40}$")]
    name: Name
    query: dict[str, Any]
    shared: bool = False


class ViewChange(Struct, frozen=True, forbid_unknown_fields=True):
    """What is left out stays."""

    name: Name | UnsetType = UNSET
    query: dict[str, Any] | UnsetType = UNSET
    shared: bool | UnsetType = UNSET


class ViewItem(Struct, frozen=True):
    """`mine`: whoever asks made it."""

    id: str
    page: str
    name: str
    query: dict[str, Any]
    shared: bool
    mine: bool
    created_at: str
    updated_at: str


class ViewList(Struct, frozen=True):
    results: list[ViewItem]


@router.get("/api/saved-views", dependencies=[_READERS], openapi_extra={"parameters": [_PAGE]})
@shaped(answers=ViewList)
async def list_views(request: Request, state: State, caller: Caller) -> Response:
    """List your views and those that are shared, by their names."""
    page = request.query_params.get("page")

    def read(control: ControlStore) -> list[SavedView]:
        with control.reading() as connection:
            return views_of(connection, caller.organization_id, caller.id, page)

    views = await state.ask_control(read)
    return answer_item(ViewList([_item(view, caller) for view in views]))


@router.post("/api/saved-views", dependencies=[_READERS], status_code=201)
@shaped(takes=ViewForm, answers=ViewItem)
async def save_view(request: Request, state: State, caller: Caller) -> Response:
    """Save a view; at most 200 of one's own."""
    form = await read_form(request, ViewForm)
    _check_sharing(form.shared, caller)
    now = state.clock()
    view = SavedView(
        id=format_id(now // 1_000_000, secrets.randbits(ENTROPY_BITS)),
        organization_id=caller.organization_id,
        page=form.page,
        name=form.name,
        query=_text(form.query),
        shared=form.shared,
        author=caller.id,
        created_at=now,
        updated_at=now,
    )

    def save(control: ControlStore) -> None:
        with control.noting() as connection:
            try:
                add_view(connection, view)
            except TooManyViews:
                raise InvalidRequest(f"You have {MOST_VIEWS} views already. Delete one first.") from None

    await state.ask_control(save)
    return answer_item(_item(view, caller), 201)


@router.patch("/api/saved-views/{view_id}", dependencies=[_READERS])
@shaped(takes=ViewChange, answers=ViewItem)
async def change_view(view_id: str, request: Request, state: State, caller: Caller) -> Response:
    """Change a view: one of yours, or as an administrator one that is shared."""
    form = await read_form(request, ViewChange)
    _check_sharing(form.shared is True, caller)
    changes: dict[str, Any] = {name: getattr(form, name) for name in ViewChange.__struct_fields__}
    changes = {name: value for name, value in changes.items() if value is not UNSET}
    if "query" in changes:
        changes["query"] = _text(changes["query"])

    def change(control: ControlStore) -> SavedView:
        with control.noting() as connection:
            view = msgspec.structs.replace(_own(connection, caller, view_id), **changes, updated_at=state.clock())
            put_view(connection, view)
            return view

    return answer_item(_item(await state.ask_control(change), caller))


@router.delete("/api/saved-views/{view_id}", dependencies=[_READERS], status_code=204)
@shaped()
async def remove_view(view_id: str, state: State, caller: Caller) -> Response:
    """Delete a view: one of yours, or as an administrator one that is shared."""

    def remove(control: ControlStore) -> None:
        with control.noting() as connection:
            delete_view(connection, _own(connection, caller, view_id))

    await state.ask_control(remove)
    return Response(status_code=204)


def _own(connection: Connection, caller: AnyCaller, view_id: str) -> SavedView:
    """Return a view that a caller may change. Raises NotFound and Forbidden."""
    # A path may hold a NUL, which PostgreSQL takes in no text.
    view = None if "\0" in view_id else find_view(connection, caller.organization_id, caller.id, view_id)
    if view is None:
        raise NotFound("Saved view not found.")
    if view.author != caller.id and not caller.may(Scope.MANAGE):
        raise Forbidden("A shared view is changed by who made it, or by an administrator.")
    return view


def _check_sharing(shared: bool, caller: AnyCaller) -> None:
    if shared and not (caller.may(Scope.INFERENCE) or caller.may(Scope.MANAGE)):
        raise Forbidden("To share a view takes the scope `inference`, which members have.", param="shared")


def _text(query: dict[str, Any]) -> str:
    text = msgspec.json.encode(query).decode()
    if len(text) > MOST_BYTES:
        raise InvalidRequest(f"A view's query has at most {MOST_BYTES} bytes.", param="query")
    return text


def _item(view: SavedView, caller: AnyCaller) -> ViewItem:
    return ViewItem(
        id=view.id,
        page=view.page,
        name=view.name,
        query=msgspec.json.decode(view.query),
        shared=view.shared,
        mine=view.author == caller.id,
        created_at=iso_of(view.created_at),
        updated_at=iso_of(view.updated_at),
    )
