"""The models that can be called: the catalogue for everybody, and an organization's list with its own in it.

`GET /api/models` itself is a call's business and answered by the gateway, which asks the providers for their lists.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from fastapi import Request, Response
from msgspec import Struct

from gantry.console.access import PUBLIC, Caller, State, guarded_router, requires
from gantry.console.model_filters import Item, filtered, ordered, searched
from gantry.console.model_item import ModelItem, PublicModelItem, catalogue_item, custom_item, public_item, timed
from gantry.console.pages import page_link
from gantry.console.request_logs import json_answer, read_bounded
from gantry.console.shapes import shaped
from gantry.console.state import ConsoleState
from gantry.console.usage_item import added
from gantry.core.custom_model import CustomModel
from gantry.core.custom_provider import CustomProvider
from gantry.core.errors import InvalidRequest
from gantry.core.time_range import DAY, Tick, bucket_start, make_range
from gantry.core.vocabulary import Scope
from gantry.providers.model_form import World
from gantry.providers.provider_choice import spec_of
from gantry.store.control import ControlStore
from gantry.store.credentials import credentials_of
from gantry.store.custom_models import custom_models_of
from gantry.store.log_query import MAX_PAGE_SIZE
from gantry.store.logs import LogStore
from gantry.store.providers import custom_providers_of
from gantry.store.usage_sums import Sums, UsageQuery, read_usage

READERS = requires(Scope.READ)
_PAGE_SIZE: Final = 100
_DAYS: Final = 30

router = guarded_router("models")


class ModelsForm(Struct, frozen=True):
    """What to list: filters as of logs, and words that stand in a name, an alias or the provider's name."""

    filters: dict[str, Any] = {}
    search: str = ""
    is_exporting: bool = False


class ModelList(Struct, frozen=True):
    models: list[PublicModelItem]


class ModelPage(Struct, frozen=True):
    count: int
    next: str | None
    previous: str | None
    results: list[ModelItem]
    current_filters: dict[str, Any]


class ModelCounts(Struct, frozen=True):
    total_count: int
    global_count: int
    custom_count: int


class ModelsSummary(Struct, frozen=True):
    summary: ModelCounts


class Held(Struct, frozen=True):
    """What an organization has that decides where a model's name may lead."""

    customs: list[CustomModel]
    providers: list[CustomProvider]
    listed: frozenset[str]


@router.get("/api/models/public", dependencies=[PUBLIC])
@shaped(answers=ModelList | list[PublicModelItem])
async def show_catalogue(state: State, unnest: bool = False) -> Response:
    """Show every model that is known, with its price, limits and capabilities: `{"models": […]}`, or the list alone."""
    catalogue, now = await state.ask_models(), state.clock()
    models = [public_item(catalogue_item(model, now)) for model in catalogue.models]
    return json_answer(models if unnest else {"models": models})


@router.post("/api/models/list", dependencies=[READERS])
@shaped(takes=ModelsForm, answers=ModelPage)
async def list_models(
    request: Request, state: State, caller: Caller, page: int = 1, page_size: int = _PAGE_SIZE, sort_by: str = ""
) -> Response:
    """List the organization's models and those of the catalogue, by page; filters stand in the body."""
    form = await _read_form(request)
    if page < 1 or not 1 <= page_size <= MAX_PAGE_SIZE:
        raise InvalidRequest(f"`page` begins at 1, and `page_size` is at most {MAX_PAGE_SIZE}.", param="page_size")
    found = ordered(await _found(state, caller, form), sort_by)
    first = (page - 1) * page_size
    shown = found if form.is_exporting else found[first : first + page_size]
    follows = not form.is_exporting and first + page_size < len(found)
    return json_answer(
        {
            "count": len(found),
            "next": page_link(request, page + 1) if follows else None,
            "previous": page_link(request, page - 1) if page > 1 and not form.is_exporting else None,
            "results": shown,
            "current_filters": form.filters,
        }
    )


@router.post("/api/models/summary", dependencies=[READERS])
@shaped(takes=ModelsForm, answers=ModelsSummary)
async def count_models(request: Request, state: State, caller: Caller) -> Response:
    """Count what a list with the same filters would show."""
    form = await _read_form(request)
    found = await _found(state, caller, form)
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


async def _found(state: ConsoleState, caller: Caller, form: ModelsForm) -> list[Item]:
    """Return the organization's models that a form asks for; its own stand in the place of what the catalogue calls so.

    How fast each was is of the last 30 days.
    """
    held = await state.ask_control(lambda control: held_by(control, caller.organization_id))
    world, now = await world_of(state, held), state.clock()
    own = {model.name: custom_item(model, world.catalogue, world.providers, now) for model in held.customs}
    others = [catalogue_item(model, now) for model in world.catalogue.models if model.name not in own]
    speeds = await _speeds(state, caller, now)
    items = [timed(item, speeds) for item in (*own.values(), *others)]
    return filtered(searched(items, form.search), form.filters)


async def _speeds(state: ConsoleState, caller: Caller, now: int) -> Mapping[str, Sums]:
    today = bucket_start(now, Tick.DAY)
    query = UsageQuery(
        organization_id=caller.organization_id, shown=make_range(today - (_DAYS - 1) * DAY, today + DAY, Tick.MONTH)
    )

    def read(store: LogStore) -> Mapping[str, Sums]:
        with store.reading() as connection:
            by_model: dict[str, list[Sums]] = {}
            for (_, model), sums in read_usage(connection, query, "model").items():
                by_model.setdefault(model, []).append(sums)
        return {model: added(found) for model, found in by_model.items()}

    return await state.ask_logs(read)


async def _read_form(request: Request) -> ModelsForm:
    body = await read_bounded(request)
    try:
        return msgspec.json.decode(body or b"{}", type=ModelsForm)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidRequest(f"The body does not say what to list: {error}.") from None
