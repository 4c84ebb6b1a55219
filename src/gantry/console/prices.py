"""What models cost: shown with source, version and dates, and the operator's own prices set and taken back.

Law: the prices shown are those that calls are priced by from now on. Own prices hold for everybody on the machine, so
they are the operator's to set, whose organization is the first.
"""

from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Annotated, Final

import msgspec
from fastapi import Query, Request, Response
from msgspec import Meta, Struct

from gantry.console.access import Caller, State, guarded_router, requires
from gantry.console.books_form import is_operators
from gantry.console.filter_values import ValueRefused, read_time
from gantry.console.own_prices import own_lines, put_line, take_back
from gantry.console.price_item import BY_COMMAND, OwnPricesItem, PriceCardItem, card_item, own_item
from gantry.console.request_logs import json_answer, read_bounded
from gantry.console.shapes import shaped
from gantry.console.state import ConsoleState
from gantry.core.custom_model import CustomModel, model_behind
from gantry.core.errors import Forbidden, InvalidRequest, NotFound, Overloaded
from gantry.core.model_ref import parse_model_ref
from gantry.core.vocabulary import Scope
from gantry.prices.card import price_card
from gantry.prices.folder import PriceFolder, PricesDamaged
from gantry.prices.operator_rates import TOLD, operator_line
from gantry.store.control import ControlStore
from gantry.store.custom_models import find_custom_model

_READERS: Final = requires(Scope.READ)
_MANAGERS: Final = requires(Scope.MANAGE)
_NS: Final = 1_000_000_000

Name = Annotated[str, Meta(min_length=1, max_length=256)]
Usd = float | str  # a text where a float would not be exact

router = guarded_router("prices")


class PricesForm(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Own prices of a model, by unit as the lists show them: `{"input": 0.4, "output": 1.2}`, USD for what a unit is
    told for. A `*` ends a name that stands for any end. Without a day they hold from today on.
    """

    provider_id: Name
    model: Name
    since: date | None = None
    service_tier: Name | None = None
    prices: dict[str, Usd]


@router.get("/api/prices", dependencies=[_READERS])
@shaped(answers=PriceCardItem)
async def show_prices(
    state: State, caller: Caller, model: str, provider_id: str | None = None, at: str | None = None
) -> Response:
    """Show what a model costs, by unit, with source and version; for which calls it is different; and since when.

    `model` is a name as callers write it. `at` is a moment; now, if it is left out.
    """
    moment = state.clock() if at is None else _read_moment(at)

    def find(control: ControlStore) -> CustomModel | None:
        with control.reading() as connection:
            return find_custom_model(connection, caller.organization_id, model)

    custom = await state.ask_control(find)
    rates = await state.ask_rates()
    if rates is None:
        raise Overloaded("The prices are not compiled yet; the clerk does it at its first start.", retry_after=2.0)
    ref = parse_model_ref(model, rates.providers) if custom is None else model_behind(custom, rates.providers)
    own = None if custom is None else custom.provider_id
    owner = provider_id or own or ref.prefix or rates.provider_of(ref.name)
    if owner is None:
        raise NotFound(f"No provider claims a model {model}; name its provider with `provider_id`.")
    return json_answer(card_item(price_card(rates, owner, ref.name, moment, custom), moment))


@router.get("/api/prices/own", dependencies=[_READERS])
@shaped(answers=list[OwnPricesItem])
async def list_own_prices(state: State) -> Response:
    """List the operator's own prices, and who set them: a command, or gantry.toml."""
    try:
        return json_answer([own_item(line, by) for line, by in own_lines(_folder(state))])
    except PricesDamaged as error:
        raise Overloaded(f"{error}.") from None


@router.put("/api/prices/own", dependencies=[_MANAGERS])
@shaped(takes=PricesForm, answers=OwnPricesItem)
async def set_own_prices(request: Request, state: State, caller: Caller) -> Response:
    """Set prices of a model, from a day on. They stand alone: a unit that is not named has no price.

    Calls from now on are priced so; those that are stored by `gantry prices recompute`.
    """
    form = _read_form(await read_bounded(request))
    await _check_operator(state, caller)
    today = datetime.fromtimestamp(state.clock() // _NS, UTC).date()
    try:
        line = operator_line(
            form.provider_id,
            (form.model,),
            form.since or today,
            {unit: _read_usd(unit, usd) for unit, usd in form.prices.items()},
            form.service_tier,
        )
    except (ValueError, TypeError) as error:
        raise InvalidRequest(f"There can be no such prices: {error}.", param="prices") from None
    _put(state, lambda folder: put_line(folder, line))
    return json_answer(own_item(line, BY_COMMAND))


@router.delete("/api/prices/own", dependencies=[_MANAGERS], status_code=204)
@shaped()
async def take_back_own_prices(
    state: State,
    caller: Caller,
    provider_id: Annotated[str, Query()],
    model: Annotated[str, Query()],
    since: date | None = None,
) -> Response:
    """Take back prices of a model that were set: all, or those since a day."""
    await _check_operator(state, caller)
    _put(state, lambda folder: take_back(folder, provider_id, model, since))
    return Response(status_code=204)


def _put(state: ConsoleState, change: Callable[[PriceFolder], object]) -> None:
    """Change the folder, here on the loop: no two requests read it and write it crosswise."""
    try:
        change(_folder(state))
    except PricesDamaged as error:
        raise Overloaded(f"{error}.") from None
    state.models.forget()


def _folder(state: ConsoleState) -> PriceFolder:
    if state.home is None:
        raise Overloaded("This console does not know its home.")
    return PriceFolder(state.home.prices)


async def _check_operator(state: ConsoleState, caller: Caller) -> None:
    def ask(control: ControlStore) -> bool:
        with control.reading() as connection:
            return is_operators(connection, caller.organization_id)

    if not await state.ask_control(ask):
        raise Forbidden("Own prices are the operator's to set: they are everybody's on this machine.")


def _read_moment(text: str) -> int:
    try:
        return read_time(text)
    except ValueRefused as error:
        raise InvalidRequest(f"`at` {error}.", param="at") from None


def _read_usd(unit: str, usd: Usd) -> Decimal:
    if unit not in TOLD:
        raise ValueError(f"there is no unit {unit!r}; known are {', '.join(TOLD)}")
    try:
        return Decimal(str(usd))
    except InvalidOperation:
        raise ValueError(f"{usd!r} is no amount of dollars") from None


def _read_form(body: bytes) -> PricesForm:
    try:
        return msgspec.json.decode(body, type=PricesForm)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidRequest(f"The body does not describe prices: {error}.") from None
