"""The keys API, in Respan's words (`temporary-keys`): keys that a key makes, for a customer, a job or a test.

Law: `console/key_change.py`'s, and it takes the scope `manage`. An answer to a change comes when the workers of this
machine go by it, or says by `x-gantry-live: no` that they do not.
"""

from typing import Final

from fastapi import Request, Response

from gantry.console.access import Caller, State, guarded_router, requires
from gantry.console.key_change import change_one, make_one, read_page, revoke_one, rotate_one, show_one
from gantry.console.key_form import GraceForm, KeyForm, KeyItem, KeyPage, NewKeyItem, read_grace, read_key_form
from gantry.console.pages import page_of, page_parameters, paged
from gantry.console.request_logs import json_answer, read_bounded
from gantry.console.respan_sdk import takes_bare_lists
from gantry.console.shapes import shaped
from gantry.core.vocabulary import Scope

_LARGEST_BODY: Final = 64 * 1024
_PAGE_SIZE: Final = 100
_READERS: Final = requires(Scope.READ, Scope.MANAGE)
_MANAGERS: Final = requires(Scope.MANAGE)

router = guarded_router("API keys")


@router.get("/api/temporary-keys", dependencies=[_READERS], openapi_extra=page_parameters(_PAGE_SIZE))
@shaped(answers=KeyPage | list[KeyItem])
async def list_keys(request: Request, state: State, caller: Caller) -> Response:
    """List the keys that were made by API, the newest first; with `?revoked=true` also those that are revoked.

    Early releases of Respan's generated client get the bare list, unless they ask for a page.
    """
    page = page_of(request, _PAGE_SIZE)
    items, count = await read_page(request, state, caller, page, temporary=True)
    if takes_bare_lists(request):
        return json_answer(items)
    return json_answer(paged(request, page, items, count, exact=True))


@router.post("/api/temporary-keys", dependencies=[_MANAGERS], status_code=201)
@shaped(takes=KeyForm, answers=NewKeyItem)
async def make_key(request: Request, state: State, caller: Caller) -> Response:
    """Make a key. Only this answer shows it, as `api_key`; what is left out is as with the key that makes it."""
    form = read_key_form(await read_bounded(request, _LARGEST_BODY))
    return await make_one(state, caller, form, temporary=True)


@router.get("/api/temporary-keys/{key_id}", dependencies=[_READERS])
@shaped(answers=KeyItem)
async def show_key(key_id: str, state: State, caller: Caller) -> Response:
    """Show a key that was made by API."""
    return json_answer(await show_one(state, caller, key_id, temporary=True))


@router.patch("/api/temporary-keys/{key_id}", dependencies=[_MANAGERS])
@shaped(takes=KeyForm, answers=KeyItem)
async def edit_key(key_id: str, request: Request, state: State, caller: Caller) -> Response:
    """Change a key: what is left out stays, and null clears. The keys that it made follow where it may do less."""
    form = read_key_form(await read_bounded(request, _LARGEST_BODY))
    return await change_one(state, caller, key_id, form, temporary=True)


@router.delete("/api/temporary-keys/{key_id}", dependencies=[_MANAGERS], status_code=204)
@shaped()
async def delete_key(key_id: str, state: State, caller: Caller) -> Response:
    """Revoke a key, and those it made. Their limits go, but where a key that was replaced still works under them."""
    return await revoke_one(state, caller, key_id, temporary=True)


@router.post("/api/temporary-keys/{key_id}/rotate", dependencies=[_MANAGERS], status_code=201)
@shaped(takes=GraceForm, answers=NewKeyItem)
async def replace_key(key_id: str, request: Request, state: State, caller: Caller) -> Response:
    """Put a new key in the place of one, which still works for `grace` seconds (0 if left out). Limits count on."""
    grace = read_grace(await read_bounded(request, _LARGEST_BODY))
    return await rotate_one(state, caller, key_id, grace, temporary=True)
