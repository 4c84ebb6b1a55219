"""An organization's own models: put, changed, removed.

Law: a change takes the scope `manage`. Its answer comes when the workers of this machine route by it, or says by
`x-gantry-live: no` that they do not yet.
"""

from collections.abc import Callable

from fastapi import Request, Response
from fastapi.responses import JSONResponse

from gantry.console.access import Caller, State, guarded_router, requires
from gantry.console.live import tell_when_live
from gantry.console.model_item import ModelItem, custom_item
from gantry.console.models import READERS, held_by, world_of
from gantry.console.request_logs import json_answer, read_bounded
from gantry.console.shapes import shaped
from gantry.console.state import ConsoleState
from gantry.core.custom_model import CustomModel
from gantry.core.errors import Forbidden, NotFound
from gantry.core.vocabulary import Scope
from gantry.providers.model_form import BASE_NOT_FOUND, BaseNotFound, ModelForm, World, changed, check_name, read_form
from gantry.store.control import ControlStore
from gantry.store.custom_models import find_custom_model, put_custom_model, remove_custom_model

_MANAGERS = requires(Scope.MANAGE)
_NOT_FOUND = "Model not found. Only models of your own can be changed; POST /api/models/ makes one."

router = guarded_router("models")


@router.post("/api/models", dependencies=[_MANAGERS])
@shaped(takes=ModelForm, answers=ModelItem, also=201)
async def put_model(request: Request, state: State, caller: Caller) -> Response:
    """Make a model of your own, or change the one of this name: what is left out stays. 201 when it is new."""
    form = read_form(await read_bounded(request))
    world = await _world(state, caller)
    name = check_name(form.model_name, world)
    return await _put(state, caller, name, form, world, lambda known: known or _new(caller, name))


@router.get("/api/models/{model_name:path}", dependencies=[READERS])
@shaped(answers=ModelItem)
async def show_model(model_name: str, state: State, caller: Caller) -> Response:
    """Show a model of your own. Through the gateway, its list of models answers here, which knows all others too."""
    held = await state.ask_control(lambda control: held_by(control, caller.organization_id))
    known = _own(next((model for model in held.customs if model.name == model_name), None))
    world = await world_of(state, held)
    return json_answer(custom_item(known, world.catalogue, world.providers, state.clock()))


@router.put("/api/models/{model_name:path}", dependencies=[_MANAGERS])
@shaped(takes=ModelForm, answers=ModelItem)
async def replace_model(model_name: str, request: Request, state: State, caller: Caller) -> Response:
    """Say all of a model of your own anew: what is left out is as it is with its base."""
    form = read_form(await read_bounded(request))
    world = await _world(state, caller)
    return await _put(state, caller, model_name, form, world, lambda known: _new(caller, _own(known).name))


@router.patch("/api/models/{model_name:path}", dependencies=[_MANAGERS])
@shaped(takes=ModelForm, answers=ModelItem)
async def change_model(model_name: str, request: Request, state: State, caller: Caller) -> Response:
    """Change a model of your own: what is left out stays, and null clears."""
    form = read_form(await read_bounded(request))
    return await _put(state, caller, model_name, form, await _world(state, caller), _own)


@router.delete("/api/models/{model_name:path}", dependencies=[_MANAGERS], status_code=204)
@shaped()
async def delete_model(model_name: str, state: State, caller: Caller) -> Response:
    """Remove a model of your own. Calls by its name lead again where they would without it."""

    def remove(control: ControlStore) -> int:
        with control.changing() as change:
            _check_by_hand(_own(find_custom_model(change.connection, caller.organization_id, model_name)))
            remove_custom_model(change, caller.organization_id, model_name)
        return change.version

    version = await state.ask_control(remove)
    return await tell_when_live(Response(status_code=204), state.board, version)


async def _put(
    state: ConsoleState,
    caller: Caller,
    name: str,
    form: ModelForm,
    world: World,
    start: Callable[[CustomModel | None], CustomModel],
) -> Response:
    """Store a model with what a form says. `start` makes of the stored one, if there is one, what is changed.

    Read and written in one transaction: two changes at once are both made.
    """

    def put(control: ControlStore) -> tuple[CustomModel, bool, int]:
        with control.changing() as change:
            known = find_custom_model(change.connection, caller.organization_id, name)
            model = start(known)
            if known is not None:
                _check_by_hand(known)
            return put_custom_model(change, changed(model, form, world)), known is None, change.version

    try:
        stored, is_new, version = await state.ask_control(put)
    except BaseNotFound as error:
        return JSONResponse({"error": BASE_NOT_FOUND, "detail": error.message, "param": error.param}, error.status)
    answer = json_answer(custom_item(stored, world.catalogue, world.providers, state.clock()))
    answer.status_code = 201 if is_new else 200
    return await tell_when_live(answer, state.board, version)


async def _world(state: ConsoleState, caller: Caller) -> World:
    return await world_of(state, await state.ask_control(lambda control: held_by(control, caller.organization_id)))


def _own(known: CustomModel | None) -> CustomModel:
    """Return the model that is there. Raises NotFound."""
    if known is None:
        raise NotFound(_NOT_FOUND)
    return known


def _new(caller: Caller, name: str) -> CustomModel:
    return CustomModel(organization_id=caller.organization_id, name=name)


def _check_by_hand(model: CustomModel) -> None:
    if model.managed_by is not None:
        raise Forbidden(f"{model.name} is declared in {model.managed_by}; change it there.")
