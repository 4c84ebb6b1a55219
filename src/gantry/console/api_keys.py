"""An organization's named keys, as `gantry keys` has them: those that its services and people call by.

Law: `console/key_change.py`'s. A change takes the scope `manage`; people without it make, change and revoke keys of
their own, which may do no more than they may, and see whose there are. An answer to a change comes when the workers of
this machine go by it, or says by `x-gantry-live: no` that they do not.
"""

from typing import Final

from fastapi import Request, Response

from gantry.console.access import Caller, State, guarded_router, requires
from gantry.console.key_change import change_one, make_one, read_page, revoke_one, rotate_one, show_one
from gantry.console.key_form import GraceForm, KeyForm, KeyItem, KeyPage, NewKeyItem, read_grace, read_key_form
from gantry.console.pages import page_of, page_parameters, paged
from gantry.console.request_logs import json_answer, read_bounded
from gantry.console.shapes import shaped
from gantry.core.vocabulary import Scope

_LARGEST_BODY: Final = 64 * 1024
_PAGE_SIZE: Final = 100
_READERS: Final = requires(Scope.READ, Scope.MANAGE)
_HANDS: Final = requires(Scope.INFERENCE, Scope.MANAGE)

router = guarded_router("API keys")


@router.get("/api/api-keys", dependencies=[_READERS], openapi_extra=page_parameters(_PAGE_SIZE))
@shaped(answers=KeyPage)
async def list_named_keys(request: Request, state: State, caller: Caller) -> Response:
    """List the keys, the newest first, but for temporary ones; with `?revoked=true` also those that are revoked."""
    page = page_of(request, _PAGE_SIZE)
    items, count = await read_page(request, state, caller, page, temporary=False)
    return json_answer(paged(request, page, items, count, exact=True))


@router.post("/api/api-keys", dependencies=[_HANDS], status_code=201)
@shaped(takes=KeyForm, answers=NewKeyItem)
async def make_named_key(request: Request, state: State, caller: Caller) -> Response:
    """Make a key. Only this answer shows it, as `api_key`; what is left out is as with whoever makes it."""
    form = read_key_form(await read_bounded(request, _LARGEST_BODY))
    return await make_one(state, caller, form, temporary=False)


@router.get("/api/api-keys/{key_id}", dependencies=[_READERS])
@shaped(answers=KeyItem)
async def show_named_key(key_id: str, state: State, caller: Caller) -> Response:
    """Show a key."""
    return json_answer(await show_one(state, caller, key_id, temporary=False))


@router.patch("/api/api-keys/{key_id}", dependencies=[_HANDS])
@shaped(takes=KeyForm, answers=KeyItem)
async def edit_named_key(key_id: str, request: Request, state: State, caller: Caller) -> Response:
    """Change a key: what is left out stays, and null clears. The keys that it made follow where it may do less."""
    form = read_key_form(await read_bounded(request, _LARGEST_BODY))
    return await change_one(state, caller, key_id, form, temporary=False)


@router.delete("/api/api-keys/{key_id}", dependencies=[_HANDS], status_code=204)
@shaped()
async def revoke_named_key(key_id: str, state: State, caller: Caller) -> Response:
    """Revoke a key, and those it made."""
    return await revoke_one(state, caller, key_id, temporary=False)


@router.post("/api/api-keys/{key_id}/rotate", dependencies=[_HANDS], status_code=201)
@shaped(takes=GraceForm, answers=NewKeyItem)
async def rotate_named_key(key_id: str, request: Request, state: State, caller: Caller) -> Response:
    """Put a new key in the place of one, which still works for `grace` seconds (0 if left out). Limits count on."""
    grace = read_grace(await read_bounded(request, _LARGEST_BODY))
    return await rotate_one(state, caller, key_id, grace, temporary=False)
