"""An organization's custom providers: listed, put, changed, removed.

Law: a change takes the scope `manage`. Its answer comes when the workers of this machine route by it, or says by
`x-gantry-live: no` that they do not yet. A key goes in and is never shown again.
"""

from collections.abc import Callable
from typing import Final, TypeVar

from fastapi import Request, Response
from msgspec import UNSET, Struct

from gantry.console.access import Caller, State, guarded_router, requires
from gantry.console.custom_providers import known_provider, new_provider, put_by_form, remove_by_id
from gantry.console.live import tell_when_live
from gantry.console.pages import page_of, page_parameters, paged
from gantry.console.provider_form import ProviderForm, ProviderItem, provider_item, read_form
from gantry.console.request_logs import json_answer, read_bounded
from gantry.console.respan_sdk import takes_bare_lists
from gantry.console.shapes import shaped
from gantry.console.state import ConsoleState
from gantry.core.custom_provider import CustomProvider
from gantry.core.errors import InvalidRequest
from gantry.core.vocabulary import Scope
from gantry.store.control import Change, ControlStore
from gantry.store.providers import custom_providers_of, find_provider

_READERS: Final = requires(Scope.READ)
_MANAGERS: Final = requires(Scope.MANAGE)
_PAGE_SIZE: Final = 100

router = guarded_router("providers")

T = TypeVar("T")


class ProviderPage(Struct, frozen=True):
    count: int
    next: str | None
    previous: str | None
    results: list[ProviderItem]


@router.get("/api/providers", dependencies=[_READERS], openapi_extra=page_parameters(_PAGE_SIZE))
@shaped(answers=ProviderPage)
async def list_providers(request: Request, state: State, caller: Caller) -> Response:
    """List the custom providers: servers that speak OpenAI's format, which you named by their base URL.

    Early releases of Respan's generated client get the bare list, unless they ask for a page.
    """
    page = page_of(request, _PAGE_SIZE)

    def listed(control: ControlStore) -> list[CustomProvider]:
        with control.reading() as connection:
            return custom_providers_of(connection, caller.organization_id)

    items = [provider_item(provider) for provider in await state.ask_control(listed)]
    if takes_bare_lists(request):
        return json_answer(items)
    first = (page.number - 1) * page.size
    return json_answer(paged(request, page, items[first : first + page.size], len(items), exact=True))


@router.post("/api/providers", dependencies=[_MANAGERS])
@shaped(takes=ProviderForm, answers=ProviderItem, also=201)
async def put_provider(request: Request, state: State, caller: Caller) -> Response:
    """Make a custom provider, or change the one of this provider_id: what is left out stays. 201 when it is new."""
    form = read_form(await read_bounded(request))
    if form.provider_id is UNSET or not form.provider_id:
        raise InvalidRequest("provider_id is missing.", param="provider_id")
    provider_id = form.provider_id

    def put(change: Change) -> tuple[CustomProvider, int]:
        known = find_provider(change.connection, caller.organization_id, provider_id)
        provider = known or new_provider(change.connection, caller.organization_id, provider_id)
        return put_by_form(change, state.vault, provider, form), 200 if known else 201

    (stored, status), version = await _change(state, put)
    answer = json_answer(provider_item(stored))
    answer.status_code = status
    return await tell_when_live(answer, state.board, version)


@router.get("/api/providers/{provider_id}", dependencies=[_READERS])
@shaped(answers=ProviderItem)
async def show_provider(provider_id: str, state: State, caller: Caller) -> Response:
    """Show a custom provider."""

    def find(control: ControlStore) -> CustomProvider:
        with control.reading() as connection:
            return known_provider(connection, caller.organization_id, provider_id)

    return json_answer(provider_item(await state.ask_control(find)))


@router.put("/api/providers/{provider_id}", dependencies=[_MANAGERS])
@shaped(takes=ProviderForm, answers=ProviderItem)
async def replace_provider(provider_id: str, request: Request, state: State, caller: Caller) -> Response:
    """Say all of a custom provider anew. Its key, which nobody can read, stays when it is left out."""
    return await _put_known(provider_id, request, state, caller, anew=True)


@router.patch("/api/providers/{provider_id}", dependencies=[_MANAGERS])
@shaped(takes=ProviderForm, answers=ProviderItem)
async def change_provider(provider_id: str, request: Request, state: State, caller: Caller) -> Response:
    """Change a custom provider: what is left out stays, in extra_kwargs too, and null clears."""
    return await _put_known(provider_id, request, state, caller, anew=False)


@router.delete("/api/providers/{provider_id}", dependencies=[_MANAGERS], status_code=204)
@shaped()
async def delete_provider(provider_id: str, state: State, caller: Caller) -> Response:
    """Remove a custom provider with its keys. Its prefix means nothing any more."""
    _, version = await _change(state, lambda change: remove_by_id(change, caller.organization_id, provider_id))
    return await tell_when_live(Response(status_code=204), state.board, version)


async def _put_known(
    provider_id: str, request: Request, state: ConsoleState, caller: Caller, *, anew: bool
) -> Response:
    form = read_form(await read_bounded(request))

    def put(change: Change) -> CustomProvider:
        known = known_provider(change.connection, caller.organization_id, provider_id)
        return put_by_form(change, state.vault, known, form, anew=anew)

    stored, version = await _change(state, put)
    return await tell_when_live(json_answer(provider_item(stored)), state.board, version)


async def _change(state: ConsoleState, act: Callable[[Change], T]) -> tuple[T, int]:
    """Read and write as one change, so that no two of them cross; return what comes of it, and its version."""

    def question(control: ControlStore) -> tuple[T, int]:
        with control.changing() as change:
            return act(change), change.version

    return await state.ask_control(question)
