"""The models that can be called: the catalogue for everybody, and an organization's list with its own in it.

`GET /api/models` itself is a call's business and answered by the gateway, which asks the providers for their lists.
"""

from typing import Any, Final

import msgspec
from fastapi import Request, Response
from msgspec import Struct

from gantry.console.access import PUBLIC, Caller, State, guarded_router, requires
from gantry.console.model_filters import Item, filtered, ordered
from gantry.console.model_item import catalogue_item, custom_item, public_item
from gantry.console.request_logs import json_answer, read_bounded
from gantry.console.state import ConsoleState
from gantry.core.custom_model import CustomModel
from gantry.core.custom_provider import CustomProvider
from gantry.core.errors import InvalidRequest
from gantry.core.vocabulary import Scope
from gantry.providers.model_form import World
from gantry.providers.provider_choice import spec_of
from gantry.store.control import ControlStore
from gantry.store.credentials import credentials_of
from gantry.store.custom_models import custom_models_of
from gantry.store.keys import ApiKey
from gantry.store.providers import custom_providers_of

READERS = requires(Scope.READ)
_LARGEST_PAGE: Final = 100

router = guarded_router("models")


class ListForm(Struct, frozen=True):
    filters: dict[str, Any] = {}
    is_exporting: bool = False


class Held(Struct, frozen=True):
    """What an organization has that decides where a model's name may lead."""

    customs: list[CustomModel]
    providers: list[CustomProvider]
    listed: frozenset[str]


@router.get("/api/models/public", dependencies=[PUBLIC])
async def show_catalogue(state: State, unnest: bool = False) -> Response:
    """Show every model that is known, with its price, limits and capabilities: `{"models": […]}`, or the list alone."""
    catalogue, now = await state.ask_models(), state.clock()
    models = [public_item(catalogue_item(model, now)) for model in catalogue.models]
    return json_answer(models if unnest else {"models": models})


@router.post("/api/models/list", dependencies=[READERS])
async def list_models(
    request: Request, state: State, caller: Caller, page: int = 1, page_size: int = _LARGEST_PAGE, sort_by: str = ""
) -> Response:
    """List the organization's models and those of the catalogue, by page; filters stand in the body."""
    form = await _read_list_form(request)
    if page < 1 or not 1 <= page_size <= _LARGEST_PAGE:
        raise InvalidRequest(f"page begins at 1, and page_size is at most {_LARGEST_PAGE}.", param="page_size")
    found = ordered(filtered(await _items(state, caller), form.filters), sort_by)
    first = (page - 1) * page_size
    shown = found if form.is_exporting else found[first : first + page_size]
    follows = not form.is_exporting and first + page_size < len(found)
    return json_answer(
        {
            "count": len(found),
            "next": _link(request, page + 1) if follows else None,
            "previous": _link(request, page - 1) if page > 1 and not form.is_exporting else None,
            "results": shown,
            "current_filters": form.filters,
        }
    )


@router.post("/api/models/summary", dependencies=[READERS])
async def count_models(request: Request, state: State, caller: Caller) -> Response:
    """Count what a list with the same filters would show."""
    form = await _read_list_form(request)
    found = filtered(await _items(state, caller), form.filters)
    own = sum(item["affiliation_category"] == "custom" for item in found)
    counts = {"total_count": len(found), "global_count": len(found) - own, "custom_count": own}
    return json_answer({"summary": counts})


def held_by(control: ControlStore, organization_id: str) -> Held:
    """Return what an organization has. Raises StoreUnavailable."""
    with control.reading() as connection:
        credentials = credentials_of(connection, organization_id)
        return Held(
            custom_models_of(connection, organization_id),
            custom_providers_of(connection, organization_id),
            frozenset(model for credential in credentials for model in credential.models),
        )


async def world_of(state: ConsoleState, held: Held) -> World:
    """Return what a custom model of an organization may lead to."""
    catalogue = await state.ask_models(held.providers)
    own = {one.id: spec_of(one) for one in held.providers}
    return World(catalogue, {**own, **state.models.specs}, held.listed)


async def _items(state: ConsoleState, caller: ApiKey) -> list[Item]:
    """Return the organization's models; its own stand in the place of what the catalogue calls so."""
    held = await state.ask_control(lambda control: held_by(control, caller.organization_id))
    world, now = await world_of(state, held), state.clock()
    own = {model.name: custom_item(model, world.catalogue, world.providers, now) for model in held.customs}
    others = [catalogue_item(model, now) for model in world.catalogue.models if model.name not in own]
    return [*own.values(), *others]


async def _read_list_form(request: Request) -> ListForm:
    body = await read_bounded(request)
    try:
        return msgspec.json.decode(body or b"{}", type=ListForm)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidRequest(f"The body does not say what to list: {error}.") from None


def _link(request: Request, page: int) -> str:
    url = request.url.replace(path=request.scope["path"] + "/")
    return str(url.include_query_params(page=page))
